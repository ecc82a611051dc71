"""`try_answer`: an answer on one case of an exercise, three ways; and whether two answers behave the same there."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.exercises.engine.form import takes_names_only
from helpers.exercises.engine.run import Run, run
from helpers.exercises.engine.values import LOOSE, close, close_gradients
from helpers.exercises.exercise import Exercise


@dataclass
class Trial:
    """Three runs on equal inputs.

    graded: in float64, with the gradients that the case asks for.
    plain: in float64, without gradients, from another global random state.
    single: in float32, without gradients.
    """

    case: str
    graded: Run
    plain: Run
    single: Run

    @property
    def runs(self) -> tuple[Run, Run, Run]:
        return self.graded, self.plain, self.single

    @property
    def seeds(self) -> bool:
        """Whether it sets a global generator: its state afterwards does not depend on that before, or torch has a new seed."""
        drew = set(self.graded.drew) & set(self.plain.drew)
        forgot = any(self.graded.states[name] == self.plain.states[name] for name in drew)
        return forgot or self.graded.reseeded or self.plain.reseeded

    @property
    def varies(self) -> bool:
        """Whether two calls on equal inputs give different results."""
        return not self.graded.error and not self.plain.error and not same_values(self.graded, self.plain)


def try_answer(exercise: Exercise, answer: Callable[..., Any], case: str, seconds: float) -> Trial:
    """Run `answer` on `case`, on copies of its own, for `seconds` at most in all."""
    signature = inspect.signature(exercise.solution)
    try:
        if takes_names_only(inspect.signature(answer), signature):
            answer = _by_name(answer, list(signature.parameters))
    except (TypeError, ValueError):  # written in C: it has no signature
        pass
    graded = run(answer, inputs(exercise, case), signature, seconds, seed=1)
    left = max(seconds - graded.seconds, 0.1)
    plain = run(answer, _without_gradients(inputs(exercise, case)), signature, left, seed=2)
    left = max(left - plain.seconds, 0.1)
    single = run(answer, _in_float32(_without_gradients(inputs(exercise, case))), signature, left, seed=1)
    return Trial(case, graded, plain, single)


def _by_name(answer: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    return lambda *positional, **named: answer(**dict(zip(names, positional, strict=False)), **named)


def inputs(exercise: Exercise, case: str) -> dict[str, Any]:
    """The arguments of a case: new ones at each call, and always equal ones."""
    seed = zlib.crc32(f"{exercise.id} {case}".encode())
    torch.default_generator.manual_seed(seed)  # for a case that makes a network
    return exercise.cases[case](torch.Generator().manual_seed(seed))


def agrees(got: Trial, want: Trial, may_share_memory: bool) -> bool:
    """Whether the answer is right on this case."""
    if got.seeds or got.varies or any(one.error or one.changed for one in (got.graded, got.plain)):
        return False
    if not may_share_memory and set(got.graded.shared + got.plain.shared) - set(want.graded.shared):
        return False
    if not (
        same_values(got.graded, want.graded)
        and close_gradients(got.graded, want.graded)
        and same_values(got.plain, want.plain)
    ):
        return False
    return not comparable_in_float32(want) or (not got.single.changed and same_values(got.single, want.single, LOOSE))


def comparable_in_float32(want: Trial) -> bool:
    """Whether the solution works in float32 too: a case may hold a float64 network that cannot."""
    return not want.single.error and all(
        bool(torch.isfinite(out).all())
        for out in want.single.outputs
        if isinstance(out, Tensor) and out.is_floating_point()
    )


def behaves_like(got: Trial, other: Trial) -> bool:
    """Whether two answers do the same, right or wrong."""
    tolerances = ((1e-6, 1e-8), (1e-6, 1e-8), (LOOSE, LOOSE))
    return all(_alike(*pair) for pair in zip(got.runs, other.runs, tolerances, strict=True)) and close_gradients(
        got.graded, other.graded
    )


def _alike(got: Run, other: Run, tolerance: tuple[float, float]) -> bool:
    if got.error or other.error:
        return type(got.error) is type(other.error) and str(got.error) == str(other.error)
    noted = ("changed", "shared", "drew", "reseeded")
    return all(getattr(got, name) == getattr(other, name) for name in noted) and same_values(got, other, *tolerance)


def same_values(got: Run, want: Run, relative: float = 1e-6, absolute: float | None = None) -> bool:
    """Whether both returned the same. A list in place of a tuple of tensors will do."""
    if got.error or want.error:
        return False
    if got.several != want.several or len(got.outputs) != len(want.outputs):
        return False
    absolute = relative / 100 if absolute is None else absolute
    return all(close(*pair, relative, absolute) for pair in zip(got.outputs, want.outputs, strict=True))


def _without_gradients(value: Any) -> Any:
    return _mapped(value, lambda tensor: tensor.detach(), lambda module: module.requires_grad_(False))


def _in_float32(value: Any) -> Any:
    return _mapped(
        value, lambda tensor: tensor.float() if tensor.dtype == torch.float64 else tensor, lambda module: module.float()
    )


def _mapped(value: Any, change: Callable[[Tensor], Tensor], change_module: Callable[[nn.Module], nn.Module]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, nn.Module):
        return change_module(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, change, change_module) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_mapped(item, change, change_module) for item in value)
    return value
