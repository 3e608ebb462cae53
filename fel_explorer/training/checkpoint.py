"""Checkpoints of a fit: written atomically, read without executing code."""

from __future__ import annotations

import logging
import os
import pickle
import time
from pathlib import Path

import torch

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.errors import FelError
from fel_explorer.training import ranks

log = logging.getLogger("fel_explorer")

INTERVAL = 10.0  # seconds between two checkpoints
FILE = "checkpoint.pt"
GOES_ON = "The fit goes on, but can't be resumed from here."


class Checkpoint:
    """The checkpoint of one fit in a folder.

    Parameters
    ----------
    directory
        Made when missing.
    config
        What identifies the fit (hyperparameters, data), plain numbers, strings, lists and dicts.  A
        checkpoint of another config is refused, never silently replaced.
    """

    def __init__(self, directory: str | Path, config: dict) -> None:
        self.path = Path(directory) / FILE
        self.config = config
        self.context: dict = {}  # of the method: saved along with each state of the loop
        self._saved_at = time.monotonic()
        self._failed = False  # the last save
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FelError(
                f"checkpoint_dir='{directory}' cannot be made: {error.strerror}.",
                remedy="Give a folder that can be written.",
            ) from error

    def due(self) -> bool:
        """Whether the last save is `INTERVAL` ago."""
        return time.monotonic() - self._saved_at >= INTERVAL

    def save(self, state: dict) -> None:
        """Write ``state`` (tensors and plain values) atomically.

        Where it can't be written, as on a full disk, the one before stays and the fit goes on with a warning.
        """
        if ranks.rank():  # all have the same
            return
        self._saved_at = time.monotonic()
        try:
            with whole_file(self.path) as partial, open(partial, "wb") as file:
                torch.save({"config": self.config, "context": self.context, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
            self._failed = False
        except (FelError, RuntimeError) as error:  # of the disk, or of torch
            if not self._failed:
                self._failed = True
                reason = error.given if isinstance(error, FelError) else " ".join(str(error).split())[:200]
                log.warning("No checkpoint: %s %s", reason, GOES_ON)

    def load(self, device: torch.device) -> dict | None:
        """The saved state, with `context` set to its own; None where nothing was saved.

        Raises
        ------
        FelError
            If the file is damaged or belongs to another fit.
        """
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location=device, weights_only=True)
            config, self.context, state = saved["config"], saved["context"], saved["state"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            raise FelError(
                f"'{self.path}' is not a checkpoint of fel_explorer ({type(error).__name__}).",
                remedy="Delete it or give another checkpoint_dir.",
            ) from error
        if config != self.config:
            differ = sorted(k for k in {*config, *self.config} if config.get(k) != self.config.get(k))
            raise FelError(
                f"'{self.path}' belongs to another fit: {', '.join(differ)} differ.",
                "A fit resumes with the same data and hyperparameters.",
                "Give another checkpoint_dir, or delete the file to start anew.",
            )
        return state
