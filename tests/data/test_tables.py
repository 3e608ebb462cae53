"""Tables as other programs write them, and which of their rows belong to which frames."""

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data.frame_values import frame_values, torsions
from fel_explorer.data.tables import read_table
from fel_explorer.errors import FelError
from fel_explorer.structures import export_frames

N, STEP = 24, 10.0


@pytest.fixture
def one(tmp_path):
    return dataset(tmp_path, [np.arange(N)])


def dataset(folder, frames, first=0.0, stride=1):
    """Featurized files of these frames (numbers by which their times are ``first + STEP * number``)."""
    for number, own in enumerate(frames):
        part = make_trajectory(n_frames=len(own), seed=number)
        part.time = first + STEP * np.asarray(own)
        part.save_xtc(str(folder / f"run{number}.xtc"))
    trajs = fel.data.trajectories.open_trajectories(folder / "run*.xtc", part.topology, stride=stride)
    return fel.featurize(trajs, "torsions", cache=False)


def colvar(path, blocks):
    lines = []
    for fields, rows in blocks:
        lines.append(f"#! FIELDS {fields}")
        lines += [" " + " ".join(f"{value:.6f}" for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(numbers, value=lambda n: n, step=STEP):
    return [(step * n, value(n)) for n in numbers]


# ---- COLVAR, by time


@pytest.mark.parametrize("stride", [1, 5])
def test_rows_of_a_finer_table_are_found_by_time(tmp_path, stride):
    data = dataset(tmp_path, [np.arange(N)], stride=stride)
    table = colvar(tmp_path / "COLVAR", [("time q", [(2.0 * i, i / 5) for i in range(5 * N + 3)])])
    expected = np.arange(0, N, stride)
    np.testing.assert_allclose(fel.attach_columns(data, table)["q"], expected)


def test_rows_at_other_times_are_refused_though_their_number_fits(tmp_path, one):
    late = colvar(tmp_path / "late", [("time q", rows(range(1, N + 1)))])
    with pytest.raises(
        FelError, match=r"no row for 1 of 24 frames, the first of them at 0 ps.* 10 to 240 ps"
    ):
        fel.attach_columns(one, late)
    fine = colvar(tmp_path / "fine", [("time q", rows(range(N), step=2.0))])
    with pytest.raises(FelError, match=r"no row for 19 of 24 frames, the first of them at 50 ps"):
        fel.attach_columns(one, fine)


def test_of_rows_that_a_restart_repeats_the_last_count(tmp_path, one):
    blocks = [("time q", rows(range(15), lambda n: -n)), ("time q", rows(range(8, N)))]
    found = fel.attach_columns(one, colvar(tmp_path / "COLVAR", blocks))["q"].values
    np.testing.assert_allclose(found, [-n if n < 8 else n for n in range(N)])


def test_columns_are_those_of_the_header_before_each_row(tmp_path, one):
    first = [(STEP * n, n, 100 + n) for n in range(10)]
    second = [(100 + n, STEP * n, n) for n in range(10, N)]
    table = colvar(tmp_path / "COLVAR", [("time q bias", first), ("bias time q", second)])
    found = fel.attach_columns(one, table)
    np.testing.assert_allclose(found["q"], np.arange(N))
    np.testing.assert_allclose(found["bias"], 100 + np.arange(N))


def test_comments_before_the_header_and_an_unfinished_last_line_are_no_rows(tmp_path, one):
    path = colvar(tmp_path / "COLVAR", [("time q", rows(range(N)))])
    path.write_text("# written by a person\n\n" + path.read_text() + f" {STEP * N:.2f}")
    np.testing.assert_allclose(fel.attach_columns(one, path)["q"], np.arange(N))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0 2.0\n#! FIELDS time q\n0 1\n", "line 1 has values before the first line of FIELDS"),
        ("#! FIELDS time q\n0 1 2\n1 2\n", "line 2 has 3 values for 2 fields"),
        ("#! FIELDS time q\n0 1\n#! FIELDS time p\n1 2\n", "different columns: p, q"),
        ("#! FIELDS time q\n#! SET min_q 0\n", "has no rows"),
    ],
)
def test_colvar_files_that_contradict_themselves_are_refused(tmp_path, one, text, message):
    (tmp_path / "COLVAR").write_text(text)
    with pytest.raises(FelError, match=message):
        fel.attach_columns(one, tmp_path / "COLVAR")


