"""The views of the tab strip as a table: the strip, its commands and the help page are made from it.

A new view is a folder with a `widgets.tab_view.TabView` and one row here; from another package, one row that
is appended to `TABS` before the page opens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from fel_explorer.app.session.session import Session
from fel_explorer.data.conditions import condition_names

if TYPE_CHECKING:
    from fel_explorer.app.widgets.tab_view import TabView


@dataclass(frozen=True)
class Tab:
    """A view of the strip.

    Attributes
    ----------
    id
        Unique name.
    title
        On its button.
    panel
        Its `TabView` as "module:class", imported and made when the view is first opened.
    about
        One sentence for the help page.
    needs_states
        Whether it shows states, and is offered only where there are some.
    available
        ``available(session)`` says whether there is anything to show, so that the strip offers it; by default
        what `possible` says.
    opens_on
        Parameter of the session whose change opens the view; "" for none.
    opens
        ``opens(old, new)`` says whether a change of it does.
    needed_by
        Parameter of the session that needs the view, once it has a value, also while it is not open: the view
        computes what belongs to it. "" for none.
    shortcut
        Key that opens it; "" for none.
    """

    id: str
    title: str
    panel: str
    about: str
    needs_states: bool = False
    available: Callable[[Session], bool] | None = None
    opens_on: str = ""
    opens: Callable[[Any, Any], bool] = lambda old, new: bool(new)
    needed_by: str = ""
    shortcut: str = ""

    def load(self) -> type[TabView]:
        """The class of its panel."""
        return resolve_name(self.panel)

    def possible(self, session: Session) -> bool:
        """Whether the session has what every view of this kind needs: states, or else data."""
        return has_states(session) if self.needs_states else has_data(session)

    def offered(self, session: Session) -> bool:
        """Whether there is anything to show."""
        return self.possible(session) if self.available is None else self.available(session)


def has_data(session: Session) -> bool:
    """Whether there is a dataset."""
    return session.dataset is not None


def has_conditions(session: Session) -> bool:
    """Whether the trajectories are of two conditions at least."""
    return session.dataset is not None and len(condition_names(session.dataset)) > 1


def has_model(session: Session) -> bool:
    """Whether a model is shown."""
    return session.shown is not None


def has_states(session: Session) -> bool:
    """Whether the shown result has states."""
    return session.shown is not None and session.shown.state is not None


def can_simulate(session: Session) -> bool:
    """Whether there are trajectories, and a model in whose embedding a simulator can move."""
    from fel_explorer.app.views.simulate.simulation import can_encode  # with all its methods

    return session.trajectories is not None and can_encode(session.shown)


_VIEWS = "fel_explorer.app.views"

TABS: list[Tab] = [
    Tab(
        "states",
        "States",
        f"{_VIEWS}.states.panel:StatesPanel",
        "Population, lifetime and structure of each state.",
        needs_states=True,
    ),
    Tab(
        "evidence",
        "Evidence",
        f"{_VIEWS}.states.evidence_panel:EvidencePanel",
        "Whether a state is metastable: its survival and its exits.",
        needs_states=True,
    ),
    Tab(
        "kinetics",
        "Kinetics",
        f"{_VIEWS}.kinetics.panel:KineticsPanel",
        "Rates between the states, implied time scales and the Chapman-Kolmogorov test.",
        needs_states=True,
    ),
    Tab(
        "timeline",
        "Timeline",
        f"{_VIEWS}.timeline.panel:TimelinePanel",
        "When each trajectory visits each state.",
        needs_states=True,
    ),
    Tab(
        "comparison",
        "Compare",
        f"{_VIEWS}.comparison.panel:ComparisonPanel",
        "What differs between two sets of frames.",
    ),
    Tab(
        "conditions",
        "Conditions",
        f"{_VIEWS}.conditions.panel:ConditionsPanel",
        "Mutants, ligands or temperatures next to each other: what differs, and what of it is significant.",
        available=has_conditions,
    ),
    Tab(
        "path",
        "Path",
        f"{_VIEWS}.paths.panel:PathPanel",
        "The free energy along a path that is drawn on the map.",
        opens_on="drawing",
        needed_by="path_anchors",
    ),
    Tab(
        "simulate",
        "Simulate",
        f"{_VIEWS}.simulate.panel:SimulatePanel",
        "Synthetic trajectories by a latent space simulator.",
        available=can_simulate,
    ),
    Tab(
        "modes",
        "Modes",
        f"{_VIEWS}.modes.panel:ModesPanel",
        "Slow modes: spectrum, scores, sensitivities and level sets.",
        available=has_model,
    ),
    Tab(
        "drive",
        "Drive",
        f"{_VIEWS}.umbrella.panel:DrivePanel",
        "The free energy along a CV, from the data and by umbrella sampling.",
        available=has_model,
    ),
    Tab(
        "certificate",
        "Certificate",
        f"{_VIEWS}.certificate.panel:CertificatePanel",
        "Scores, time scales and effective dynamics of each model, with errors and limits.",
        available=has_model,
    ),
    Tab(
        "runs",
        "Runs",
        f"{_VIEWS}.runs.panel:RunsPanel",
        "All trained models with their scores.",
        available=lambda session: bool(session.results),
        opens_on="sweep",
    ),
    Tab(
        "pins",
        "Pinned",
        f"{_VIEWS}.structure.pinned_panel:PinsPanel",
        "Structures that were put aside.",
        available=lambda session: len(session.pinned) > 0,
        opens_on="pinned",
        opens=lambda old, new: len(old) == 0 < len(new),  # later ones don't replace what is looked at
    ),
]
