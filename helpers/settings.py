"""Settings of the process, and the only place that reads the environment: smoke mode, data folder, device, progress file, seeds.

WORKBOOK_SMOKE=1        everything at its smallest, on packaged data, without network and progress bars
WORKBOOK_DATA=FOLDER    folder in which data sets are looked for, under any name, and stored, as torchvision's `root`
WORKBOOK_DEVICE=NAME    overrides the choice of device: cuda, mps or cpu
WORKBOOK_TIMEOUT=SECONDS  seconds that an address of a data set may take to answer; 15 without it
WORKBOOK_PROGRESS=FILE  file in which `check` records the exercises that are passed

The environment is read once, on import.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_NAME = "latent-variable-workbook"

SMOKE: bool = os.environ.get("WORKBOOK_SMOKE", "") not in ("", "0")
_DATA: str | None = os.environ.get("WORKBOOK_DATA") or None
_DEVICE: str | None = os.environ.get("WORKBOOK_DEVICE") or None
_TIMEOUT: str | None = os.environ.get("WORKBOOK_TIMEOUT") or None
_PROGRESS: str | None = os.environ.get("WORKBOOK_PROGRESS") or None


class NoHomeFolder(RuntimeError):
    """Raised if a folder of the user is needed and the account has none: HOME is unset, as in some containers.

    Args:
        what: What the folder is for, such as "the data sets".
        variable: Environment variable that names another place.
    """

    def __init__(self, what: str, variable: str) -> None:
        super().__init__(
            f"There is no place for {what}, because this account has no home folder. Set HOME, or {variable} to a place that is writable."
        )


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
    """The user cache folder of this workbook. It may not exist yet.

    Returns:
        Its path, absolute.

    Raises:
        NoHomeFolder: If the account has no home folder.
    """
    import platformdirs  # only here, so that importing settings stays fast

    return _below_home(lambda: platformdirs.user_cache_dir(_NAME), "the data sets", "WORKBOOK_DATA")


def data_dir() -> Path:
    """The folder of the data sets: `WORKBOOK_DATA`, else the user cache folder. It may not exist yet.

    Returns:
        Its path, absolute.

    Raises:
        NoHomeFolder: If `WORKBOOK_DATA` is unset, or begins with ~, and the account has no home folder.
    """
    return cache_dir() if _DATA is None else _below_home(lambda: _expanded(_DATA), "the data sets", "WORKBOOK_DATA")


def progress_file() -> Path:
    """The file of the learner's progress: `WORKBOOK_PROGRESS`, else one in the user data folder. It may not exist yet.

    Returns:
        Its path, absolute.

    Raises:
        NoHomeFolder: If `WORKBOOK_PROGRESS` is unset, or begins with ~, and the account has no home folder.
    """
    import platformdirs

    if _PROGRESS is not None:
        return _below_home(lambda: _expanded(_PROGRESS), "your progress", "WORKBOOK_PROGRESS")
    folder = _below_home(lambda: platformdirs.user_data_dir(_NAME), "your progress", "WORKBOOK_PROGRESS")
    return folder / "progress.json"


def network_timeout() -> float:
    """Seconds that an address of a data set may take to answer: `WORKBOOK_TIMEOUT`, else 15, enough for most proxies.

    Returns:
        Seconds, above 0.

    Raises:
        ValueError: If `WORKBOOK_TIMEOUT` is no number above 0.
    """
    if _TIMEOUT is None:
        return 15.0
    try:
        seconds = float(_TIMEOUT)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86_400:
        raise ValueError(
            f"Got WORKBOOK_TIMEOUT={_TIMEOUT!r}; expected seconds, a number above 0 such as 60, up to a day."
        )
    return seconds


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


def _expanded(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _below_home(find: Callable[[], str], what: str, variable: str) -> Path:
    """The folder that `find` names. Depending on its version, platformdirs raises without a home folder, or leaves the ~ in its answer."""
    try:
        path = Path(find())
    except RuntimeError as error:
        raise NoHomeFolder(what, variable) from error
    if not path.is_absolute():
        raise NoHomeFolder(what, variable)
    return path


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
