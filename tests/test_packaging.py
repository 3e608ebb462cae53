"""The built wheel carries what the app needs at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
