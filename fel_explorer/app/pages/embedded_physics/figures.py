"""The pictures of the page, each a `Sheet`: samples, CVs, the temperature and other curves over the steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.pages.embedded_physics.training import ModelSnapshot
from fel_explorer.app.pages.lessons import maps
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import sequential, state_colours

CEILING = 12.0  # kT above the lowest, where the map ends
REACH = 3.5  # of each z in the picture
BINS = 56
DOT = 4.5  # px
NET = np.arange(-2.0, 2.1, 1.0)  # lines of equal z in the picture of samples
CHAIN = 80  # dots that show a single CV
POINTS = 300  # of a curve
MIN_DISTANCE = 1e-4  # nats, as far down as distances are drawn
MARK = "#d6006c"  # on no map's scale
CONFORMER_LINES = ([[-105, -105], [50, 180]], [[-105, -105], [-180, -120]], [[-180, 0], [50, 50]])
CONFORMER_LINES += ([[-180, 0], [-120, -120]], [[0, 0], [-180, 180]])
PLACES = {"α": (-80, -35), "β1": (-145, 165), "β2": (-55, 165), "φ > 0": (90, 165)}


@dataclass(frozen=True, eq=False)
class Spot:
    """Decoded place of a clicked z: its mean (2,), and some draws (sample, 2) of it, in the picture."""

    z: np.ndarray
    place: np.ndarray
    draws: np.ndarray


@dataclass(frozen=True, eq=False)
class View:
    """Content of the pictures; ``which`` is one of `CURVES`."""

    subject: Subject
    snapshot: ModelSnapshot | None
    spot: Spot | None
    n_dims: int
    which: str
    dark: bool


def draw(name: str, view: View) -> sheet.Sheet:
    """The picture "samples", "cv", "temperature" or "curve"."""
    subject, snapshot, dark = view.subject, view.snapshot, view.dark
    curves = snapshot.curves if snapshot is not None else {}
    if name == "samples":
        weights = snapshot.samples.weights() if snapshot is not None and snapshot.final else None
        return samples_picture(subject, snapshot, view.spot, weights, dark=dark)
    if name == "cv":
        page = cv_picture(subject, snapshot, view.spot, view.n_dims, dark=dark)
        return page if snapshot is not None else waiting(page, "Press Learn, then click here", dark)
    if name == "temperature":
        page = temperature_picture(subject, curves, dark=dark)
        return page if curves else waiting(page, "The temperature will fall here", dark)
    return curve_picture(view.which, curves, dark=dark)


def samples_picture(
    subject: Subject, snapshot: ModelSnapshot | None, spot: Spot | None, weights, *, dark: bool
):
    """The samples where they lie: over the free energy of a model system, or as a Ramachandran plot.

    ``weights`` (sample,) of sum 1 set the sizes of the dots; None: all alike.
    """
    page = sheet.Sheet(subject.limits, subject.axes)
    if subject.is_molecule:
        page.ticks = {axis: [(v, f"{v}") for v in range(-180, 181, 60)] for axis in (0, 1)}
        page.dashes = [sheet.line(x, y, drawing.faint(dark), 1.0) for x, y in CONFORMER_LINES]
        words = [(*PLACES[name], name) for name in subject.states]
    else:
        _draw_energy(page, subject, dark)
        minima = subject.system.minima.tolist()
        words = [(x, y, name) for (x, y), name in zip(minima, subject.states, strict=True)]
    if snapshot is not None:
        page.dots = _dots(snapshot.samples.places, snapshot.samples.state, weights, dark)
        if not subject.is_molecule:
            _draw_cv_lines(page, snapshot)
    if spot is not None:
        page.dots += [sheet.dot(x, y, "#00000000", 5.0, rim=MARK) for x, y in spot.draws]
        page.dots.append(sheet.dot(*spot.place, MARK, 13.0, rim="#ffffff"))
    if subject.is_molecule:
        page.words = [sheet.word(x, y, t, drawing.ink(dark), size="14pt", style="bold") for x, y, t in words]
    elif snapshot is None:
        page.words = [maps.label(x, y, text) for x, y, text in words]
    return page


def _draw_energy(page, subject, dark) -> None:
    x, y = subject.exact.axes
    page.image = (x, y, subject.exact.shades(CEILING), sequential(dark=dark))
    colour = "#ffffff60" if dark else "#20202050"
    page.lines = [sheet.line(*line.T, colour, 1.0) for line in subject.exact.contours(CEILING)]


def _dots(places, state, weights, dark) -> list[dict]:
    sizes = np.full(len(places), DOT)
    shown = np.isfinite(places).all(axis=1)
    if weights is not None:  # areas by weight, as far as that is visible
        sizes = DOT * np.sqrt(np.clip(weights * len(weights), 0.05, 16.0))
    colours = state_colours(range(state.max() + 1), dark=True)
    return [
        sheet.dot(x, y, colours[s], size)
        for (x, y), s, size in zip(places[shown], state[shown].tolist(), sizes[shown], strict=True)
    ]


def _draw_cv_lines(page, snapshot: ModelSnapshot) -> None:
    """Lines of equal z through the decoder in the landscape; a single CV is a chain of dots."""
    n_dims = snapshot.model.n_dims
    if n_dims == 1:
        z = np.linspace(-REACH, REACH, CHAIN)[:, None]
        page.dots += [sheet.dot(x, y, "#ffffff", 4.0) for x, y in snapshot.model.decode(z)]
        return
    along = np.linspace(-REACH, REACH, 60)
    for axis in (0, 1):
        for fixed in NET:
            z = np.zeros((len(along), n_dims))
            z[:, axis], z[:, 1 - axis] = along, fixed
            page.lines.append(sheet.line(*snapshot.model.decode(z).T, "#ffffff", 1.5))


def cv_picture(
    subject: Subject, snapshot: ModelSnapshot | None, spot: Spot | None, n_dims: int, *, dark: bool
):
    """The CVs of the samples in their states' colours; with one CV its density, cut into the states."""
    if n_dims == 1:
        page = _strip(subject, snapshot, dark)
        if spot is not None:
            page.lines.append(sheet.line([spot.z[0]] * 2, [0, 0.44], MARK, 3.0))
        return page
    page = sheet.Sheet(((-REACH, REACH),) * 2, ("z1", "z2"))
    turn = np.linspace(0, 2 * np.pi, 100)
    page.dashes = [
        sheet.line(r * np.cos(turn), r * np.sin(turn), drawing.faint(dark), 1.0) for r in (1.0, 2.0, 3.0)
    ]
    if snapshot is not None:
        page.dots = _dots(snapshot.samples.z[:, :2], snapshot.samples.state, None, dark)
        _legend(page, snapshot, dark, top=REACH)
    if spot is not None:
        page.dots.append(sheet.dot(*spot.z[:2], MARK, 13.0, rim="#ffffff"))
    return page


