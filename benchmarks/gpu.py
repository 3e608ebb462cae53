"""Every method on a GPU against the CPU, and the speed of training, in one command of under eight minutes.

Run ``python benchmarks/gpu.py`` on a machine with CUDA; it prints, and writes to ``--out``, a table of

- checks: each registered method is fitted on both devices from one seed, and the embeddings are compared by
  their canonical correlations (the least of them, 1 where both span the same functions), with `TOLERANCE`;
- speed: steps per second of VAMPNet as it is fitted (eager, and with a CUDA graph unless the log says why
  not), of a bare loop of the same network, of that loop in a CUDA graph and under `torch.compile`, of
  deeptime's VAMPNet, and of mlcolvar's DeepTICA where it is installed, the best of rounds that alternate.

``--device cpu --quick`` runs the same on the CPU in about a minute, to see that the script works.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import fel_explorer as fel
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.nets import mlp
from fel_explorer.training import cuda_graph

N_FEATURES, N_STATES, LAG, HIDDEN, BATCH = 45, 8, 20, [128, 128], 1024
TOLERANCE = 0.95  # least canonical correlation: random numbers and sums of a GPU are not those of a CPU
RIDGE = 1e-6


def make_data(n_frames: int) -> np.ndarray:
    """Relaxing processes of several times (frame, feature), mixed."""
    random = np.random.default_rng(0)
    keep = np.exp(-1 / np.geomspace(500, 2, N_FEATURES))
    noise = random.normal(size=(n_frames, N_FEATURES)) * np.sqrt(1 - keep**2)
    x = np.zeros((n_frames, N_FEATURES))
    for t in range(1, n_frames):
        x[t] = keep * x[t - 1] + noise[t]
    x[:, 0] = np.tanh(3 * x[:, 0])
    return (x @ random.normal(size=(N_FEATURES, N_FEATURES))).astype(np.float32)


# ---- every method against the CPU


def least_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Least canonical correlation of two embeddings (frame, cv); columns without variance left out."""
    spaces = []
    for values in (first, second):
        values = values.astype(float) - values.mean(0)
        u, s, _ = np.linalg.svd(values, full_matrices=False)
        spaces.append(u[:, s > 1e-6 * max(s[0], 1e-30)])
    n = min(space.shape[1] for space in spaces)
    return float(np.linalg.svd(spaces[0].T @ spaces[1], compute_uv=False)[:n].min()) if n else 1.0


def check_methods(data: np.ndarray, device: str, n_steps: int) -> list[list[str]]:
    """Rows of the table: method, least canonical correlation, verdict, seconds on both devices."""
    dataset = fel.as_dataset(data)
    first = dataset["features"].values[:, 0]
    dataset = dataset.assign(basin=("frame", (first > 0).astype(int)), energy=("frame", first**2))
    rows = []
    for name, cls in sorted(fel.list_methods().items()):
        known = cls.hyperparameter_names()
        given = {
            "n_steps": n_steps,
            "lag_time": float(LAG),
            "lag_times": [float(LAG), 5.0],
            "n_microstates": 50,
        }
        given = {k: v for k, v in given.items() if k in known}
        found, seconds = [], []
        for where in ("cpu", device):
            start = time.perf_counter()
            try:
                method = cls(**given).fit(dataset, device=where)
                found.append(method.transform(dataset).values)
            except Exception as error:  # a method that fails is a row, not the end
                rows.append([name, "", f"FAILS on {where}: {str(error)[:80]}", ""])
                break
            seconds.append(time.perf_counter() - start)
        if len(found) == 2:
            least = least_correlation(*found)
            verdict = "agrees" if least >= TOLERANCE else "differs"
            rows.append([name, f"{least:.4f}", verdict, f"{seconds[0]:.1f} / {seconds[1]:.1f}"])
    return rows


# ---- speed


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def ours(data, device, n_steps, graphed) -> float:
    """Seconds a step of `VAMPNet.fit`, without set-up and evaluation."""
    times, before = [], cuda_graph.MIN_STEPS
    cuda_graph.MIN_STEPS = 1 if graphed else 10**9
    try:
        fel.VAMPNet(
            lag_time=float(LAG), n_states=N_STATES, n_dims=2, hidden=HIDDEN, batch_size=BATCH,
            n_steps=n_steps, validation_fraction=0.0,
        ).fit(
            data, device=device, callback=lambda p: times.append((p.step, time.perf_counter())) and False
        )  # fmt: skip
    finally:
        cuda_graph.MIN_STEPS = before
    synchronize(device)
    (first, start), (last, end) = times[0], times[-1]
    return (end - start) / max(1, last - first)


def bare_step(data, device, compiled=False) -> Callable[[], None]:
    """A step of the same network, score and optimizer, on pairs drawn on the device."""
    x = torch.from_numpy(data).to(device)
    network = mlp([N_FEATURES, *HIDDEN, N_STATES], torch.Generator().manual_seed(0)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), fused=True, capturable=device.startswith("cuda"))

    def loss(batch):
        now, later = network(batch).softmax(1).chunk(2)
        return -vamp.vamp2(vamp.covariances(now, later, reversible=True), RIDGE)

    if compiled:
        loss = torch.compile(loss)

    def step():
        starts = torch.randint(len(x) - LAG, (BATCH,), device=device)
        optimizer.zero_grad()
        loss(x[torch.cat([starts, starts + LAG])]).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
        optimizer.step()

    return step


