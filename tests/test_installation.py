"""The report of what is installed: each kind of problem is named with what to do."""

import tempfile

from packaging.requirements import Requirement

from fel_explorer import cli, installation


def test_a_missing_package_is_a_problem_unless_it_is_optional():
    wanted = Requirement("no-such-package-at-all>=1")
    assert "pip install" in installation.package(wanted).problem
    optional = installation.package(wanted, "md")
    assert not optional.problem and "fel-explorer[md]" in optional.found


def test_an_old_package_is_a_problem():
    problem = installation.package(Requirement("numpy>=9999")).problem
    assert ">=9999 is needed" in problem


def test_every_dependency_of_this_environment_is_fine():
    found = {finding.subject: finding for finding in installation.packages()}
    assert {"numpy", "torch", "mdtraj", "openmm"} <= set(found)
    assert "pytest" not in found
    assert not [finding for finding in found.values() if finding.problem]


def test_a_cache_that_cannot_be_written_is_a_problem(monkeypatch):
    def refuse(**options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    problem = installation.cache().problem
    assert "read-only file system" in problem and "FEL_EXPLORER_CACHE" in problem


def browser_that(tmp_path, monkeypatch, answer):
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(installation, "BROWSERS", ("chromium",))
    return installation.webgl()


def test_a_browser_with_webgl_is_fine(tmp_path, monkeypatch):
    assert not browser_that(tmp_path, monkeypatch, "echo '<body>webgl2=true</body>'").problem


def test_a_browser_without_webgl_is_a_problem(tmp_path, monkeypatch):
    found = browser_that(tmp_path, monkeypatch, "echo '<body>webgl2=false</body>'")
    assert "hardware acceleration" in found.problem


def test_a_browser_that_does_not_start_is_a_problem(tmp_path, monkeypatch):
    assert "no display" in browser_that(tmp_path, monkeypatch, "echo 'no display' >&2; exit 1").problem


def test_the_command_prints_the_report_and_fails_on_problems(monkeypatch, capsys):
    monkeypatch.setattr(installation, "packages", lambda: [installation.Finding("numpy", "1.0", "too old")])
    assert cli.main(["doctor", "--no-browser"]) == 1
    printed = capsys.readouterr().out
    assert "numpy: too old" in printed and "Python" in printed and "browser" not in printed


def test_the_command_succeeds_without_problems(capsys):
    assert cli.main(["doctor", "--no-browser"]) == 0
    assert "No problem was found." in capsys.readouterr().out
