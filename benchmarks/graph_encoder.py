"""Slow modes of alanine dipeptide from coordinates by a graph network, next to distances and torsions.

SRV is trained on six of the eight sample trajectories (450 K, 25 ns each) and scored on the other two: VAMP-2
of two modes at a lag of 10 ps, highest 3.  Then what the graph network costs: CPU time of a training step and
bytes that it keeps for the gradient, for molecules of several sizes.  One thread.

    python benchmarks/graph_encoder.py [--seeds 2]
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch

import fel_explorer as fel
from fel_explorer.methods.encoders.graph_network import GraphNetwork

LAG, N_TRAINED, EVERY = 10.0, 6, 2  # ps; trajectories; frames that are read
CASES = {
    "graph network on coordinates": (
        "coordinates",
        {"encoder": "graph", "n_steps": 1000, "batch_size": 512, "learning_rate": 3e-3},
    ),
    "dense layers on coordinates": ("coordinates", {"n_steps": 1000}),
    "dense layers on distances": ("heavy_atom_distances", {"n_steps": 1000}),
    "dense layers on torsions": ("backbone_torsions", {"n_steps": 1000}),
}
SIZES = ((10, 512), (22, 512), (66, 128), (150, 32))  # atoms, conformations in a batch
DENSITY = 50.0  # heavy atoms in nm^3


def parts(data):
    """Training and held-out trajectories."""
    number = data["trajectory"].values
    order = np.unique(number)
    for chosen in (order[:N_TRAINED], order[N_TRAINED:]):
        part = data.isel(frame=np.isin(number, chosen))
        yield part.assign_coords(trajectory=part["trajectory"] - chosen[0])


def compare(seeds):
    """Print scores on held-out trajectories."""
    trajectories = fel.sample_data("alanine-dipeptide")
    print(f"{'':32} {'held out':>9} {'trained':>9} {'times (ps)':>14} {'CPU s':>8}")
    for name, (features, settings) in CASES.items():
        data = fel.featurize(trajectories, features)
        data = data.isel(frame=data["frame_in_trajectory"].values % EVERY == 0)
        data = data.assign_coords(frame_in_trajectory=data["frame_in_trajectory"] // EVERY)
        trained, held_out = parts(data.assign_attrs(time_step=EVERY * data.attrs["time_step"]))
        for seed in range(seeds):
            model = fel.SRV(lag_time=LAG, n_dims=2, n_networks=1, seed=seed, n_threads=1, **settings)
            begin = time.process_time()
            model.fit(trained, device="cpu")
            seconds = time.process_time() - begin
            times = ", ".join(f"{value:.3g}" for value in model.implied_timescales_)
            scores = model.score(held_out), model.score(trained)
            print(f"{name:32} {scores[0]:9.3f} {scores[1]:9.3f} {times:>14} {seconds:8.0f}", flush=True)


def cost():
    """Print seconds and memory of a step of the graph network."""
    print(f"\n{'atoms':>6} {'batch':>6} {'pairs per atom':>15} {'CPU ms a step':>14} {'MiB kept':>9}")
    for n_atoms, batch in SIZES:
        generator = torch.Generator().manual_seed(0)
        network = GraphNetwork([6] * n_atoms, 4, width=32, n_interactions=2, cutoff=0.8, generator=generator)
        x = torch.rand((batch, n_atoms, 3), generator=generator) * (n_atoms / DENSITY) ** (1 / 3)
        distance = (x[:, network.pairs[0]] - x[:, network.pairs[1]]).norm(dim=-1)
        neighbours = 2 * float((distance < 0.8).sum()) / (batch * n_atoms)
        kept = {}

        def keep(tensor, kept=kept):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(x).square().sum().backward()
        begin, n = time.process_time(), 5
        for _ in range(n):
            network(x).square().sum().backward()
        step = 1000 * (time.process_time() - begin) / n
        print(f"{n_atoms:6} {batch:6} {neighbours:15.0f} {step:14.0f} {sum(kept.values()) / 2**20:9.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    compare(parser.parse_args().seeds)
    cost()
