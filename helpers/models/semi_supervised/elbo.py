"""The objective of a semi-supervised VAE: labelled and unlabelled images in one batch, each in its proportion."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn.functional import one_hot

from helpers.data import SemiSupervisedBatch
from helpers.data.checks import describe
from helpers.estimators import Enumeration, Estimate, GradientEstimator, Pathwise
from helpers.models.semi_supervised.model import SemiSupervisedGuide, SemiSupervisedVAE


class SemiSupervisedElbo(nn.Module):
    """s mean L(x, y) + (1 - s) mean U(x) + a mean log q(y | x): nats per image, s the labelled share of the images.

    L(x, y) = E_q(z | x, y) [log p(x | y, z) + log p(z) - log q(z | x, y)] + log p(y), a bound on log p(x, y), for images with a label;
    U(x) = E_q(y | x) [L(x, y) - log q(y | x)], a bound on log p(x), for images without.
    The first and the last mean run over the labelled images, the other over the unlabelled. Without the last term nothing ever tells the
    classifier q(y | x) a true label: L does not hold it.

    model, guide: p(x, y, z) and q(y, z | x).
    label_estimator: of the outer expectation, over y; sums over the classes by default. Any estimator of lessons 03 and 04 that takes
        a one-hot y will do.
    style_estimator: of the inner one, over z, nested in the outer; `Pathwise()` by default.
    labelled_share: s, labelled images over all images: `SemiSupervisedBatches` has it.
    classifier_weight: a. 0 leaves the classifier loss out. Kingma et al. 2014 have 0.1; the Pyro tutorial's aux_loss_multiplier of 46
        for each labelled image is 46 s.
    label_samples, style_samples: evaluations of their integrand; None for the estimator's own fewest.
    closed_form: KL(q(z | x, y) || p(z)) in closed form and not by the sample of z: less noise.
    style_rate_weight: w, of log q(z | x, y) - log p(z) in L, as `rate_weight` in `Elbo`; bounds for w >= 1. Above 1, say at the start of
        a training, a style is dear, and the class, which costs the same whatever it says, is put to use first.

    Called with a `SemiSupervisedBatch`, returns an `Estimate` of shape [], with terms `distortion`, `style_rate` (of z), `label_rate`
    (of y), each in the proportions of the value, and `labelled`, `unlabelled` and `cross_entropy`, the three means.
    Kingma, Mohamed, Rezende, Welling 2014, "Semi-supervised learning with deep generative models", equations 6 to 9.
    """

    def __init__(
        self,
        model: SemiSupervisedVAE,
        guide: SemiSupervisedGuide,
        label_estimator: GradientEstimator | None = None,
        style_estimator: GradientEstimator | None = None,
        *,
        labelled_share: float,
        classifier_weight: float = 0.0,
        label_samples: int | None = None,
        style_samples: int | None = None,
        closed_form: bool = False,
        style_rate_weight: float = 1.0,
    ) -> None:
        super().__init__()
        _check_parts(model, guide)
        if not 0 < labelled_share < 1:
            raise ValueError(
                f"labelled_share={labelled_share} was given: it is the labelled images over all images, above 0 and below 1. Without "
                "labels, or with labels for all, nothing is semi-supervised: `Elbo` and `LogLikelihood` are for those."
            )
        if classifier_weight < 0:
            raise ValueError(
                f"classifier_weight={classifier_weight} would teach the classifier wrong labels; 0 or more was expected."
            )
        self.model = model
        self.guide = guide
        self.label_estimator = Enumeration() if label_estimator is None else label_estimator
        self.style_estimator = Pathwise() if style_estimator is None else style_estimator
        for estimator in (self.label_estimator, self.style_estimator):
            if estimator.target != "expectation":
                raise ValueError(
                    f"SemiSupervisedElbo nests expectations, and {type(estimator).__name__} has the target {estimator.target!r}."
                )
        self.labelled_share = labelled_share
        self.classifier_weight = classifier_weight
        self.label_samples = label_samples
        self.style_samples = style_samples
        self.closed_form = closed_form
        self.style_rate_weight = style_rate_weight

    def forward(self, batch: SemiSupervisedBatch) -> Estimate:
        images, labels, unlabelled = _parts(batch)
        y = as_one_hot(labels, self.model.num_classes, images)
        with_label, without = _mean(self.labelled(images, y)), _mean(self.unlabelled(unlabelled))
        log_q = self.guide.classifier(images).log_prob(y).mean()
        share = self.labelled_share
        total = (
            with_label.reduce(lambda value: share * value)
            + without.reduce(lambda value: (1 - share) * value)
            + self.classifier_weight * log_q
        )
        total.terms.update(labelled=with_label.value, unlabelled=without.value, cross_entropy=-log_q.detach())
        return total

    def labelled(self, x: Tensor, y: Tensor) -> Estimate:
        """L(x, y). x: [*batch, *outcome], y: [*batch, classes], one-hot → `Estimate` [*batch]."""
        self.model.likelihood.check_outcome(x)
        log_prior = self.model.label_prior(y.shape[:-1]).log_prob(y)
        return self._given_label(x, y) + Estimate.of(log_prior, label_rate=-log_prior)

    def unlabelled(self, x: Tensor) -> Estimate:
        """U(x). x: [*batch, *outcome] → `Estimate` [*batch]."""
        self.model.likelihood.check_outcome(x)
        q = self.guide.classifier(x)

        def given(y: Tensor) -> Estimate:  # [samples, *batch, classes] → [samples, *batch]
            rate = q.log_prob(y) - self.model.label_prior(y.shape[:-1]).log_prob(y)
            return self._given_label(x, y) + Estimate.of(-rate, label_rate=rate)

        return self.label_estimator(given, q, self.label_samples, context=x)

    def _given_label(self, x: Tensor, y: Tensor) -> Estimate:
        """E_q(z | x, y) [log p(x | y, z) + log p(z) - log q(z | x, y)]. y: [..., *batch, classes] → [..., *batch]."""
        q = self.guide.style(x, y)

        def log_likelihood(z: Tensor) -> Estimate:
            score = self.model(y, z).log_prob(x)
            return Estimate.of(score, distortion=-score)

        def log_weight(z: Tensor) -> Estimate:
            rate = q.log_prob(z) - self.model.style_prior(z.shape[: z.dim() - len(q.event_shape)]).log_prob(z)
            return log_likelihood(z) + Estimate.of(-self.style_rate_weight * rate, style_rate=rate)

        context = x.expand(*y.shape[:-1], *self.guide.style.image_shape)
        if not self.closed_form:
            return self.style_estimator(log_weight, q, self.style_samples, context=context)
        kl = kl_divergence(q, self.model.style_prior(q.batch_shape))
        rate = Estimate.of(-self.style_rate_weight * kl, style_rate=kl)
        return self.style_estimator(log_likelihood, q, self.style_samples, context=context) + rate


class LogLikelihood(nn.Module):
    """log q(y | x): what a classifier alone maximises, on labelled images and nothing else.

    classifier: x → q(y | x), one-hot. Called with (images [*batch, *image], labels int64 [*batch]), returns an `Estimate` [*batch].
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, batch: tuple[Tensor, Tensor]) -> Estimate:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(
                f"LogLikelihood takes batches of (images, labels), and a {type(batch).__name__} was given."
            )
        images, labels = batch
        return Estimate.of(
            self.classifier(images).log_prob(as_one_hot(labels, self.classifier.event_shape[-1], images))
        )


