"""The figures and the table of a report, as HTML."""

from __future__ import annotations

import base64
from dataclasses import replace
from html import escape

import numpy as np

from fel_explorer.app.session.mirrored import SideSession
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.view import FREE_ENERGY, coloured, make_view, shown_axes, with_names_apart
from fel_explorer.app.views.model.summary import states_array
from fel_explorer.app.views.states.evidence import evidence_of, state_table, unweighted_note
from fel_explorer.app.views.states.tree_drawing import draw_tree, tree_drawing
from fel_explorer.data.schema import common_start, time_step, trajectory_lengths
from fel_explorer.errors import FelError
from fel_explorer.kinetics.markov import markov_model
from fel_explorer.plots.export import figure_bytes
from fel_explorer.plots.path_profile import plot_path_profile
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.plots.survival import plot_survival
from fel_explorer.plots.timeline import plot_timeline

MAP = "The free energy is -kT ln of the population: 1 kT higher is e = 2.7 times rarer."
TREE = "States that interconvert faster than the lag at the left are one state."
TABLE = "Mean lifetimes with 95 % intervals, and whether visits end by chance at any time (exponential)."
SURVIVAL = "Fraction of visits that still last; a straight line is the exponential decay of a metastable "
"state."
TIMELINE = "The state of each frame; one ribbon for each of the first trajectories."
BESIDE = "The same frames on the map of another model."
PATH = "The free energy of the map along the path: a lower bound where other variables are slow too."
PIXELS = (900, 600)
SIZE = (15.0, 10.0)  # cm
SMALL = (10.0, 7.5)
MAX_STATES = 12  # with a survival curve each
KINETICS = (
    "Reversible Markov model of the states. Lifetimes above are counted from visits, so that they may differ."
)


def maps(session: Session) -> list[str]:
    """The landscape by free energy, by state where there are states, and by what the page colours by."""
    view = make_view(session, shown_axes(session), weighted=True, unit=session.unit)
    names = [FREE_ENERGY]
    if session.shown.state is not None:
        names.append("state")
    if session.colour_by not in names and _can_colour(session):
        names.append(session.colour_by)
    from fel_explorer.plots.landscape import plot_landscape  # HoloViews, which a page does not need before

    places = view.state_places(session.shown)
    drawn, nothing = [], np.zeros(len(view.xy), bool)
    for name in names:
        landscape = view.landscape(session, name, *coloured(view, session, name), places, contours=True)
        landscape = replace(landscape, selected=nothing, clicked=None, current=None, image=None)
        landscape = with_names_apart(landscape)
        drawn.append(figure_html(plot_landscape(landscape, shape=PIXELS), f"Coloured by {name}.", SIZE))
    return drawn


def beside(session: Session) -> list[str]:
    """The landscapes of the second map, if that is open."""
    if session.beside not in session.results:
        return []
    side = SideSession(session)
    try:
        return maps(side)
    finally:
        side.close()


def path(session: Session) -> list[str]:
    """The free energy along the path, if there is one, and a text on its barrier."""
    path, unit = session.path, session.unit
    if path is None:
        return []
    highest = path.barrier
    words = (
        f"{path.curve.kind.capitalize()} path of {path.n_images} images over {' and '.join(path.labels)}. "
        f"Barrier: {unit.text(highest.left, highest.left_error)} from the start, "
        f"{unit.text(highest.right, highest.right_error)} from the end, at image {highest.index + 1}."
    )
    drawn = plot_path_profile.sheet(
        path.curve.length, path.free_energy, error=path.error, barrier=highest, unit=unit
    )
    return [figure_html(drawn, words, SIZE)]


def _can_colour(session):
    return any(session.colour_by in names for names in colouring.choices(session).values())


def tree(session: Session) -> list[str]:
    """The dendrogram, if the model has a tree."""
    result = session.shown
    if result.tree is None:
        return []
    drawn = replace(tree_drawing(session), selected=frozenset())
    return [figure_html(draw_tree(drawn), "", (2 * SIZE[0], SIZE[1]))]


