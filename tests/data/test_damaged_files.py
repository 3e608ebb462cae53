"""Damaged trajectories and tables are refused by an error that names the frame or the line."""

import time

import mdtraj
import numpy as np
import pytest
from damage import damaged_csv, damaged_gro, damaged_pdb
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.errors import FelError

N = 6


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Six frames as PDB, GRO, TRR and XTC."""
    folder, made = tmp_path_factory.mktemp("good"), make_trajectory(n_frames=N, seed=0)
    made.time = 10.0 * np.arange(N)
    for kind in ("pdb", "gro", "trr", "xtc", "dcd"):
        made.save(str(folder / f"good.{kind}"))
    made[0].save_pdb(str(folder / "top.pdb"))
    return folder


def features(file, topology=None):
    trajs = fel.load_trajectories(file, topology)
    return fel.featurize(trajs, "torsions", cache=False)


def refuse(file, lines):
    """The error for a file of these lines."""
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(FelError) as error:
        features(file)
    return str(error.value)


NAMES = list(damaged_pdb(["MODEL", " " * 60, " " * 60, "ENDMDL"], 1))


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_pdb_is_refused_with_its_frame(good, tmp_path, name):
    lines = (good / "good.pdb").read_text().splitlines()
    atoms = [number for number, line in enumerate(lines) if line.startswith("ATOM")]
    message = refuse(tmp_path / "bad.pdb", damaged_pdb(lines, atoms[30])[name])
    assert "(frame 2)" in message or "in frame 2" in message, message


@pytest.mark.parametrize("name", list(damaged_gro([" " * 60] * 50, 20, 13)))
def test_a_damaged_gro_is_refused_with_its_frame(good, tmp_path, name):
    lines = (good / "good.gro").read_text().splitlines()
    message = refuse(tmp_path / "bad.gro", damaged_gro(lines, 2 * 16 + 7, 13)[name])
    assert any(f"frame {n}" in message for n in (2, 3)), message


def test_what_a_pdb_means_without_its_marks_is_read(good, tmp_path):
    lines = (good / "good.pdb").read_text().splitlines()
    whole = features(good / "good.pdb")["features"].values
    for mark in ("TER", "MODEL", "ENDMDL"):
        at = next(i for i, line in enumerate(lines) if i > 20 and line.startswith(mark))
        (tmp_path / "odd.pdb").write_text("\n".join(lines[:at] + lines[at + 1 :]) + "\n")
        np.testing.assert_array_equal(features(tmp_path / "odd.pdb")["features"].values, whole)


def table(lines, path):
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(30, 2)), time_step=10.0, time_unit="ps")
    path.write_text("\n".join(lines) + "\n")
    return fel.attach_columns(data, path)


ROWS = ["time,q,p", *(f"{10.0 * n},{n},{n * n + 0.5}" for n in range(30))]


@pytest.mark.parametrize("name", list(damaged_csv(ROWS, 12)))
def test_a_damaged_csv_is_refused_at_once_with_its_line(tmp_path, name):
    assert table(ROWS, tmp_path / "good.csv")["p"][3] == 9.5
    started = time.process_time()
    with pytest.raises(FelError) as error:
        table(damaged_csv(ROWS, 12)[name], tmp_path / "bad.csv")
    assert time.process_time() - started < 2
    counted = {
        "a row lost": "29 rows",
        "a row twice": "31 rows",
        "time back": "row 12",
        "a name of blanks": "a name",
    }
    assert counted.get(name, "line 13") in str(error.value)


def test_a_last_row_that_is_being_written_is_left_out(tmp_path):
    read = fel.data.tables.read_table
    (tmp_path / "a.csv").write_text("\n".join(ROWS) + "\n300.0")
    assert len(read(tmp_path / "a.csv").values) == 30


def test_missing_values_stay_missing(tmp_path):
    rows = [*ROWS[:5], "40.0,,16.5", "50.0,nan,25.5", *ROWS[7:]]
    found = table(rows, tmp_path / "a.csv")
    assert np.flatnonzero(np.isnan(found["q"])).tolist() == [4, 5] and np.isfinite(found["p"]).all()


# bytes of a frame of XTC: number of atoms, precision, ranges, size of small numbers, length
@pytest.mark.parametrize("byte", [4, 52, 56, 62, 75, 86, 87, 88, 89])
def test_a_damaged_head_in_an_xtc_is_refused_with_its_frame(good, tmp_path, byte):
    offsets = mdtraj.open(str(good / "good.xtc")).offsets
    content = bytearray((good / "good.xtc").read_bytes())
    content[offsets[3] + byte] ^= 0xC0
    (tmp_path / "bad.xtc").write_bytes(content)
    with pytest.raises(FelError, match=r"damaged at frame 3|only complete|cannot be read"):
        features(tmp_path / "bad.xtc", good / "top.pdb")


@pytest.mark.parametrize("kind", ["xtc", "trr"])
def test_a_number_of_atoms_that_the_file_has_no_room_for_is_refused(good, tmp_path, kind):
    content = bytearray((good / f"good.{kind}").read_bytes())
    at = 4 if kind == "xtc" else 64
    content[at : at + 4] = (2**30).to_bytes(4, "big")
    (tmp_path / f"bad.{kind}").write_bytes(content)
    with pytest.raises(FelError, match="claims 1,073,741,824 atoms"):
        features(tmp_path / f"bad.{kind}", good / "top.pdb")


def test_frames_of_a_trr_behind_a_damaged_head_are_missed(good, tmp_path):
    content = bytearray((good / "good.trr").read_bytes())
    content[3 * len(content) // N + 3] ^= 1  # the mark at the beginning of frame 3
    (tmp_path / "bad.trr").write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        trajs = fel.load_trajectories(tmp_path / "bad.trr", good / "top.pdb")
    assert trajs.n_frames == 3


def test_a_coordinate_that_float32_blurs_is_refused_with_its_frame(good, tmp_path):
    far = mdtraj.load(str(good / "good.trr"), top=str(good / "top.pdb"))
    far.xyz[4, 2, 1] = 3e7
    far.save(str(tmp_path / "far.dcd"))
    with pytest.raises(FelError, match=r"3e\+07 nm in frame 4"):
        features(tmp_path / "far.dcd", good / "top.pdb")


@pytest.mark.parametrize(("at", "value"), [(92, 2**30), (None, 2**30), (None, -1)])
def test_a_damaged_header_of_a_dcd_is_refused(good, tmp_path, at, value):
    content = bytearray((good / "good.dcd").read_bytes())
    at = 92 + 8 + int.from_bytes(content[92:96], "little") + 4 if at is None else at
    content[at : at + 4] = value.to_bytes(4, "little", signed=True)
    (tmp_path / "bad.dcd").write_bytes(content)
    with pytest.raises(FelError, match=r"header of '.*' is damaged"):
        features(tmp_path / "bad.dcd", good / "top.pdb")
