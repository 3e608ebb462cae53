"""The explorer as a whole, without a browser."""

import asyncio
import gc
import weakref
from types import SimpleNamespace

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest
from panel.io.state import state as panel_state

import fel_explorer as fel
from fel_explorer.app import explorer_pages, page_jobs
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.shell import explorer as explorer_module
from fel_explorer.app.shell.commands import COMMANDS
from fel_explorer.app.shell.explorer import TICK, Explorer
from fel_explorer.app.views.data.frame_weights_panel import FrameWeights
from fel_explorer.errors import FelError
from fel_explorer.methods import PCA


@pytest.fixture(autouse=True)
def jobs(monkeypatch):
    """A manager of the test's own, which runs a job when told to."""
    jobs = JobManager(workers=0)
    monkeypatch.setattr(page_jobs, "manager", lambda: jobs)
    return jobs


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(150, 4)).astype(np.float32) for _ in range(2)]


def small_explorer():
    data = fel.as_dataset(arrays(), time_step=2.0)
    return fel.explore(data, PCA(n_dims=2).fit(data))


def test_explore_shows_data_and_models():
    explorer = small_explorer()
    session = explorer.session
    assert session.active == "PCA 1" and session.result.embedding.shape == (300, 2)
    assert explorer.map.axes == ("CV 1", "CV 2")
    session.select(np.arange(300) < 7, "by hand")
    assert explorer.session.selection.count == 7
    explorer.close()


def test_labels_of_several_models_differ():
    data = fel.as_dataset(arrays())
    models = [PCA(n_dims=n).fit(data) for n in (2, 3)]
    assert list(fel.explore(data, models).session.results) == ["PCA 1", "PCA 2"]
    assert list(fel.explore(data, {"linear": models[0]}).session.results) == ["linear"]
    with pytest.raises(FelError, match="without a dataset"):
        fel.explore(None, models)


def test_it_renders_as_a_page_and_as_a_layout_in_both_themes():
    for show in (lambda e: e.page, lambda e: pn.panel(e)):
        explorer = small_explorer()
        root = show(explorer).get_root()
        assert len(list(root.references())) > 50
        explorer.toggle_theme()
        assert explorer.map.dark and explorer.model.monitor.dark
        explorer.close()


def test_data_that_come_after_the_page_is_shown_get_a_map():
    explorer = Explorer()
    explorer.page.get_root()
    assert not explorer.map._pane.visible
    explorer.session.load(fel.as_dataset(arrays()))
    assert explorer.map._pane.visible and explorer.map.axes == ("x0", "x1")
    explorer.close()


def test_training_from_the_form_brings_a_result(jobs):
    explorer = small_explorer()
    explorer.model.method.value = "TICA"
    assert explorer.model.form.widgets["lag_time"].value == 10.0
    explorer.model.train(lag_time=4.0)
    assert explorer.jobs.layout.visible and "TICA 1" in explorer.jobs.text.label
    jobs.work()
    explorer.board.tick()
    assert explorer.session.active == "TICA 1" and explorer.session.result.method.lag_time == 4.0
    assert not explorer.jobs.layout.visible
    assert "lag 4" in explorer.model.models.facts.object
    explorer.close()


def test_a_page_shown_from_a_script_hears_what_its_jobs_did(jobs, monkeypatch):
    explorer, served = small_explorer(), {}
    explorer.model.method.value = "TICA"
    assert explorer.page is not None  # made where no event loop runs yet
    monkeypatch.setattr(explorer_module, "run", lambda page, **options: served.update(options, page=page))
    explorer.show(open=False, port=0)
    assert served["show"] is False and served["port"] == 0

    async def visit():
        assert served["page"]() is explorer.page
        explorer.model.train(lag_time=4.0)
        jobs.work()
        await asyncio.sleep(4 * TICK / 1000)

    asyncio.run(visit())
    assert list(explorer.session.results) == ["PCA 1", "TICA 1"]


def test_the_same_training_is_not_started_twice(jobs):
    explorer = small_explorer()
    explorer.model.method.value = "PCA"
    explorer.model.train()
    with pytest.raises(FelError, match="already"):
        explorer.model.train()
    explorer.close()


def test_an_impossible_lag_is_told_before_a_job_starts(jobs):
    explorer = small_explorer()
    explorer.model.method.value = "TICA"
    with pytest.raises(FelError, match="longest trajectory"):
        explorer.model.train(lag_time=1000.0)
    assert jobs.jobs() == []
    explorer.close()