def as_one_hot(labels: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Class numbers, int64 [*batch] → one-hot [*batch, classes] with dtype and device of `like`; ValueError for anything else."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        given = describe(labels, "labels") if isinstance(labels, Tensor) else f"labels of type {type(labels).__name__}"
        raise ValueError(
            f"Got {given}; expected int64 [*batch], one class number an image. Floats become numbers with labels.long()."
        )
    low, high = (int(value) for value in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"Got labels from {low} to {high}; expected class numbers from 0 to {num_classes - 1}. Usually -1 marks a missing label: such "
            "images belong among the unlabelled."
        )
    return one_hot(labels, num_classes).to(like.dtype)


def _mean(estimate: Estimate) -> Estimate:
    return estimate.reduce(lambda over_images: over_images.mean())


def _parts(batch: SemiSupervisedBatch) -> tuple[Tensor, Tensor, Tensor]:
    if not isinstance(batch, tuple | list) or len(batch) != 3:
        given = describe(batch) if isinstance(batch, Tensor) else f"a {type(batch).__name__}"
        raise ValueError(
            f"SemiSupervisedElbo takes batches of (labelled images, labels, unlabelled images), and {given} was given. "
            "`SemiSupervisedBatches` makes them; `Batches` of images alone has no labels."
        )
    return tuple(batch)


def _check_parts(model: SemiSupervisedVAE, guide: SemiSupervisedGuide) -> None:
    if model.num_classes != guide.style.num_classes:
        raise ValueError(
            f"The model has {model.num_classes} classes and the guide {guide.style.num_classes}: they must be the same."
        )
    if tuple(model.style_prior.event_shape) != tuple(guide.style.event_shape):
        raise ValueError(
            f"q(z | x, y) makes z of shape {tuple(guide.style.event_shape)}, and p(z) of shape {tuple(model.style_prior.event_shape)}: "
            "they must be the same."
        )
    if tuple(model.likelihood.event_shape) != guide.style.image_shape:
        raise ValueError(
            f"p(x | y, z) makes x of shape {tuple(model.likelihood.event_shape)}, and the guide reads x of shape {guide.style.image_shape}."
        )