def table(session: Session) -> str:
    """Population, lifetime, verdict and observables of each state."""
    result, dataset = session.shown, session.dataset
    if result.state is None:
        return ""
    names = {state: session.state_name(state) for state in result.states()}
    rows = state_table(result, dataset, names).sort_values("population", ascending=False)
    colours, unit = result.colours(rows["state"]), dataset.attrs["time_unit"]
    spread = [name.removesuffix(" std") for name in rows.columns if name.endswith(" std")]
    units = {name: dataset[name].attrs.get("units", "") for name in spread}
    titles = [f"{name} ({units[name]})" if units[name] not in ("", "1") else name for name in spread]
    heads = ["State", "Population", "Mean lifetime", "95 % interval", "Decay", *titles]
    body = ""
    for row in rows.to_dict("records"):
        lifetime = row["mean_lifetime"]
        cells = [
            f'<span class="dot" style="background:{colours[row["state"]]}"></span>{escape(row["name"])}',
            f"{100 * row['population']:.3g} %",
            time_text(lifetime, unit) if np.isfinite(lifetime) else "never left",
            interval_text(row["lower"], row["upper"], unit),
            escape(row["verdict"]),
            *(f"{row[name]:.3g} ± {row[f'{name} std']:.2g}" for name in spread),
        ]
        body += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    note = unweighted_note(dataset)
    note = f"<p>Lifetimes and decay: {escape(note)}</p>" if note else ""
    return f"{note}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def kinetics(session: Session) -> str:
    """Probabilities of changes between the states within the lag, and the time scales that they imply."""
    result, dataset = session.shown, session.dataset
    if result.state is None:
        return ""
    unit, lag = dataset.attrs["time_unit"], default_lag(result, dataset)
    try:
        model = markov_model(states_array(result, dataset), lag)
    except FelError:
        return ""
    symbols = [int(state) for state in model.count_model.state_symbols]
    kept = [i for i, state in enumerate(symbols) if state in result.states()][:MAX_STATES]
    names = [session.state_name(symbols[i]) for i in kept]
    head = "".join(f"<th>{escape(word)}</th>" for word in [f"within {time_text(lag, unit)}, from", *names])
    body = ""
    for i, name in zip(kept, names, strict=True):
        cells = [escape(name), *(f"{100 * model.transition_matrix[i, j]:.3g} %" for j in kept)]
        body += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    times = model.timescales(k=min(3, len(symbols) - 1)) * float(dataset.attrs["time_step"])
    words = ", ".join(time_text(float(time), unit) for time in times if np.isfinite(time))
    return (
        f"<p>Implied time scales: {escape(words)}.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def timeline(session: Session) -> list[str]:
    """The state over time in the first trajectories."""
    result, dataset = session.shown, session.dataset
    if result.state is None or dataset.attrs["time_unit"] == "1":
        return []
    parts = np.split(result.state, np.cumsum(trajectory_lengths(dataset))[:-1])
    sheet = plot_timeline.sheet(
        parts,
        result.colours(result.states()),
        time_step=time_step(dataset),
        time_unit=dataset.attrs["time_unit"],
        start=common_start(dataset),
    )
    return [figure_html(sheet, "", (2 * SIZE[0], SIZE[1]))]


def survival(session: Session) -> list[str]:
    """A survival curve for each of the most populated states."""
    result, unit = session.shown, session.dataset.attrs["time_unit"]
    if result.state is None:
        return []
    evidence, states = evidence_of(result, session.dataset), result.states()
    colours, counts = result.colours(states), np.bincount(result.state)
    drawn = []
    for state in sorted(states, key=lambda one: -counts[one])[:MAX_STATES]:
        name = session.state_name(state)
        curve = evidence.survival(state, name, colours[state])
        if curve.curve.sizes["time"]:
            drawn.append(figure_html(plot_survival.sheet([curve], time_unit=unit), name, SMALL))
    return drawn


def figure_html(element, caption: str, size) -> str:
    """``element`` as an SVG inside the page."""
    data = base64.b64encode(figure_bytes(element, "svg", size=size)).decode()
    about = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    alt = escape(caption or "figure", quote=True)
    width = f"{size[0]}cm"
    return (
        f'<figure style="width:min(100%,{width})"><img alt="{alt}" src="data:image/svg+xml;base64,{data}">'
        f"{about}</figure>"
    )
