import numpy as np
import pytest

from fel_explorer.data.schema import as_dataset, lag_in_frames, trajectory_lengths, validate
from fel_explorer.errors import FelError


def two_trajectories(**options):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(5, 3)), rng.normal(size=(8, 3))]
    return arrays, as_dataset(arrays, **options)


def test_arrays_become_a_dataset_that_knows_where_frames_come_from():
    arrays, data = two_trajectories(time_step=0.5, time_unit="ps", feature_names=["a", "b", "c"])
    np.testing.assert_allclose(data["features"], np.concatenate(arrays), rtol=1e-6)
    assert data["features"].dtype == np.float32
    assert data["feature"].values.tolist() == ["a", "b", "c"]
    assert data["trajectory"].values.tolist() == [0] * 5 + [1] * 8
    assert data["time"].values.tolist() == [*np.arange(5) * 0.5, *np.arange(8) * 0.5]
    assert trajectory_lengths(data).tolist() == [5, 8]
    assert as_dataset(data) is data


def test_one_array_is_one_trajectory_and_weights_follow():
    data = as_dataset(np.eye(4), weights=np.arange(4))
    assert trajectory_lengths(data).tolist() == [4]
    assert data["weight"].values.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ([], {}, "empty list of arrays"),
        (np.zeros(5), {}, r"Array 0 has shape \(5,\).*array\[:, None\]"),
        ([np.zeros((4, 2)), np.zeros((4, 3))], {}, "Array 1 has 3 features and array 0 has 2"),
        ([np.zeros((4, 2)), np.zeros((0, 2))], {}, "Array 1 has no frames.*Leave it out"),
        (np.array([["a"]]), {}, "Array 0 holds <U1. Features are real numbers"),
        (np.array([[1.0, np.nan]]), {}, "Feature 'x1' is nan at frame 0"),
        (np.array([[1.0], [1e300]]), {}, "Feature 'x0' is inf at frame 1"),
        (np.zeros((3, 0)), {}, "3 frames and 0 features"),
        (np.zeros((3, 2)), {"feature_names": ["a"]}, "1 feature names for 2 features"),
        (np.zeros((3, 2)), {"feature_names": ["a", "a"]}, "2 features are named 'a'"),
        (np.zeros((3, 2)), {"time_step": 0.0}, "time_step=0.0.*positive"),
        (np.zeros((3, 2)), {"weights": [1.0, 2.0]}, "Each trajectory needs one weight per frame"),
        (np.zeros((3, 2)), {"weights": [1.0, -2.0, 1.0]}, "'weight' is negative"),
        (np.zeros((3, 2)), {"weights": [0.0, 0.0, 0.0]}, "zero everywhere"),
    ],
)
def test_bad_arrays_are_told(arrays, options, message):
    with pytest.raises(FelError, match=message):
        as_dataset(arrays, **options)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.drop_vars("time"), "no variable 'time'.*fel.featurize"),
        (lambda d: d.drop_vars("feature"), "no variable 'feature'"),
        (lambda d: d.transpose(), r"has dims \('feature', 'frame'\)"),
        (lambda d: d.isel(frame=slice(0, 0)), "0 frames and 3 features"),
        (lambda d: d.drop_attrs(), "need 'time_unit' and 'time_step'"),
        (lambda d: d.isel(frame=slice(None, None, -1)), "not sorted or has gaps"),
        (lambda d: d.isel(frame=slice(5, None)), "not sorted or has gaps"),
        (lambda d: d.isel(frame=slice(None, None, 2)), "does not count up from 0.*stride"),
        (lambda d: d.assign(weight=("feature", np.ones(3))), "not along 'frame'"),
        (lambda d: d.assign_coords(time=("feature", np.ones(3))), r"'time' has dims \('feature',\)"),
    ],
)
def test_datasets_that_break_the_schema_are_told(spoil, message):
    _, data = two_trajectories()
    with pytest.raises(FelError, match=message):
        validate(spoil(data))


def test_values_are_looked_at_only_when_asked():
    _, data = two_trajectories()
    data["features"][2, 1] = np.inf
    assert validate(data, check_values=False) is data
    with pytest.raises(FelError, match=r"Feature 'x1' is inf at frame 2"):
        validate(data)


@pytest.mark.parametrize(("lag_time", "step", "frames"), [(2.0, 2.0, 1), (14.0, 2.0, 7), (0.3, 0.1, 3)])
def test_a_lag_is_counted_in_frames(lag_time, step, frames):
    _, data = two_trajectories(time_step=step, time_unit="ps")
    assert lag_in_frames(data, lag_time) == frames


@pytest.mark.parametrize(
    ("lag_time", "remedy"),
    [
        (16.0, "shorter lag"),
        (3.0, "lag_time=4"),
        (0.0, "lag_time=2"),
        (-4.0, "lag_time=2"),
        (1e9, "shorter lag"),
    ],
)
def test_an_impossible_lag_names_the_step_the_longest_trajectory_and_a_way_out(lag_time, remedy):
    _, data = two_trajectories(time_step=2.0, time_unit="ps")
    with pytest.raises(FelError) as error:
        lag_in_frames(data, lag_time)
    assert "a frame every 2 ps" in error.value.given and "8 frames (14 ps)" in error.value.given
    assert "from 2 to 14 ps" in error.value.valid
    assert remedy in error.value.remedy


@pytest.mark.parametrize("lag_time", [[2.0, 4.0], "2 ps", None])
def test_a_lag_is_one_number(lag_time):
    with pytest.raises(FelError, match="one number"):
        lag_in_frames(two_trajectories()[1], lag_time)


def test_no_lag_fits_single_frames_or_is_infinite():
    with pytest.raises(FelError, match=r"trajectories of at least two frames"):
        lag_in_frames(as_dataset([np.ones((1, 2)), np.ones((1, 2))]), 1.0)
    with pytest.raises(FelError, match=r"lag_time=nan"):
        lag_in_frames(two_trajectories()[1], float("nan"))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1, 0, "abc", None, [1.0]])
def test_a_time_step_that_is_none_is_refused(wrong):
    values = np.arange(20.0).reshape(10, 2)
    with pytest.raises(FelError, match="time_step="):
        as_dataset(values, time_step=wrong)
    dataset = as_dataset(values)
    dataset.attrs["time_step"] = wrong
    with pytest.raises(FelError, match="time_step="):
        validate(dataset)
