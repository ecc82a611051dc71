"""Settings of the process, and the only place that reads the environment: smoke mode, data folder, device, progress file, seeds.

WORKBOOK_SMOKE=1        everything at its smallest, on packaged data, without network and progress bars
WORKBOOK_DATA=FOLDER    folder in which data sets are looked for and stored (laid out as torchvision's `root`)
WORKBOOK_DEVICE=NAME    overrides the choice of device: cuda, mps or cpu
WORKBOOK_PROGRESS=FILE  file in which `check` records the exercises that are passed

The environment is read once, on import.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

SMOKE: bool = os.environ.get("WORKBOOK_SMOKE", "") not in ("", "0")
_DATA: str | None = os.environ.get("WORKBOOK_DATA") or None
_DEVICE: str | None = os.environ.get("WORKBOOK_DEVICE") or None
_PROGRESS: str | None = os.environ.get("WORKBOOK_PROGRESS") or None


def budget(full: T, smoke: T) -> T:
    """Choose a value by mode: `epochs = budget(full=10, smoke=1)`. Lessons never ask for the mode itself.

    Args:
        full: Value in normal mode.
        smoke: Value in smoke mode.

    Returns:
        One of the two.
    """
    return smoke if SMOKE else full


def cache_dir() -> Path:
    """The user cache folder of this workbook. It may not exist yet."""
    import platformdirs  # only here, so that importing settings stays fast

    return Path(platformdirs.user_cache_dir("latent-variable-workbook"))


def data_dir() -> Path:
    """The folder of the data sets: `WORKBOOK_DATA`, else the user cache folder. It may not exist yet."""
    return cache_dir() if _DATA is None else Path(_DATA).expanduser().resolve()


def progress_file() -> Path:
    """The file of the learner's progress: `WORKBOOK_PROGRESS`, else one in the user data folder. It may not exist yet."""
    import platformdirs

    if _PROGRESS is not None:
        return Path(_PROGRESS).expanduser().resolve()
    return Path(platformdirs.user_data_dir("latent-variable-workbook")) / "progress.json"


def device() -> torch.device:
    """The `torch.device` to compute on: CUDA, then MPS, then CPU, unless `WORKBOOK_DEVICE` names one."""
    import torch

    if _DEVICE is not None:
        return torch.device(_DEVICE)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices), so that the same seed gives the same figures.

    Args:
        seed: Seed of all three, 0 to 2**32 - 1.
    """
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
