"""What is installed on this machine, and what is missing: the table of ``fel-explorer doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

import fel_explorer

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
DEVELOPMENT = ("test", "docs")  # extras that users do not need
WEBGL_PAGE = (
    "data:text/html,<body><script>document.body.textContent = "
    "'webgl2=' + !!document.createElement('canvas').getContext('webgl2')</script>"
)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    subject
        What was looked at, such as "torch" or "GPU".
    found
        What was found there.
    problem
        What is wrong and what to do, "" if nothing is.
    """

    subject: str
    found: str
    problem: str = ""


def inspect_installation(browser: bool = True) -> list[Finding]:
    """Versions, optional packages, device, cache and browser of this machine.

    Parameters
    ----------
    browser
        Start a browser for some seconds to see whether it draws with WebGL, which the structures need.
    """
    findings = [
        Finding("fel_explorer", f"{fel_explorer.__version__} in {Path(fel_explorer.__file__).parent}"),
        Finding("Python", f"{platform.python_version()} at {sys.executable}"),
        Finding("system", f"{platform.platform()}, {os.cpu_count()} cores"),
    ]
    findings += packages()
    findings += [graphics_processor(), cache()]
    if browser:
        findings.append(webgl())
    return findings


def packages() -> list[Finding]:
    """Each dependency with its version; those of an extra are no problem when they are missing."""
    findings = []
    for text in importlib.metadata.requires("fel-explorer") or []:
        requirement = Requirement(text)
        extra = next((name for name in extras() if _needed_for(requirement, name)), None)
        if extra in DEVELOPMENT or requirement.name == "fel-explorer":
            continue
        findings.append(package(requirement, extra))
    return findings


def package(requirement: Requirement, extra: str | None = None) -> Finding:
    """Whether a package is installed in a version that is wanted.

    Parameters
    ----------
    extra
        The optional extra it belongs to; None for what is always needed.
    """
    install = f"pip install 'fel-explorer{f'[{extra}]' if extra else ''}'"
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        if extra:
            return Finding(requirement.name, f"not installed (optional; {install})")
        return Finding(requirement.name, "not installed", f"Install it: {install}")
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(requirement.name, version, f"{requirement.specifier} is needed: {install}")
    return Finding(requirement.name, version)


def extras() -> list[str]:
    """Names of the optional sets of packages."""
    return importlib.metadata.metadata("fel-explorer").get_all("Provides-Extra") or []


def _needed_for(requirement, extra):
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def graphics_processor() -> Finding:
    """The CUDA devices that torch can use."""
    try:
        import torch
    except ImportError as error:
        return Finding("GPU", "not known", f"torch does not start: {error}")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = (
            f"torch was built for CUDA {built}, and finds no device"
            if built
            else "torch was built for the CPU"
        )
        return Finding("GPU", f"none; trainings run on the CPU ({why})")
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return Finding("GPU", ", ".join(f"{one.name} ({one.total_memory / 2**30:.0f} GiB)" for one in names))


def cache() -> Finding:
    """Where features, sessions and checkpoints are kept, and whether that can be written."""
    from fel_explorer.data.cache import cache_directory

    folder = cache_directory()
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(existing).free / 2**30
    found = f"{folder}, {free:.0f} GiB free"
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        return Finding(
            "cache", found, f"It can't be written ({error}). Set FEL_EXPLORER_CACHE to another folder."
        )
    if free < 1:
        return Finding("cache", found, "Less than 1 GiB is free. Set FEL_EXPLORER_CACHE to another folder.")
    return Finding("cache", found)


def webgl() -> Finding:
    """Whether a browser of this machine draws with WebGL 2."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return Finding(
            "browser", "no Chromium, Chrome or Edge to test here; any recent browser with WebGL 2 serves"
        )
    flags = ["--headless=new", "--dump-dom", "--disable-background-networking"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to start for root with it
    with tempfile.TemporaryDirectory(prefix="fel-doctor-", ignore_cleanup_errors=True) as profile:
        try:
            done = subprocess.run(
                [browser, *flags, f"--user-data-dir={profile}", WEBGL_PAGE],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Finding("browser", browser, "It did not answer within 60 s.")
    if "webgl2=true" in done.stdout:
        return Finding("browser", f"{browser}, draws with WebGL 2")
    if "webgl2=false" in done.stdout:
        return Finding(
            "browser", browser, "It has no WebGL 2: structures are not drawn. Turn on hardware acceleration."
        )
    return Finding(
        "browser", browser, "It did not start: " + (done.stderr.strip().splitlines() or ["no output"])[-1]
    )


def describe(findings: list[Finding]) -> str:
    """The report as text, problems last."""
    width = max(len(finding.subject) for finding in findings)
    lines = [f"{finding.subject:{width}}  {finding.found}" for finding in findings]
    problems = [f"{finding.subject}: {finding.problem}" for finding in findings if finding.problem]
    return "\n".join([*lines, "", *(problems or ["No problem was found."])])
