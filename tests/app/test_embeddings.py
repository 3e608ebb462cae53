"""States found in the embedding of another model, from the form."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app import page_jobs
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.errors import FelError


@pytest.fixture
def jobs(monkeypatch):
    jobs = JobManager(workers=0)
    monkeypatch.setattr(page_jobs, "manager", lambda: jobs)
    return jobs


@pytest.fixture
def explorer(jobs):
    random = np.random.default_rng(0)
    data = fel.as_dataset([random.normal(size=(150, 4)) for _ in range(2)])
    explorer = fel.explore(data, fel.PCA(n_dims=2).fit(data))
    yield explorer
    explorer.close()


def train(explorer, jobs, method, **hyperparameters):
    explorer.model.method.value = method
    explorer.model.train(**hyperparameters)
    job = explorer.board.jobs[-1]
    while job.active:  # before it may be one that describes the last result
        jobs.work()
    explorer.board.tick()
    return explorer.session.result


def test_only_methods_that_take_an_embedding_ask_for_one(explorer):
    for name, cls in fel.list_methods().items():
        explorer.model.method.value = name
        assert explorer.model.embedding.visible == cls.takes_embedding


def test_every_trained_model_is_offered_and_the_result_says_what_it_is_on(explorer, jobs):
    panel = explorer.model
    assert panel.embedding.options == ["features", "PCA 1"] and panel.embedding.value == "features"
    tica = train(explorer, jobs, "TICA", n_dims=3)
    assert panel.embedding.options == ["features", "PCA 1", "TICA 1"]
    panel.embedding.value = "TICA 1"
    result = train(explorer, jobs, "KMeans", n_states=3)
    assert result.label == explorer.session.active == "TICA 1 + KMeans 1"
    np.testing.assert_array_equal(result.embedding, tica.embedding)
    assert result.states() == [0, 1, 2]
    panel.embedding.value = "features"
    assert train(explorer, jobs, "KMeans").label == "KMeans 1"
    explorer.session.load(fel.as_dataset(np.random.default_rng(1).normal(size=(50, 2))))
    assert panel.embedding.options == ["features"]


def test_the_same_states_on_two_embeddings_are_two_trainings(explorer, jobs):
    panel = explorer.model
    train(explorer, jobs, "TICA")
    panel.method.value = "KMeans"
    for embedding in ("features", "PCA 1", "TICA 1"):
        panel.embedding.value = embedding
        panel.train()
    with pytest.raises(FelError, match="already"):
        panel.train()
