"""JSON with one entry that is wrong or gone, as in a damaged file."""

import copy

WRONG = [None, "x", -1, 10**18, 1e308, float("nan"), [], {}, [[[]]], True, "GONE"]


def places(value, path=()):
    """Paths to all entries of JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def damage(about, place, wrong):
    """A copy of ``about`` whose entry at ``place`` is ``wrong``, or is not there for "GONE"."""
    about = copy.deepcopy(about)
    parent = about
    for key in place[:-1]:
        parent = parent[key]
    if wrong == "GONE":
        del parent[place[-1]]
    else:
        parent[place[-1]] = wrong
    return about


# ---- files of trajectories and tables, as lists of lines


def _replaced(lines, at, line):
    return [*lines[:at], line, *lines[at + 1 :]]


def damaged_pdb(lines, at):
    """{damage: lines} of a PDB file of several models; ``at`` is the line of an atom that is not the last."""
    atom = lines[at]
    model = max(i for i in range(at) if lines[i].startswith("MODEL"))
    end = min(i for i in range(at, len(lines)) if lines[i].startswith("ENDMDL"))
    return {
        "cut within x": _replaced(lines, at, atom[:35]),
        "cut within z": _replaced(lines, at, atom[:50]),
        "no coordinates": _replaced(lines, at, atom[:30] + " " * 24 + atom[54:]),
        "text in a number": _replaced(lines, at, f"{atom[:30]}   1.2x3{atom[38:]}"),
        "not a number": _replaced(lines, at, f"{atom[:30]}     nan{atom[38:]}"),
        "overflow": _replaced(lines, at, f"{atom[:30]}********{atom[38:]}"),
        "shifted": _replaced(lines, at, f"{atom[:30]} {atom[30:]}"),
        "an atom lost": _replaced(lines, at, "REMARK"),
        "an atom twice": [*lines[: at + 1], *lines[at:]],
        "atoms exchanged": [*lines[:at], lines[at + 1], atom, *lines[at + 2 :]],
        "another atom": _replaced(lines, at, f"{atom[:12]} XX {atom[16:]}"),
        "another record": _replaced(lines, at, f"ATMO{atom[4:]}"),
        "a frame without atoms": [*lines[: model + 1], *lines[end:]],
        "MODEL twice": [*lines[: model + 1], *lines[model:]],
    }


def damaged_gro(lines, at, n_atoms):
    """{damage: lines} of a GRO file of several frames; ``at`` is the line of an atom of one not the first."""
    atom, per_frame = lines[at], n_atoms + 3
    title = at // per_frame * per_frame
    box = title + per_frame - 1
    return {
        "cut within x": _replaced(lines, at, atom[:25]),
        "cut within z": _replaced(lines, at, atom[:40]),
        "no coordinates": _replaced(lines, at, atom[:20]),
        "text in a number": _replaced(lines, at, f"{atom[:20]}   1.2x3{atom[28:]}"),
        "not a number": _replaced(lines, at, f"{atom[:20]}     nan{atom[28:]}"),
        "overflow": _replaced(lines, at, f"{atom[:20]}********{atom[28:]}"),
        "shifted": _replaced(lines, at, f"{atom[:20]} {atom[20:]}"),
        "shifted back": _replaced(lines, at, atom[:20] + atom[21:]),
        "an atom lost": lines[:at] + lines[at + 1 :],
        "an atom twice": [*lines[: at + 1], *lines[at:]],
        "another atom": _replaced(lines, at, f"{atom[:10]}   XX{atom[15:]}"),
        "one more atom": _replaced(lines, title + 1, str(n_atoms + 1)),
        "one atom less": _replaced(lines, title + 1, str(n_atoms - 1)),
        "no number of atoms": _replaced(lines, title + 1, "many"),
        "no box": lines[:box] + lines[box + 1 :],
        "text as box": _replaced(lines, box, "a b c"),
        "no title": lines[:title] + lines[title + 1 :],
        "no time": _replaced(lines, title, "water"),
        "time back": _replaced(lines, title, "water t= 0.0"),
        "a frame lost": lines[:title] + lines[title + per_frame :],
        "a frame twice": lines[: title + per_frame] + lines[title:],
    }


def damaged_csv(lines, at):
    """{damage: lines} of a CSV file of the columns time, q and p; ``at`` is the line of a row."""
    row = lines[at]
    time, q, p = row.split(",")
    return {
        "a value less": _replaced(lines, at, f"{time},{q}"),
        "a value more": _replaced(lines, at, f"{row},5"),
        "another separator": _replaced(lines, at, row.replace(",", ";")),
        "decimal commas": _replaced(lines, at, row.replace(".", ",")),
        "text in a number": _replaced(lines, at, f"{time},1.2x,{p}"),
        "text": _replaced(lines, at, f"{time},abc,{p}"),
        "cut": _replaced(lines, at, row[:4]),
        "a quote": _replaced(lines, at, f'"{row}'),
        "no values": _replaced(lines, at, ",,"),
        "no time": _replaced(lines, at, f",{q},{p}"),
        "text as time": _replaced(lines, at, f"then,{q},{p}"),
        "time back": _replaced(lines, at, f"0.0,{q},{p}"),
        "a row lost": lines[:at] + lines[at + 1 :],
        "a row twice": [*lines[: at + 1], *lines[at:]],
        "names again": [*lines[:at], lines[0], *lines[at:]],
        "a million commas": _replaced(lines, at, "," * 10**6),
        "a million quotes": _replaced(lines, at, '"' * 10**6),
        "a million digits": _replaced(lines, at, f"{time},{'1' * 10**6},{p}"),
        "a name of blanks": _replaced(lines, 0, f"time,q{' ' * 10**5}x,p"),
    }
