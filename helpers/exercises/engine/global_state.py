"""`preserved_global_state`: protects the learner's random state, default dtype and other settings of the process from an answer."""

from __future__ import annotations

import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy
import torch
from torch._tensor_str import PRINT_OPTS
from torch.distributions import Distribution

from helpers.exercises.engine.torch_modes import TorchModes

# (read, write) of what an answer can change for the whole process.
SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (lambda: torch.backends.cudnn.deterministic, lambda on: setattr(torch.backends.cudnn, "deterministic", on)),
    (lambda: torch.backends.cudnn.benchmark, lambda on: setattr(torch.backends.cudnn, "benchmark", on)),
    (
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda pair: torch.use_deterministic_algorithms(pair[0], warn_only=pair[1]),
    ),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    (numpy.geterr, lambda modes: numpy.seterr(**modes)),
    (numpy.get_printoptions, lambda options: numpy.set_printoptions(**options)),
    (lambda: dict(vars(PRINT_OPTS)), lambda options: vars(PRINT_OPTS).update(options)),
    (lambda: Distribution._validate_args, Distribution.set_default_validate_args),
    (torch._C._is_multithreading_enabled, torch._C._set_multithreading_enabled),
    (torch._C._get_torch_function_state, torch._C._set_torch_function_state),
)


@contextmanager
def preserved_global_state() -> Iterator[TorchModes]:
    """Context in which an answer runs: float32 by default, gradients on, distributions checked, on the CPU, without warnings.

    At the end, every setting, every random state and every mode of torch is what it was at the start.

    Yields:
        The open modes of torch, which can be restored earlier.
    """
    with ExitStack() as stack:
        stack.callback(_restore_generators, *_read_generators())
        for read, write in SWITCHES:
            stack.callback(_restore, read, write, read())
        stack.callback(_restore_device, torch.get_default_device())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:
            torch.set_default_dtype(torch.float32)
        Distribution.set_default_validate_args(True)  # torch's default: other libraries switch it off for the process
        modes = TorchModes()
        stack.callback(modes.restore)
        yield modes


def _restore(read: Callable[[], Any], write: Callable[[Any], Any], value: Any) -> None:
    if read() != value:
        write(value)


def _restore_device(device: torch.device) -> None:
    if torch.get_default_device() != device:
        torch.set_default_device(None if device == torch.device("cpu") else device)


def _read_generators() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    return (
        random.getstate(),
        numpy.random.get_state(legacy=False),
        torch.get_rng_state(),
        torch.initial_seed(),
        cuda,
        mps,
    )


def _restore_generators(python: Any, numbers: Any, cpu: torch.Tensor, seed: int, cuda: Any, mps: Any) -> None:
    random.setstate(python)
    numpy.random.set_state(numbers)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    elif torch.cuda.is_initialized():  # the answer was the first to use it
        torch.cuda.manual_seed_all(seed)
    if mps is not None:
        torch.mps.set_rng_state(mps)
