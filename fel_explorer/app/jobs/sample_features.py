"""Features of the sample data, computed in a process of its own while another one imports the page.

python -m fel_explorer.app.jobs.sample_features
"""

from __future__ import annotations

import logging
import subprocess
import sys

from fel_explorer.data.cache import cache_directory

log = logging.getLogger("fel_explorer")

FEATURES = ("heavy_atom_distances", "backbone_torsions")


def start_process() -> subprocess.Popen | None:
    """Start a process that fills the cache; None where it was filled before.

    Where it fails, see `finish`, the features are computed when they are asked for.
    """
    if any((cache_directory() / "features").glob("*.zarr")):
        return None
    command = [sys.executable, "-m", "fel_explorer.app.jobs.sample_features"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=silent, stdout=silent, stderr=subprocess.PIPE, text=True, errors="replace"
    )


def finish(process: subprocess.Popen | None) -> str:
    """Wait for the process; "" or, where it failed, what it said last, which is logged in full."""
    if process is None:
        return ""
    _, said = process.communicate()
    if process.returncode == 0:
        return ""
    log.warning("the sample data were not prepared in a process of their own:\n%s", said.strip())
    reason = next(filter(None, reversed(said.strip().splitlines())), f"it ended with {process.returncode}")
    return f"The features of the sample data could not be prepared: {reason} They were computed once more."


def fill_cache() -> None:
    """Unpack the sample data and compute their features, both into the cache."""
    from fel_explorer.data import sample_data
    from fel_explorer.features import featurize

    trajectories = sample_data()
    trajectories.columns_file = None  # not part of the cache
    for features in FEATURES:
        featurize(trajectories, features)


if __name__ == "__main__":
    fill_cache()