def test_errors_of_jobs_are_shown_in_their_parts_and_the_session_goes_on(jobs, monkeypatch):
    explorer, shown = small_explorer(), []

    class Notes:
        def error(self, message, duration):
            shown.append(message)

    monkeypatch.setattr(type(panel_state), "notifications", Notes())

    def fail(report, should_stop):
        raise FelError("Given.", "Valid.", "Remedy.")

    def crash(report, should_stop):
        raise ZeroDivisionError("division by zero")

    for job in (fail, crash):
        explorer.board.submit("IDM 1", job, kind="model")
        jobs.work()
        explorer.board.tick()
    assert shown[0] == "Given.\nValid.\nRemedy."
    assert "ZeroDivisionError" in shown[1] and "goes on" in shown[1]
    explorer.session.select(np.ones(300, bool), "all")
    assert explorer.session.selection.count == 300
    explorer.close()


def test_every_command_runs_from_its_shortcut():
    explorer = small_explorer()
    _ = explorer.page
    explorer.session.select(np.arange(300) < 5, "by hand")
    opened = []
    for command in COMMANDS:
        explorer._on_key(command.shortcut)
        for dialog in explorer.dialogs.layout.select(pmui.Dialog):
            opened += [command.id] * dialog.open
            dialog.open = False
    assert explorer.dark and {"help", "save"} <= set(opened)
    explorer._on_key("x")
    explorer.close()


def test_keys_run_nothing_over_an_open_dialog():
    explorer = small_explorer()
    explorer._on_key("ctrl+s")
    assert explorer.sessions.dialog.open and explorer.sessions.dialog.title == "Save session"
    explorer._on_key("u")
    explorer._on_key("?")
    explorer._on_key("t")
    assert explorer.sessions.dialog.title == "Save session" and not explorer.dark
    explorer.sessions.dialog.open = False
    explorer._on_key("t")
    assert explorer.dark
    explorer.close()


def test_dialogs_of_files_open_whatever_is_folded(tmp_path):
    explorer = Explorer(root=tmp_path)
    explorer.data._browse(None)
    explorer.sessions._show("Save session")
    laid_out = explorer.dialogs.layout.select(pmui.Dialog)
    assert explorer.data.dialog in laid_out and explorer.sessions.dialog in laid_out
    assert str(tmp_path) in explorer.data.help.object.replace("\\", "")
    assert "--root" in explorer.data.help.object
    explorer.data.typed.value = "../../etc/passwd.xtc"
    with pytest.raises(FelError, match="outside of the folder") as refused:
        explorer.data._confirm(None)
    assert "--root FOLDER" in refused.value.remedy and explorer.data.dialog.open
    explorer.close()


def test_models_are_saved_and_loaded_in_the_page(jobs):
    explorer = small_explorer()
    models = explorer.model.models
    models.load.param.update(filename="linear.fel", value=models._file().getvalue())
    jobs.work()
    explorer.board.tick()
    np.testing.assert_allclose(
        explorer.session.results["linear"].embedding, explorer.session.results["PCA 1"].embedding, rtol=1e-6
    )
    with pytest.raises(FelError, match="not a model file"):
        models.load.param.update(filename="other.fel", value=b"rubbish")
    assert explorer.session.active == "linear"
    explorer.close()


def test_files_are_opened_only_below_the_root(tmp_path, jobs):
    explorer = Explorer(root=tmp_path)
    with pytest.raises(FelError, match="outside"):
        explorer.data.open(["../a.xtc"])
    with pytest.raises(FelError, match="Compute features first"):
        explorer.data.attach("table.csv")
    explorer.close()


def test_weights_come_from_a_column_of_a_table(tmp_path):
    explorer = fel.explore(fel.as_dataset(arrays()), root=tmp_path)
    bias = np.tile([0.0, 2.5], 150)
    rows = "\n".join(f"{i} {b}" for i, b in enumerate(bias))
    (tmp_path / "COLVAR").write_text(f"#! FIELDS time metad.rbias\n{rows}\n")
    (tmp_path / "table.csv").write_text("weight\n" + "1\n3\n" * 150)
    weights = FrameWeights(explorer.session)
    weights.offer([tmp_path / "COLVAR"])
    assert weights.layout.visible and weights.chosen == {}
    weights.source.value = "metad.rbias is a bias in kJ/mol"
    weights.temperature.value = 300.0
    explorer.data.attach("COLVAR", **weights.chosen)
    shares = explorer.session.dataset["weight"].values[:2]
    assert shares[1] / shares[0] == pytest.approx(np.exp(2.5 / (0.00831446 * 300)))
    weights.offer([tmp_path / "table.csv"])
    explorer.data.attach("table.csv", **weights.chosen)  # a column of that name is the choice
    np.testing.assert_allclose(explorer.session.dataset["weight"].values[:2], [0.5, 1.5])
    weights.offer([])
    assert not weights.layout.visible and weights.chosen == {}
    explorer.close()


