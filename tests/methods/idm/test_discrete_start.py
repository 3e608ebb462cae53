"""IDM from discrete states: what the network learns, what the fit reports, and files from before."""

import numpy as np
import pytest
import torch
from chains import markov_chain, nested_chain
from sklearn.metrics import normalized_mutual_info_score

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.idm.choices import alternatives, half_features
from fel_explorer.methods.idm.distillation import StatePool, segments_as_dataset
from fel_explorer.methods.idm.schedule import MAX_STEPS, DiscreteSchedule, RandomSchedule
from fel_explorer.methods.idm.start import vote
from fel_explorer.training.data import Frames, Scaling

FAST = {"hidden": [32], "n_states": 6, "batch_size": 256, "n_searches": 2}
CHAIN = np.array([[0.98, 0.02, 0.0], [0.03, 0.94, 0.03], [0.0, 0.02, 0.98]])


@pytest.fixture(scope="module")
def states():
    return markov_chain(CHAIN, 20_000)


@pytest.fixture(scope="module")
def features(states):
    noise = np.random.default_rng(1).normal(scale=0.3, size=(len(states), 3))
    return np.eye(3)[states] + noise


@pytest.fixture(scope="module")
def fitted(features):
    return fel.IDM(lag_time=5.0, **FAST).fit(features, device="cpu")


def test_seeds_agree(features, fitted):
    others = [fel.IDM(lag_time=5.0, seed=seed, **FAST).fit(features, device="cpu") for seed in (1, 2)]
    assert {model.n_populated_ for model in (fitted, *others)} == {3}
    for model in others:
        nmi = normalized_mutual_info_score(model.predict(features), fitted.predict(features))
        assert nmi > 0.97


def test_the_fit_says_how_far_it_kept_to_its_start(features, fitted):
    assert fitted.start_agreement_ > 0.95
    assert fitted.states_objective_ > fitted.start_objective_ - 0.01
    random = fel.IDM(lag_time=5.0, start="random", n_steps=20, **FAST).fit(features, device="cpu")
    assert np.isnan([random.start_agreement_, random.start_objective_, random.states_objective_]).all()
    assert np.isnan(random.stability_).all()


def test_the_objective_of_the_final_states_is_that_of_their_pairs(features, fitted):
    """Over all offsets up to the lag, by brute force."""
    labels, joint = fitted.predict(features).values, np.zeros((6, 6))
    for offset in range(1, 6):
        np.add.at(joint, (labels[: len(labels) - 5], labels[offset : len(labels) - 5 + offset]), 1)
    joint = (joint + joint.T) / (2 * joint.sum())
    p = joint.sum(1)
    exact = (joint * np.log(joint, where=joint > 0, out=np.zeros((6, 6)))).sum()
    exact -= 1.8 * (p * np.log(p, where=p > 0, out=np.zeros(6))).sum()
    assert fitted.states_objective_ == pytest.approx(exact, abs=0.01)


def test_populated_states_carry_their_evidence(fitted):
    assert fitted.gains_.shape == fitted.gain_errors_.shape == fitted.visits_.shape == (3,)
    assert (fitted.gains_ > 3 * fitted.gain_errors_).all() and (fitted.visits_ > 50).all()


def test_stability_names_each_alternative_and_its_states(fitted):
    table = fitted.stability_
    assert list(table["alternative"].values) == list(alternatives(0.9, 400, 0))
    assert (table.sel(alternative="another seed") > 0.95).item()
    assert table.sel(alternative="another seed")["n_states"] == 3


def test_training_stops_when_the_objective_rises_no_more(fitted):
    assert fitted.history.sizes["step"] < MAX_STEPS
    recorded = fitted.history["validation"].values
    assert np.isfinite(recorded).sum() == fitted.history.sizes["step"] // 50


def test_one_state_is_one_state():
    """White noise has no memory, so nothing is worth a split."""
    noise = np.random.default_rng(0).normal(size=(3000, 2))
    idm = fel.IDM(lag_time=5.0, n_steps=20, **FAST).fit(noise, device="cpu")
    assert idm.n_populated_ == 1 and np.isinf(idm.gains_).all()
    np.testing.assert_array_equal(idm.predict(noise), 0)


def test_evidence_that_is_asked_for_decides_the_number_of_states(features):
    few = fel.IDM(lag_time=5.0, n_steps=20, min_visits=1e5, **FAST).fit(features, device="cpu")
    assert few.n_populated_ == 1
    limited = fel.IDM(lag_time=5.0, n_steps=200, **{**FAST, "n_states": 2}).fit(features, device="cpu")
    assert limited.n_populated_ == 2


