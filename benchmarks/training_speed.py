"""Steps per second of our training loop, a bare loop, and deeptime's VAMPNet with a DataLoader.

Run ``python benchmarks/training_speed.py``; prints a Markdown table.  All train the same multilayer
perceptron on the same data with the same batch size, in the same run, in alternating rounds so that a
busy machine slows them alike; the best round of each counts.  IDM with its decoder is compared with a bare
loop of the same network; VAMPNet has no decoder, so IDM without it, which does the same arithmetic, is
compared with that.  CUDA is measured too when there is one.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from deeptime.decomposition.deep import VAMPNet
from deeptime.util.data import TrajectoryDataset
from torch.utils.data import DataLoader

import fel_explorer as fel
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.methods.idm.objective import information, joint_matrix
from fel_explorer.methods.nets import mlp

N_FRAMES, N_FEATURES, N_STATES, LAG = 200_000, 45, 16, 20
HIDDEN, BATCH = [128, 128], 1024


def make_data() -> np.ndarray:
    """Slow random walks in 45 features (frame, feature)."""
    random = np.random.default_rng(0)
    steps = random.normal(size=(N_FRAMES, N_FEATURES)).astype(np.float32)
    walk = np.cumsum(steps, axis=0)
    return np.ascontiguousarray((walk - walk.mean(0)) / walk.std(0))


def seconds_of_ours(data, device, n_steps, reconstruction=0.3) -> float:
    """`IDM.fit`'s own steps, uniform seeding, progress reported; set-up and evaluation not counted."""
    times = []
    idm = fel.IDM(
        lag_time=float(LAG),
        n_states=N_STATES,
        hidden=HIDDEN,
        batch_size=BATCH,
        n_steps=n_steps,
        seeding="uniform",
        reconstruction=reconstruction,
    )
    idm.fit(data, device=device, callback=lambda progress: times.append((progress.step, time.perf_counter())))
    synchronize(device)
    (first, start), (last, end) = times[0], times[-1]
    return (end - start) / (last - first)


def seconds_of_bare_loop(data, device, n_steps) -> float:
    """The same network, objective and optimizer, on pairs that lie ready: nothing but the arithmetic."""
    x = torch.from_numpy(data).to(device)
    generator = torch.Generator().manual_seed(0)
    network = MatchingNetwork(
        N_FEATURES,
        2,
        HIDDEN,
        torch.eye(N_STATES),
        structures=False,
        similarity="negative squared distance",
        gamma=5.0,
        generator=generator,
    ).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    start_frames = torch.randint(N_FRAMES - LAG, (n_steps, BATCH), device=device)
    offsets = torch.randint(1, LAG + 1, (n_steps, BATCH), device=device)
    synchronize(device)
    start = time.perf_counter()
    for step in range(n_steps):
        earlier = start_frames[step]
        batch = x[torch.cat([earlier, earlier + offsets[step]])]
        z = network.encoder(batch)
        chi, chi_later = network.memberships(z).chunk(2)
        loss = -information(joint_matrix(chi, chi_later), 1.0)
        loss = loss + 0.3 * (network.decoder(z[:BATCH]) - batch[:BATCH]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    synchronize(device)
    return (time.perf_counter() - start) / n_steps


def seconds_of_deeptime(data, device, n_steps) -> float:
    """deeptime's VAMPNet.partial_fit over its TrajectoryDataset and torch's DataLoader, as its docs do."""
    loader = DataLoader(TrajectoryDataset(LAG, data), batch_size=BATCH, shuffle=True)
    lobe = torch.nn.Sequential(mlp([N_FEATURES, *HIDDEN, N_STATES], torch.Generator()), torch.nn.Softmax(1))
    vampnet = VAMPNet(lobe.to(device), learning_rate=1e-3, device=torch.device(device))
    batches, done = iter(loader), 0
    start = time.perf_counter()
    while done < n_steps:
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            continue
        vampnet.partial_fit([part.to(device) for part in batch])
        done += 1
    synchronize(device)
    return (time.perf_counter() - start) / n_steps


def seconds_of_ours_without_decoder(data, device, n_steps) -> float:
    """The same without the auxiliary task."""
    return seconds_of_ours(data, device, n_steps, reconstruction=0.0)


def synchronize(device) -> None:
    """Wait for the device, whose work is queued."""
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="steps in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    data = make_data()
    print(f"{N_FRAMES} frames of {N_FEATURES} features, network {HIDDEN}, {BATCH} pairs a step, 1 thread\n")
    print("| device | ours | steps / s | other | steps / s | ours / other |\n|---|---|---|---|---|---|")
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        report(data, device, options)


def report(data, device, options) -> None:
    """Measure all on one device and print their rows."""
    measures = (
        seconds_of_ours,
        seconds_of_bare_loop,
        seconds_of_ours_without_decoder,
        seconds_of_deeptime,
    )
    best = [float("inf")] * 4
    for _ in range(options.rounds):
        best = [
            min(b, measure(data, device, options.steps)) for b, measure in zip(best, measures, strict=True)
        ]
    rates = [1 / seconds for seconds in best]
    for ours, our_rate, other, rate in (
        ("IDM", rates[0], "bare loop", rates[1]),
        ("IDM, no decoder", rates[2], "deeptime VAMPNet", rates[3]),
    ):
        print(f"| {device} | {ours} | {our_rate:.1f} | {other} | {rate:.1f} | {our_rate / rate:.2f} |")


if __name__ == "__main__":
    main()
