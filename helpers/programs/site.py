"""What a statement of a program sends to its handlers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, Transform

from helpers.estimators.draws import draw, draw_reparameterised

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.estimators import GradientEstimator

Kind = Literal["sample", "subsample", "param", "module"]


@dataclass(frozen=True)
class Frame:
    """One plate around a site.

    Args:
        name: Name of the plate.
        size: Number of members, N.
        count: Number of members at hand, B <= N: the size of a subsample.
        dim: Batch dimension that the plate occupies, counted from the right: -1, -2, ... None in a `for` loop over a plate.
        member: Which member a `for` loop is at; None for a plate entered by `with`.
    """

    name: str
    size: int
    count: int
    dim: int | None
    member: int | None = None


@dataclass(slots=True, eq=False)
class Site:
    """One statement of one execution: what `sample`, `param`, `module` or a plate says, which handlers read and change.

    Args:
        kind: "sample", "subsample" (the members that a plate took), "param" or "module".
        name: Name of the site.
        distribution: What the value is drawn from; None unless kind is "sample".
        value: The value, [*batch, *event]; None until a handler or the draw has set it.
        observed: Whether the value is data.
        scale: Factor of the log-probability, such as N/B of a plate.
        mask: Where the log-probability counts: a boolean tensor that broadcasts to [*batch], or one boolean. None: everywhere.
        estimator: Gradient estimator that the site names, or None.
        num_samples: Evaluations that the estimator makes; None: its minimum.
        context: What its baselines may depend on, or None.
        auxiliary: Whether a guide declares that the model has no such site.
        plates: Plates around the site, outermost first.
        place: File and line of the statement.
        draws: How the value is drawn if no handler sets it.
        transform: Of a parameter: from what is stored to its value.
        hidden: Whether handlers further out never see it.
    """

    kind: Kind
    name: str
    distribution: Distribution | None = None
    value: Any = None
    observed: bool = False
    scale: Tensor | float = 1.0
    mask: Tensor | bool | None = None
    estimator: GradientEstimator | None = None
    num_samples: int | None = None
    context: Tensor | None = None
    auxiliary: bool = False
    plates: tuple[Frame, ...] = ()
    place: tuple[str, int] = ("", 0)
    draws: Callable[[Site], Any] | None = None
    transform: Transform | None = None
    hidden: bool = False
    _log_prob: Tensor | None = field(default=None, repr=False)

    @property
    def latent(self) -> bool:
        """Whether the site is a random choice whose value is no data."""
        return self.kind == "sample" and not self.observed

    @property
    def unscaled_log_prob(self) -> Tensor:
        """log p(value), [*batch], before mask and scale.

        Raises:
            ValueError: If the value is outside of the support, or its shape does not fit.
        """
        if self._log_prob is None:
            self._log_prob = self._scored()
        return self._log_prob

    @property
    def log_prob(self) -> Tensor:
        """scale * mask * log p(value), [*batch]: what the site adds to a log joint.

        Raises:
            ValueError: If the value is outside of the support, or its shape does not fit.
        """
        log_prob = self.unscaled_log_prob
        if self.mask is False:
            return torch.zeros_like(log_prob)
        if isinstance(self.mask, Tensor):
            log_prob = torch.where(self.mask, log_prob, 0.0)
        if type(self.scale) is float and self.scale == 1.0:
            return log_prob
        return log_prob * self.scale

    @property
    def where(self) -> str:
        """Place of the statement, for messages: "line 3 of a cell" or "line 12 of model.py"."""
        return described(self.place)

    def _scored(self) -> Tensor:
        distribution = self.distribution
        assert distribution is not None
        try:
            return distribution.log_prob(self.value)
        except (ValueError, RuntimeError) as error:
            value = self.value
            given = f"Site {self.name!r} ({self.where}) has a value of shape {list(value.shape)}"
            whole = distribution.batch_shape + distribution.event_shape
            try:
                torch.broadcast_shapes(value.shape, whole)
            except RuntimeError:
                raise ValueError(
                    f"{given}; [*batch, *event] = {list(whole)} was expected. Usual causes: an observation of other data, or a dimension "
                    "that Independent declares and the observation lacks."
                ) from error
            support = distribution.support
            inside = support.check(value) if support is not None and isinstance(error, ValueError) else None
            if inside is not None and not bool(inside.all()):
                outside = value if inside.shape != value.shape else value[~inside]
                raise ValueError(
                    f"Site {self.name!r} ({self.where}) has the value {_short(outside)}, outside of the support of "
                    f"{type(distribution).__name__}: {support}."
                ) from error
            raise


def drawn(site: Site) -> Tensor:
    """A draw from the site's distribution: differentiable if that is possible, unless the site names an estimator that scores it.

    Args:
        site: The site.

    Returns:
        z [*batch, *event], from the replaceable source of draws.
    """
    distribution = site.distribution
    assert distribution is not None
    pathwise = distribution.has_rsample and (site.estimator is None or site.estimator.q_needs == "rsample")
    return (draw_reparameterised if pathwise else draw)(distribution, 1)[0]


def place_of_caller(depth: int) -> tuple[str, int]:
    """File and line of a caller.

    Args:
        depth: 1 for the caller of the function that asks, 2 for the caller's caller.

    Returns:
        File name and line number.
    """
    frame = sys._getframe(depth + 1)
    return frame.f_code.co_filename, frame.f_lineno


def described(place: tuple[str, int]) -> str:
    """A place in words.

    Args:
        place: File name and line number.

    Returns:
        "line 3 of a cell" or "line 12 of model.py".
    """
    file, line = place
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    is_cell = "ipykernel" in file or name.startswith("<")
    return f"line {line} of {'a cell' if is_cell else name}"


def _short(values: Tensor) -> str:
    flat = values.reshape(-1)
    shown = ", ".join(f"{value:.4g}" for value in flat[:3].tolist())
    return shown + (f", ... ({flat.numel()} in all)" if flat.numel() > 3 else "")
