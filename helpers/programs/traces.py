"""What one execution of a program did: its sites, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from helpers.programs.site import Site


class Trace:
    """The sites of one execution by name, in the order in which they were reached.

    `print(trace)` is a table: each site's distribution, shapes, log-probability, and what is observed.

    Attributes:
        sites: Sites by name.
        returned: What the program returned; None if it was run as a block.
    """

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.returned: Any = None

    def __getitem__(self, name: str) -> Site:
        if name not in self.sites:
            raise KeyError(f"This execution has no site {name!r}. It has {', '.join(map(repr, self.sites)) or 'none'}.")
        return self.sites[name]

    def __contains__(self, name: object) -> bool:
        return name in self.sites

    def __iter__(self) -> Iterator[str]:
        return iter(self.sites)

    def __len__(self) -> int:
        return len(self.sites)

    @property
    def random(self) -> list[Site]:
        """The sites that are drawn or observed, in order."""
        return [site for site in self.sites.values() if site.kind == "sample"]

    @property
    def latent(self) -> dict[str, Tensor]:
        """Values of the latent sites by name."""
        return {site.name: site.value for site in self.random if site.latent}

    @property
    def observed(self) -> dict[str, Tensor]:
        """Values of the observed sites by name."""
        return {site.name: site.value for site in self.random if site.observed}

    def log_joint(self) -> Tensor:
        """log p(all values): the sum of all sites' log-probabilities, masked and scaled.

        Returns:
            A scalar, nats.

        Raises:
            ValueError: If a value is outside of its site's support, or its shape does not fit.
        """
        return _total(self.random)

    def log_prior(self) -> Tensor:
        """The latent sites' part of `log_joint`.

        Returns:
            A scalar, nats.
        """
        return _total([site for site in self.random if site.latent])

    def log_likelihood(self) -> Tensor:
        """The observed sites' part of `log_joint`.

        Returns:
            A scalar, nats.
        """
        return _total([site for site in self.random if site.observed])

    def __repr__(self) -> str:
        header = ("site", "distribution", "batch | event", "value", "log prob")
        rows = [header, *(_row(site) for site in self.sites.values())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )


def _total(sites: list[Site]) -> Tensor:
    total: Tensor | float = 0.0
    for site in sites:
        log_prob = site.log_prob
        total = total + (log_prob.sum() if log_prob.dim() else log_prob)
    return torch.as_tensor(total)


def _row(site: Site) -> tuple[str, str, str, str, str]:
    if site.kind != "sample":
        shape = list(site.value.shape) if isinstance(site.value, Tensor) else type(site.value).__name__
        return site.name, site.kind, "", str(shape), ""
    distribution = site.distribution
    assert distribution is not None
    base, inner = distribution, type(distribution).__name__
    while hasattr(base, "base_dist"):
        base = base.base_dist
        inner = type(base).__name__
    shapes = f"{list(distribution.batch_shape)} | {list(distribution.event_shape)}"
    small = isinstance(site.value, Tensor) and site.value.numel() == 1
    value = f"{site.value.item():.4g}" if small else f"shape {list(site.value.shape)}"
    weight = "" if type(site.scale) is float and site.scale == 1 else ", scaled"
    counted = "" if site.mask is None else ", masked"
    observed = " observed" if site.observed else ""
    return site.name, inner, shapes, value + observed, f"{site.log_prob.detach().sum().item():.4f}{weight}{counted}"
