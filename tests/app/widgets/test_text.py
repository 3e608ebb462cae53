"""Texts of the page are Markdown in which nothing runs and nothing is fetched."""

import ast
from html import escape
from pathlib import Path

import pytest

from fel_explorer.app.widgets.markdown import literal, to_html
from fel_explorer.app.widgets.text import Notice, Text

APP = Path(__file__).parents[3] / "fel_explorer" / "app"
INTERPRET_HTML = {
    "Typography",
    "Alert",
    "StaticText",
    "Markdown",
    "HTML",
    "Str",
    "DataFrame",
    "Div",
    "Details",
}
DRAW_HTML = {  # tables and drawings, in which `html.escape` is used
    "views/model/training_monitor_panel.py",
    "views/simulate/pages.py",
}
NAMES = ["<img src=x onerror=alert(1)>", "H5*1*", "![a](http://e/x.png)", "[a](javascript:alert(1))", "1. x"]
NAMES += [
    "a_b_c",
    "$$x$$",
    "&lt;b&gt;",
    "# h",
    "    code",
    "a\n===",
    "- l",
    "http://e.invalid",
    "|a|b|",
    "~~~",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_letter_by_letter(name):
    shown = escape(" ".join(name.split()), quote=False)
    assert to_html(literal(name)) == f"<p>{shown}</p>\n"
    assert to_html(f"**{literal(name)}**, {literal(name)}") == f"<p><strong>{shown}</strong>, {shown}</p>\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_escaped_runs_and_fetches_nothing(name):
    assert "<img" not in to_html(name) and "<a" not in to_html(name)


def test_emphasis_lists_tables_and_code_are_formatted():
    assert to_html("**a**") == "<p><strong>a</strong></p>\n"
    assert "<li>a</li>" in to_html("- a") and "<td>1</td>" in to_html("| a |\n|---|\n| 1 |")
    assert to_html("```\n<a>\n```") == "<pre><code>&lt;a&gt;\n</code></pre>\n"


def test_components_get_html_that_they_decode_once():
    for make in (Text, Notice):
        component = make("**a** <img src=x>")
        model = component.get_root()
        assert model.data.object == escape("<p><strong>a</strong> &lt;img src=x&gt;</p>\n")
        component.object = "b"
        assert model.data.object == escape("<p>b</p>\n")


def test_nothing_else_of_the_app_interprets_html():
    for path in sorted(APP.rglob("*.py")):
        inside = str(path.relative_to(APP))
        if inside == "widgets/text.py" or inside in DRAW_HTML or "workarounds" in inside:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in INTERPRET_HTML:
                base = ast.unparse(node.value)
                assert base not in ("pmui", "pn.pane", "pn.widgets", "bokeh.models"), (
                    f"{inside}:{node.lineno}"
                )
