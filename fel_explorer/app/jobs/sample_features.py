"""Features of the sample data, computed in a process of its own while another one imports the page.

python -m fel_explorer.app.jobs.sample_features
"""

from __future__ import annotations

import subprocess
import sys

from fel_explorer.data.cache import cache_directory

FEATURES = ("heavy_atom_distances", "backbone_torsions")


def start_process() -> subprocess.Popen | None:
    """Start a process that fills the cache; None where it was filled before.

    It leaves nothing else: where it fails, the features are computed when they are asked for.
    """
    if any((cache_directory() / "features").glob("*.zarr")):
        return None
    silent = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", __name__], stdin=silent, stdout=silent, stderr=silent)


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