def _strip(subject, snapshot, dark):
    page = sheet.Sheet(((-REACH, REACH), (0.0, 0.46)), ("z", "p(z)"))
    along = np.linspace(-REACH, REACH, 100)
    page.dashes = [sheet.line(along, norm.pdf(along), drawing.faint(dark), 1.5)]
    if snapshot is None:
        return page
    z, state = snapshot.samples.z[:, 0], snapshot.samples.state
    edges = np.linspace(-REACH, REACH, BINS + 1)
    colours, below = state_colours(range(state.max() + 1), dark=True), np.zeros(2 * BINS)
    for number in np.unique(state).tolist():
        height = np.histogram(z[state == number], edges)[0] / (len(z) * np.diff(edges))
        above = below + np.repeat(height, 2)
        page.areas.append(drawing.band(np.repeat(edges, 2)[1:-1], below, above, colours[number], 0.85))
        below = above
    _legend(page, snapshot, dark, top=0.46)
    return page


def _legend(page, snapshot, dark, *, top) -> None:
    """Names of the states that there are, in their colours, from the top left down."""
    colours = state_colours(range(snapshot.samples.state.max() + 1), dark=True)
    height = top - page.limits[1][0]
    for i, number in enumerate(np.unique(snapshot.samples.state).tolist()):
        place = -0.96 * REACH, top - height * (0.06 + 0.075 * i)
        text = f"● {snapshot.subject.states[number]}"
        colour = colours[number] if dark else maps.blend(colours[number], "#000000", 0.25)
        style = {"size": "13pt", "style": "bold", "ground": "#121212b0" if dark else "#ffffffb0"}
        page.words.append(sheet.word(*place, text, colour, align="left", **style))


