"""The tour frames one part of the page after another and leaves no trace."""

import numpy as np

import fel_explorer as fel
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.shell.tour import FRAME, STEPS


def framed(tour):
    return [name for name, part in tour.parts.items() if (part.styles or {}).get("outline") == FRAME]


def own_styles(tour):
    return {
        name: {key: value for key, value in (part.styles or {}).items() if not key.startswith("outline")}
        for name, part in tour.parts.items()
    }


def test_each_step_frames_its_part_and_the_end_restores_all():
    explorer = Explorer()
    tour = explorer.tour
    before = own_styles(tour)
    assert not tour.card.visible
    tour.start()
    for step in STEPS:
        assert framed(tour) == [step.part]
        assert tour.card.visible and tour.title.object == step.title
        tour.go(1)
    assert not tour.card.visible
    assert framed(tour) == [] and own_styles(tour) == before
    tour.start()
    tour.go(1)
    tour.go(-1)
    assert framed(tour) == [STEPS[0].part]
    tour.stop()
    assert framed(tour) == []
    explorer.close()


def test_larger_type_changes_all_words_of_the_page_and_back():
    explorer = Explorer()
    usual = explorer.page.theme_config
    explorer.large = True
    sizes = {explorer.page.theme_config[mode]["typography"]["fontSize"] for mode in ("light", "dark")}
    assert sizes == {17}
    explorer.large = False
    assert explorer.page.theme_config == usual
    explorer.close()


def test_escape_ends_the_tour_and_keeps_the_selection():
    explorer = fel.explore(fel.as_dataset(np.random.default_rng(0).normal(size=(50, 3))))
    explorer.session.select(np.arange(50) < 5, "box")
    for _ in range(2):  # it starts again after it was ended
        explorer.tour.start()
        assert explorer.tour.card.visible
        explorer._on_key("escape")
        assert not explorer.tour.card.visible and explorer.session.selection.count == 5
    explorer._on_key("escape")
    assert explorer.session.selection.count == 0
    explorer.close()
