"""Pinned structures: what they are, how far apart, and their file."""

import json
from dataclasses import replace

import mdtraj
import numpy as np
import pytest

from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.pinned import MAX_PINS, Pinned, align, as_pdb, rmsds
from fel_explorer.errors import FelError
from fel_explorer.structures import geometry


@pytest.fixture
def topology():
    top = mdtraj.Topology()
    residue = top.add_residue("LIG", top.add_chain())
    for name in ("C1", "C2", "C3", "C4", "O1"):
        element = mdtraj.element.oxygen if name[0] == "O" else mdtraj.element.carbon
        top.add_atom(name, element, residue)
    hydrogen = top.add_atom("H1", mdtraj.element.hydrogen, residue)
    top.add_bond(top.atom(0), hydrogen)
    return top


@pytest.fixture
def shape():
    return np.random.default_rng(3).normal(scale=0.3, size=(6, 3))


@pytest.fixture
def pinned(shape):
    """A structure, the same one turned and moved, one that differs in one carbon, and one without H1."""
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    other = shape.copy()
    other[2] += [0.05, 0.0, 0.0]
    pins = Pinned().add("frame 3, 1 ns", 3, True, shape, np.arange(6))
    pins = pins.add("frame 9, 3 ns", 9, True, shape @ turn + 0.7, np.arange(6))
    pins = pins.add("frame 11, 4 ns", 11, True, other @ turn, np.arange(6))
    return pins.add("decoded, nearest frame 9, 3 ns", 9, False, (shape @ turn)[:5][::-1], np.arange(5)[::-1])


def test_rmsd_is_that_of_the_best_fit_of_heavy_atoms_in_common(pinned, shape, topology):
    found = rmsds(pinned, topology)
    assert [found[key] for key in (1, 2, 4)] == pytest.approx([0, 0, 0], abs=1e-6)
    other = shape[:5].copy()
    other[2] += [0.05, 0.0, 0.0]
    trajectory = mdtraj.Trajectory(np.array([shape[:5], other]), topology.subset(range(5)))
    assert found[3] == pytest.approx(mdtraj.rmsd(trajectory, trajectory, 0)[1], abs=1e-5)
    turned = replace(pinned, reference=3)
    again = rmsds(turned, topology)
    assert again[1] == pytest.approx(found[3]) and again[3] == pytest.approx(0, abs=1e-9)


def test_pins_are_laid_upon_the_reference(pinned, shape, topology):
    laid = align(pinned, topology)
    assert np.abs(laid[2] - shape).max() < 1e-5 and np.abs(laid[4] - shape[:5]).max() < 1e-5
    assert np.abs(pinned[2].xyz - shape).max() > 0.1


def test_a_frame_is_pinned_once_and_keys_are_not_used_again(pinned, shape):
    assert pinned.add("again", 9, True, shape, np.arange(6)) is pinned
    less = replace(pinned, shown=2, reference=2).overlay(2).remove(2)
    assert less.keys == [1, 3, 4] and (less.shown, less.reference, less.overlaid) == (0, 0, frozenset())
    assert less.add("new", 12, True, shape, np.arange(6)).keys[-1] == 5
    assert pinned.overlay(3).overlay(1).overlay(3).overlaid == {1}
    full = pinned
    for frame in range(100, 100 + MAX_PINS - len(pinned)):
        full = full.add("more", frame, True, shape, np.arange(6))
    with pytest.raises(FelError, match=f"At most {MAX_PINS}"):
        full.add("one more", 999, True, shape, np.arange(6))


def test_file_has_an_aligned_model_for_each_pin_of_the_atoms_in_common(pinned, shape, topology, tmp_path):
    path = tmp_path / "pinned.pdb"
    path.write_bytes(as_pdb(pinned, topology).getvalue())
    read = mdtraj.load_pdb(str(path))
    assert (read.n_frames, read.n_atoms) == (4, 5)
    assert np.abs(read.xyz[1] - shape[:5]).max() < 1e-3
    expected = 10 * geometry.rmsd(pinned[3].xyz[:5].astype(float), shape[:5])
    assert f"Model 3: frame 11, 4 ns, RMSD {expected:.2f} A" in path.read_text()
    with pytest.raises(FelError, match="No structure is pinned"):
        as_pdb(Pinned(), topology)


def test_values_of_atoms_have_a_scale():
    values = AtomValues(np.array([0.2, np.nan, 0.7]), "share")
    assert values.range == (0.0, 0.7)
    sent = json.loads(json.dumps(values.as_dict() | {"values": ""}))
    assert sent["title"] == "share" and len(sent["palette"]) == 32 and sent["palette"][0].startswith("#")
    assert np.frombuffer(values.as_dict()["values"], "<f4")[2] == np.float32(0.7)
    assert AtomValues(np.array([-1.0, -0.5]), "difference").range == (-1.0, -0.5)
    assert AtomValues(np.zeros(3), "nothing").range == (0.0, 1.0)
    with pytest.raises(FelError, match="colour atoms"):
        AtomValues(np.full(3, np.nan), "none")
