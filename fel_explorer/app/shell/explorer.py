"""The explorer: makes the panels, runs commands, shows errors, and ends with its page."""

from __future__ import annotations

import asyncio
from functools import cached_property

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.server.server import run
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.code_dialog import CodeDialog
from fel_explorer.app.shell.command_palette import Palette
from fel_explorer.app.shell.commands import Command, by_shortcut
from fel_explorer.app.shell.header import CommandButtons, JobBar
from fel_explorer.app.shell.help import Help
from fel_explorer.app.shell.key_listener import Keys
from fel_explorer.app.shell.layout import Layout
from fel_explorer.app.shell.skeleton import empty_page
from fel_explorer.app.shell.tab_strip import TabStrip
from fel_explorer.app.shell.tour import Tour
from fel_explorer.app.storage.autosave import Autosave, autosaved
from fel_explorer.app.views.data.features_panel import FeaturesPanel
from fel_explorer.app.views.data.panel import DataPanel
from fel_explorer.app.views.jobs.panel import JobList
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.map.second_map_panel import SecondMap
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.selection.panel import SelectionPanel
from fel_explorer.app.views.states.dendrogram_panel import DendrogramPanel
from fel_explorer.app.views.states.refinement import Refinement
from fel_explorer.app.views.states.tree_dialog import TreeDialog
from fel_explorer.app.views.structure.panel import StructurePanel
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.notifications import show_error, show_notice, show_warning
from fel_explorer.app.widgets.page_timer import PageTimer
from fel_explorer.app.widgets.theme import theme
from fel_explorer.app.widgets.weak_callback import weak_callback
from fel_explorer.app.workarounds.panel_closed_pages import leave, release
from fel_explorer.app.workarounds.panel_local_files import use_local_files
from fel_explorer.errors import FelError

NOTEBOOK_HEIGHT = 640  # px
TICK = 100  # ms between two looks at the queue of events


