"""Checks of structures against a peptide that is built sound, and then bent."""

import numpy as np
import pytest

from fel_explorer.structures.soundness import soundness


def test_sound_peptide_passes(polyalanine):
    stretched = polyalanine(([-120, -120, -120], [130, 130, 130]))
    sound = soundness(stretched, stretched.xyz[0])
    assert float(sound["bond_error"][0]) == 0
    assert int(sound["clashes"][0]) == 0


def test_stretched_bond_and_overlapping_atoms_are_found(peptide):
    bad = peptide[0]
    reference = bad.xyz[0].copy()
    bad.xyz = bad.xyz.copy()
    bonds = [
        (a.index, b.index) for a, b in bad.topology.bonds if "H" not in (a.element.symbol, b.element.symbol)
    ]
    first, second = bonds[0]
    along = bad.xyz[0, second] - bad.xyz[0, first]
    heavy = [atom.index for atom in bad.topology.atoms if atom.element.symbol != "H"]
    far = heavy[-1]
    bad.xyz[0, far] = bad.xyz[0, first] - 0.2 * along / np.linalg.norm(along)
    found = soundness(bad, reference)
    assert int(found["clashes"][0]) >= 1
    assert float(found["bond_error"][0]) > 0.1


def test_one_bond_by_how_much(peptide):
    bad = peptide[0]
    reference = bad.xyz[0].copy()
    bond = next((a.index, b.index) for a, b in bad.topology.bonds if {a.name, b.name} == {"C", "O"})
    oxygen = bond[1] if bad.topology.atom(bond[1]).name == "O" else bond[0]
    carbon = bond[0] if oxygen == bond[1] else bond[1]
    along = reference[oxygen] - reference[carbon]
    moved = reference.copy()
    moved[oxygen] += 0.03 * along / np.linalg.norm(along)
    bad.xyz = moved[None]
    assert float(soundness(bad, reference)["bond_error"][0]) == pytest.approx(0.03, abs=1e-4)
