"""Observables of a session's frames: those that its molecule has, computed when they are first asked for."""

from __future__ import annotations

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.manager import Job
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.errors import FelError
from fel_explorer.structures import applicable, list_observables


class Observing:
    """Observables of the session's molecule; a measured observable is a column of its dataset.

    Attributes
    ----------
    reference
        The frame that RMSD and native contacts compare with.
    """

    def __init__(self, session: Session, board: PageJobs | None):
        self.session, self.board = session, board
        self.reference = 0
        self._known: tuple = (None, 0, [])
        self._jobs: dict[str, Job] = {}

    def reset(self) -> None:
        """Other data came: compare with their first frame."""
        self.reference, self._jobs = 0, {}

    @property
    def offered(self) -> dict[str, str]:
        """{name: label} of the observables that are columns or can become columns."""
        dataset = self.session.dataset
        there = {
            str(name): column.attrs.get("long_name", str(name))
            for name, column in dataset.data_vars.items()
            if "observable" in column.attrs
        }
        registry = list_observables() if self._applicable() else {}
        free = [name for name in self._applicable() if name not in dataset.variables]  # not a user's column
        return {name: registry[name].label for name in free} | there

    def pending(self, name: str) -> bool:
        """Whether ``name`` is an observable that has not been computed yet."""
        return name in self.offered and name not in self.session.dataset

    def working(self, name: str) -> bool:
        """Whether ``name`` is on its way: its job waits or runs, or its column is not taken over yet."""
        job = self._jobs.get(name)
        return job is not None and (job.active or (job.result is not None and self.pending(name)))

    def failed(self, name: str) -> bool:
        """Whether the last job that computed ``name`` ended without a result."""
        job = self._jobs.get(name)
        return job is not None and not job.active and job.result is None

    def compares(self, name: str) -> bool:
        """Whether ``name`` is a column that compares with a reference structure."""
        return name in self.session.dataset and "reference" in self.session.dataset[name].attrs

    def ask(self, names) -> None:
        """Compute those of ``names`` that are pending, as one job; its columns come through the board."""
        self._submit([name for name in dict.fromkeys(names) if self.pending(name) and not self.working(name)])

    def compare_with(self, frame: int) -> None:
        """Compare with ``frame`` from now on, and compute what has been compared with another one anew.

        Raises
        ------
        FelError
            If the frame has no native contacts, where these are computed.
        """
        names = [name for name in self.session.dataset.data_vars if self.compares(name)]
        fitting = applicable(self.session.trajectories, frame)
        if lost := [name for name in names if name not in fitting]:
            label = list_observables()[lost[0]].label
            raise FelError(
                f"Frame {frame} as the reference: {label} is not defined there.",
                "The reference of native contacts must be folded.",
                "Choose another frame.",
            )
        self.reference = frame
        self._submit([str(name) for name in names])

    def _submit(self, names: list[str]) -> None:
        if names:
            task = featurize_and_train.observing(self.session.trajectories, names, self.reference)
            job = self.board.submit("Observables", task, kind="columns")
            self._jobs.update(dict.fromkeys(names, job))

    def _applicable(self) -> list[str]:
        """Names that the molecule has; [] without trajectories of the dataset's frames."""
        trajs, dataset = self.session.trajectories, self.session.dataset
        if self.board is None or trajs is None or trajs.n_frames != dataset.sizes["frame"]:
            return []
        if self._known[:2] != (trajs, self.reference):
            try:
                names = applicable(trajs, self.reference)
            except FelError:  # nothing but solvent
                names = []
            self._known = trajs, self.reference, names
        return self._known[2]