class Explorer(Viewer):
    """Dataset, models, map and structures of one landscape on one page.

    Parameters
    ----------
    session
        The state to show; watch or drive it from outside: ``explorer.session.selection``.
    root
        The folder that the file browser may see.
    owner
        Token of the page, by which a reload finds its data and jobs again.
    """

    dark = param.Boolean(False, doc="Colours for a dark room.")
    large = param.Boolean(False, doc="Larger type, for a projector.")

    def __init__(self, session: Session | None = None, *, root=".", owner="", **params):
        super().__init__(**params)
        self.session = session or Session()
        self.board = PageJobs(self.session, owner=owner)
        self.dialogs = Dialogs()
        self.data = DataPanel(self.session, self.board, root=root, dialogs=self.dialogs)
        self.sessions = self.data.sessions
        self.sessions.link.visible = bool(owner)  # in a script's explorer all tabs show the same
        self.autosave = Autosave(self.session, owner)
        self.features = FeaturesPanel(self.session, self.board)
        self.model = ModelPanel(self.session, self.board, self.dialogs)
        self.map = MapPanel(self.session, self.board)
        self.structure = StructurePanel(self.session, self.board)
        self.selection = SelectionPanel(self.session)
        self.refinement = Refinement(self.session, self.board)
        self.strip = TabStrip(self.session, self.board, self.find_states)
        self.jobs = JobBar(self.board, lambda: self.job_list.open())
        self.buttons = CommandButtons(self.session, self.run)
        self._page: pmui.Page | None = None
        self._timer: PageTimer | None = None
        self._kept = False  # whether the server keeps the page without a connection
        self._watchers = [
            (self.board, self.board.param.watch(self._on_ended, "ended")),
            (self.board, self.board.param.watch(self._on_notice, "notice")),
            (self.session, self.session.param.watch(self._on_shown, ["beside", "shown"])),
            (self.strip, self.strip.param.watch(self._on_shown, "open")),
        ]
        restarted = not self.board.manager.jobs(owner=owner)  # the server knows nothing of the page yet
        if restarted and autosaved(owner) is not None:
            self.sessions.reopen(owner)

    def find_states(self, name: str, **hyperparameters) -> None:
        """Train a method that finds states; a tree of states begins with its dialog."""
        if name == "DivisiveIDM" and not hyperparameters:
            self.tree_dialog.open()
        else:
            self.model.start(name, **hyperparameters)

    # ---- what is made when it is first asked for

    @cached_property
    def layout(self) -> Layout:
        return Layout(self)

    @cached_property
    def second_map(self) -> SecondMap:
        return SecondMap(self.session, dark=self.dark)

    @cached_property
    def dendrogram(self) -> DendrogramPanel:
        return DendrogramPanel(self.session, dark=self.dark)

    @cached_property
    def tree_dialog(self) -> TreeDialog:
        dialog = TreeDialog(self.session, self.board, self.model.unfitted_tree, self.model.start)
        return self.dialogs.add(dialog)

    @cached_property
    def help(self) -> Help:
        return self.dialogs.add(Help())

    @cached_property
    def palette(self) -> Palette:
        return self.dialogs.add(Palette(self.session, self.run))

    @cached_property
    def code(self) -> CodeDialog:
        return self.dialogs.add(CodeDialog(self.session))

    @cached_property
    def job_list(self) -> JobList:
        return self.dialogs.add(JobList(self.board))

    @cached_property
    def tour(self) -> Tour:
        return self.dialogs.add(Tour(self.layout.parts))

    # ---- showing

    @property
    def page(self) -> pmui.Page:
        """The explorer as a whole browser page."""
        if self._page is None:
            self.show_on(empty_page())
        return self._page

    def show_on(self, page: pmui.Page) -> None:
        """Fill an empty page."""
        self._page = page
        keys = Keys(self._on_key, shortcuts=list(by_shortcut()))  # in a notebook they belong to the notebook
        page.param.update(
            sidebar=[self.layout.tools],
            main=[self.layout.centre],
            header=[*self.layout.header(), keys],
            theme_config=theme(self.large),
            dark_theme=self.dark,
        )
        page.param.watch(self._on_theme, "dark_theme")
        self._start()

    def __panel__(self):
        """The explorer as a layout, as in a cell of a notebook: landscape and structure first."""
        self._start()
        self.layout.cards.compact = True
        loaded = self.session.trajectories is not None or self.session.dataset is not None
        tools = pmui.Column(
            self.layout.tools, width=310, scroll="y", sizing_mode="stretch_height", visible=not loaded
        )
        if loaded:
            self.strip.fold()
        menu = pmui.IconButton(
            icon="menu", description="Data, features and model", color="light", size="small", margin=(0, 8),
            on_click=lambda event: tools.param.update(visible=not tools.visible),
        )  # fmt: skip
        return pmui.Column(
            pmui.AppBar(menu, *self.layout.header(), title="fel_explorer", sizing_mode="stretch_width"),
            pmui.Row(tools, self.layout.centre, sizing_mode="stretch_width", height=NOTEBOOK_HEIGHT),
            sizing_mode="stretch_width",
            theme_config=theme(self.large),
        )

    def servable(self, title="fel_explorer", **options):
        """Show it as the page of a `panel serve` script."""
        self.page.servable(title=title, **options)
        return self

    def show(self, title="fel_explorer", *, port=0, address="127.0.0.1", open=True):
        """Open it in a browser tab, and print the address; returns the server.

        Parameters
        ----------
        title
            Of the tab.
        port
            0 takes a free one.
        address
            To listen on; visitors need the token in the printed address.
        open
            Open the tab.
        """
        return run(self._visit, title=title, port=port, address=address, show=open)

    def _visit(self) -> pmui.Page:
        """The page for one more tab: of this explorer, which stays when the tab is closed."""
        use_local_files(pn.state.curdoc)
        self._start_timer()
        self._hear_errors()
        pn.state.on_session_destroyed(self._left)
        return self.page

    def _left(self, context):
        """A tab of several was closed."""
        leave(self.page, context._document)
        release(context._document)

    def _on_shown(self, *_):
        if "layout" in self.__dict__:
            self.layout.show()

    # ---- commands and errors

    def run(self, command: Command) -> None:
        """Run a command if it is enabled; its errors become notifications."""
        if not command.enabled(self.session):
            return
        try:
            command.run(self)
        except FelError as error:
            self.show_error(error)

    def toggle_theme(self) -> None:
        self.dark = not self.dark

    def toggle_large(self) -> None:
        self.large = not self.large

    def show_error(self, error: Exception) -> None:
        """Show an error, see `show_error`."""
        show_error(error)

    def _on_key(self, shortcut):
        if shortcut == "escape" and "tour" in self.__dict__ and self.tour.step >= 0:
            self.tour.stop()
            return
        command = by_shortcut().get(shortcut)
        if command is not None and not self.dialogs.any_open:  # a dialog's keys are its own
            self.run(command)

    def _on_ended(self, event):
        job = event.new
        if job.error is not None:
            self.show_error(job.error)
        elif isinstance(job.result, Result) and job.result.remark and job.label == self.session.active:
            show_notice(f"{job.result.remark} Undo brings the first answer back.")

    def _on_notice(self, event):
        show_warning(event.new[0])

    @param.depends("dark", watch=True)
    def _show_theme(self):
        for panel in (self.model, *self._views()):
            panel.dark = self.dark
        if self._page is not None:
            self._page.dark_theme = self.dark

    @param.depends("large", watch=True)
    def _show_large(self):
        if self._page is not None:
            self._page.theme_config = theme(self.large)

    def _on_theme(self, event):
        self.dark = event.new

    # ---- life

    def _start(self):
        if self._timer is None and (pn.state.curdoc is not None or _in_event_loop()):
            self._start_timer()
            if pn.state.curdoc is not None:
                self._hear_errors()
                pn.state.on_session_destroyed(self._destroyed)

    def _start_timer(self):
        self._timer = PageTimer(self._tick, TICK)
        self._timer.start()

    def _hear_errors(self):
        """Show errors of callbacks."""
        pn.config.exception_handler = weak_callback(self.show_error)

    def _tick(self):
        with pn.io.hold():
            self.board.tick()
        self.autosave.tick()
        self._keep_alive(self.board.current is not None)

    def _keep_alive(self, working: bool):
        """While a job runs a page outlives a lost connection, such as a laptop that sleeps."""
        context = pn.state.curdoc.session_context if pn.state.curdoc is not None else None
        if context is None or working == self._kept:
            return
        # not pn.state.block_expiration, which (un)blocks the pages of all visitors
        self._kept = working
        for session in context.server_context.sessions:
            if session.id == context.id:
                (session.block_expiration if working else session.unblock_expiration)()

    def _destroyed(self, context):
        self.close()
        release(context._document)

    def _views(self):
        """The views that were made so far."""
        names = ("map", "second_map", "structure", "selection", "strip", "dendrogram")
        return [self.__dict__[name] for name in names if name in self.__dict__]

    def close(self) -> None:
        """Release everything that outlives the page: periodic callback, queue, watchers."""
        if self._timer is not None:
            self._timer.stop()
        for watched, watcher in self._watchers:
            watched.param.unwatch(watcher)
        self._watchers = []
        own = (
            self.autosave,
            self.jobs,
            self.buttons,
            self.data,
            self.features,
            self.model,
            self.board,
            self.refinement,
        )
        late = [vars(self)[name] for name in ("job_list", "tree_dialog") if name in vars(self)]
        for part in (*own, *late, *self._views()):
            part.close()


def _in_event_loop() -> bool:
    """Whether callbacks of this thread will be called, as in a notebook; in a script they never are."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
