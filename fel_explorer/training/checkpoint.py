"""Checkpoints of a fit: written atomically, read without executing code."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import torch

from fel_explorer.errors import FelError

INTERVAL = 10.0  # seconds between two checkpoints
FILE = "checkpoint.pt"


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
        """Write ``state`` (tensors and plain values) atomically."""
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with open(temporary, "wb") as file:
            torch.save({"config": self.config, "context": self.context, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        self._saved_at = time.monotonic()

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