def waiting(page, text: str, dark: bool):
    """``page`` with a few words in its upper half."""
    (left, right), (bottom, top) = page.limits
    x, y = (left + right) / 2, bottom + 0.94 * (top - bottom)
    page.words.append(sheet.word(x, y, text, drawing.faint(dark), size="13pt"))
    return page


# ---- curves over the steps


def temperature_picture(subject: Subject, curves: dict, *, dark: bool):
    """The temperature of the model over the steps, on a logarithmic axis."""
    steps, beta = thin_curve(curves.get("beta", []))
    values = subject.temperature / beta
    end, top = max(steps.max(initial=2), 2), max(values.max(initial=0), 2 * subject.temperature)
    goal = subject.temperature
    limits = (np.log10(0.8 * goal), np.log10(1.25 * top))
    page = sheet.Sheet(((1, end), limits), ("", "T (K)" if subject.is_molecule else "kT"))
    page.ticks = {
        1: [(np.log10(goal * n), f"{goal * n:,.4g}") for n in (1, 3, 10, 30) if goal * n < 1.2 * top]
    }
    page.dashes = [sheet.line([1, end], [np.log10(goal)] * 2, drawing.faint(dark), 1.5)]
    page.lines = [sheet.line(steps, np.log10(values), state_colours([5], dark=dark)[5], 3.0)]
    return page


CURVES = {
    "Quality": (("effective_sample_size", "", 0),),
    "Distance": (("kl_reverse", "KL(q‖p)", 0), ("kl_forward", "KL(p‖q)", 1)),
    "Energy": (("energy", "", 5),),
}
LABELS = {"Quality": "fraction", "Distance": "KL (nats)", "Energy": "U (kT)"}


def curve_picture(which: str, curves: dict, *, dark: bool):
    """One of `CURVES` over the steps; distances on a logarithmic axis."""
    found = [(label, colour, *thin_curve(curves.get(name, []))) for name, label, colour in CURVES[which]]
    found = [row for row in found if len(row[2])]
    if which == "Distance":
        found = [(*row[:3], np.log10(np.maximum(row[3], MIN_DISTANCE))) for row in found]
    values = np.concatenate([row[3] for row in found]) if found else np.zeros(1)
    low, high = np.percentile(values, (0, 97))
    margin = 0.1 * (high - low) + 0.1
    limits = (0.0, 1.0) if which == "Quality" else (low - margin, high + 2 * margin)
    end = max([row[2].max() for row in found], default=2)
    page = sheet.Sheet(((1, max(end, 2)), limits), ("training step", LABELS[which]))
    page.ticks = {1: _few(limits, which == "Distance")}
    for label, number, steps, column in found:
        colour = state_colours([number], dark=dark)[number]
        page.lines.append(sheet.line(steps, column, colour, 2.5))
        if label:
            style = {"align": "right", "size": "12pt", "style": "bold"}
            place = 0.98 * end, limits[0] + (0.9 if number == 0 else 0.68) * (limits[1] - limits[0])
            page.words.append(sheet.word(*place, label, colour, **style))
    return page


def _few(limits, log: bool) -> list[tuple[float, str]]:
    """Three ticks or so, for a plot that is not high."""
    if limits == (0.0, 1.0):
        return [(0.0, "0"), (0.5, "0.5"), (1.0, "1")]
    if log:
        powers = np.arange(np.ceil(limits[0]), np.floor(limits[1]) + 1)
        return [(float(power), f"{10**power:g}") for power in powers[:: -(-len(powers) // 4) or 1]]
    return [(float(f"{v:.2g}"), f"{float(f'{v:.2g}'):g}") for v in np.linspace(*limits, 6)[1::2]]


def thin_curve(curve) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, finite, averaged over blocks to at most `POINTS`."""
    rows = np.asarray(curve, float).reshape(-1, 2)
    rows = rows[np.isfinite(rows).all(axis=1)]
    size = -(-len(rows) // POINTS)
    blocks = np.array_split(rows, -(-len(rows) // size)) if size > 1 else rows[:, None]
    means = np.array([block.mean(axis=0) for block in blocks]).reshape(-1, 2)
    return means[:, 0], means[:, 1]
