"""Comparing an answer with a solution without the engine: plain values and gradients, so that a fault of the engine shows."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.exercise import Inputs


def arguments_of(name: str, factory: Inputs) -> dict[str, Any]:
    return factory(torch.Generator().manual_seed(zlib.crc32(name.encode())))


def leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value] if value.requires_grad else []
    if isinstance(value, torch.nn.Module):
        return list(value.parameters())
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, (list, tuple)) else []


def observed(answer: Callable[..., Any], arguments: dict[str, Any]) -> list[Any]:
    """What it returns, and the gradients of every output, one flat list. Raises what the answer raises."""
    value = answer(**arguments)
    outputs = list(value) if isinstance(value, (tuple, list)) else [value]
    inputs = leaves(arguments)
    found: list[Any] = [isinstance(value, (tuple, list)), len(outputs)]
    for output in outputs:
        found.append(output.detach() if isinstance(output, Tensor) else output)
        if not isinstance(output, Tensor) or not output.is_floating_point() or not inputs:
            continue
        gradients: list[Tensor | None] = [None] * len(inputs)
        if output.requires_grad:
            ramp = torch.linspace(0.5, 1.7, output.numel(), dtype=output.dtype).reshape(output.shape).cos()
            gradients = list(torch.autograd.grad(output, inputs, ramp, retain_graph=True, allow_unused=True))
        found += [
            torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(inputs, gradients, strict=True)
        ]
    return found


def same(ours: list[Any], theirs: list[Any]) -> bool:
    return len(ours) == len(theirs) and all(_same(*pair) for pair in zip(ours, theirs, strict=True))


def _same(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and (a == b or (isinstance(a, float) and abs(a - b) <= 1e-6 * abs(a)))
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not a.is_floating_point():
        return torch.equal(a, b)
    scale = max([1.0, a[a.isfinite()].abs().max().item() if a.isfinite().any() else 0.0])
    return torch.allclose(b, a, rtol=1e-6, atol=1e-8 * scale, equal_nan=True)


def differs(solution: Callable[..., Any], answer: Callable[..., Any], factories: dict[str, Inputs]) -> bool:
    """Whether `answer` differs from the solution in value or gradient on any of these inputs. One that raises differs."""
    for name, factory in factories.items():
        want = observed(solution, arguments_of(name, factory))
        try:
            got = observed(answer, arguments_of(name, factory))
        except Exception:
            return True
        if not same(want, got):
            return True
    return False
