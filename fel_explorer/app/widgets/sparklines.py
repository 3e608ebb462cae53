"""Small live drawings as SVG text: the loss of a training, and its embedding in the making.

SVG, because a training page redraws them twice a second while the interpreter is busy: a few kilobytes of
text cost a hundredth of a plot, and bokeh plots that join a running page can break its layout
(panel-material-ui issue 548).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from fel_explorer.plots.colours import state_colours

WIDTH, HEIGHT, MARGIN = 280, 130, 6
LINES = ("#0e7490", "#d97706", "#16a34a", "#9333ea")
MAX_POINTS = 1_000
STRIP, TITLE, AXIS = 50, 16, 42  # px, height of a curve with its title, of the title, width of the axis


def losses_svg(losses: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Curves of ``{term: [(step, value), ...]}`` below one another, each with its last value and an axis.

    Values are means over as many steps as share a pixel.  A term that only repeats another one (its negative,
    say) is left out, and at most four are drawn.
    """
    curves = list(zip(_distinct(losses).items(), LINES, strict=False))
    if not curves:
        return ""
    ends = [min(curve[0, 0] for (_, curve), _ in curves), max(curve[-1, 0] for (_, curve), _ in curves)]
    parts = []
    for row, ((term, curve), colour) in enumerate(curves):
        parts += _strip(term, curve, colour, row * STRIP, ends)
    bottom = STRIP * len(curves)
    parts.append(_label(2, bottom + 10, f"step {ends[0]:,.0f}"))
    parts.append(_label(WIDTH - AXIS, bottom + 10, f"{ends[1]:,.0f}", "end"))
    return _svg("Loss of the training", parts, bottom + 14)


def _strip(term, curve, colour, top, ends) -> list[str]:
    """Title, axis and line of one term, from ``top`` on."""
    means = _binned(curve, ends)
    low, high = _range(means[:, 1])
    upper, lower = top + TITLE, top + STRIP - 5
    x = (means[:, 0] - ends[0]) / max(ends[1] - ends[0], 1) * (WIDTH - AXIS - 4) + 2
    y = lower - (np.clip(means[:, 1], low, high) - low) / (high - low) * (lower - upper)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    right = WIDTH - AXIS + 3
    title = f"{term.replace('_', ' ')} {_number(curve[-1, 1])}"
    return [
        f'<text x="2" y="{top + 12}" font-size="12" fill="{colour}">{escape(title)}</text>',
        f'<path d="M{right - 3} {upper}V{lower}" stroke="currentColor" stroke-opacity=".35"/>',
        _label(right, upper + 7, _number(high)),
        _label(right, lower + 1, _number(low)),
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>',
    ]


def _number(value) -> str:
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def _label(x, y, text, anchor="start") -> str:
    style = f'font-size="10" fill="currentColor" fill-opacity=".75" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def _distinct(losses):
    """{term: finite (step, 2) array} without terms that are a linear function of another."""
    kept = {}
    # the loss last: where the method reports what it is made of, those terms say more
    for term in sorted(losses, key=lambda term: term in ("loss", "objective")):
        curve = np.asarray(losses[term], float)
        curve = curve[np.isfinite(curve).all(axis=1)] if len(curve) else curve
        if len(curve) < 2 or np.ptp(curve[:, 1]) == 0:
            continue
        repeats = (
            abs(np.corrcoef(curve[:, 1], other[:, 1])[0, 1]) > 0.999
            for other in kept.values()
            if len(other) == len(curve)
        )
        if not any(repeats):
            kept[term] = curve
    return kept


def _binned(curve, ends) -> np.ndarray:
    """Means (bin, 2) of the points (point, 2) that share a pixel."""
    pixel = ((curve[:, 0] - ends[0]) / max(ends[1] - ends[0], 1) * (WIDTH - AXIS - 4)).astype(int)
    _, index, counts = np.unique(pixel, return_inverse=True, return_counts=True)
    return np.stack([np.bincount(index, column) / counts for column in curve.T], axis=1)


def _range(values) -> tuple[float, float]:
    """Ends of the axis, without the spike of the first steps, which would flatten the rest."""
    low, high = np.percentile(values, (1, 97))
    low, high = max(values.min(), low - (high - low)), min(values.max(), high + (high - low))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def points_svg(points, state=None, *, dark: bool = False) -> str:
    """Dots at (frame, cv), coloured by state; axes beyond the second are not shown."""
    points = np.asarray(points, float)
    every = max(1, len(points) // MAX_POINTS)
    points, state = points[::every], None if state is None else np.asarray(state)[::every]
    y = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    inner = (WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN)
    x, y = MARGIN + _scaled(points[:, 0]) * inner[0], MARGIN + _scaled(-y) * inner[1]
    state = np.zeros(len(points), int) if state is None else state
    parts = []
    for number, colour in state_colours(np.unique(state), dark=dark).items():
        dots = "".join(
            f"M{a:.0f} {b:.0f}h0" for a, b in zip(x[state == number], y[state == number], strict=True)
        )
        parts.append(
            f'<path d="{dots}" stroke="{colour}" stroke-width="3" stroke-linecap="round" opacity=".6"/>'
        )
    return _svg("Embedding of some frames", parts)


def _svg(title, parts, height=HEIGHT):
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" aria-label="{title}" '
        f'style="border:1px solid rgba(128,128,128,.35);border-radius:4px">{"".join(parts)}</svg>'
    )


def _scaled(values):
    low, span = values.min(), np.ptp(values)
    return (values - low) / span if span > 0 else np.full(len(values), 0.5)
