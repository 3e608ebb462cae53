"""The built wheel carries what the app needs at run time; other ways to install agree with it."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fel_explorer
from fel_explorer.cli.parser import make_parser

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's files, unpacked apart from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_has_the_sample_data_and_the_viewer(installed, tmp_path):
    code = (
        "import fel_explorer as fel; from fel_explorer.app.viewer import StructureViewer as V;"
        "print(fel.__file__, fel.sample_data('alanine-dipeptide').n_frames, V._bundle_path)"
    )
    environment = {"PYTHONPATH": str(installed), "FEL_EXPLORER_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    file, n_frames, bundle = done.stdout.split()
    assert file.startswith(str(installed)), "the checkout was imported, not the wheel"
    assert n_frames == "200000"
    assert Path(bundle).stat().st_size > 1_000_000


def test_wheel_tells_type_checkers_that_it_is_annotated(installed):
    assert (installed / "fel_explorer" / "py.typed").is_file()  # PEP 561


CONDA_NAMES = {"torch": "pytorch", "tables": "pytables", "dask": "dask-core", "matplotlib": "matplotlib-base"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_conda_recipe_has_the_dependencies_and_version_of_the_package():
    recipe = (ROOT / "packaging" / "recipe.yaml").read_text()
    run = recipe.split("  run:\n")[1].split("\n\n")[0]
    found = {Requirement(line.split("- ")[1].replace(" ", "")) for line in run.splitlines()}
    wanted = {
        Requirement(text) for text in [*project()["dependencies"], "python" + project()["requires-python"]]
    }

    def plain(requirements):
        return {
            (canonicalize_name(CONDA_NAMES.get(one.name, one.name)), str(one.specifier))
            for one in requirements
        }

    assert plain(found) == plain(wanted)
    assert f"version: {fel_explorer.__version__}\n" in recipe


def test_versions_agree():
    assert project()["version"] == fel_explorer.__version__
    assert f"\nversion: {fel_explorer.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {fel_explorer.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_workflows_and_the_container_run_what_there_is():
    makefile = (ROOT / "Makefile").read_text()
    workflows = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    for target in re.findall(r"run: make ([\w-]+)", workflows):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    command = json.loads(re.search(r"^CMD (\[.*\])$", (ROOT / "Containerfile").read_text(), re.MULTILINE)[1])
    parser, _ = make_parser()
    assert parser.parse_args(command).host == "0.0.0.0"
