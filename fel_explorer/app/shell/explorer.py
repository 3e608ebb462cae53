"""The explorer: lays the panels out, runs commands, and shows errors; nothing else."""

from __future__ import annotations

import asyncio

import panel as pn
import panel_material_ui as pmui
import param
from panel.util import edit_readonly
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.code_dialog import CodeDialog
from fel_explorer.app.shell.command_palette import Palette
from fel_explorer.app.shell.commands import Command, by_shortcut
from fel_explorer.app.shell.header import CommandButtons, JobBar, device_text
from fel_explorer.app.shell.help import Help
from fel_explorer.app.shell.key_listener import Keys
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
from fel_explorer.app.views.structure.panel import StructurePanel
from fel_explorer.app.widgets.notifications import show_error
from fel_explorer.app.widgets.theme import theme
from fel_explorer.app.widgets.weak_callback import weak_callback
from fel_explorer.app.workarounds.bokeh_late_figures import late_figures
from fel_explorer.app.workarounds.panel_closed_pages import leave, release
from fel_explorer.errors import FelError

NOTEBOOK_HEIGHT = 860  # px
UPPER = 496  # px, at least, for map and structures
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
        self.data = DataPanel(self.session, self.board, root=root)
        self.sessions = self.data.sessions
        self.sessions.link.visible = bool(owner)  # in a script's explorer all tabs show the same
        self.autosave = Autosave(self.session, owner)
        self.features = FeaturesPanel(self.session, self.board)
        self.model = ModelPanel(self.session, self.board)
        self.map = MapPanel(self.session, self.board)
        self.structure = StructurePanel(self.session, self.board)
        self.second_map = SecondMap(self.session)
        self.selection = SelectionPanel(self.session)
        self.strip = TabStrip(self.session, self.board, self.model.start)
        self.dendrogram = DendrogramPanel(self.session)
        self.job_list = JobList(self.board)
        self.jobs = JobBar(self.board, self.job_list.open)
        self.buttons = CommandButtons(self.session, self.run)
        self.help = Help()
        self.palette = Palette(self.session, self.run)
        self.code = CodeDialog(self.session)
        self.tour = Tour({})
        self._page: pmui.Page | None = None
        self._ticking = None
        self._kept = False  # whether the server keeps the page without a connection
        self._watcher = self.board.param.watch(self._on_ended, "ended")
        kept = autosaved(owner)
        if kept is not None and not self.board.manager.jobs(
            owner=owner
        ):  # the server was started again: it knows nothing yet
            self.sessions.reopen(kept)

    # ---- showing

    @property
    def page(self) -> pmui.Page:
        """The explorer as a whole browser page."""
        if self._page is None:
            self._page = pmui.Page(
                title="fel_explorer",
                sidebar=self._tools(),
                sidebar_width=300,
                main=[self._centre()],
                # in a notebook the keys belong to the notebook
                header=[*self._header(), Keys(self._on_key, shortcuts=list(by_shortcut()))],
                theme_toggle=False,
                theme_config=theme(self.large),
                site_url="#",
                dark_theme=self.dark,
            )
            unlink_busy(self._page)
            self._page.param.watch(self._on_theme, "dark_theme")
            self._start()
        return self._page

    def __panel__(self):
        """The explorer as a layout, as in a notebook."""
        self._start()
        tools = pmui.Column(*self._tools(), width=310, scroll="y", sizing_mode="stretch_height")
        return pmui.Column(
            pmui.AppBar(*self._header(), title="fel_explorer", sizing_mode="stretch_width"),
            pmui.Row(tools, self._centre(), sizing_mode="stretch_width", height=NOTEBOOK_HEIGHT),
            sizing_mode="stretch_width",
            theme_config=theme(self.large),
        )

    def servable(self, title="fel_explorer", **options):
        """Show it as the page of a `panel serve` script."""
        self.page.servable(title=title, **options)
        return self

    def show(self, title="fel_explorer", **options):
        """Open it in a browser tab; returns the server.  ``options`` are those of panel's ``show``."""
        return pn.serve(self._visit, title=title, show=options.pop("open", True), **options)

    def _visit(self) -> pmui.Page:
        """The page for one more tab: of this explorer, which stays when the tab is closed."""
        self._ticking = pn.state.add_periodic_callback(self._tick, period=TICK)
        self._hear_errors()
        pn.state.on_session_destroyed(self._left)
        return self.page

    def _left(self, context):
        """A tab of several was closed."""
        leave(self.page, context._document)
        release(context._document)

    def _header(self):
        device = pmui.Chip(device_text(), icon="memory", size="small", variant="outlined", color="default")
        space = pmui.Row(sizing_mode="stretch_width")
        return list(filter(None, [space, self.jobs, device, self.buttons, late_figures()]))

    def _tools(self):
        titles = {"1  Data": self.data, "2  Features": self.features, "3  Model": self.model}
        accordion = pmui.Accordion(
            *titles.items(),
            active=pn.bind(_unfolded, self.session.param.trajectories, self.session.param.dataset),
            dynamic=True,
            disable_gutters=True,
            title_variant="subtitle1",
            sizing_mode="stretch_width",
            margin=0,
        )
        self.tour.parts["tools"] = accordion
        return [accordion]

    def _centre(self):
        is_open = pn.bind(bool, self.session.param.beside)
        is_shut = pn.bind(lambda beside: not beside, self.session.param.beside)
        structure = pmui.Paper(
            self.structure, elevation=1, sizing_mode="stretch_both", margin=4, visible=is_shut
        )
        right = pmui.Column(
            pmui.Paper(self.second_map, elevation=1, sizing_mode="stretch_both", margin=4, visible=is_open),
            structure,
            pmui.Paper(
                self.selection,
                elevation=1,
                sizing_mode="stretch_width",
                margin=4,
                visible=is_shut,
                styles={"max-height": "240px", "overflow-y": "auto", "scrollbar-width": "thin"},
            ),
            sizing_mode="stretch_both",
        )
        left = pmui.Paper(self.map, elevation=1, sizing_mode="stretch_both", margin=4)
        dialogs = self.help, self.palette, self.code, self.job_list, self.tour
        dialogs += self.model.which, self.model.exporter
        strip = pmui.Paper(self.strip, elevation=1, sizing_mode="stretch_width", margin=4)
        strut = pmui.Column(width=0, min_height=UPPER, margin=0)  # panel counts the children's heights only
        self.tour.parts.update(map=left, structure=structure, strip=strip, buttons=self.buttons.layout)
        return pmui.Column(
            pmui.Row(left, right, strut, *dialogs, sizing_mode="stretch_both", margin=0),
            pmui.Row(self._tree(), strip, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_both",
            margin=4,
            scroll="y-auto",  # on small screens map and strip together don't fit
            styles={"scrollbar-width": "thin"},
        )

    def _tree(self):
        """The dendrogram, while there is a tree and the strip next to it is open."""
        visible = pn.bind(
            lambda is_open, result: is_open and result is not None and result.tree is not None,
            self.strip.param.open,
            self.session.param.shown,
        )
        return pmui.Paper(
            self.dendrogram,
            elevation=1,
            sizing_mode="stretch_width",
            margin=4,
            styles={"flex": "0 0 36%"},
            visible=visible,
        )

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
        command = by_shortcut().get(shortcut)
        if command is not None:
            self.run(command)

    def _on_ended(self, event):
        job = event.new
        if job.error is not None:
            self.show_error(job.error)

    @param.depends("dark", watch=True)
    def _show_theme(self):
        for panel in (self.model, *self._views()):
            if "dark" in panel.param:
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
        if self._ticking is None and (pn.state.curdoc is not None or _in_event_loop()):
            self._ticking = pn.state.add_periodic_callback(self._tick, period=TICK)
            if pn.state.curdoc is not None:
                self._hear_errors()
                pn.state.on_session_destroyed(self._destroyed)

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
        return self.map, self.second_map, self.structure, self.selection, self.strip, self.dendrogram

    def close(self) -> None:
        """Release everything that outlives the page: periodic callback, queue, watchers."""
        if self._ticking is not None:
            self._ticking.stop()
        self.board.param.unwatch(self._watcher)
        for part in (
            self.autosave,
            self.jobs,
            self.buttons,
            self.data,
            self.features,
            self.model,
            self.board,
        ):
            part.close()
        for part in (self.job_list, *self._views()):
            part.close()


def _unfolded(trajectories, dataset) -> list[int]:
    """The sections of the tools that are open: that of the features while they are the next step."""
    return [0, 2] if trajectories is None or dataset is not None else [0, 1]


def _in_event_loop() -> bool:
    """Whether callbacks of this thread will be called, as in a notebook; in a script they never are."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def unlink_busy(page: pmui.Page) -> None:
    """Stop the page from following panel's busy flag.

    The flag changes twice in every callback, each change walks all models of the page (0.1 s), and its
    watcher on the process-wide state would keep every closed page alive.
    """
    for watcher in list(pn.state.param.watchers.get("busy", {}).get("value", [])):
        if getattr(getattr(watcher.fn, "__self__", None), "self_or_cls", None) is page:
            pn.state.param.unwatch(watcher)
    with edit_readonly(page):
        page.busy = False
