import json
import struct

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data.unit_cell import faulty, from_shape_matrix, volumes
from fel_explorer.errors import FelError

HEXAGONAL = np.array([[3.0, 0, 0], [1.5, 1.5 * 3**0.5, 0], [0, 0, 3.5]])
DODECAHEDRON = 3.0 * np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.5**0.5]])
OCTAHEDRON = 3.0 * np.array([[1, 0, 0], [1 / 3, 2 * 2**0.5 / 3, 0], [-1 / 3, 2**0.5 / 3, 6**0.5 / 3]])


def lengths_and_angles(vectors):
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors / lengths[:, None]
    return lengths, np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))


def nearest_distances(xyz, pairs, vectors):
    """By brute force over 125 images."""
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3) @ vectors
    between = xyz[:, pairs[:, 1]] - xyz[:, pairs[:, 0]]
    return np.linalg.norm(between[:, :, None] + shifts, axis=-1).min(axis=-1)


def write_dcd(path, xyz, records, version):
    """A CHARMM DCD file with these unit-cell records (frame, 6)."""
    block = lambda content: struct.pack("<i", len(content)) + content + struct.pack("<i", len(content))  # noqa: E731
    control = np.zeros(20, "<i4")
    control[[0, 10, 19]] = len(xyz), 1, version
    parts = [block(b"CORD" + control.tobytes()), block(struct.pack("<i", 1) + b" " * 80)]
    parts.append(block(struct.pack("<i", xyz.shape[1])))
    for frame, record in zip(xyz, records, strict=True):
        parts.append(block(np.asarray(record, "<f8").tobytes()))
        parts += [block(np.asarray(10 * frame[:, axis], "<f4").tobytes()) for axis in range(3)]
    path.write_bytes(b"".join(parts))


def shape_matrix(vectors):
    """Record in Angstrom of the symmetric root of the metric, by its eigenvectors."""
    values, axes = np.linalg.eigh(vectors @ vectors.T * 100)
    root = axes @ np.diag(values**0.5) @ axes.T
    return root[[0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2]]


def without_box(trajectory):
    return mdtraj.Trajectory(trajectory.xyz, trajectory.topology)


@pytest.mark.parametrize("vectors", [HEXAGONAL, DODECAHEDRON, OCTAHEDRON, np.diag([2.0, 3.0, 4.0])])
@pytest.mark.parametrize("version", [24, 47])
def test_charmm_shape_matrices_become_cells(tmp_path, vectors, version):
    trajectory = make_trajectory(n_frames=6)
    write_dcd(tmp_path / "a.dcd", trajectory.xyz, [shape_matrix(vectors)] * 6, version)
    trajs = fel.load_trajectories(tmp_path / "a.dcd", trajectory.topology)
    lengths, angles = lengths_and_angles(vectors)
    for frames in (trajs.frames([5, 2]), next(trajs.chunks(4))[2]):
        np.testing.assert_allclose(frames.unitcell_lengths, [lengths] * len(frames), rtol=1e-5)
        np.testing.assert_allclose(frames.unitcell_angles, [angles] * len(frames), atol=1e-3)
    pairs = np.array([[0, 12], [3, 9]])
    found = mdtraj.compute_distances(trajs.frames(np.arange(6)), pairs)
    np.testing.assert_allclose(found, nearest_distances(trajectory.xyz, pairs, vectors), atol=1e-4)


@pytest.mark.parametrize("written", ["cosines", "degrees"])
@pytest.mark.parametrize("vectors", [HEXAGONAL, OCTAHEDRON])
def test_dcd_cells_of_other_programs_are_angles(tmp_path, vectors, written):
    trajectory = make_trajectory(n_frames=3)
    lengths, angles = lengths_and_angles(vectors)
    corners = angles if written == "degrees" else np.cos(np.radians(angles))
    record = [10 * lengths[0], corners[2], 10 * lengths[1], corners[1], corners[0], 10 * lengths[2]]
    write_dcd(tmp_path / "a.dcd", trajectory.xyz, [record] * 3, 24)
    read = fel.load_trajectories(tmp_path / "a.dcd", trajectory.topology).frames([2])
    np.testing.assert_allclose(read.unitcell_lengths, [lengths], rtol=1e-5)
    np.testing.assert_allclose(read.unitcell_angles, [angles], atol=1e-3)


def test_a_slightly_skewed_shape_matrix_is_not_taken_for_cosines(tmp_path):
    vectors = np.array([[3.0, 0, 0], [0.05, 3.0, 0], [-0.04, 0.03, 3.0]])  # elements under 1 Angstrom
    trajectory = make_trajectory(n_frames=2)
    write_dcd(tmp_path / "a.dcd", trajectory.xyz, [shape_matrix(vectors)] * 2, 47)
    read = fel.load_trajectories(tmp_path / "a.dcd", trajectory.topology).frames([0, 1])
    np.testing.assert_allclose(read.unitcell_angles[1], lengths_and_angles(vectors)[1], atol=1e-3)


