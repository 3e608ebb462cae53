"""Multitask CVs against NumPy, a linear problem with a known answer, and the published toy model."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.multitask import objective

SYSTEM = fel.systems.MullerBrown5D()
TINY = {
    "hidden": [16],
    "head_hidden": [16],
    "n_steps": 150,
    "n_restarts": 1,
    "batch_size": 256,
    "validation_fraction": 0.0,
}


@pytest.fixture(scope="module")
def data():
    """One feature decides: basin by its sign, energy 2 x^2 + 5; the others are noise."""
    x = np.random.default_rng(0).normal(size=(2000, 4))
    data = fel.as_dataset(x)
    data["side"] = ("frame", np.where(x[:, 0] > 0, 7, 3))
    return data.assign(epot=("frame", 2 * x[:, 0] ** 2 + 5))


def multitask(**options):
    settings = {"n_dims": 1, "label_column": "side", "energy_column": "epot"} | TINY | options
    return fel.MultitaskCV(**settings)


# ---- weights and losses


def test_each_basin_has_the_same_weight():
    label = np.array([0, 0, 0, 1, 2, 2, -1])
    weight = objective.basin_weights(label)
    assert weight[-1] == 0
    sums = [weight[label == basin].sum() for basin in range(3)]
    np.testing.assert_allclose(sums, 2.0)


def test_each_energy_interval_has_the_same_weight():
    energy = np.concatenate([np.full(60, 0.1), np.full(30, 1.1), np.full(12, 1.99), [0.0, 2.0]])
    weight = objective.interval_weights(energy, 4)
    interval = np.minimum(energy // 0.5, 3)
    sums = [weight[interval == i].sum() for i in (0, 2, 3)]
    np.testing.assert_allclose(sums, sums[0])
    assert weight.mean() == pytest.approx(1.0)


def test_a_lone_frame_does_not_rule():
    weight = objective.interval_weights(np.r_[np.zeros(9999), 1.0], 2)
    assert weight.max() / weight.min() < 21


def test_the_pair_loss_is_the_printed_sum():
    random = np.random.default_rng(1)
    z, energy, label = random.normal(size=(30, 2)), random.normal(size=30), random.integers(-1, 2, 30)
    total = norm = 0.0
    for i in range(30):
        for j in range(i):
            if label[i] == label[j] >= 0:
                gap = abs(energy[i] - energy[j])
                u = 1 - 1 / (1 + np.exp(-(gap - 0.7) / 0.3))
                total += u * (((z[i] - z[j]) ** 2).sum() - gap**2) ** 2
                norm += u
    found = objective.pair_loss(*(torch.from_numpy(a) for a in (z, energy, label)), 0.7, 0.3)
    assert float(found) == pytest.approx(total / norm)


def test_a_guess_costs_one():
    label, weight = torch.tensor([0, 1, 2, -1]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert float(objective.classification(torch.zeros(4, 3), label, weight)) == pytest.approx(1.0)


# ---- fits


def test_basins_and_energies_are_told_in_their_own_units(data):
    model = multitask(n_dims=2, n_steps=300).fit(data)
    assert model.basins_.tolist() == [3, 7]
    right = model.basins_[model.predict(data).values] == data["side"].values
    assert right.mean() == pytest.approx(model.accuracy_) and model.accuracy_ > 0.95
    error = np.abs(model.predict_energy(data).values - data["epot"].values).mean()
    assert error == pytest.approx(model.energy_error_, rel=1e-4)
    assert error < 0.3 * data["epot"].values.std()
    z = model.transform(data).values
    heads = model.predict_at(z[:5])
    np.testing.assert_allclose(heads["energy"], model.predict_energy(data)[:5], rtol=1e-5)
    np.testing.assert_allclose(heads["basin"], model.predict_proba(data)[:5], atol=1e-6)


def test_the_classifier_is_linear_in_the_cv(data):
    model = multitask().fit(data)
    log_odds = np.log(model.predict_at(np.array([[0.0], [1.0], [2.0]]))["basin"].values)
    odds = log_odds[:, 1] - log_odds[:, 0]
    assert odds[2] - odds[1] == pytest.approx(odds[1] - odds[0], rel=1e-4)


def test_single_tasks_leave_the_other_out(data):
    basins = multitask(energy_weight=0.0).fit(data.drop_vars("epot"))
    assert basins.accuracy_ > 0.9 and np.isnan(basins.energy_error_)
    with pytest.raises(FelError, match="energy_weight is 0"):
        basins.predict_energy(data)
    energies = multitask(classification_weight=0.0).fit(data.drop_vars("side"))
    assert energies.energy_error_ < data["epot"].values.std()
    with pytest.raises(FelError, match="no predict_proba"):
        energies.predict(data)
    plain = multitask(classification_weight=0.0, energy_weight=0.0, reconstruction_weight=1.0)
    assert plain.fit(data.drop_vars(["side", "epot"])).inverse_transform([[0.0]]).shape == (1, 4)


def test_pairs_alone_put_energies_on_a_scale(data):
    model = multitask(energy_weight=0.0, pair_weight=1.0, pair_cutoff=5.0, n_steps=400).fit(data)
    z, side = model.transform(data).values[:, 0], data["side"].values
    for basin in (3, 7):
        energy = data["epot"].values[side == basin]
        assert abs(np.corrcoef(z[side == basin], energy)[0, 1]) > 0.9


def test_the_forecast_learns_what_a_lag_later_is(tmp_path):
    angle = 0.1 * np.arange(3000)
    circle = fel.as_dataset(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    options = {"classification_weight": 0.0, "energy_weight": 0.0, "forecast_weight": 1.0}
    model = multitask(**options, lag_time=8.0, n_steps=600, random_share=0.0).fit(circle)
    short = model.history["forecast"].values[-50:].mean()
    assert short < 0.5 * model.history["forecast"].values[:20].mean()
    model.save(tmp_path / "model.fel")
    assert fel.load_model(tmp_path / "model.fel").lag_time == 8.0


def test_frames_without_a_label_count_for_energies_only(data):
    some = data.copy()
    some["side"] = ("frame", np.where(np.abs(data["features"].values[:, 0]) < 0.5, -1, data["side"].values))
    model = multitask(energy_weight=0.1).fit(some)
    assert model.basins_.tolist() == [3, 7] and model.accuracy_ > 0.97


def test_prefactors_are_random_at_first_and_the_same_in_a_resumed_run(data, tmp_path):
    model = multitask(random_share=0.5)
    model._read_columns(data)
    model._restart = 0
    early, late = model._prefactors(3), model._prefactors(75)
    assert len(set(early.values())) == len(early) and all(0 <= v < 1 for v in early.values())
    assert set(late.values()) == {1.0} and early == model._prefactors(3)
    assert early != model._prefactors(40)  # another epoch
    whole = multitask(n_restarts=2).fit(data)
    part = multitask(n_restarts=2)
    part.fit(data, checkpoint_dir=tmp_path, callback=lambda progress: progress.step >= 1)
    resumed = multitask(n_restarts=2).fit(data, checkpoint_dir=tmp_path)
    np.testing.assert_array_equal(resumed.transform(data), whole.transform(data))


def test_the_start_with_the_least_loss_goes_on(data, monkeypatch):
    scores, loss = [], fel.MultitaskCV._trial_loss
    monkeypatch.setattr(
        fel.MultitaskCV,
        "_trial_loss",
        lambda self, history: scores.append(loss(self, history)) or scores[-1],
    )
    model = multitask(n_restarts=4).fit(data)
    alone = multitask(n_restarts=1).fit(data)
    assert np.argmin(scores[:4]) > 0  # else it would show nothing
    for fitted, score in ((model, min(scores[:4])), (alone, scores[0])):
        early = fitted.history.isel(step=slice(12, 15))  # the end of the first tenth
        loss = early["classification"] + early["energy"] + 1e-5 * early["regularization"]
        assert float(loss.mean()) == pytest.approx(score, rel=1e-5)
        assert fitted.history.sizes["step"] == 150


def test_the_toy_model_of_the_paper_is_told_apart():
    starts = fel.systems.near_saddles(SYSTEM, 300, reach=3.0, seed=0)
    shots = fel.systems.shoot(SYSTEM, starts, n_steps=600, stride=20, seed=0)
    model = fel.MultitaskCV(n_dims=1, n_steps=250, batch_size=512, seed=0).fit(shots)
    share = shots["basin"].values.mean()
    assert model.accuracy_ > max(share, 1 - share) + 0.1
    assert model.energy_error_ < 0.6 * shots["energy"].values.std()


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda d: d.drop_vars("side"), "no column 'side'"),
        (lambda d: d.assign(epot=d["epot"].where(d["frame"] > 3)), "'epot' is nan at frame 0"),
        (lambda d: d.assign(side=d["side"] + 0.5), "Labels are whole"),
        (lambda d: d.assign(side=0 * d["side"]), "at least two"),
    ],
)
def test_columns_that_can_not_be_learned_are_refused(data, change, match):
    with pytest.raises(FelError, match=match):
        multitask().fit(change(data.assign_coords(frame=np.arange(2000))).drop_vars("frame"))