def test_settings_say_what_is_periodic_and_radians_are_shown_as_degrees(tmp_path, one):
    angles = (np.linspace(-np.pi, np.pi, N, endpoint=False) + 0.01).round(6)
    path = colvar(tmp_path / "COLVAR", [("time phi d", [(STEP * n, angles[n], n) for n in range(N)])])
    head = "#! SET min_phi -pi\n#! SET max_phi pi\n#! SET min_d 0\n#! SET max_d 2*pi/3\n"
    path.write_text(path.read_text().replace("\n", "\n" + head, 1))
    found = fel.attach_columns(one, path)
    assert found["phi"].attrs["minimum"] == pytest.approx(-np.pi)
    assert found["phi"].attrs["period"] == pytest.approx(2 * np.pi)
    assert found["d"].attrs["period"] == pytest.approx(2 * np.pi / 3)
    np.testing.assert_allclose(found["phi"], angles)
    assert "phi" in torsions(found) and "d" not in torsions(found)
    np.testing.assert_allclose(frame_values(found, "phi"), np.degrees(angles), atol=1e-3)
    np.testing.assert_allclose(frame_values(found, "d"), np.arange(N))


def test_weights_are_those_of_the_frames_rows(tmp_path, one):
    bias = np.random.default_rng(0).uniform(0, 20, 2 * N).round(6)
    table = colvar(tmp_path / "COLVAR", [("time m.rbias", [(STEP / 2 * n, b) for n, b in enumerate(bias)])])
    weight = fel.attach_columns(one, table, bias_column="m.rbias", temperature=300.0)["weight"].values
    expected = np.exp(bias[::2] / (0.00831446261815324 * 300))
    np.testing.assert_allclose(weight, expected / expected.mean(), rtol=1e-6)


# ---- several trajectories


@pytest.fixture
def three(tmp_path):
    return dataset(tmp_path, [np.arange(10), np.arange(3, 9), np.arange(0, 12)])


EXPECTED = np.concatenate([np.arange(10), 100 + np.arange(3, 9), 200 + np.arange(12)])


def test_a_table_for_each_trajectory_by_time(tmp_path, three):
    tables = [
        colvar(tmp_path / f"COLVAR.{i}", [("time q", [(STEP * n, 100 * i + n) for n in range(20)])])
        for i in range(3)
    ]
    found = fel.attach_columns(three, tables)
    np.testing.assert_allclose(found["q"], EXPECTED)
    with pytest.raises(FelError, match="2 tables for 3 trajectories"):
        fel.attach_columns(three, tables[:2])
    other = colvar(tmp_path / "other", [("time p", [(STEP * n, 0) for n in range(20)])])
    with pytest.raises(FelError, match="Table 2 and table 0 differ in the columns p, q"):
        fel.attach_columns(three, [*tables[:2], other])


def test_a_table_for_each_trajectory_by_order(three):
    parts = np.split(EXPECTED, [10, 16])
    found = fel.attach_columns(three, [{"q": part} for part in parts])
    np.testing.assert_allclose(found["q"], EXPECTED)
    with pytest.raises(FelError, match=r"table has 7 rows. One row per frame is needed: 6"):
        fel.attach_columns(three, [{"q": parts[0]}, {"q": np.arange(7)}, {"q": parts[2]}])


def test_one_table_whose_times_begin_anew_for_each_trajectory(tmp_path, three):
    blocks = [("time q", [(STEP * n, 100 * i + n) for n in range(15)]) for i in range(3)]
    np.testing.assert_allclose(fel.attach_columns(three, colvar(tmp_path / "C", blocks))["q"], EXPECTED)
    with pytest.raises(FelError, match=r"begin anew 1 times, the dataset has 3 trajectories at overlapping"):
        fel.attach_columns(three, colvar(tmp_path / "D", blocks[:2]))


