"""`fel.explore`: what it takes."""

import numpy as np

import fel_explorer as fel


def test_a_featurized_dataset_is_a_dataset_although_it_has_a_topology():
    data = fel.as_dataset([np.random.default_rng(0).normal(size=(50, 2))])
    data = data.assign_attrs(topology="REMARK a PDB text")
    explorer = fel.explore(data, models=[fel.PCA().fit(data)])
    assert explorer.session.active == "PCA 1"
    assert explorer.session.dataset is data
    explorer.close()