CELLS = {
    "zero": (np.zeros(3), [90.0, 90, 90], "cell lengths are zero"),
    "dummy": (np.full(3, 0.1), [90.0, 90, 90], "placeholder"),
    "dense": (np.full(3, 0.3), [90.0, 90, 90], "13 atoms do not fit .* per nm"),
    "flat": (np.array([3.0, 3.0, 0.0]), [90.0, 90, 90], "has no volume"),
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("extension", ["pdb", "gro", "xtc", "trr", "nc", "dcd", "h5", "lammpstrj"])
def test_cells_that_are_none_are_left_out_with_a_word(tmp_path, extension, kind):
    lengths, angles, message = CELLS[kind]
    trajectory, path = make_trajectory(n_frames=5), tmp_path / f"a.{extension}"
    write(trajectory, path, lengths, angles)
    topology = None if extension in ("pdb", "gro", "h5") else trajectory.topology
    unsaid = extension in ("xtc", "trr", "gro", "dcd") and kind == "zero"  # these formats' way to say: no box
    if unsaid:
        trajs = fel.load_trajectories(path, topology)
    else:
        with pytest.warns(UserWarning, match=rf"used without a periodic box: .*({message}|span no cell)"):
            trajs = fel.load_trajectories(path, topology)
        assert "without a periodic box" in repr(trajs)
    assert trajs.frames([0, 3]).unitcell_vectors is None
    data = fel.featurize(trajs, "heavy_atom_distances", cache=False)
    read = trajs.frames(np.arange(5)).xyz
    atoms = json_atoms(data)
    expected = np.linalg.norm(read[:, atoms[:, 1]] - read[:, atoms[:, 0]], axis=2)
    np.testing.assert_allclose(data["features"], expected, atol=1e-5)


def json_atoms(data):
    return np.array(json.loads(data.attrs["featurizers"])[0]["atoms"])


def write(trajectory, path, lengths, angles):
    n = len(trajectory)
    cell_lengths, cell_angles = np.tile(lengths, (n, 1)), np.tile(angles, (n, 1))
    extension = path.suffix
    if extension == ".pdb":
        trajectory.save_pdb(str(path))
        sides = "".join(f"{10 * side:9.3f}" for side in lengths)
        text = path.read_text()
        path.write_text(f"CRYST1{sides}  90.00  90.00  90.00 P 1           1\n{text}")
    elif extension in (".xtc", ".trr"):
        with mdtraj.open(str(path), "w") as file:
            steps, times = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.float32)
            box = np.tile(np.diag(lengths), (n, 1, 1)).astype(np.float32)
            file.write(trajectory.xyz, time=times, step=steps, box=box)
    else:
        trajectory.unitcell_lengths, trajectory.unitcell_angles = cell_lengths, cell_angles
        trajectory.save(str(path))


def test_a_box_that_some_frames_lack_is_refused_where_it_is(tmp_path):
    trajectory = make_trajectory(n_frames=30)
    trajectory.unitcell_lengths, trajectory.unitcell_angles = np.full((30, 3), 3.0), np.full((30, 3), 90.0)
    trajectory.unitcell_lengths[20] = 0.1
    trajectory.save(str(tmp_path / "late.nc"))
    trajectory.unitcell_lengths[:2] = 0.1
    trajectory.save(str(tmp_path / "early.nc"))
    with pytest.raises(FelError, match=r"early.nc': frame 0 has no usable periodic box .* frame 29 has one"):
        fel.load_trajectories(tmp_path / "early.nc", trajectory.topology)
    trajs = fel.load_trajectories(tmp_path / "late.nc", trajectory.topology)
    with pytest.raises(FelError, match=r"late.nc': frame 20 has no usable periodic box"):
        fel.featurize(trajs, "heavy_atom_distances", cache=False)


def test_negative_and_impossible_cells_are_faulty_and_real_ones_are_not():
    lengths = np.array([[3.0, -3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [np.nan, 3, 3], [0.6, 0.6, 0.6]])
    angles = np.array([[90.0] * 3, [20, 20, 90], [90, 90, 190], [109.47, 109.47, 109.47], [90] * 3, [90] * 3])
    assert faulty(lengths, angles, 22).tolist() == [True, True, True, False, True, False]
    water = np.full((1, 3), (3 * 1000 / 100.2) ** (1 / 3))  # 1000 molecules at 1 g/cm^3
    assert not faulty(water, np.full((1, 3), 90.0), 3000).any()
    sides, corners = lengths_and_angles(OCTAHEDRON)
    np.testing.assert_allclose(volumes(sides[None], corners[None]), abs(np.linalg.det(OCTAHEDRON)))


def test_a_matrix_that_is_not_positive_definite_is_no_cell():
    lengths, _ = from_shape_matrix(np.array([[1.0, 5, 1, 0, 0, 1]]))
    assert np.isnan(lengths).all()


def test_a_file_without_box_among_files_with_one_is_noted(tmp_path):
    trajectory = make_trajectory(n_frames=3)
    trajectory.save(str(tmp_path / "a.nc"))
    other = make_trajectory(n_frames=3, seed=1)
    other.unitcell_lengths, other.unitcell_angles = np.full((3, 3), 3.0), np.full((3, 3), 90.0)
    other.save(str(tmp_path / "b.nc"))
    with pytest.warns(UserWarning, match=r"a.nc' is used without a periodic box, .*b.nc' with one"):
        trajs = fel.load_trajectories(tmp_path / "*.nc", trajectory.topology)
    np.testing.assert_allclose(trajs.frames([4, 1]).xyz, [other.xyz[1], trajectory.xyz[1]], atol=1e-6)
