"""The objective of a semi-supervised VAE for batches of one kind: labelled images, or images without labels."""

from __future__ import annotations

from typing import Any

from helpers.estimators import Estimate, GradientEstimator
from helpers.models.semi_supervised.elbo import SemiSupervisedElbo
from helpers.models.semi_supervised.labels import as_one_hot
from helpers.models.semi_supervised.model import SemiSupervisedGuide, SemiSupervisedVAE


class OneKindSemiSupervisedElbo(SemiSupervisedElbo):
    """L(x, y) + a log q(y | x) for a batch of labelled images, U(x) for a batch of others: nats per image.

    L, U and a are those of `SemiSupervisedElbo`, which holds both kinds in one step and weighs them by their shares. Here each kind has
    steps of its own, and shares are those of the steps. An optimiser that rescales gradients, such as Adam, makes steps of about the same
    length for both kinds, however few labels there are.

    Called with (images [*batch, *image], labels int64 [*batch] or None), as `OneKindBatches` yields them, returns an `Estimate` [*batch]
    with terms `distortion`, `style_rate`, `label_rate` and `cross_entropy`: -log q(y | x) of labelled images, 0 for others. With a > 0,
    value and surrogate hold the classifier's term, which is no part of the bound.

    Pyro's example of a semi-supervised VAE trains so, with a = 46 or 0. It makes one more step for the classifier's term; that term
    alone reaches the classifier in a labelled step.

    Args:
        model: p(x, y, z).
        guide: q(y, z | x).
        label_estimator: Estimator of the outer expectation, over y; None: `Enumeration()`, the sum over the classes.
        style_estimator: Estimator of the inner expectation, over z; None: `Pathwise()`.
        classifier_weight: a.

    Raises:
        ValueError: As `SemiSupervisedElbo`.
    """

    def __init__(
        self,
        model: SemiSupervisedVAE,
        guide: SemiSupervisedGuide,
        label_estimator: GradientEstimator | None = None,
        style_estimator: GradientEstimator | None = None,
        *,
        classifier_weight: float = 0.0,
    ) -> None:
        super().__init__(
            model,
            guide,
            label_estimator,
            style_estimator,
            labelled_share=0.5,  # not used: the steps share out
            classifier_weight=classifier_weight,
        )

    def forward(self, batch: Any) -> Estimate:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(
                f"OneKindSemiSupervisedElbo takes batches of (images, labels or None), and a {type(batch).__name__} was given. "
                "`OneKindBatches` makes them."
            )
        images, labels = batch
        if labels is None:
            bound = self.unlabelled(images)
            bound.terms["cross_entropy"] = bound.value.new_zeros(bound.value.shape)
            return bound
        y = as_one_hot(labels, self.model.num_classes, images)
        log_q = self.guide.classifier(images).log_prob(y)
        return self.labelled(images, y) + Estimate.of(self.classifier_weight * log_q, cross_entropy=-log_q)
