"""Save what is loaded, trained, named and selected as a folder or a report; open such a folder again."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.report import report_html
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.autosave import keep_view, opening_page
from fel_explorer.app.storage.input_files import inside
from fel_explorer.app.storage.session_folder import ENDING, is_session, save_session
from fel_explorer.app.storage.session_opening import opening_session
from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.notifications import show_notice
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress


def page_address() -> str:
    """The address of the page without what is asked of it, '' where there is none."""
    location = pn.state.location
    if location is None or not location.hostname:
        return ""
    port = f":{location.port}" if location.port else ""
    return f"{location.protocol}//{location.hostname}{port}{location.pathname}"


class SessionFiles(Viewer):
    """Four buttons and their dialog; sessions lie in ``root``, the only folder that the page may read.

    The dialog is put among ``dialogs`` of the page, where it opens whatever is folded.
    """

    def __init__(
        self, session: Session, board: PageJobs, root: Path, dialogs: Dialogs | None = None, **params
    ):
        super().__init__(**params)
        self._dialogs = dialogs or Dialogs()
        self.session, self.board, self.root = session, board, Path(root)
        self.save = BarButton(
            self.ask_name,
            label="Save",
            description="Save data, models, state names, selection and path, to continue later (Ctrl-S).",
        )
        self.open = BarButton(self._ask_which, label="Reopen", description="Continue with a saved session.")
        self.report = BarButton(
            lambda event: self.make_report(),
            label="Report",
            description="Report of the page as one HTML file: maps, tree, table, structures.",
        )
        self.link = BarButton(
            lambda event: self.make_link(),
            label="Link",
            description="Web address of the current view on this server.",
        )
        self._report_job = self._link_job = None
        buttons = {"save": self.save, "open": self.open, "report": self.report, "link": self.link}
        self.layout = ButtonBar(buttons, colour="primary", sizing_mode="stretch_width", margin=(5, 10))
        self._watcher = session.param.watch(self._update, ["dataset", "shown"])
        self._board_watcher = board.param.watch(self._on_ended, "ended")
        self._update()

    @cached_property
    def dialog(self) -> pmui.Dialog:
        return self._dialogs.add(pmui.Dialog(show_close_button=True, close_on_click=True, width_option="sm"))

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watcher)
        self.board.param.unwatch(self._board_watcher)

    def _update(self, *_):
        self.save.disabled = self.link.disabled = self.session.dataset is None
        self.report.disabled = self.session.shown is None

    # ---- saving

    def ask_name(self, *_) -> None:
        """Open the dialog that asks for a name."""
        self.name_input = pmui.TextInput(
            label="Name", value="session", size="small", sizing_mode="stretch_width",
            description=f"The folder NAME{ENDING} is created where fel-explorer was started.",
        )  # fmt: skip
        button = pmui.Button(label="Save", color="primary", variant="contained", on_click=self._on_save)
        self._show("Save session", self.name_input, button)

    def _on_save(self, _event):
        path = self.write(self.name_input.value_input or self.name_input.value)
        self.dialog.open = False
        show_notice(f"Saved as {path}. Reopen finds it, and so does fel-explorer {path.name}.")

    def write(self, name: str) -> Path:
        """Save the session as the folder ``name`` below the root.

        Raises
        ------
        FelError
            If the name is empty or leads out of the root, or something else has it.
        """
        name = name.strip()
        if not name or name != Path(name).name:
            raise FelError(
                f"The name '{name}'.", "A name without slashes is needed.", "Type one, such as trp-cage."
            )
        [path] = inside(self.root, [name if name.endswith(ENDING) else name + ENDING])
        return save_session(self.session, path)

    # ---- opening

    def saved(self) -> list[str]:
        """Names of the sessions in the root, the latest first."""
        found = [path for path in self.root.iterdir() if path.is_dir() and is_session(path)]
        return [path.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]

    def _ask_which(self, *_):
        names = self.saved()
        if not names:
            raise FelError(
                f"There are no saved sessions in '{self.root.name}'.",
                remedy="Save one, or start fel-explorer where they are.",
            )
        self.choice = pmui.Select(label="Session", options=names, size="small", sizing_mode="stretch_width")
        button = pmui.Button(label="Open", color="primary", variant="contained", on_click=self._on_open)
        self._show("Open session", self.choice, button)

    def _on_open(self, _event):
        self.read(self.choice.value)
        self.dialog.open = False

    def read(self, name: str) -> None:
        """Open the session ``name`` below the root, as a job."""
        [path] = inside(self.root, [name])
        self.board.submit(f"Open {path.name}", opening_session(path, self.root), kind="session")

    def reopen(self, token: str) -> None:
        """Open what was saved automatically of the page with this token, as a job."""
        self.board.submit("What was here before", opening_page(token), kind="session")

    # ---- the report

    def make_report(self) -> None:
        """Write the report as a job; when it is ready a dialog offers it."""

        session = self.session.copy()

        def run(report, should_stop):
            report(Progress(0, 0, message="drawing"))
            return report_html(session).encode()

        if self._report_job is None or not self._report_job.active:
            self._report_job = self.board.submit("Report", run, kind="report")
            show_notice("The report is being written. A dialog offers it when it is ready.")

    def _on_ended(self, event):
        made = event.new
        if made.result is None:
            return
        if made is self._report_job:
            self._offer_report(made)
        elif made is self._link_job:
            self._offer_link(made.result)

    def _offer_report(self, made):
        button = pmui.FileDownload(
            callback=lambda: io.BytesIO(made.result), filename="report.html", label="Download report.html",
            auto=True, embed=False, color="primary", variant="contained",
        )  # fmt: skip
        size = f"{len(made.result) / 1e6:.1f} MB, opens in any browser without a network."
        self._show("The report is ready", Text(size), button)

    # ---- a link to the view

    def make_link(self) -> None:
        """Keep what is shown as a job; when that is done a dialog has the address that opens it.

        Raises
        ------
        FelError
            If the explorer is not a page of `fel-explorer`, whose address can hold what is shown.
        """
        if not self.link.visible or not page_address():
            raise FelError(
                "Links exist only on pages that fel-explorer serves.",
                remedy="Save the session (Ctrl-S); fel-explorer NAME.session opens it.",
            )
        session = self.session.copy()
        if self._link_job is None or not self._link_job.active:
            self._link_job = self.board.submit(
                "Link", lambda report, should_stop: keep_view(session, report), kind="link"
            )

    def _offer_link(self, token):
        address = f"{page_address()}?view={token}"
        field = pmui.TextInput(label="Address", value=address, size="small", sizing_mode="stretch_width")
        copy = pmui.Button(label="Copy", icon="content_copy", color="primary", variant="contained")
        copy.js_on_click(code=f"navigator.clipboard.writeText({json.dumps(address)})")
        what = "Opens the current view for anyone who may enter this server, by its token or password."
        self._show("Link to this view", Text(what), field, copy)

    def _show(self, title, *parts):
        self.dialog.title = title
        self.dialog[:] = list(parts)
        self.dialog.open = True
