"""Which units of z carry information about x."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.data.checks import check_integer
from helpers.estimators import draw
from helpers.evaluation.doors import check_guide, check_tensor, explained
from helpers.evaluation.module_mode import evaluation_mode


@dataclass(frozen=True)
class ActiveUnits:
    """What `active_units` returns.

    Args:
        variance: Variance over images of the mean of q(z | x), for each unit [*latent].
        threshold: A unit is active if its variance is above it.
    """

    variance: Tensor
    threshold: float

    @property
    def active(self) -> Tensor:
        """Whether each unit is active, boolean [*latent]."""
        return self.variance > self.threshold

    @property
    def count(self) -> int:
        """Number of active units."""
        return int(self.active.sum())


@torch.no_grad()
def active_units(
    guide: nn.Module, images: Tensor, threshold: float = 0.01, num_samples: int = 100, max_evaluations: int = 10_000
) -> ActiveUnits:
    """Which units of z carry information about x: those for which Var_x( E_q(z | x)[z] ) > threshold.

    A unit whose q(z | x) is the prior for every x has variance 0: it has collapsed. The prior sets the scale of z; the default threshold
    assumes a prior of unit variance. With a flow or a mixture, a unit may carry information in the shape of q and none in its mean.

    Burda, Grosse, Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.2.

    Args:
        guide: x [*batch, *outcome] → q(z | x); run in evaluation mode.
        images: [images, *outcome], two or more.
        threshold: A unit is active if its variance is above it.
        num_samples: Draws of z per image if q has no mean in closed form, as a flow; two or more. Their noise, s² / num_samples, is
            subtracted, so that the variance is unbiased; it may be slightly below 0.
        max_evaluations: (image, draw) pairs at a time: memory grows with neither images nor draws.

    Returns:
        The variance of every unit, and the threshold.

    Raises:
        ValueError: If the guide is no module, if there are fewer than two images, if threshold is no number, or if num_samples is no
            integer of 2 or more.
    """
    check_guide(guide)
    check_tensor(images, "images", "[images, *outcome]", least=2)
    num_samples = check_integer(num_samples, "num_samples", "the draws of z per image", minimum=2)
    max_evaluations = check_integer(max_evaluations, "max_evaluations", "the (image, draw) pairs at a time")
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or math.isnan(threshold):
        raise ValueError(f"Got threshold={threshold!r}; expected a variance, such as 0.01.")
    with evaluation_mode(guide), explained(guide, images):
        pieces = images.split(max(1, max_evaluations // num_samples))
        means, noises = zip(*(_mean_and_noise(guide(x), num_samples) for x in pieces), strict=True)
    variance = torch.cat(means).double().var(0, unbiased=True) - torch.cat(noises).double().mean(0)
    return ActiveUnits(variance, threshold)


def _mean_and_noise(q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """E[z], and the variance of its estimate, 0 if E[z] has a closed form: both [images, *latent]."""
    try:
        return q.mean, torch.zeros_like(q.mean)
    except NotImplementedError:
        z = draw(q, num_samples)  # [draws, images, *latent]
        return z.mean(0), z.var(0, unbiased=True) / num_samples
