"""`try_answer`: runs an answer on one case of an exercise in three ways; `agrees`, `behaves_like`: compare two such trials."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.exercises.engine.closeness import LOOSE, close, close_float32_gradients, close_gradients
from helpers.exercises.engine.run import Run, run
from helpers.exercises.engine.static_checks import takes_names_only
from helpers.exercises.engine.time_limit import Stopped
from helpers.exercises.exercise import Exercise


@dataclass
class Trial:
    """Three runs of one answer on equal inputs.

    Args:
        case: Name of the case.
        graded: Run in float64, with the gradients that the case asks for.
        plain: Run in float64, without gradients, from another global random state.
        single: Run in float32, with the gradients that the case asks for.
    """

    case: str
    graded: Run
    plain: Run
    single: Run

    @property
    def runs(self) -> tuple[Run, Run, Run]:
        """The runs in the order in which they were made: graded, plain, single."""
        return self.graded, self.plain, self.single

    @property
    def seeds(self) -> bool:
        """Whether the answer seeds a global generator: the state after does not depend on the state before, or torch has a new seed."""
        drew = set(self.graded.drew) & set(self.plain.drew)
        forgot = any(self.graded.states[name] == self.plain.states[name] for name in drew)
        return forgot or self.graded.reseeded or self.plain.reseeded

    @property
    def varies(self) -> bool:
        """Whether two calls on equal inputs return different results."""
        return not self.graded.error and not self.plain.error and not same_values(self.graded, self.plain)


def try_answer(exercise: Exercise, answer: Callable[..., Any], case: str, seconds: float) -> Trial:
    """Run an answer on one case of an exercise in three ways, each time on new inputs.

    Args:
        exercise: The exercise.
        answer: The function to run.
        case: Name of the case.
        seconds: Time limit of the three runs together; each gets at least 0.5 s.

    Returns:
        The three runs.
    """
    signature = signature_of(exercise)
    answer = by_position(exercise, answer)
    graded = run(answer, case_arguments(exercise, case), signature, seconds, seed=1)
    if isinstance(graded.error, Stopped):  # the others would take as long
        return Trial(case, graded, graded, graded)
    left = max(seconds - graded.seconds, 0.5)
    plain = run(answer, _without_gradients(case_arguments(exercise, case)), signature, left, seed=2)
    left = max(left - plain.seconds, 0.5)
    single = run(answer, _in_float32(case_arguments(exercise, case)), signature, left, seed=1)
    return Trial(case, graded, plain, single)


def signature_of(exercise: Exercise) -> inspect.Signature:
    """The signature that an exercise asks for.

    Args:
        exercise: The exercise.

    Returns:
        The solution's signature.
    """
    return inspect.signature(exercise.solution)


def by_position(exercise: Exercise, answer: Callable[..., Any]) -> Callable[..., Any]:
    """An answer as `run` can call it, by position.

    Args:
        exercise: The exercise.
        answer: The learner's answer; perhaps it takes its arguments by name only.

    Returns:
        The answer itself, or a function that passes the arguments on by name.
    """
    signature = signature_of(exercise)
    try:
        if takes_names_only(inspect.signature(answer), signature):
            return _by_name(answer, list(signature.parameters))
    except (TypeError, ValueError):  # a function written in C may have no signature
        pass
    return answer


def _by_name(answer: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    return lambda *positional, **named: answer(**dict(zip(names, positional, strict=False)), **named)


def case_arguments(exercise: Exercise, case: str) -> dict[str, Any]:
    """The arguments of a case. Every call makes new ones, always with the same values.

    Args:
        exercise: The exercise.
        case: Name of the case.

    Returns:
        Arguments by name. The global random state of torch is seeded as a side effect.
    """
    seed = zlib.crc32(f"{exercise.id} {case}".encode())
    torch.default_generator.manual_seed(seed)  # for cases that initialise a network
    return exercise.cases[case](torch.Generator().manual_seed(seed))


def agrees(got: Trial, want: Trial, may_share_memory: bool) -> bool:
    """Whether the answer is right on a case.

    Args:
        got: Trial of the answer.
        want: Trial of the solution on the same case.
        may_share_memory: Whether an output may be a view of an argument, even if the solution's is not.

    Returns:
        True if values, gradients, values without gradients and values in float32 are right and there are no side effects.
    """
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
    if not comparable_in_float32(want):
        return True
    return (
        not got.single.changed
        and same_values(got.single, want.single, LOOSE)
        and close_float32_gradients(got.single, want.single, want.graded)
    )


def comparable_in_float32(want: Trial) -> bool:
    """Whether the solution works on float32 inputs. It may not, if a case holds a float64 network.

    Args:
        want: Trial of the solution.

    Returns:
        True if its float32 run raised nothing and its outputs are finite.
    """
    return not want.single.error and all(
        bool(torch.isfinite(out).all())
        for out in want.single.outputs
        if isinstance(out, Tensor) and out.is_floating_point()
    )


def behaves_like(got: Trial, other: Trial) -> bool:
    """Whether two answers behave alike on a case, right or wrong.

    Args:
        got: Trial of one answer.
        other: Trial of the other answer on the same case.

    Returns:
        True if all runs give the same values and gradients, or the same error, and have the same side effects.
    """
    tolerances = ((1e-6, 1e-8), (1e-6, 1e-8), (LOOSE, LOOSE))
    return all(_alike(*pair) for pair in zip(got.runs, other.runs, tolerances, strict=True)) and close_gradients(
        got.graded, other.graded
    )


def _alike(got: Run, other: Run, tolerance: tuple[float, float]) -> bool:
    if got.error or other.error:
        return type(got.error) is type(other.error) and str(got.error) == str(other.error)
    side_effects = ("changed", "shared", "drew", "reseeded")
    return all(getattr(got, name) == getattr(other, name) for name in side_effects) and same_values(
        got, other, *tolerance
    )


def same_values(got: Run, want: Run, relative: float = 1e-6, absolute: float | None = None) -> bool:
    """Whether two runs returned the same values. A list may stand for a tuple.

    Args:
        got: Run of one answer.
        want: Run of the other answer.
        relative: Relative tolerance.
        absolute: Absolute tolerance, in the units of `close`. None: `relative / 100`.

    Returns:
        True if they returned the same; False if one of them raised.
    """
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
