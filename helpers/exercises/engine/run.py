"""`run`: call an answer once and note everything about it that is judged."""

from __future__ import annotations

import contextlib
import inspect
import io
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from helpers.exercises.engine.limits import Stopped, within_seconds
from helpers.exercises.engine.state import undisturbed

Gradients = dict[str, Tensor]  # by what they are taken with respect to


@dataclass
class Run:
    """One call of an answer.

    outputs: what it returned, as a list: of its items where that was a tuple or a list.
    several: whether it was.
    error: what it raised; a Stopped where it did not end.
    gradients: per output the gradients of (output * fixed random numbers).sum(), empty where the output has none.
    gradient_error: what the backward pass raised.
    changed: the arguments that are not what they were.
    shared: the arguments whose memory an output shares.
    drew: the global generators that were used or set.
    states: the states of the global generators afterwards.
    reseeded: whether torch was given another seed.
    """

    outputs: list[Any] = field(default_factory=list)
    several: bool = False
    error: BaseException | None = None
    gradients: list[Gradients] = field(default_factory=list)
    gradient_error: BaseException | None = None
    printed: str = ""
    changed: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    drew: tuple[str, ...] = ()
    states: dict[str, Any] = field(default_factory=dict)
    reseeded: bool = False
    seconds: float = 0.0


def run(
    answer: Callable[..., Any],
    arguments: Mapping[str, Any],
    signature: inspect.Signature,
    seconds: float,
    seed: int = 1,
) -> Run:
    """Call `answer` on `arguments`, in the order of `signature`, from the global random state `seed`, for `seconds` at most.

    Raises nothing but the user's KeyboardInterrupt.
    """
    noted = Run()
    positional, named = in_order(arguments, signature)
    before = {name: _snapshot(tensor) for name, tensor in tensors(arguments)}
    printed = _Printed()
    with undisturbed(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        _seed(seed)
        states = _generators()
        began = time.perf_counter()
        try:
            value = within_seconds(lambda: answer(*positional, **named), seconds)
            noted.several = isinstance(value, (tuple, list))
            noted.outputs = list(value) if noted.several else [value]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a SystemExit and a Stopped too
            noted.error = error
        noted.seconds = time.perf_counter() - began
        noted.states = _generators()
        noted.reseeded = torch.initial_seed() != seed
        noted.drew = tuple(name for name in states if noted.states[name] != states[name])
        if noted.error is None:
            try:
                noted.gradients = within_seconds(
                    lambda: _gradients(noted.outputs, arguments), max(seconds - noted.seconds, 0.1)
                )
            except KeyboardInterrupt:
                raise
            except Stopped as error:
                noted.error = error
            except BaseException as error:
                noted.gradient_error = error
    noted.printed = printed.getvalue()
    now = dict(tensors(arguments))
    noted.changed = tuple(
        name for name in {**before, **now} if name not in before or name not in now or _differs(before[name], now[name])
    )
    noted.shared = tuple(
        name for name, tensor in now.items() if any(_share(tensor, output) for output in noted.outputs)
    )
    return noted


def in_order(arguments: Mapping[str, Any], signature: inspect.Signature) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as the solution's callers give them: by position, and by name where it wants names."""
    positional: list[Any] = []
    named = dict(arguments)
    for name, parameter in signature.parameters.items():
        if name not in named or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            break
        positional.append(named.pop(name))
    return positional, named


def tensors(arguments: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and array in the arguments, with what to call it in a sentence: loc, weights[0], decoder.weight."""
    if isinstance(arguments, (Tensor, numpy.ndarray)):
        yield label, arguments
    elif isinstance(arguments, nn.Module):
        for name, parameter in arguments.named_parameters():
            yield f"{label}.{name}", parameter
    elif isinstance(arguments, Mapping):
        for key, value in arguments.items():
            yield from tensors(value, f"{label}[{key!r}]" if label else str(key))
    elif isinstance(arguments, Sequence) and not isinstance(arguments, (str, bytes, range)):
        for index, value in enumerate(arguments):
            yield from tensors(value, f"{label}[{index}]")


def _gradients(outputs: list[Any], arguments: Mapping[str, Any]) -> list[Gradients]:
    leaves = {
        name: tensor for name, tensor in tensors(arguments) if isinstance(tensor, Tensor) and tensor.requires_grad
    }
    found: list[Gradients] = []
    for index, output in enumerate(outputs):
        if not isinstance(output, Tensor) or not output.requires_grad or not output.is_floating_point() or not leaves:
            found.append({})
            continue
        generator = torch.Generator().manual_seed(index)
        weights = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output)
        gradients = torch.autograd.grad(
            (output * weights).sum(), list(leaves.values()), retain_graph=True, allow_unused=True
        )
        found.append({name: gradient for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None})
    return found


def _snapshot(values: Any) -> Any:
    return values.detach().clone() if isinstance(values, Tensor) else values.copy()


def _differs(before: Any, now: Any) -> bool:
    if isinstance(now, Tensor):
        if before.shape != now.shape or before.dtype != now.dtype:
            return True
        return not torch.equal(torch.nan_to_num(before, nan=0.5), torch.nan_to_num(now.detach(), nan=0.5))
    return before.shape != now.shape or not numpy.array_equal(before, now)


def _share(tensor: Any, output: Any) -> bool:
    try:
        if isinstance(tensor, Tensor) and isinstance(output, Tensor) and output.numel():
            return tensor.untyped_storage().data_ptr() == output.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, meta and other tensors without memory of their own
        pass
    return (
        isinstance(tensor, numpy.ndarray) and isinstance(output, numpy.ndarray) and numpy.shares_memory(tensor, output)
    )


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # of the CPU alone, so that no GPU is woken


def _generators() -> dict[str, Any]:
    """The states of the global generators, as values that compare."""
    numbers = numpy.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numbers["key"].tobytes(), numbers["pos"]),
        "random": random.getstate(),
    }


class _Printed(io.StringIO):
    """Keeps the first thousand characters, so that a loop that prints does not fill the memory."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, 1000 - self.tell())])
        return len(text)
