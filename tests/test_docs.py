"""Pages of the docs: the paths that they name exist, and their examples run."""

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tokenize
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

import fel_explorer as fel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "sample_data" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGE = ROOT / "fel_explorer"
SUFFIXES = "py|md|js|ipynb|bib|toml|txt|png|css"
A_PATH = re.compile(rf"[\w.-]+(/[\w.-]+)*(/|\.({SUFFIXES}))")
A_NAME = re.compile(r"(?:fel\.|fel_explorer\.)?([a-z_]+(?:\.\w+)+)(?:\(.*\))?")


@cache
def tracked():
    """Files of the project, with those that are new, as paths relative to the root."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Path(line) for line in done.stdout.splitlines() if (ROOT / line).exists()]


def exists(name, page):
    """Whether a path is one of the project: from the root, the package, the app or the page's folder."""
    if "/" not in name.rstrip("/"):
        names = {path.name for path in tracked()} if not name.endswith("/") else set()
        folders = {parent.name for path in tracked() for parent in path.parents}
        return name in names or name.rstrip("/") in folders
    places = (ROOT, PACKAGE, PACKAGE / "app", page.parent)
    return any(
        (place / name).is_dir() if name.endswith("/") else (place / name).is_file() for place in places
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_on_a_page_exist(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    named = [word for code in re.findall(r"`([^`\n]+)`", prose) for word in code.split()]
    paths = [word.strip(",;") for word in named if A_PATH.fullmatch(word.strip(",;"))]
    missing = [path for path in paths if not exists(path, page)]
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page if not file else (page.parent / file)
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{page.name} links to {link}"


def test_the_overview_is_read_in_ten_minutes():
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) <= 150


HOW_TO = sorted((ROOT / "docs" / "how_to_add").glob("*.md"))
TASKS = [
    ROOT / "docs" / name for name in ("conditions.md", "coming_from_pyemma.md")
]  # examples on the sample data
RUN = """
import os, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    exec(compile(open("example.py").read(), folder, "exec"), {"__name__": "__main__"})
"""


@pytest.mark.parametrize("alone", [True, False], ids=["plugin", "all others"])
def test_examples_of_how_to_pages_run(alone, tmp_path):
    """In one process, as imports take most of the time; plugins are found only when a process begins."""
    folders = []
    for page in [*HOW_TO, *TASKS]:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        assert blocks, f"{page.name} has no example"
        if (page.stem == "plugin") == alone:
            folder = tmp_path / page.stem
            folder.mkdir()
            (folder / "example.py").write_text("\n\n".join(blocks))
            folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", RUN, *folders],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def named_in_code(path):
    """Words in backticks of the docstrings and comments of a module."""
    source = path.read_text()
    texts = [
        t.string for t in tokenize.generate_tokens(StringIO(source).readline) if t.type == tokenize.COMMENT
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            texts.append(ast.get_docstring(node) or "")
    for text in texts:
        yield from re.findall(r"`+([^`\n]+)`+", text)


@pytest.mark.parametrize("folder", ["fel_explorer", "tests", "benchmarks", "apps"])
def test_files_named_in_code_exist(folder):
    names = {path.name for path in tracked()}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for word in named_in_code(path):
            if re.fullmatch(rf"[\w./-]+\.({SUFFIXES})", word):
                assert Path(word).name in names, f"{path.relative_to(ROOT)} names {word}"


def test_names_of_the_package_in_docstrings_exist():
    for path in sorted(PACKAGE.rglob("*.py")):
        for word in named_in_code(path):
            match = None if word.endswith((".zarr", ".json")) else A_NAME.fullmatch(word)
            head = match and match.group(1).split(".")[0]
            if match and ((PACKAGE / head / "__init__.py").exists() or (PACKAGE / f"{head}.py").exists()):
                assert resolves(match.group(1)), f"{path.relative_to(ROOT)} names {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_of_the_package_on_a_page_exist(page):
    text = page.read_text()
    own = set(re.findall(r"^class (\w+)", text, re.MULTILINE)) | {"NAME"}
    for name in set(re.findall(r"(?<![\w./-])fel((?:\.\w+)+)", text)):
        first, *rest = name[1:].split(".")
        if first not in own:
            found = getattr(fel, first)
            assert not rest or hasattr(found, rest[0]), f"{page.name} names fel{name}"


def resolves(name):
    """Whether ``name``, such as "kinetics.lifetimes", is in the package."""
    head, *rest = name.split(".")
    found = importlib.import_module(f"fel_explorer.{head}")
    for part in rest:
        if not hasattr(found, part):
            try:
                importlib.import_module(f"{found.__name__}.{part}")
            except (AttributeError, ModuleNotFoundError):
                return False
        found = getattr(found, part)
    return True


SCRIPTS = sorted(path for folder in ("docs", "benchmarks", "apps") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT)))
def test_scripts_import_what_exists(script):
    for module, names in re.findall(
        r"^[ ]*from (fel_explorer[\w.]*) import (\w+(?:, \w+)*)$", script.read_text(), flags=re.MULTILINE
    ):
        held = importlib.import_module(module)
        for name in names.split(", "):
            assert hasattr(held, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module}.{name}"
