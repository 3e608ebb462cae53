"""Pages on the papers: what they name exists, and nothing is claimed without a function or a reason."""

import re
from pathlib import Path

import pytest

import fel_explorer as fel
from fel_explorer.app.views.tabs import TABS

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs" / "papers").glob("*.md")) if page.name != "README.md"]
CLICKS = {tab.title for tab in TABS} | {"Model", "form", "map", "physics page"}


def rows(page):
    """Cells of the rows of a page's table, without the heading."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert lines[0].split("|")[2].strip() == "function" and set(lines[1]) <= {"|", "-", " "}
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_paper_is_listed():
    index = (ROOT / "docs" / "papers" / "README.md").read_text()
    assert len(PAGES) == 5 and all(f"]({page.name})" in index for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_functions_clicks_and_benchmarks_exist(page):
    assert len(rows(page)) > 8
    for item, function, click, benchmark, _ in rows(page):
        if function != "-":
            (name,) = re.findall(r"^`fel\.([\w.]+)`$", function)
            found = fel
            for part in name.split("."):
                found = getattr(found, part)
            assert callable(found), f"{item}: {function}"
        if benchmark != "-":
            (path,) = re.findall(r"^`(benchmarks/\w+\.py)`$", benchmark)
            assert (ROOT / path).is_file(), f"{item}: {path}"
        if click != "-":
            assert re.split("[,:]", click)[0] in CLICKS, f"{item}: {click}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_has_no_function_says_what_is_missing(page):
    for item, function, _, benchmark, missing in rows(page):
        assert function != "-" or missing, item
        assert function != "-" or benchmark != "-" or "not there" in missing, item


SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "fel_explorer" / "app").rglob("*.py")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_clicks_have_the_names_that_the_page_shows(page):
    for item, function, click, *_ in rows(page):
        head, *rest = (part.strip() for part in re.split("[,:]", click))
        if head == "form":
            method = getattr(fel, function.strip("`").removeprefix("fel."))
            labels = [method.param[name].label for name in method.hyperparameter_names()]
            assert all(any(part in label for label in labels) for part in rest), f"{item}: {click}, {labels}"
        elif head == "Model":
            assert rest[0] in fel.list_methods(), f"{item}: {click}"
        elif head in {tab.title for tab in TABS}:
            missing = [part for part in rest if f'"{part}' not in SOURCES]
            assert not missing, f"{item}: {click}"