def graphed(step) -> Callable[[], None]:
    """The step as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def timed(step, device, n_steps) -> float:
    for _ in range(5):
        step()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(n_steps):
        step()
    synchronize(device)
    return (time.perf_counter() - start) / n_steps


def deeptime_vampnet(data, device, n_steps) -> float:
    """Seconds a step of deeptime's VAMPNet with a DataLoader."""
    from deeptime.decomposition.deep import VAMPNet
    from deeptime.util.data import TrajectoryDataset
    from torch.utils.data import DataLoader

    lobe = mlp([N_FEATURES, *HIDDEN, N_STATES], torch.Generator().manual_seed(0))
    lobe = torch.nn.Sequential(lobe, torch.nn.Softmax(dim=1)).to(device)
    few = data[: min(len(data), n_steps * BATCH + LAG)]
    loader = DataLoader(TrajectoryDataset(LAG, few), batch_size=BATCH, shuffle=True, drop_last=True)
    vampnet = VAMPNet(lobe, learning_rate=1e-3, device=torch.device(device))
    synchronize(device)
    start = time.perf_counter()
    vampnet.fit(loader, n_epochs=1)
    synchronize(device)
    return (time.perf_counter() - start) / max(1, len(loader))


def mlcolvar_deep_tica(data, device, n_steps) -> float:
    """Seconds a step of mlcolvar's DeepTICA, by Lightning's trainer."""
    import lightning
    from mlcolvar.cvs import DeepTICA
    from mlcolvar.data import DictModule
    from mlcolvar.utils.timelagged import create_timelagged_dataset

    few = create_timelagged_dataset(data[: n_steps * BATCH + LAG], lag_time=LAG)
    module = DictModule(few, lengths=[1.0], batch_size=BATCH)
    model = DeepTICA(layers=[N_FEATURES, *HIDDEN, N_STATES], n_cvs=2)
    trainer = lightning.Trainer(
        accelerator="gpu" if device.startswith("cuda") else "cpu", max_epochs=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, limit_val_batches=0,
    )  # fmt: skip
    start = time.perf_counter()
    trainer.fit(model, module)
    synchronize(device)
    return (time.perf_counter() - start) / n_steps


def measure_speed(data, device, n_steps, n_rounds) -> list[list[str]]:
    """Rows of the table: what, steps per second; the best of rounds that alternate."""
    cuda = device.startswith("cuda")
    bare = bare_step(data, device)
    runs: dict[str, Callable[[], float]] = {
        "fel_explorer VAMPNet, eager": lambda: ours(data, device, n_steps, False),
        "bare loop": lambda: timed(bare, device, n_steps),
        "deeptime VAMPNet": lambda: deeptime_vampnet(data, device, min(n_steps, 100)),
    }
    if cuda:
        runs["fel_explorer VAMPNet, CUDA graph"] = lambda: ours(data, device, n_steps, True)
        replay = attempt(lambda: graphed(bare_step(data, device)))
        runs["bare loop, CUDA graph"] = lambda: timed(replay, device, n_steps)
    compiled = bare_step(data, device, compiled=True)
    runs["bare loop, torch.compile"] = lambda: timed(compiled, device, n_steps)
    if importlib.util.find_spec("mlcolvar"):
        runs["mlcolvar DeepTICA"] = lambda: mlcolvar_deep_tica(data, device, min(n_steps, 100))
    best: dict[str, float | str] = {}
    for _ in range(n_rounds):
        for name, run in runs.items():
            seconds = attempt(run)
            known = best.get(name, seconds)
            both = isinstance(seconds, float) and isinstance(known, float)
            best[name] = min(seconds, known) if both else seconds
    missing = [] if "mlcolvar DeepTICA" in best else [["mlcolvar DeepTICA", "not installed"]]
    rows = [[n, f"{1 / v:.0f}" if isinstance(v, float) else v] for n, v in best.items()]
    return rows + missing


def attempt(run):
    """Its result, or what went wrong in a line."""
    try:
        return run()
    except Exception as error:
        return f"failed: {str(error).strip().partition(chr(10))[0][:100]}"


def table(title: str, header: list[str], rows: list[list[str]]) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("gpu.md"))
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device on this machine; --device cpu --quick tries the script")
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger(cuda_graph.__name__).setLevel(logging.INFO)
    start = time.perf_counter()
    name = torch.cuda.get_device_name() if given.device.startswith("cuda") else "CPU"
    text = f"torch {torch.__version__}, {name}\n\n"
    rows = check_methods(
        make_data(2_000 if given.quick else 20_000), given.device, 50 if given.quick else 500
    )
    text += (
        table("Against the CPU", ["method", "least correlation", "", "seconds, CPU / device"], rows) + "\n"
    )
    size = (5_000, 30, 1) if given.quick else (200_000, 1000, 3)
    rows = measure_speed(make_data(size[0]), given.device, *size[1:])
    text += table("Training", ["", "steps per second"], rows)
    text += f"\n{time.perf_counter() - start:.0f} s in all\n"
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
