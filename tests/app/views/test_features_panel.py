"""Which features the page offers first."""

import mdtraj
import numpy as np
import pytest
from peptides import random_chains

import fel_explorer as fel
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.data.features_panel import FeaturesPanel

ATOMS = ["N", "CA", "C", "O", "CB"]


def chain_of(n_residues, atoms=ATOMS):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(n_residues):
        residue = topology.add_residue("ALA", chain)
        for name in atoms:
            topology.add_atom(name, mdtraj.element.Element.getBySymbol(name[0]), residue)
    topology.create_standard_bonds()
    return topology


@pytest.fixture
def panel():
    session = Session()
    board = PageJobs(session, JobManager(workers=0))
    panel = FeaturesPanel(session, board)
    yield panel
    panel.close()
    board.close()


def open_chain(folder, n_residues):
    topology = chain_of(n_residues)
    xyz = random_chains(topology, 3, np.random.default_rng(0))
    trajectory, path = mdtraj.Trajectory(xyz, topology, time=np.arange(3)), folder / f"{n_residues}.xtc"
    trajectory.save(str(path))
    return fel.load_trajectories(path, topology)


def test_a_large_molecule_is_offered_torsions_and_a_choice_by_hand_stays(panel, tmp_path):
    panel.session.open(open_chain(tmp_path, 3))
    assert panel.choice.value == ["heavy_atom_distances"]
    panel.session.open(open_chain(tmp_path, 12))
    assert panel.choice.value == ["backbone_torsions"]
    assert panel.preview.object.startswith("**44 features**")
    panel.choice.value = ["coordinates"]
    panel.session.open(open_chain(tmp_path, 3))
    assert panel.choice.value == ["coordinates"]


def test_features_are_those_of_a_model_else_what_the_molecule_has():
    torsions = fel.list_featurizers()["backbone_torsions"]().describe(chain_of(3))
    assert featurize_and_train.usual_featurizer(chain_of(3), torsions) == "backbone_torsions"
    assert featurize_and_train.usual_featurizer(chain_of(3), ["x", "y"]) == "heavy_atom_distances"
    assert featurize_and_train.usual_featurizer(chain_of(60, atoms=["CA"])) == "ca_distances"