def test_held_out_frames_are_not_looked_at(features):
    """The last frames, which a split by blocks with this seed holds out in part, may be anything."""
    data = fel.as_dataset([features[:16_000], features[16_000:]])
    idm = fel.IDM(lag_time=5.0, n_steps=100, validation_fraction=0.2, **FAST)
    idm.fit(data, device="cpu")
    assert idm.n_populated_ == 3 and np.isfinite(idm.history["validation"].values).any()


def test_a_file_without_the_later_attributes_still_loads(features, fitted, tmp_path):
    from fel_explorer.methods import model_file
    from fel_explorer.methods.idm.method import LATER

    arrays = fitted._get_arrays()
    older = fel.IDM(**fitted.hyperparameters())
    older.feature_names_, older.time_unit_ = fitted.feature_names_, fitted.time_unit_
    older._get_arrays = lambda: {name: value for name, value in arrays.items() if name not in LATER}
    model_file.write(older, tmp_path / "old.fel")
    loaded = fel.load_model(tmp_path / "old.fel")
    np.testing.assert_array_equal(loaded.predict(features), fitted.predict(features))
    assert np.isnan(loaded.visits_).all() and np.isnan(loaded.start_agreement_)
    assert list(loaded.stability_["alternative"].values) == list(fitted.stability_["alternative"].values)


def test_a_stop_is_heard_while_the_states_are_searched_for(features):
    seen = []

    def stop_at_the_second(progress):
        seen.append(progress)
        return len(seen) == 2

    idm = fel.IDM(lag_time=5.0, **{**FAST, "n_searches": 3}).fit(
        features, device="cpu", callback=stop_at_the_second
    )
    assert [one.message[-6:] for one in seen[:2]] == ["1 of 3", "2 of 3"]
    assert len(seen) == 3 and idm.history.sizes["step"] == 1  # a fit keeps what it has
    assert np.isfinite(idm.transform(features)).all()


# ---- other choices


def test_other_choices_are_compared_with_the_states_of_a_model(features, states):
    method = fel.DiscreteIDM(lag_times=[5.0, 20.0], n_microstates=100).fit(features)
    seen = []
    table = fel.methods.compare_choices(method, features, callback=seen.append)
    names = table["alternative"].values.tolist()
    others = ["half of the features", "the other half", "no other choice"]
    assert names == [*alternatives(0.9, 100, 0), *others]
    assert [one.step for one in seen] == list(range(len(names)))
    assert table.sel(alternative="no other choice") > 0.97 and table.sel(alternative="another seed") > 0.9
    assert table.sel(alternative="half of the features") < table.sel(alternative="no other choice")
    same = fel.methods.compare_choices(method, features, method.predict(features, 1).values)
    np.testing.assert_array_equal(same, table)
    noise = np.random.default_rng(0).integers(0, 2, len(states))
    assert (fel.methods.compare_choices(method, features, noise, level=0) < 0.01).all()


def test_comparisons_can_be_stopped_and_need_a_final_beta(features):
    method = fel.DiscreteIDM(lag_times=[5.0], n_microstates=50).fit(features)
    table = fel.methods.compare_choices(method, features, callback=lambda progress: progress.step == 2)
    assert table["alternative"].values.tolist() == ["beta_end 0.85", "beta_end 0.95"]
    with pytest.raises(FelError, match="PCA has no final beta"):
        fel.methods.compare_choices(fel.PCA().fit(features), features)


def test_two_halves_hold_each_feature_once():
    halves = list(half_features(7, 3).values())
    np.testing.assert_array_equal(np.sort(np.concatenate(halves)), np.arange(7))
    assert [len(half) for half in halves] == [3, 4] and half_features(1, 0) == {}


# ---- the tree


def test_a_tree_stops_where_there_is_nothing_to_divide_and_says_what_for():
    parts = [nested_chain(10_000, seed)[1] for seed in range(4)]
    tree = fel.DivisiveIDM(lag_times=[200.0, 10.0, 1.0], n_steps=100, **FAST)
    tree.fit(fel.as_dataset(parts), device="cpu")
    levels = [about["level"] for _, about in tree.graph.nodes(data=True)]
    assert np.bincount(levels).tolist() == [2, 3, 3]
    divided = [about for _, about in tree.graph.nodes(data=True) if np.isfinite(about["stability"])]
    assert len(divided) == 4
    for about in divided:
        assert about["stability"] > 0.9 and about["gain"] > about["gain_error"] and about["visits"] > 5
    whole = [about for _, about in tree.graph.nodes(data=True) if np.isnan(about["stability"])]
    assert np.isnan([[about[name] for name in ("gain", "gain_error", "visits")] for about in whole]).all()


