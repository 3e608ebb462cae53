"""The coarse master equation from memberships that are calibrated, sharpened or blurred."""

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.errors import FelError
from fel_explorer.kinetics import emission
from fel_explorer.resampling import Blocks

PI = np.array([0.6, 0.3, 0.1])
FLUX = np.array([[0, 0.008, 0.0015], [0.008, 0, 0], [0.0015, 0, 0]])
K = FLUX / PI - np.diag((FLUX / PI).sum(0))  # columns to rows, per frame
TIMESCALES = -1 / np.sort(np.linalg.eigvals(K).real)[::-1][1:]
BLUR = np.array([[0.8, 0.1, 0.3], [0.1, 0.7, 0.1], [0.1, 0.2, 0.6]])


def power(chi, exponent):
    return chi**exponent / (chi**exponent).sum(-1, keepdims=True)


DISTORTIONS = {
    "calibrated": lambda chi: chi,
    "sharpened": lambda chi: power(chi, 4),
    "flattened": lambda chi: power(chi, 0.3),
    "blurred": lambda chi: 0.5 * chi + 0.5 / 3,
    "blurred unevenly": lambda chi: chi @ BLUR.T,
}


@pytest.fixture(scope="module")
def states():
    """(chain, frame)"""
    rng, cumulative = np.random.default_rng(0), scipy.linalg.expm(K).T.cumsum(1)
    states = np.zeros((8, 25_000), int)
    states[:, 0] = rng.choice(3, size=8, p=PI)
    for t in range(1, states.shape[1]):
        states[:, t] = (rng.random(8)[:, None] > cumulative[states[:, t - 1]]).sum(1)
    return states


@pytest.fixture(scope="module")
def calibrated(states):
    """Posteriors (chain, frame, state) of the state given one noisy observation."""
    x = 2.5 * states + np.random.default_rng(1).normal(size=states.shape)
    density = PI * np.exp(-0.5 * (x[..., None] - 2.5 * np.arange(3)) ** 2)
    return density / density.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_time_scales_and_rates_survive_distorted_memberships(calibrated, name):
    chi = list(DISTORTIONS[name](calibrated))
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=0).fit(chi)
    assert_allclose(model.timescales_, TIMESCALES, rtol=0.1)
    assert_allclose(model.stationary_distribution_, PI, atol=0.02)
    assert_allclose(model.rate_matrix_[FLUX > 0], K[FLUX > 0], rtol=0.15)
    if name != "calibrated":
        assert model.form_ == "correlations" and model.calibration_.verdict == "not calibrated"
    assert model.to_dataset().attrs["form"] == model.form_


def test_the_check_of_calibration_passes_for_calibrated_and_hard_states(calibrated, states):
    for chi in (calibrated, np.eye(3)[states]):
        model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=0, multiples=(1,)).fit(list(chi[:, :, :]))
        ratio = model.calibration_.calibrated / model.calibration_.invariant
        assert abs(np.log(ratio)) < max(2 * model.calibration_.tolerance, 0.2)
    assert model.form_ == "calibrated" and model.calibration_.verdict == "calibrated"


def test_forms_can_be_chosen(calibrated):
    slow = {}
    for form in ("printed", "calibrated", "correlations"):
        model = kinetics.CoarseMasterEquation(5.0, form=form, n_bootstraps=0).fit(list(calibrated))
        assert model.form_ == form
        slow[form] = model.timescales_[0]
    assert slow["printed"] < 0.5 * TIMESCALES[0]
    assert_allclose([slow["calibrated"], slow["correlations"]], TIMESCALES[0], rtol=0.1)
    with pytest.raises(FelError, match="forms are auto"):
        kinetics.CoarseMasterEquation(5.0, form="exact")


def test_emission_matrix_is_the_mean_membership_of_each_true_state(calibrated, states):
    chi = (calibrated @ BLUR.T).reshape(-1, 3)
    blocks = Blocks.of_lengths([25_000] * 8)
    moments = emission.correlations(emission.block_correlations(chi, blocks, 5, (1,)), np.ones(len(blocks)))
    matrix, population = emission.emission_matrix(moments)
    exact = np.transpose([chi[states.ravel() == state].mean(0) for state in range(3)])
    assert_allclose(matrix, exact, atol=0.03)
    assert_allclose(population, PI, atol=0.02)


def test_joint_diagonalisation_finds_common_eigenvectors():
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    values = rng.normal(size=(4, 5))
    found, diagonals = emission.joint_diagonalise(np.einsum("ik,jk,lk->jil", basis, values, basis))
    order = np.abs(basis.T @ found).argmax(0)
    assert_allclose(np.abs(basis.T @ found), np.eye(5)[:, order], atol=1e-8)
    assert_allclose(diagonals, values[:, order], atol=1e-8)


def test_bootstrap_intervals_hold_the_exact_rates(calibrated):
    chi = list(power(calibrated, 4))
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=40).fit(chi)
    assert model.timescales_lower_[0] < TIMESCALES[0] < model.timescales_upper_[0]
    one = kinetics.CoarseMasterEquation(5.0, n_bootstraps=40).fit(chi[0])  # blocks of one trajectory
    assert np.isfinite(one.timescales_lower_).all()
    assert one.timescales_upper_[0] - one.timescales_lower_[0] > 5


def test_states_that_are_not_told_apart_are_refused_in_the_form_of_correlations(calibrated):
    copied = np.concatenate([calibrated / 2, calibrated / 2], axis=-1)
    with pytest.raises(FelError, match="show 3 of 6 states"):
        kinetics.CoarseMasterEquation(5.0, form="correlations").fit(list(copied))
    assert (
        kinetics.CoarseMasterEquation(5.0, n_bootstraps=0, multiples=(1,)).fit(list(copied)).form_
        == "calibrated"
    )


def test_trajectories_shorter_than_a_multiple_are_used_where_they_can_be(calibrated):
    whole = kinetics.CoarseMasterEquation(5.0, form="correlations", n_bootstraps=0).fit(list(calibrated))
    short = [calibrated[0][:30], *calibrated]
    model = kinetics.CoarseMasterEquation(5.0, form="correlations", n_bootstraps=0).fit(short)
    assert_allclose(model.rate_matrix_, whole.rate_matrix_, atol=2e-4)
    with pytest.raises(FelError, match="at most"):
        kinetics.CoarseMasterEquation(5.0).fit([calibrated[0][:30]])
