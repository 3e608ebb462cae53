"""The live drawings of a training, by the numbers in their SVG."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from fel_explorer.app.jobs.job import KEPT_LOSSES, LossCurve
from fel_explorer.app.widgets.sparklines import losses_svg, points_svg


def lines(svg):
    found = re.findall(r'points="([^"]+)"', svg)
    return [np.array([pair.split(",") for pair in points.split()], float) for points in found]


def labels(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_each_curve_has_an_axis_of_its_own():
    steps = range(1, 201)
    rising = [(s, s / 200) for s in steps]
    falling = [(s, 1000 - s**2 / 50) for s in steps]
    svg = losses_svg({"score": rising, "error": falling})
    up, down = lines(svg)
    assert up[0, 1] > up[-1, 1] and down[0, 1] < down[-1, 1]  # y of SVG points down
    assert up[:, 1].max() < down[:, 1].min()  # below one another
    found = labels(svg)
    assert "score 1" in found and "error 200" in found and "step 1" in found and "200" in found
    numbers = [float(text.replace(",", "")) for text in found if re.fullmatch(r"[\d.,]+", text)]
    assert max(numbers) == pytest.approx(1000, rel=0.01)


def test_a_noisy_curve_is_drawn_by_its_means_and_not_as_a_zigzag():
    noise = np.random.default_rng(0).normal(size=20_000)
    values = np.linspace(5, 0, len(noise)) + noise
    (line,) = lines(losses_svg({"loss": list(enumerate(values))}))
    height = np.ptp(line[:, 1])
    assert np.abs(np.diff(line[:, 1])).mean() < height / 20
    assert len(line) <= 280


def test_a_loss_history_is_equally_fine_from_beginning_to_end():
    n, curve = 11 * KEPT_LOSSES + 77, LossCurve()
    for step in range(1, n + 1):
        curve.record(step, float(step))
    steps, values = np.array(curve).T
    assert curve[0] == (1, 1.0) and steps[-1] == n and KEPT_LOSSES / 2 <= len(curve) <= KEPT_LOSSES
    assert np.ptp(np.diff(steps[1:-1])) == 0
    # each point is the mean of the steps up to it
    middles = (steps[1:] + steps[:-1] + 1) / 2
    np.testing.assert_allclose(values[1:-1], middles[:-1], atol=np.diff(steps)[1] / 2)
    again = curve.copy()
    again.record(n + 1, 0.0)
    curve.record(n + 1, 0.0)
    assert list(again) == list(curve)


def test_losses_are_drawn_inside_the_frame_and_repeated_terms_once():
    rng = np.random.default_rng(0)
    steps = range(1, 200)
    loss = {step: float(rng.normal()) for step in steps}
    losses = {
        "loss": [(s, loss[s]) for s in steps],
        "objective": [(s, -loss[s]) for s in steps],
        "beta": [(s, 1.5 - s / 400) for s in steps],
        "validation": [(s, float("nan")) for s in steps],
        "constant": [(s, 2.0) for s in steps],
    }
    root = ET.fromstring(losses_svg(losses))
    lines = root.findall("polyline")
    titles = [text.text for text in root.findall("text") if text.get("font-size") == "12"]
    assert [title.rsplit(" ", 1)[0] for title in titles] == ["beta", "loss"]
    width, height = map(float, root.get("viewBox").split()[2:])
    for line in lines:
        places = np.array([point.split(",") for point in line.get("points").split()], float)
        assert (places >= 0).all() and (places <= (width, height)).all()
        assert (np.diff(places[:, 0]) >= 0).all()
    falling = np.array([p.split(",") for p in lines[0].get("points").split()], float)[:, 1]
    assert (np.diff(falling) >= 0).all()  # down the screen


def test_points_of_one_state_share_a_colour():
    points = np.random.default_rng(0).normal(size=(300, 3))
    state = np.arange(300) % 3
    paths = ET.fromstring(points_svg(points, state)).findall("path")
    assert len({path.get("stroke") for path in paths}) == 3
    assert [path.get("d").count("M") for path in paths] == [100, 100, 100]
    assert len(ET.fromstring(points_svg(np.zeros((4, 1)))).findall("path")) == 1
