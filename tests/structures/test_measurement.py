"""Measurements between atoms, beside geometry with known answers."""

import json
from itertools import pairwise

import mdtraj
import numpy as np
import pytest
from numpy.testing import assert_allclose

from fel_explorer.data import load_trajectories
from fel_explorer.errors import FelError
from fel_explorer.structures import geometry, largest_on_atoms, measure, measurement_name
from fel_explorer.structures.measurement import MeasurementCancelled


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory):
    """Two files: a chain A-B-C-D whose torsion turns, and a lone atom across the periodic boundary."""
    folder = tmp_path_factory.mktemp("chain")
    top = mdtraj.Topology()
    residue = top.add_residue("LIG", top.add_chain(), resSeq=1)
    atoms = [top.add_atom(name, mdtraj.element.carbon, residue) for name in ("A", "B", "C", "D")]
    for pair in pairwise(atoms):
        top.add_bond(*pair)
    top.add_atom("ION", mdtraj.element.sodium, top.add_residue("NA", top.add_chain(), resSeq=2))
    for name, angles in (("a", [-170, -60, 30]), ("b", [90, 175])):
        frames = []
        for angle in np.radians(angles):
            end = [0.15 + 0.1, 0.12 * np.cos(angle), 0.12 * np.sin(angle)]
            frames.append([[0, 0.14, 0], [0, 0, 0], [0.15, 0, 0], end, [2.9, 0, 0]])
        made = mdtraj.Trajectory(np.array(frames) + 0.05, top, time=np.arange(len(angles)) * 1.0)
        made.unitcell_vectors = np.tile(3.0 * np.eye(3), (len(angles), 1, 1))
        made.save_xtc(str(folder / f"{name}.xtc"))
    made[0].save_pdb(str(folder / "top.pdb"))
    return load_trajectories([folder / "a.xtc", folder / "b.xtc"], topology=folder / "top.pdb")


def test_two_three_and_four_atoms_are_a_distance_an_angle_and_a_torsion(trajectories):
    distance, angle, torsion = (measure(trajectories, atoms) for atoms in ([0, 1], [0, 1, 2], [0, 1, 2, 3]))
    assert_allclose(distance, np.full(5, 0.14), atol=2e-3)  # XTC keeps thousandths of nm
    assert_allclose(angle, np.full(5, 90.0), atol=1.0)
    assert_allclose(torsion, [-170, -60, 30, 90, 175], atol=1.5)
    assert (distance.attrs["units"], angle.attrs["units"], torsion.attrs["units"]) == ("nm", "°", "deg")
    assert json.loads(torsion.attrs["atoms"]) == [0, 1, 2, 3] and torsion.dims == ("frame",)
    xyz = trajectories.frames([3]).xyz[0].astype(float)
    expected = np.rad2deg(geometry.torsions(xyz, np.array([[0, 1, 2, 3]]))[0])
    assert float(torsion[3]) == pytest.approx(expected, abs=1e-3)


def test_between_molecules_it_is_the_nearest_image(trajectories):
    assert_allclose(measure(trajectories, [1, 4]), np.full(5, 0.1), atol=2e-3)


def test_names_are_those_of_features(trajectories):
    topology = trajectories.topology
    assert measurement_name(topology, [3, 0]) == "d LIG1-A LIG1-D"
    assert measurement_name(topology, [0, 1, 2]) == "angle LIG1-A LIG1-B LIG1-C"
    assert measure(trajectories, [3, 2, 1, 0]).name == "torsion LIG1-D LIG1-C LIG1-B LIG1-A"


@pytest.mark.parametrize("atoms", [[0], [0, 0], [0, 1, 2, 3, 4], [0, 7], [-1, 2]])
def test_what_can_not_be_measured_says_what_can(trajectories, atoms):
    with pytest.raises(FelError, match="Two to four different atoms, from 0 to 4"):
        measure(trajectories, atoms)


def test_measuring_can_be_stopped(trajectories):
    with pytest.raises(MeasurementCancelled):
        measure(trajectories, [0, 1], callback=lambda progress: True)


def test_atoms_take_the_largest_value_of_what_they_are_part_of(trajectories):
    from fel_explorer.features import featurize

    data = featurize(trajectories, [("distances", {"selection": "index 0 1 3"})])
    data["twist"] = measure(trajectories, [0, 1, 2, 3])
    values = {
        "d LIG1-A LIG1-B": 0.2,
        "d LIG1-A LIG1-D": 0.9,
        "d LIG1-B LIG1-D": 0.4,
        "twist": 0.3,
        "time": 1.0,
    }
    assert_allclose(largest_on_atoms(values, data), [0.9, 0.4, 0.3, 0.9, np.nan])
    assert_allclose(largest_on_atoms({"twist": 0.3}, data), [0.3, 0.3, 0.3, 0.3, np.nan])