def test_one_table_with_the_number_of_the_trajectory(three):
    shuffled = np.random.default_rng(0).permutation(45)
    trajectory, number = np.divmod(shuffled, 15)
    table = {"trajectory": trajectory, "time": STEP * number, "q": 100 * trajectory + number}
    np.testing.assert_allclose(fel.attach_columns(three, table)["q"], EXPECTED)


def test_one_table_for_trajectories_that_follow_in_time(tmp_path):
    data = dataset(tmp_path, [np.arange(10), np.arange(12, 20), np.arange(30, 35)])
    found = fel.attach_columns(data, colvar(tmp_path / "C", [("time q", rows(range(40)))]))["q"]
    np.testing.assert_allclose(found, [*range(10), *range(12, 20), *range(30, 35)])


def test_without_times_on_one_side_order_counts_and_numbers_must_match(tmp_path):
    trajectory = make_trajectory(n_frames=N)
    trajectory.save(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", trajectory.topology)
    data = fel.featurize(trajs, "torsions", cache=False)
    table = {"time": 1000 + np.arange(N), "q": np.arange(N)}
    np.testing.assert_allclose(fel.attach_columns(data, table)["q"], np.arange(N))
    with pytest.raises(FelError, match=r"25 rows. One row per frame is needed: 24"):
        fel.attach_columns(data, {"time": np.arange(N + 1), "q": np.arange(N + 1)})


def test_late_times_are_found_in_spite_of_float32(tmp_path):
    data = dataset(tmp_path, [np.arange(N)], first=3_000_000.0)
    found = fel.attach_columns(data, {"time": 3e6 + STEP / 4 * np.arange(4 * N), "q": np.arange(4 * N) / 4})
    np.testing.assert_allclose(found["q"], np.arange(N))


@pytest.mark.parametrize(("unit", "factor"), [("ns", 1e-3), ("fs", 1e3), ("us", 1e-6), ("ps", 1)])
def test_units_of_time_are_read_from_the_header(one, unit, factor):
    table = pd.DataFrame({f"Time ({unit})": STEP * factor * np.arange(2 * N), "q": np.arange(2 * N)})
    np.testing.assert_allclose(fel.attach_columns(one, table)["q"], np.arange(N))


def test_times_in_nanoseconds_without_a_word_draw_the_question(one):
    with pytest.raises(FelError, match=r"Are its times in ns\? Then name the column 'time \[ns\]'"):
        fel.attach_columns(one, {"time": STEP / 1000 * np.arange(N), "q": np.arange(N)})


# ---- other formats

XVG = """# gmx energy
@    title "GROMACS Energies"
@    xaxis  label "Time (ps)"
@    yaxis  label "(kJ/mol), (K)"
@TYPE xy
@ s0 legend "Potential"
@ s1 legend "Rg\\sx\\N (nm)"
"""


def test_xvg_files_have_names_units_and_times(tmp_path, one):
    body = "".join(f"{STEP * n / 2:12.6f}  {-1000 - n:12.6f} {n / 10:8.4f}\n" for n in range(2 * N))
    (tmp_path / "energy.xvg").write_text(XVG + body + "&\n")
    found = fel.attach_columns(one, tmp_path / "energy.xvg")
    np.testing.assert_allclose(found["Potential"], -1000 - 2 * np.arange(N))
    np.testing.assert_allclose(found["Rgx"], np.arange(N) / 5, atol=1e-4)
    assert found["Rgx"].attrs["units"] == "nm"
    (tmp_path / "two.xvg").write_text(XVG + body + "&\n" + body)
    with pytest.raises(FelError, match="several sets of data, the second after line"):
        fel.attach_columns(one, tmp_path / "two.xvg")


TEXTS = {
    "comma": "time,q\n" + "".join(f"{STEP * n},{n}\n" for n in range(N)),
    "tab": "time\tq\n" + "".join(f"{STEP * n}\t{n}\n" for n in range(N)),
    "semicolon": "time;q\n" + "".join(f"{STEP * n};{n}\n".replace(".", ",") for n in range(N)),
    "blanks": "# time  q\n" + "".join(f" {STEP * n:10.2f}   {n:d}\n" for n in range(N)),
    "hash before names": '#"Time (ps)","q"\n' + "".join(f"{STEP * n},{n}\n" for n in range(N)),
    "comments before names": "# made by\n# somebody\ntime, q\n"
    + "".join(f"{STEP * n}, {n}\n" for n in range(N)),
    "index without a name": ",time,q\n" + "".join(f"{n},{STEP * n},{n}\n" for n in range(N)),
    "separator at the end": "time,q,\n" + "".join(f"{STEP * n},{n},\n" for n in range(N)),
    "mark of the byte order": "\ufefftime,q\n" + "".join(f"{STEP * n},{n}\n" for n in range(N)),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("packed", ["", ".gz", ".bz2", ".xz"])
def test_text_tables_in_every_dialect(tmp_path, one, kind, packed):
    path = tmp_path / f"tabelle-ä.txt{packed}"
    opener = {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[packed]
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.write(TEXTS[kind])
    found = fel.attach_columns(one, path)
    np.testing.assert_allclose(found["q"], np.arange(N))
    assert [name for name in found.data_vars if name != "features"] == ["q"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"0,1\n10,2\n", "no line of names, its first line is numbers"),
        ("a.dat", b"0 1\n10 2\n", "no line of names"),
        ("a.csv", b"PK\x03\x04\0\0\0", "it is not text"),
        ("a.xlsx", b"PK\x03\x04\0\0\0", "is a spreadsheet.*Save it as CSV"),
        ("a.csv.gz", b"time,q\n0,1\n", "can't be read .*gzip"),
        ("a.dat", b"time q p\n0 1\n", "its line of names has 3 columns, its first row 2"),
        ("a.csv", b"", "has no rows"),
        ("a.csv", b"# only a comment\n", "has no rows"),
        ("a.xvg", b'@ xaxis label "Time (ps)"\n', "has no rows"),
        ("a.csv", b"time,q\n0,1\n10,abc\n", "Column 'q' holds .*must be numbers"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, one, name, content, message):
    (tmp_path / name).write_bytes(content)
    if "abc" in content.decode(errors="replace"):
        content = b"time,q\n" + b"".join(f"{STEP * n},{'abc' if n == 3 else n}\n".encode() for n in range(N))
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FelError, match=message):
        fel.attach_columns(one, tmp_path / name)


def test_a_table_without_times_goes_by_order(tmp_path, one):
    (tmp_path / "a.csv").write_text("q\n" + "".join(f"{n}\n" for n in range(N)))
    np.testing.assert_allclose(fel.attach_columns(one, tmp_path / "a.csv")["q"], np.arange(N))
    assert list(read_table(tmp_path / "a.csv", n_rows=1).values.columns) == ["q"]
    (tmp_path / "b.csv").write_text("potential energy [kJ/mol]\n" + "".join(f"{n}\n" for n in range(N)))
    found = fel.attach_columns(one, tmp_path / "b.csv")["potential energy"]
    assert found.attrs["units"] == "kJ/mol" and found.values.tolist() == list(range(N))


@pytest.mark.parametrize("stride", [1, 3])
def test_the_table_of_an_export_comes_back(tmp_path, stride):
    own = dataset(tmp_path, [np.arange(N), np.arange(7)], stride=stride)
    squares = np.arange(own.sizes["frame"]) ** 2.0
    data = fel.attach_columns(own, {"q": squares})
    export_frames(None, np.arange(len(squares)), tmp_path / "a.csv", dataset=data, columns=["q"], how="all")
    back = fel.attach_columns(own, tmp_path / "a.csv")
    np.testing.assert_allclose(back["q"], squares)
    assert "frame" not in back.data_vars


def test_a_table_of_very_many_columns_is_refused(tmp_path):
    names = ",".join(f"c{i}" for i in range(20_000))
    (tmp_path / "wide.csv").write_text(f"{names}\n" + "\n".join([",".join(["1"] * 20_000)] * 3))
    with pytest.raises(FelError, match="20,000 columns"):
        read_table(tmp_path / "wide.csv")
