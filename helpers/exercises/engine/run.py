"""`run`: call an answer once and record everything that is judged."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from helpers.exercises.engine.global_state import preserved_global_state
from helpers.exercises.engine.leaves import leaves_of
from helpers.exercises.engine.nobody_answers import nobody_answers
from helpers.exercises.engine.out_of_sight import out_of_sight
from helpers.exercises.engine.time_limit import Stopped, TimeLimit
from helpers.exercises.engine.whole_imports import whole_imports

Gradients = dict[str, Tensor]  # by the argument with respect to which they are taken


@dataclass
class Run:
    """One call of an answer.

    Args:
        outputs: What it returned, as a list; the items of a returned tuple or list.
        several: Whether it returned a tuple or a list.
        error: What it raised; a Stopped if it did not end in time; None if it returned.
        gradients: For each output, the gradients of (output * fixed random weights).sum() by argument; empty if it has none.
        gradient_error: What the backward pass raised.
        printed: The first thousand characters it printed.
        pictures: Figures and other displays it showed.
        asked: What it asked of a person, a sentence that goes on after "Your answer"; "" if nothing.
        left_open: Modes of torch that it left open, as ("FakeTensorMode",).
        changed: Arguments that it changed in place.
        shared: Arguments whose memory an output shares.
        drew: Global random generators that it used or set: "torch", "numpy", "random".
        states: States of the global random generators after the call.
        reseeded: Whether it gave torch another seed.
        seconds: Seconds of the limit that the call took, without the backward pass.
    """

    outputs: list[Any] = field(default_factory=list)
    several: bool = False
    error: BaseException | None = None
    gradients: list[Gradients] = field(default_factory=list)
    gradient_error: BaseException | None = None
    printed: str = ""
    pictures: int = 0
    asked: str = ""
    left_open: tuple[str, ...] = ()
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
    """Call an answer once, and take the gradients of its outputs.

    Args:
        answer: The function to call.
        arguments: Its arguments by name.
        signature: The solution's signature, which says which arguments are given by position.
        seconds: Time limit (`TimeLimit`) of call and gradients together; the gradients get at least 0.5 s.
        seed: Seed of the global random generators before the call.

    Returns:
        The record of the call. Errors of the answer are part of it.

    Raises:
        KeyboardInterrupt: If the user interrupts. Nothing else is raised.
    """
    record = Run()
    positional, named = in_order(arguments, signature)
    before = {name: _snapshot(tensor) for name, tensor in tensors(arguments)}
    with preserved_global_state() as modes, out_of_sight() as seen, nobody_answers() as asked:
        _seed(seed)
        states = _generators()
        limit = TimeLimit(seconds)
        try:
            value = _whole(limit, lambda: answer(*positional, **named))
            record.several = isinstance(value, (tuple, list))
            record.outputs = list(value) if record.several else [value]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a SystemExit and a Stopped too
            record.error = error
        record.seconds = limit.spent
        record.left_open = tuple(dict.fromkeys(modes.restore()))
        record.states = _generators()
        record.reseeded = torch.initial_seed() != seed
        record.drew = tuple(name for name in states if record.states[name] != states[name])
        if record.error is None:
            try:
                limit = TimeLimit(max(seconds - record.seconds, 0.5))
                record.gradients = _whole(limit, lambda: _gradients(record.outputs, arguments))
            except KeyboardInterrupt:
                raise
            except Stopped as error:
                record.error = error
            except BaseException as error:
                record.gradient_error = error
    record.printed, record.pictures = seen.getvalue(), seen.pictures
    record.asked = next(iter(asked), "")
    now = dict(tensors(arguments))
    record.changed = tuple(
        name for name in {**before, **now} if name not in before or name not in now or _differs(before[name], now[name])
    )
    record.shared = tuple(
        name for name, tensor in now.items() if any(_share(tensor, output) for output in record.outputs)
    )
    return record


def in_order(arguments: Mapping[str, Any], signature: inspect.Signature) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as a caller of the solution gives them: by position, or by name if they are keyword-only.

    Args:
        arguments: Arguments by name.
        signature: The solution's signature.

    Returns:
        Positional arguments, and the remaining ones by name.
    """
    positional: list[Any] = []
    named = dict(arguments)
    for name, parameter in signature.parameters.items():
        if name not in named or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            break
        positional.append(named.pop(name))
    return positional, named


def tensors(arguments: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and array in the arguments, with its name in sentences: loc, weights[0], decoder.weight.

    Args:
        arguments: A tensor, an array, a module, or a mapping or sequence of these, nested to any depth.
        label: Name of `arguments` itself; "" for a mapping of arguments by name.

    Yields:
        Name, and tensor or array.
    """
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


def _whole(limit: TimeLimit, call: Callable[[], Any]) -> Any:
    with whole_imports():
        return limit.call(call)


def _gradients(outputs: list[Any], arguments: Mapping[str, Any]) -> list[Gradients]:
    leaves = {
        name: leaf
        for name, tensor in tensors(arguments)
        if isinstance(tensor, Tensor) and tensor.requires_grad
        for name, leaf in leaves_of(name, tensor)
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
    torch.default_generator.manual_seed(seed)  # of the CPU alone, so that no GPU is initialised


def _generators() -> dict[str, Any]:
    """The states of the global generators, as values that compare."""
    numbers = numpy.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numbers["key"].tobytes(), numbers["pos"]),
        "random": random.getstate(),
    }
