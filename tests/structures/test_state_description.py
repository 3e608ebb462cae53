"""Descriptions of states from synthetic torsions, whose regions are known."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.structures.ramachandran import REGIONS, ramachandran_region
from fel_explorer.structures.state_description import describe_levels, describe_states

PLACES = {
    "alpha-R": (-63, -43),
    "beta": (-135, 135),
    "PPII": (-75, 150),
    "C7eq": (-80, 75),
    "alpha-L": (57, 47),
    "C7ax": (75, -65),
    "extended (phi > 0)": (55, -165),
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


def test_a_rare_residue_tells_a_state_from_the_usual_one():
    usual = ["alpha-R"] * 4
    labels, data = peptide(
        [usual, ["beta", *usual[1:]], [*usual[:3], "alpha-L"], [*usual[:2], "beta", "beta"]]
    )
    said = ["helix", "ALA2 beta", "ALA5 alpha-L", "ALA4 beta, ALA5 beta"]
    assert describe_states(labels, data) == said


def test_neighbours_that_are_alike_are_a_range():
    labels, data = peptide([["beta"] * 5, ["beta", *["alpha-R"] * 3, "beta"]])
    assert describe_states(labels, data) == ["residues 3-5 extended", "residues 3-5 helix"]


def test_a_mixture_of_regions_has_a_coarser_name():
    labels, data = peptide([["beta"], ["PPII"], ["alpha-R"], ["alpha-L"], ["C7ax"]])
    coarse = np.array([0, 0, 1, 2, 2])[labels]
    assert describe_states(coarse, data) == ["extended", "alpha-R", "phi > 0"]


def test_a_state_that_is_one_of_two_rare_ones():
    usual = ["alpha-R"] * 3
    labels, data = peptide([usual, usual, usual, ["alpha-L", *usual[1:]], [*usual[:2], "alpha-L"]])
    assert describe_states((labels > 2).astype(int), data) == ["helix", "ALA2 or ALA4 phi > 0"]


def test_names_in_a_tree_are_unique_and_stay_with_undivided_states():
    labels, data = peptide([["beta"], ["alpha-R"], ["alpha-L"], ["C7ax"]])
    levels = [np.array(states)[labels] for states in ([0, 0, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3])]
    said = describe_levels(levels, [np.array([0, 0, 1]), np.array([0, 1, 2, 2])], data)
    assert said == [
        ["phi < 0", "phi > 0"],
        ["beta", "alpha-R", "phi > 0"],
        ["beta", "alpha-R", "alpha-L", "C7ax"],
    ]


def test_distances_tell_states_apart_where_there_are_no_torsions():
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], 100)
    far = 0.3 + 0.6 * labels + 0.02 * rng.normal(size=200)
    features = np.column_stack([far, 0.3 + 0.02 * rng.normal(size=200)])
    data = fel.as_dataset([features], feature_names=["d ALA1-CB ALA5-CB", "d ALA2-CB ALA4-CB"])
    assert describe_states(labels, data) == ["ALA1-CB to ALA5-CB short", "ALA1-CB to ALA5-CB long"]


def test_an_angle_tells_states_apart_that_are_alike_in_the_backbone():
    labels, data = peptide([["PPII", "beta"], ["PPII", "beta"]])
    turned = np.where(labels == 0, 60.0, 180.0) + np.random.default_rng(0).normal(scale=10, size=len(labels))
    data = data.assign({"chi1 ALA3": ("frame", (turned + 180) % 360 - 180, {"units": "deg"})})
    assert describe_states(labels, data) == ["chi1 ALA3 near 60°", "chi1 ALA3 near 180°"]


def test_states_of_real_torsions():
    data = fel.featurize(fel.sample_data("alanine-dipeptide"), "backbone_torsions")
    phi = np.arctan2(data["features"].values[:, 1], data["features"].values[:, 0])
    assert describe_states((phi > 0).astype(int), data) == ["phi < 0", "alpha-L"]
