"""Descriptions of states from synthetic torsions, whose regions are known."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.structures.state_description import REGIONS, describe_states, ramachandran_region

PLACES = {
    "alpha-R": (-63, -43),
    "beta": (-135, 135),
    "PPII": (-75, 150),
    "alpha-L": (57, 47),
    "C7ax": (75, -65),
}


def peptide(states, mixed=None):
    """States (frame,) of 100 frames each and a dataset in which residue i of state s has ``states[s][i]``."""
    rng, n = np.random.default_rng(0), len(states[0])
    labels = np.repeat(np.arange(len(states)), 100)
    angles = np.array([[PLACES[region] for region in state] for state in states], float)[labels]
    angles += rng.normal(scale=6, size=angles.shape)
    if mixed is not None:
        angles[::2, mixed] = np.array(PLACES["alpha-L"]) + rng.normal(scale=6, size=(len(labels) // 2, 2))
    columns = {
        f"{kind} ALA{i + 2}": ("frame", angles[:, i, k], {"units": "deg"})
        for i in range(n)
        for k, kind in enumerate(("phi", "psi"))
    }
    return labels, fel.as_dataset([rng.normal(size=(len(labels), 2))]).assign(columns)


@pytest.mark.parametrize("name", PLACES)
def test_regions_of_ideal_angles(name):
    phi, psi = PLACES[name]
    for turn in (-360, 0, 360):
        assert REGIONS[ramachandran_region(np.array([phi + turn]), np.array([psi - turn]))[0]] == name


def test_one_residue_is_described_by_its_region():
    labels, data = peptide([["PPII"], ["alpha-R"], ["C7ax"]])
    assert describe_states(labels, data) == ["PPII", "alpha-R", "C7ax"]


def test_only_residues_that_differ_are_named():
    labels, data = peptide([["PPII", "beta", "beta"], ["PPII", "alpha-R", "beta"]])
    assert describe_states(labels, data) == ["ALA3 beta", "ALA3 alpha-R"]


def test_a_residue_without_a_region_of_its_own_is_not_named():
    labels, data = peptide([["PPII", "beta"], ["alpha-R", "beta"]], mixed=1)
    assert describe_states(labels, data) == ["ALA2 PPII", "ALA2 alpha-R"]
    labels, data = peptide([["PPII"], ["alpha-R"]], mixed=0)
    assert describe_states(labels, data) == ["", ""]


def test_states_that_do_not_differ_have_no_description():
    labels, data = peptide([["PPII", "beta"], ["PPII", "beta"], ["PPII", "alpha-R"]])
    assert describe_states(labels, data) == ["", "", "ALA3 alpha-R"]


def test_a_state_of_a_few_frames_is_not_compared_with():
    labels, data = peptide([["PPII", "beta"], ["alpha-R", "beta"]])
    data = data.isel(frame=np.tile(np.arange(200), 20))
    labels = np.tile(labels, 20)
    labels[0] = 2
    assert describe_states(labels, data) == ["ALA2 PPII", "ALA2 alpha-R", ""]


def test_a_chain_in_one_region_is_a_helix_or_extended():
    labels, data = peptide([["alpha-R"] * 5, ["beta", "PPII", "beta", "PPII", "beta"]])
    assert describe_states(labels, data) == ["helix", "extended"]


def test_without_torsions_there_is_nothing_to_say():
    data = fel.as_dataset([np.zeros((4, 1)) + np.arange(4)[:, None]])
    assert describe_states(np.array([0, 0, 1, 1]), data) == ["", ""]


def test_states_of_real_torsions():
    data = fel.featurize(fel.sample_data("alanine-dipeptide"), "backbone_torsions")
    phi = np.arctan2(data["features"].values[:, 1], data["features"].values[:, 0])
    said = describe_states((phi > 0).astype(int), data)
    assert said[0] in ("", "PPII", "beta") and said[1] in ("", "alpha-L", "C7ax")
