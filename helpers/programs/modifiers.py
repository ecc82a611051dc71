"""Handlers that change what a site counts, what it is called, or where its draws start.

scale(program, 10.0)                   weigh log-probabilities
mask(program, where)                   count some of them only
seed(program, 0)                       the same draws every time
scope(program, "encoder")              a prefix for all names
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from helpers.programs.site import Site
from helpers.programs.stack import Handler

Program = Callable[..., Any]


class scale(Handler):
    """Multiply the log-probability of each site by a factor.

    Args:
        program: The program.
        factor: The factor, above 0, or a tensor of such that broadcasts to [*batch].

    Raises:
        ValueError: If the factor is not above 0.
    """

    def __init__(self, program: Program | None = None, factor: float | Tensor = 1.0) -> None:
        super().__init__(program)
        if not bool((torch.as_tensor(factor) > 0).all()):
            raise ValueError(
                f"scale was given the factor {factor}; above 0 was expected. mask(program, False) counts nothing."
            )
        self.factor = factor

    def process(self, site: Site) -> None:
        if site.kind == "sample":
            site.scale = site.scale * self.factor


class mask(Handler):
    """Count the log-probability of each site only where the mask is true. Values are drawn everywhere.

    Args:
        program: The program.
        where: A boolean tensor that broadcasts to [*batch], or one boolean.

    Raises:
        ValueError: If it is not boolean.
    """

    def __init__(self, program: Program | None = None, where: Tensor | bool = True) -> None:
        super().__init__(program)
        if not isinstance(where, bool) and not (isinstance(where, Tensor) and where.dtype == torch.bool):
            raise ValueError(
                f"mask was given a {getattr(where, 'dtype', type(where).__name__)}; booleans were expected: where > 0, or where.bool()."
            )
        self.where = where

    def process(self, site: Site) -> None:
        if site.kind != "sample" or self.where is True:
            return
        if self.where is False or site.mask is False:
            site.mask = False
        else:
            site.mask = self.where if site.mask is None or site.mask is True else site.mask & self.where


class seed(Handler):
    """Start torch's generators from a seed; at the end they are as before.

    Args:
        program: The program.
        seed: The seed.
    """

    def __init__(self, program: Program | None = None, seed: int = 0) -> None:
        super().__init__(program)
        self.seed = seed
        self._fork: AbstractContextManager[None] | None = None

    def __enter__(self) -> seed:
        super().__enter__()
        self._fork = torch.random.fork_rng()
        self._fork.__enter__()
        torch.manual_seed(self.seed)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._fork is not None
        self._fork.__exit__(None, None, None)
        super().__exit__(*error)


class scope(Handler):
    """Put a prefix before every name: "encoder/z".

    Args:
        program: The program.
        prefix: The prefix, without the slash.
    """

    def __init__(self, program: Program | None = None, prefix: str = "") -> None:
        super().__init__(program)
        if not isinstance(prefix, str) or not prefix:
            raise ValueError(
                f"scope was given the prefix {prefix!r}; a string was expected, such as scope(program, 'encoder')."
            )
        self.prefix = prefix

    def process(self, site: Site) -> None:
        site.name = f"{self.prefix}/{site.name}"
