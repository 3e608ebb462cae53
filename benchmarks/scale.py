"""Seconds and peak memory of each part on stored data of many frames, compared with a raw read and deeptime.

Run from the repository's root; each part runs in a process of its own, whose peak resident memory is shown::

    python benchmarks/scale.py --frames 2000000                  # 0.8 GB on disk in a temporary folder
    python benchmarks/scale.py --frames 2000000 10000000 40000000 --folder /scratch --table scale.md
    python benchmarks/scale.py --codecs                          # read speed of chunks and codecs

"base" is a process that opens the data and imports the methods, and does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_FEATURES, LAG, BLOCK = 100, 10, 100_000
PARTS = (
    "base", "raw read", "products", "PCA", "TICA", "KMeans", "cross-validation", "transform", "map",
    "deeptime",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[2_000_000])
    parser.add_argument("--features", type=int, default=N_FEATURES)
    parser.add_argument("--folder", help="where the data go (default: a temporary folder)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--deeptime-up-to", type=int, default=10_000_000, help="frames, all in memory there")
    parser.add_argument("--table", help="Markdown file to append to")
    parser.add_argument("--codecs", action="store_true", help="measure chunks and codecs instead")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options.part, Path(options.folder))))
    elif options.codecs:
        compare_codecs()
    else:
        for n_frames in options.frames:
            report(n_frames, options)


def report(n_frames: int, options: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fel-scale-", dir=options.folder))
    try:
        make(folder / "data.zarr", n_frames, options.features)
        size = sum(file.stat().st_size for file in (folder / "data.zarr").rglob("*") if file.is_file())
        lines = [
            f"{n_frames:,} frames of {options.features} features,"
            f" {4e-9 * n_frames * options.features:.2f} GB, {size / 1e9:.2f} GB on disk.\n",
            "| part | seconds | processor seconds | peak memory (MB) |\n|---|---|---|---|",
        ]
        for part in options.parts:
            if part == "deeptime" and n_frames > options.deeptime_up_to:
                continue
            command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            lines.append(
                f"| {part} | {found['seconds']:.2f} | {found['processor']:.2f} | {found['peak']:.0f} |"
            )
            print(lines[-1], file=sys.stderr)
        print("\n".join(lines))
        if options.table:
            with Path(options.table).open("a") as file:
                file.write("\n".join(lines) + "\n\n")
    finally:
        shutil.rmtree(folder)


def make(path: Path, n_frames: int, n_features: int) -> None:
    """Relaxing processes of different rates, mixed, in four trajectories, written block by block."""
    import xarray as xr

    import fel_explorer as fel
    from fel_explorer.data.block_store import write_blocks

    random = np.random.default_rng(0)
    decay = np.exp(-1.0 / np.geomspace(2, 200, n_features)).astype(np.float32)
    mixing = random.normal(size=(n_features, n_features)).astype(np.float32) / np.sqrt(n_features)
    lengths = [n_frames // 4] * 3 + [n_frames - 3 * (n_frames // 4)]

    def blocks():
        from scipy.signal import lfilter

        state = np.zeros((1, n_features), np.float32)
        for start in range(0, n_frames, BLOCK):
            noise = random.normal(size=(min(BLOCK, n_frames - start), n_features)).astype(np.float32)
            noise *= np.sqrt(1 - decay**2)
            values = np.empty_like(noise)
            for i, a in enumerate(decay):
                values[:, i], _ = lfilter([1.0], [1.0, -a], noise[:, i], zi=a * state[:, i])
            state = values[-1:]
            yield start, values @ mixing + 3.0

    frames = np.concatenate([np.arange(n) for n in lengths])
    coords = {
        "time": ("frame", frames.astype(float)),
        "trajectory": ("frame", np.repeat(np.arange(4), lengths)),
        "frame_in_trajectory": ("frame", frames),
    }
    bookkeeping = xr.Dataset(coords=coords, attrs={"time_unit": "ps", "time_step": 1.0})
    write_blocks(path, bookkeeping, [f"x{i}" for i in range(n_features)], blocks())
    assert fel.open_dataset(path, check_values=False).sizes["frame"] == n_frames


def measure(part: str, folder: Path) -> dict:
    """Seconds, processor seconds and peak memory in MB of one part, in this process."""
    run = PARTS_BY_NAME[part](folder)
    wall, processor = time.perf_counter(), time.process_time()
    run()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    status = Path("/proc/self/status").read_text()  # getrusage's peak is that of the parent process too
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return {"seconds": wall, "processor": processor, "peak": peak}


def opened(folder: Path):
    import torch

    import fel_explorer as fel

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    fel.list_methods()
    return fel.open_dataset(folder / "data.zarr", check_values=False)


def raw_read(folder):
    import zarr

    features = zarr.open_group(folder / "data.zarr", mode="r")["features"]

    def run():
        for start in range(0, features.shape[0], features.chunks[0]):
            features[start : start + features.chunks[0]]

    return run


def products(folder):
    """The products of a covariance and of a lagged covariance, of as many frames in memory."""
    data = opened(folder)
    block = np.random.default_rng(0).normal(size=(10_000, data.sizes["feature"]))

    def run():
        for _ in range(0, data.sizes["frame"], len(block)):
            block.T @ block
            block[:-LAG].T @ block[LAG:]

    return run


def fit(make):
    def prepare(folder):
        data = opened(folder)
        return lambda: make().fit(data)

    return prepare


def cross_validation(folder):
    import fel_explorer as fel

    data = opened(folder)
    return lambda: fel.methods.cross_validate(fel.TICA(lag_time=float(LAG)), data, n_folds=4)


def transform(folder):
    import fel_explorer as fel

    data = opened(folder)
    method = fel.PCA().fit(data.isel(frame=slice(0, 10_000)))
    return lambda: method.transform(data, out=folder / "transform.zarr")


def map_of_frames(folder):
    import fel_explorer as fel

    data = opened(folder)
    method = fel.PCA().fit(data.isel(frame=slice(0, 10_000)))
    if not (folder / "map.zarr").exists():
        method.transform(data, out=folder / "map.zarr")
    embedding = fel.open_dataset(folder / "map.zarr", check_values=False)["features"]
    return lambda: fel.free_energy.free_energy_surface(embedding)


def deeptime_tica(folder):
    from deeptime.decomposition import TICA

    data = opened(folder)

    def run():
        features, trajectory = data["features"].values, data["trajectory"].values
        ends = np.flatnonzero(np.diff(trajectory)) + 1
        estimator = TICA(lagtime=LAG, dim=2)
        estimator.fit_from_timeseries(np.split(features, ends))

    return run


def _fel(name, **params):
    def make():
        import fel_explorer as fel

        return getattr(fel, name)(**params)

    return make


PARTS_BY_NAME = {
    "base": lambda folder: (opened(folder), lambda: None)[1],
    "raw read": raw_read,
    "products": products,
    "PCA": fit(_fel("PCA")),
    "TICA": fit(_fel("TICA", lag_time=float(LAG))),
    "KMeans": fit(_fel("KMeans", n_states=8)),
    "cross-validation": cross_validation,
    "transform": transform,
    "map": map_of_frames,
    "deeptime": deeptime_tica,
}


def compare_codecs() -> None:
    """Read and write speed of 200 MB of distances of the sample data, by codec and chunk size."""
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    import fel_explorer as fel

    values = fel.featurize(fel.sample_data("alanine-dipeptide"), ["heavy_atom_distances"])["features"].values
    values = np.tile(values, (int(2e8 / values.nbytes) or 1, 1))
    codecs = {
        "none": None,
        "zstd 0 (zarr's default)": ZstdCodec(level=0),
        "lz4 5, byte shuffle": BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
        "lz4 5, bit shuffle": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
        "zstd 1, byte shuffle": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
        "zstd 3, byte shuffle": BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
    }
    print("| codec | chunk (MiB) | write (MB/s) | read (MB/s) | size |\n|---|---|---|---|---|")
    for name, codec in codecs.items():
        for chunk in (1, 4, 16):
            with tempfile.TemporaryDirectory() as folder:
                rows = min(len(values), chunk * 2**20 // (4 * values.shape[1]))
                array = zarr.create_array(
                    folder, shape=values.shape, chunks=(rows, values.shape[1]), dtype="f4", compressors=codec
                )
                began = time.perf_counter()
                array[:] = values
                write, best = values.nbytes / 1e6 / (time.perf_counter() - began), 0.0
                for _ in range(3):
                    began = time.perf_counter()
                    for start in range(0, len(values), rows):
                        array[start : start + rows]
                    best = max(best, values.nbytes / 1e6 / (time.perf_counter() - began))
                size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
                print(f"| {name} | {chunk} | {write:.0f} | {best:.0f} | {size / values.nbytes:.3f} |")


if __name__ == "__main__":
    main()
