"""Labels of basins, against angles and states that are known."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.data import label_by_boxes, label_by_states
from fel_explorer.errors import FelError

PHI = np.array([-170.0, -80.0, -10.0, 30.0, 60.0, 100.0, 170.0])


@pytest.fixture
def data():
    angle = np.radians(PHI)
    x = np.stack([np.cos(angle), np.sin(angle), PHI / 100], axis=1)
    return fel.as_dataset(x, feature_names=["phi ALA2 cos", "phi ALA2 sin", "d A B"])


def test_boxes_of_a_torsion_are_in_degrees_and_may_go_around(data):
    labelled = label_by_boxes(data, [{"phi ALA2": (0.0, 90.0)}, {"phi ALA2": (150.0, -60.0)}])
    assert labelled["basin"].values.tolist() == [1, 1, -1, 0, 0, -1, 1]
    assert "basin" not in data


def test_the_first_box_decides_and_several_features_make_one(data):
    boxes = [{"phi ALA2": (0.0, 180.0), "d A B": (0.0, 0.5)}, {"d A B": (-2.0, 2.0)}]
    assert label_by_boxes(data, boxes, column="place")["place"].values.tolist() == [1, 1, 1, 0, 1, 1, 1]


def test_states_of_a_model_label_the_frames_that_are_surely_in_them():
    x = np.concatenate([np.random.default_rng(0).normal(m, 0.1, (200, 2)) for m in (-1, 1)])
    data = fel.as_dataset(x)
    model = fel.KMeans(n_states=2).fit(data)
    labelled = label_by_states(data, model)
    np.testing.assert_array_equal(labelled["basin"], model.predict(data))

    class Unsure:
        def predict_proba(self, X):
            return model.predict_proba(X) * 0.2 + 0.4

    assert (label_by_states(data, Unsure(), least=0.7)["basin"] == -1).all()
    with pytest.raises(FelError, match="between 0 and 1"):
        label_by_states(data, model, least=2)
    with pytest.raises(FelError, match="X has 5 frames"):
        label_by_states(data, model, X=data.isel(frame=slice(5)))


def test_boxes_that_make_no_sense_are_refused(data):
    with pytest.raises(FelError, match=r"'psi ALA2'.*Torsions: phi ALA2"):
        label_by_boxes(data, [{"psi ALA2": (0.0, 90.0)}])
    with pytest.raises(FelError, match="No frame lies in box 0"):
        label_by_boxes(data, [{"phi ALA2": (120.0, 130.0)}])