# ---- parts


def test_the_vote_is_that_of_most_searches_whatever_their_numbers():
    """Three noisy copies of a partition under other numbers, against the majority counted directly."""
    random = np.random.default_rng(0)
    truth = random.choice(3, 3000, p=[0.6, 0.3, 0.1])
    noisy = [np.where(random.random(3000) < 0.1, random.integers(0, 3, 3000), truth) for _ in range(3)]
    numbers = [np.array(order) for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0])]
    elected = vote([order[labels] for order, labels in zip(numbers, noisy, strict=True)])
    counts = sum(np.eye(3, dtype=int)[labels] for labels in noisy)
    clear = counts.max(1) >= 2
    np.testing.assert_array_equal(elected[clear], counts.argmax(1)[clear])


def test_the_number_of_states_is_that_of_most_searches():
    two, three = np.repeat([0, 1], [60, 40]), np.repeat([0, 1, 2], [50, 40, 10])
    assert len(np.unique(vote([two, three, two]))) == 2 and len(np.unique(vote([three, two, three]))) == 3
    assert len(np.unique(vote([three, two]))) == 2  # of equally many the smaller number
    np.testing.assert_array_equal(vote([three[::-1].copy()]), three[::-1])
    np.testing.assert_array_equal(vote([np.repeat([0, 1], [10, 90])]), np.repeat([1, 0], [10, 90]))


def test_beta_falls_once_or_in_cycles():
    method = fel.IDM(beta_start=1.5, beta_end=0.9, beta_decay=0.6)
    schedule, steps = RandomSchedule(100), np.arange(100)
    beta = [schedule.beta(method, step) for step in steps]
    np.testing.assert_allclose(beta, np.where(steps < 60, 1.5 - 0.01 * steps, 0.9))
    method.beta_cycles = 3
    beta = np.array([schedule.beta(method, step) for step in steps])
    np.testing.assert_allclose(beta, np.where(steps < 60, 1.5 - 0.03 * (steps % 20), 0.9))


def test_frames_are_drawn_evenly_over_states_and_by_weight_within():
    x = np.arange(1000.0)[:, None]
    dataset = fel.as_dataset([x])
    identity = Scaling(torch.zeros(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
    frames = Frames(dataset, identity, torch.device("cpu"))
    index, states = np.arange(500, 1000), np.where(np.arange(500, 1000) < 510, 1, 0)
    weights = np.where(np.arange(1000) % 2, 3.0, 1.0)
    pool = StatePool(frames, index, states, weights)
    drawn, labels = pool.draw(20_000, torch.Generator().manual_seed(0))
    drawn = drawn[:, 0].numpy().astype(int)
    assert drawn.min() >= 500
    np.testing.assert_array_equal(labels, states[drawn - 500])
    assert labels.double().mean() == pytest.approx(0.5, abs=0.02)
    assert (drawn % 2).mean() == pytest.approx(0.75, abs=0.02)
    assert len(np.unique(drawn)) > 490


def test_segments_become_trajectories():
    data = fel.as_dataset([np.arange(10.0)[:, None], np.arange(10.0, 18.0)[:, None]], time_step=2.0)
    part = segments_as_dataset(data.assign(weight=("frame", np.arange(18.0))), np.array([[2, 5], [10, 12]]))
    assert part["features"].values[:, 0].tolist() == [2, 3, 4, 10, 11] == part["weight"].values.tolist()
    assert part["trajectory"].values.tolist() == [0, 0, 0, 1, 1] and part.attrs["time_step"] == 2.0


def test_a_schedule_fits_into_its_steps_and_anneals():
    for n in (1, 2, 20, 12_000, 3000):
        schedule = DiscreteSchedule.within(n)
        assert schedule.n_steps <= min(n, max(MAX_STEPS, n // 3)) and schedule.distillation < n
        assert schedule.distillation + schedule.annealing <= schedule.n_steps
        rates = [schedule.rate(step) for step in range(schedule.n_steps)]
        assert max(rates) == pytest.approx(3.0) and min(rates) >= 0.3
    assert rates[0] == rates[schedule.distillation] == 3.0 and rates[-1] == pytest.approx(0.3)
    assert DiscreteSchedule.within(12_000).annealing == 4 * DiscreteSchedule.within(3000).annealing == 1600
