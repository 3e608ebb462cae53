"""The features of the sample data come from the cache that another process fills."""

import logging

from fel_explorer.app.jobs import featurize_and_train, sample_features
from fel_explorer.features import featurization


def test_the_sample_is_featurized_by_the_other_process(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))
    process = sample_features.start_process()
    assert sample_features.finish(process) == ""
    assert sample_features.start_process() is None  # the cache is filled

    def fail(self, *_):
        raise AssertionError("features are computed again")

    monkeypatch.setattr(featurization._Job, "_fill", fail)
    dataset, trajectories = featurize_and_train.sample()(lambda *_: None, lambda: False)
    assert dataset.sizes["frame"] == trajectories.n_frames == 200_000


def test_a_process_that_fails_says_why(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(blocked))
    with caplog.at_level(logging.WARNING):
        remark = sample_features.finish(sample_features.start_process())
    assert "could not be prepared" in remark and str(blocked) in remark
    assert "Traceback" in caplog.text and "Traceback" not in remark
