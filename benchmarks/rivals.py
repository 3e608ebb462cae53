"""Other libraries' trainings of the same network: deeptime's VAMPNet, mlcolvar's DeepTICA."""

from __future__ import annotations

import copy
import time
import warnings

import numpy as np
import torch
from deeptime.decomposition.deep import VAMPNet
from deeptime.util.data import TrajectoriesDataset
from torch.utils.data import DataLoader

from fel_explorer.data import schema
from fel_explorer.methods.assessment.cross_validation import segment_dataset
from fel_explorer.methods.nets import mlp
from fel_explorer.training.data import Scaling
from fel_explorer.training.split import split

HIDDEN, BATCH, LEARNING_RATE = [100, 100], 2048, 1e-3
CHECK_EVERY = 25  # batches between two looks at held-out data


def network(n_features: int, n_outputs: int, seed: int = 0) -> torch.nn.Sequential:
    """SRV's own network."""
    return mlp([n_features, *HIDDEN, n_outputs], torch.Generator().manual_seed(seed))


def trajectories(data, scaling) -> list[torch.Tensor]:
    """Standardised features (frame, feature) of each trajectory."""
    features = scaling(torch.from_numpy(np.array(data["features"].values)))
    return list(features.split(schema.trajectory_lengths(data).tolist()))


def loader(data, scaling, lag: int, batch: int = BATCH) -> DataLoader:
    """Shuffled batches of pairs a lag apart, as deeptime's documentation makes them."""
    parts = [part.numpy() for part in trajectories(data, scaling) if len(part) > lag]
    pairs = TrajectoriesDataset.from_numpy(lag, parts)
    return DataLoader(pairs, batch_size=batch, shuffle=True, drop_last=len(pairs) > batch)


def train_vampnet(data, lag: int, n_states: int, n_steps: int, seed: int):
    """deeptime's VAMPNet, the best by validation on a fifth of ``data`` that SRV holds out too.

    Returns memberships (frame, state) as a function of features (frame, feature).
    """
    torch.manual_seed(seed)
    scaling = Scaling.of(data)
    lobe = torch.nn.Sequential(network(data.sizes["feature"], n_states, seed), torch.nn.Softmax(1))
    estimator = VAMPNet(lobe, learning_rate=LEARNING_RATE, device="cpu")
    training, held_out = split(schema.trajectory_lengths(data), 0.2, lag, seed)
    batches = loader(segment_dataset(data, training), scaling, lag)
    check = next(iter(loader(segment_dataset(data, held_out), scaling, lag, batch=data.sizes["frame"])))
    best, state, best_step, step = -np.inf, None, 0, 0
    while step < min(n_steps, best_step + max(CHECK_EVERY, n_steps // 5)):  # SRV's patience
        for batch in batches:
            estimator.partial_fit(batch)
            step += 1
            score = float(estimator.validate(check)) if step % CHECK_EVERY == 0 else -np.inf
            if score > best:
                best, state, best_step = score, copy.deepcopy(lobe.state_dict()), step
    lobe.load_state_dict(state)
    return lambda features: lobe(scaling(features)).detach()


def vampnet_rate(data, lag: int, n_outputs: int, n_steps: int) -> float:
    """Steps per second of deeptime's VAMPNet after the first."""
    estimator = VAMPNet(network(data.sizes["feature"], n_outputs), learning_rate=LEARNING_RATE, device="cpu")
    batches, times = loader(data, Scaling.of(data), lag), []
    while True:
        for batch in batches:
            estimator.partial_fit(batch)
            times.append(time.perf_counter())
            if len(times) > n_steps:
                return n_steps / (times[-1] - times[0])


def deeptica_rate(data, lag: int, n_outputs: int, n_steps: int) -> float:
    """Steps per second of mlcolvar's DeepTICA after the first; ImportError where it is not installed."""
    import lightning
    from mlcolvar.cvs import DeepTICA
    from mlcolvar.data import DictDataset, DictModule

    times = []

    class Clock(lightning.Callback):
        def on_train_batch_end(self, *_):
            times.append(time.perf_counter())

    parts = trajectories(data, Scaling.of(data))
    now, later = (torch.cat(side) for side in zip(*((x[:-lag], x[lag:]) for x in parts), strict=True))
    ones = torch.ones(len(now))
    pairs = DictDataset({"data": now, "data_lag": later, "weights": ones, "weights_lag": ones})
    cv = DeepTICA([now.shape[1], *HIDDEN, n_outputs], options={"norm_in": None})
    cv.nn = network(now.shape[1], n_outputs)
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_steps=n_steps + 1,
            accelerator="cpu",
            callbacks=[Clock()],
            limit_val_batches=0,
            num_sanity_val_steps=0,
            **dict.fromkeys(quiet, False),
        )
        trainer.fit(cv, DictModule(pairs, lengths=[1.0], batch_size=BATCH))
    return n_steps / (times[-1] - times[0])