def test_columns_are_attached_without_losing_models(tmp_path):
    data = fel.as_dataset(arrays())
    explorer = fel.explore(data, PCA().fit(data), root=tmp_path)
    rows = "\n".join(str(i * 0.5) for i in range(300))
    (tmp_path / "table.csv").write_text(f"energy\n{rows}\n")
    explorer.data.attach("table.csv")
    assert explorer.session.dataset["energy"].values[-1] == 149.5
    assert explorer.session.active == "PCA 1"
    assert "columns: energy" in explorer.data.summary.object
    explorer.close()


def test_a_page_is_kept_while_its_job_runs(jobs):
    from bokeh.document import Document
    from panel.io.state import set_curdoc

    calls, explorer, document = [], small_explorer(), Document()

    def session(name):
        return SimpleNamespace(
            id=name,
            block_expiration=lambda: calls.append(f"block {name}"),
            unblock_expiration=lambda: calls.append(f"unblock {name}"),
        )

    server = SimpleNamespace(sessions=[session("mine"), session("theirs")])
    request = SimpleNamespace(arguments={})
    context = SimpleNamespace(id="mine", server_context=server, request=request)
    document._session_context = lambda: context
    with set_curdoc(document):
        explorer._tick()
        explorer.board.submit("PCA 2", lambda report, should_stop: None, kind="model")
        explorer._tick()
        explorer._tick()
        jobs.work()
        explorer._tick()
    assert calls == ["block mine", "unblock mine"]
    explorer.close()


def test_closed_pages_are_forgotten():
    """Twenty pages opened and closed leave nothing behind."""
    gone = []
    for seed in range(20):
        explorer = fel.explore(arrays(seed))
        assert explorer.page.main
        gone += [weakref.ref(explorer), weakref.ref(explorer.session)]
        explorer.close()
        del explorer
    gc.collect()
    assert sum(reference() is not None for reference in gone) == 0


def test_entry_pages_are_files_models_or_nothing(tmp_path):
    from fel_explorer.data import save_dataset

    data = fel.as_dataset(arrays(), time_step=2.0)
    save_dataset(data, tmp_path / "data.zarr")
    PCA().fit(data).save(tmp_path / "linear.fel")
    make = explorer_pages.page_on([tmp_path / "data.zarr", tmp_path / "linear.fel"], root=tmp_path)
    first, second = make(), make()
    assert first.session is not second.session and first.session.active == "linear"
    assert explorer_pages.page_on([])().session.dataset is None
    with pytest.raises(FelError, match="one dataset"):
        explorer_pages.page_on([tmp_path / "data.zarr", "a.xtc"])


def test_features_are_unfolded_while_they_are_the_next_step():
    explorer = Explorer()
    tools = explorer.layout.tools
    assert tools.active == [0, 2] and explorer.map._message.object.startswith("Load")
    explorer.session.trajectories = fel.sample_data("alanine-dipeptide")
    assert tools.active == [0, 1] and explorer.map._message.object.startswith("Compute features")
    explorer.session.dataset = fel.as_dataset(np.random.default_rng(0).normal(size=(50, 2)))
    assert tools.active == [0, 2] and not explorer.map._message.visible
    explorer.close()


def test_sections_that_were_unfolded_stay_so_when_features_are_added():
    explorer = Explorer(Session(fel.as_dataset(arrays())))
    accordion = explorer.layout.tools
    accordion.active = [0, 1, 2]
    data = fel.as_dataset([np.ones((len(part), 5)) for part in arrays()])
    explorer.session.add_features(data, "others")
    assert accordion.active == [0, 1, 2]
    explorer.close()


def test_features_without_a_model_do_not_show_that_of_other_features(jobs):
    data = fel.as_dataset(arrays())
    session = Session(data)
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data))
    explorer = Explorer(session)
    session.add_features(fel.as_dataset([np.ones((len(part), 5)) for part in arrays()]), "others")
    assert session.active == "" and session.feature_set == "others"
    assert explorer.model.models.choice.value == ""
    explorer.model.models.choice.value = "PCA 1"
    assert session.feature_set == "given features" and session.shown.label == "PCA 1"
    explorer.close()
