"""Sources are cited by DOI or by a key of docs/references.bib, and every method cites its own."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import fel_explorer as fel
from fel_explorer.methods.registry import list_models

ROOT = Path(__file__).parents[1]
REFERENCES = ROOT / "docs" / "references.bib"
CODE = sorted(
    path for folder in ("fel_explorer", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
DOCS = [ROOT / "README.md", ROOT / "sample_data" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOI = re.compile(r"doi:\s*(10\.\d{4,9}/[^\s\"'`,;\]]+)")
KEY = re.compile(r"\[([a-z]+(?:19|20)\d\d[a-z0-9]+)\]")
NUMBER = re.compile(r"\bEqs?\.\s+S?\d|\bequation|\S =\s+\S|Algorithm \d|<\s*-ln")
OURS = "this package's own"


def parse(text):
    """{key: {field: value}} of BibTeX in which each field is ``name = {value},`` on one line."""
    entries = {}
    for head, body in re.findall(r"^@\w+\{([^,\s]+),\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, re.MULTILINE))
        assert len(fields) == body.count("\n"), f"{head}: a line that is not a field"
        assert head not in entries, f"{head} twice"
        entries[head] = fields
    return entries


ENTRIES = parse(REFERENCES.read_text())
DOIS = {fields["doi"].lower() for fields in ENTRIES.values() if "doi" in fields}


def cited(text):
    """DOIs and keys in a text, with closing brackets and stops of the sentence left off."""
    for doi in DOI.findall(text):
        doi = doi.rstrip(".:")
        while doi.endswith(")") and doi.count(")") > doi.count("("):
            doi = doi[:-1].rstrip(".:")
        yield doi.lower()
    yield from KEY.findall(text)


def docstrings(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield getattr(node, "name", path.stem), ast.get_docstring(node) or ""


def test_every_entry_is_read():
    assert len(ENTRIES) == len(re.findall(r"^@", REFERENCES.read_text(), re.MULTILINE)) > 50


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_names_authors_title_and_year(key):
    entry = ENTRIES[key]
    assert entry["author"] and entry["title"]
    assert re.fullmatch(r"(19|20)\d\d", entry["year"])
    assert key.endswith(tuple("abcdefghijklmnopqrstuvwxyz")) and entry["year"] in key
    assert all(", " in name or name == "others" for name in entry["author"].split(" and ")), "Last, First"
    if "doi" in entry:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", entry["doi"])
    else:
        assert "cited as printed" in entry["note"], f"{key} has neither a DOI nor a note"


def test_no_doi_is_listed_twice():
    counts = Counter(fields.get("doi") for fields in ENTRIES.values() if "doi" in fields)
    assert max(counts.values()) == 1


def test_citations_are_in_the_references():
    for path in [*CODE, *DOCS]:
        unknown = [name for name in cited(path.read_text()) if name not in DOIS and name not in ENTRIES]
        assert not unknown, f"{path.relative_to(ROOT)} cites {unknown}, not in docs/references.bib"


def test_every_entry_is_cited():
    used = {name for path in [*CODE, *DOCS] for name in cited(path.read_text())}
    unused = [key for key, entry in ENTRIES.items() if not {key, entry.get("doi", key).lower()} & used]
    assert not unused, f"{unused} in docs/references.bib are cited nowhere"


def test_a_source_is_named_so_that_it_can_be_found():
    for path in CODE:
        for name, text in docstrings(path):
            for paragraph in re.split(r"\n\s*\n", text):
                source = paragraph.partition("Source:")[2].strip()
                assert not source or OURS in source or any(cited(source)), f"{path}, {name}: {source[:80]}"


@pytest.mark.parametrize("name", sorted(list_models()))
def test_a_method_cites_its_source_and_equation(name):
    text = list_models()[name].__doc__
    _, found, source = text.partition("Source:")
    assert found, f"{name} does not name its source"
    assert any(cited(source)) or OURS in source
    assert NUMBER.search(text), f"{name} cites no equation"


def test_sources_are_never_named_by_a_number():
    for path in [*CODE, *DOCS]:
        if path != Path(__file__):
            assert not re.search(r"\bpapers?[ /]0\d\d\b", path.read_text(), re.IGNORECASE), path


def test_the_citation_parser_leaves_brackets_of_a_doi():
    text = (
        "Baker (1984, doi:10.1016/0079-6107(84)90007-5), Kabsch (doi:10.1002/bip.360221211). [bishop1994mdn]"
    )
    assert list(cited(text)) == ["10.1016/0079-6107(84)90007-5", "10.1002/bip.360221211", "bishop1994mdn"]


def test_all_methods_are_covered():
    assert set(fel.list_methods()) <= set(list_models())
