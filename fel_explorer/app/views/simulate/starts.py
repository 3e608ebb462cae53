"""Frames from which new simulations would teach a simulator most: the job that proposes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.views.simulate.simulation import Trained
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator
from fel_explorer.methods.latent_simulator.propagator_comparison import propose_starts

N_PROPAGATORS = 3  # whose disagreement is the uncertainty, the simulator's own among them
N_STARTS = 10


@process_job
def proposing_starts(
    report: Report, should_stop: ShouldStop, trained: Trained, dataset, *, device="auto"
) -> np.ndarray:
    """The job that trains further propagators and proposes frames (start,) where they disagree."""
    simulator = trained.simulator
    latents, own = simulator.latents(dataset), simulator.propagator
    ensemble = [own]
    for number in range(1, N_PROPAGATORS):

        def callback(progress, number=number):
            message = f"propagator {number} of {N_PROPAGATORS - 1}"
            report(replace(progress, losses={}, message=message))
            return should_stop()

        settings = own.hyperparameters() | {"seed": own.seed + number}
        ensemble.append(MixtureDensityPropagator(**settings).fit(latents, device=device, callback=callback))
        if should_stop():
            raise Cancelled
    return propose_starts(ensemble, latents, N_STARTS, seed=own.seed)["frame"].values
