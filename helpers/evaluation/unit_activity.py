"""Which units of z carry information about x."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators import draw
from helpers.evaluation.module_mode import evaluation_mode


@dataclass(frozen=True)
class ActiveUnits:
    """What `active_units` returns.

    variance: [*latent], over images, of the mean of q(z | x) for each unit.
    threshold: a unit is active where its variance is above this.
    """

    variance: Tensor
    threshold: float

    @property
    def active(self) -> Tensor:
        """[*latent], boolean."""
        return self.variance > self.threshold

    @property
    def count(self) -> int:
        return int(self.active.sum())


@torch.no_grad()
def active_units(
    guide: nn.Module, images: Tensor, threshold: float = 0.01, num_samples: int = 100, max_evaluations: int = 10_000
) -> ActiveUnits:
    """Which units of z carry anything about x: those for which Var_x( E_q(z | x)[z] ) > threshold.

    A unit whose q(z | x) is the prior, whatever x is, has variance 0: it has collapsed. The scale of z is set by the prior, and the
    threshold belongs to one of unit variance. A unit of a flow or a mixture may carry something in its shape and nothing in its mean.

    images: [images, *outcome], two or more.
    num_samples: draws of z per image where q has no mean in closed form, as a flow; two or more. Their noise, s² / num_samples, is
        subtracted, so that the variance is unbiased and may come out just below 0.
    max_evaluations: (image, draw) pairs at a time.

    Burda, Grosse, Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.2.
    """
    if len(images) < 2 or num_samples < 2:
        raise ValueError(
            f"A variance over images needs 2 images or more, and means from draws 2 draws or more; {len(images)} and {num_samples} were "
            "given."
        )
    with evaluation_mode(guide):
        pieces = images.split(max(1, max_evaluations // num_samples))
        means, noises = zip(*(_mean_and_noise(guide(x), num_samples) for x in pieces), strict=True)
    variance = torch.cat(means).double().var(0, unbiased=True) - torch.cat(noises).double().mean(0)
    return ActiveUnits(variance, threshold)


def _mean_and_noise(q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """E[z] and the variance with which it is known, both [images, *latent]."""
    try:
        return q.mean, torch.zeros_like(q.mean)
    except NotImplementedError:
        z = draw(q, num_samples)  # [draws, images, *latent]
        return z.mean(0), z.var(0, unbiased=True) / num_samples
