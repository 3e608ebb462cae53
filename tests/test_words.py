"""Words of docstrings, comments, messages and docs are the terms of `docs/glossary.md`."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = sorted(
    file for folder in ("fel_explorer", "benchmarks", "apps") for file in (ROOT / folder).rglob("*.py")
)
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_USED = {  # pattern: what to write
    r"\bforetell|\bforetold": "predict",
    r"\bby heart\b": "overfit",
    r"\bstretch(es)? of\b": "segment",
    r"\b(an?|the|their|its|whose) shares?\b|\bshares? of\b|\bshares?:": "fraction",
    r"\b(lets?|letting) go of\b|\bforg(et|ets|ot|otten)\b": "release, delete",
    r"\bbeside\b": "next to, compared with",
    r"(?<!there )\bis no (?!longer|more|such)[a-z]": "is not a",
    r"\b(tells?|told|telling)\b": "predict, report, show",
    r"\bjudg(e|es|ed|ing)\b": "assess, compare",
    r"(?-i:\btICA\b)": "TICA",
    r"\bm(ue|u)ller[- ]brown\b": "Müller-Brown",
    r"(?<=[a-z] )timescales?\b": "time scale",
    r"\bpaper 0\d\d\b": "authors and year",
}


def without_code(text):
    """Text without its fenced, inline and double-backticked code, on the same lines."""
    blank = lambda found: re.sub(r"[^\n]", " ", found[0])  # noqa: E731
    text = re.sub(r"^ *```.*?^ *```", blank, text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"``[^`]+``|`[^`\n]+`", blank, text)


def prose_of_code(source):
    """(line, text) of the comments, docstrings and other strings of more than one word in Python code."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"\s", node.value.strip())
        ):
            yield node.lineno, node.value


@cache
def prose():
    """(place, line of text) of everything that people read."""
    lines = []
    for file in CODE:
        for first, text in prose_of_code(file.read_text()):
            lines += [
                (f"{file.relative_to(ROOT)}:{first + i}", line)
                for i, line in enumerate(without_code(text).split("\n"))
            ]
    for page in PAGES:
        text = page.read_text().split("## Words that are not used")[0]
        lines += [
            (f"{page.relative_to(ROOT)}:{i + 1}", line)
            for i, line in enumerate(without_code(text).split("\n"))
        ]
    return lines


@pytest.mark.parametrize(("pattern", "instead"), NOT_USED.items(), ids=NOT_USED.values())
def test_words_of_the_glossary_are_used(pattern, instead):
    found = [f"{place}: {line.strip()}" for place, line in prose() if re.search(pattern, line, re.IGNORECASE)]
    assert not found, f"write '{instead}':\n" + "\n".join(found)


def test_the_patterns_find_what_they_are_for():
    source = '"""A share of the frames."""\nx = f"This {1} is no dataset"  # told by heart\ny = ["beside"]\n'
    text = "\n".join(line for _, line in prose_of_code(source))
    found = {pattern for pattern in NOT_USED if re.search(pattern, text, re.IGNORECASE)}
    assert {NOT_USED[pattern] for pattern in found} == {
        "fraction",
        "is not a",
        "predict, report, show",
        "overfit",
    }
    assert not any(
        re.search(p, without_code("`beside` and ``told``\n```\nby heart\n```"), re.I) for p in NOT_USED
    )
