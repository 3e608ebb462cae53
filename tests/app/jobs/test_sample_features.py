"""The features of the sample data come from the cache that another process fills."""

from fel_explorer.app.jobs import featurize_and_train, sample_features
from fel_explorer.features import featurization


def test_the_sample_is_featurized_by_the_other_process(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))
    process = sample_features.start_process()
    assert process.wait(300) == 0
    assert sample_features.start_process() is None  # the cache is filled

    def fail(self, *_):
        raise AssertionError("features are computed again")

    monkeypatch.setattr(featurization._Job, "_fill", fail)
    dataset, trajectories = featurize_and_train.sample()(lambda *_: None, lambda: False)
    assert dataset.sizes["frame"] == trajectories.n_frames == 200_000
