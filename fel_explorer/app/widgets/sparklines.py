"""Small live drawings as SVG text: the loss of a training, and its embedding in the making.

SVG, because a training page redraws them twice a second while the interpreter is busy: a few kilobytes of
text cost a hundredth of a plot, and bokeh plots that join a running page can break its layout
(panel-material-ui issue 548).
"""

from __future__ import annotations

from html import escape

import numpy as np

from fel_explorer.plots.colours import state_colours

WIDTH, HEIGHT, MARGIN = 280, 130, 6
LINES = ("#0e7490", "#d97706", "#16a34a", "#9333ea")
MAX_POINTS = 1_000
LETTER, LINE = 5.8, 14  # px, mean width of a letter of the legend and height of its lines


def losses_svg(losses: dict[str, list[tuple[int, float]]]) -> str:
    """Curves of ``{term: [(step, value), ...]}``, each on its own scale, with the last values as legend.

    A term that only repeats another one (its negative, say) is left out, and at most four are drawn.
    """
    curves = list(zip(_distinct(losses).items(), LINES, strict=False))
    parts, place, line = [], 4.0, 0
    for (term, curve), colour in curves:
        text = f"{term.replace('_', ' ')} {curve[-1, 1]:.2g}"
        if place > 4.0 and place + LETTER * len(text) > WIDTH:
            place, line = 4.0, line + 1
        at = f'x="{place:.0f}" y="{13 + LINE * line}"'
        parts.append(f'<text {at} font-size="12" fill="{colour}">{escape(text)}</text>')
        place += 8 + LETTER * len(text)
    top = 20 + LINE * line
    for (_, curve), colour in curves:
        x, y = _scaled(curve[:, 0]) * WIDTH, top + _scaled(-_clipped(curve[:, 1])) * (HEIGHT - 6 - top)
        points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return _svg("Loss of the training", parts)


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
    return {term: curve[:: max(1, len(curve) // WIDTH)] for term, curve in kept.items()}


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


def _svg(title, parts):
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{title}" '
        f'style="border:1px solid rgba(128,128,128,.35);border-radius:4px">{"".join(parts)}</svg>'
    )


def _scaled(values):
    low, span = values.min(), np.ptp(values)
    return (values - low) / span if span > 0 else np.full(len(values), 0.5)


def _clipped(values):
    """Without the spike of the first steps, which would flatten all the rest."""
    low, high = np.percentile(values, (1, 97))
    return np.clip(values, low - (high - low), high + (high - low))
