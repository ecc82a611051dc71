"""The objective of a semi-supervised VAE: labelled and unlabelled images in one batch, weighted by their shares."""

from __future__ import annotations

from torch import Tensor, nn

from helpers.data import SemiSupervisedBatch
from helpers.data.checks import describe
from helpers.distributions import CategoricalConditional, closed_form_kl
from helpers.distributions.checks import check_shape
from helpers.estimators import Enumeration, Estimate, GradientEstimator, Pathwise
from helpers.estimators.parts.doors import check_instance
from helpers.models.checks import check_estimator, check_num_samples, check_part, check_slope, check_support
from helpers.models.elbo import REWARDS_RATE
from helpers.models.semi_supervised.labels import as_one_hot
from helpers.models.semi_supervised.model import SemiSupervisedGuide, SemiSupervisedVAE
from helpers.networks.sizes import as_weight, is_number


class SemiSupervisedElbo(nn.Module):
    """s mean L(x, y) + (1 - s) mean U(x) + a mean log q(y | x): nats per image, s the labelled share of the images.

    L(x, y) = E_q(z | x, y) [log p(x | y, z) + log p(z) - log q(z | x, y)] + log p(y), a bound on log p(x, y), for images with a label;
    U(x) = E_q(y | x) [L(x, y) - log q(y | x)], a bound on log p(x), for images without.
    The first and the last mean run over the labelled images, the second over the unlabelled. The last term alone teaches the classifier
    q(y | x) the true labels: L does not depend on it.

    `value` and `surrogate` are of the weighted sum: with a > 0 they hold the classifier's term, which is no part of the bound, and with
    w other than 1 (below) L and U hold w times the rate of z. The bound itself is -(distortion + style_rate + label_rate). The loss of
    trainable baselines is the estimate's `auxiliary_loss`.

    Called with a `SemiSupervisedBatch`, returns an `Estimate` of shape [], with terms `distortion`, `style_rate` (of z), `label_rate`
    (of y), each weighted by the shares s and 1 - s and without w, and `labelled`, `unlabelled` and `cross_entropy`, the means of L, U
    and -log q(y | x). `AnalyticKlSemiSupervisedElbo` has the KL of z in closed form.
    Kingma, Mohamed, Rezende, Welling 2014, "Semi-supervised learning with deep generative models", equations 6 to 9.

    Args:
        model: p(x, y, z).
        guide: q(y, z | x).
        label_estimator: Estimator of the outer expectation, over y; None: `Enumeration()`, the sum over the classes. Any estimator of
            an expectation that accepts a one-hot y.
        style_estimator: Estimator of the inner expectation, over z, nested in the outer; None: `Pathwise()`.
        labelled_share: s, labelled images over all images, in (0, 1): `SemiSupervisedBatches` has it.
        classifier_weight: a; 0 leaves the classifier's term out. Kingma et al. 2014 use 0.1; the Pyro tutorial's aux_loss_multiplier
            of 46 for each labelled image is 46 s.
        label_samples: Evaluations of the outer integrand per image; None: the estimator's minimum.
        style_samples: Evaluations of the inner integrand per image and label; None: the estimator's minimum.
        style_rate_weight: w, the weight of log q(z | x, y) - log p(z) in L; L and U are bounds if w >= 1. w > 1 penalises information
            in z, so the model uses y first, whose cost does not depend on w.

    Raises:
        ValueError: If an argument is of the wrong kind, if model and guide do not fit, if a share or a weight is out of range, if an
            estimator's target is not an expectation, or if `label_estimator` would lose the gradient of y's rate (straight-through and
            Gumbel-softmax).
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
        style_rate_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_part(model, SemiSupervisedVAE, SemiSupervisedGuide, name, "model")
        check_part(guide, SemiSupervisedGuide, SemiSupervisedVAE, name, "guide")
        _check_parts(model, guide)
        if not is_number(labelled_share):
            raise ValueError(f"labelled_share={labelled_share!r} was given; expected a number above 0 and below 1.")
        if not 0 < labelled_share < 1:
            raise ValueError(
                f"labelled_share={labelled_share} was given: it is the labelled images over all images, above 0 and below 1. Without "
                "labels use `Elbo`; with labels for all images, `LogLikelihood`."
            )
        self.model = model
        self.guide = guide
        self.label_estimator = Enumeration() if label_estimator is None else label_estimator
        self.style_estimator = Pathwise() if style_estimator is None else style_estimator
        for estimator in (self.label_estimator, self.style_estimator):
            check_estimator(estimator, name)
            if estimator.target != "expectation":
                raise ValueError(
                    f"SemiSupervisedElbo nests expectations, and {type(estimator).__name__} has the target {estimator.target!r}."
                )
        check_slope(self.label_estimator, model.label_prior())  # the rate of y stands in its integrand
        self.labelled_share = labelled_share
        self.classifier_weight = as_weight(
            classifier_weight, "classifier_weight", "teaches the classifier wrong labels"
        )
        self.label_samples = check_num_samples(label_samples, "label_samples")
        self.style_samples = check_num_samples(style_samples, "style_samples")
        self.style_rate_weight = style_rate_weight

    @property
    def style_rate_weight(self) -> float:
        """w; it may be set during training."""
        return self._style_rate_weight

    @style_rate_weight.setter
    def style_rate_weight(self, style_rate_weight: float) -> None:
        self._style_rate_weight = as_weight(style_rate_weight, "style_rate_weight", REWARDS_RATE)

    def forward(self, batch: SemiSupervisedBatch) -> Estimate:
        images, labels, unlabelled_images = _unpacked(batch)
        check_shape(images, self.guide.style.image_shape, "the labelled images", type(self).__name__)
        check_shape(unlabelled_images, self.guide.style.image_shape, "the unlabelled images", type(self).__name__)
        y = as_one_hot(labels, self.model.num_classes, images)
        labelled, unlabelled = _mean(self.labelled(images, y)), _mean(self.unlabelled(unlabelled_images))
        log_q = self.guide.classifier(images).log_prob(y).mean()
        share = self.labelled_share
        total = (
            labelled.reduce(lambda value: share * value)
            + unlabelled.reduce(lambda value: (1 - share) * value)
            + self.classifier_weight * log_q
        )
        total.terms.update(labelled=labelled.value, unlabelled=unlabelled.value, cross_entropy=-log_q.detach())
        return total

    def labelled(self, x: Tensor, y: Tensor) -> Estimate:
        """L(x, y), the bound on log p(x, y) of labelled images.

        Args:
            x: Images [*batch, *outcome].
            y: One-hot labels [*batch, classes].

        Returns:
            An `Estimate` [*batch], in nats.
        """
        self.model.likelihood.check_outcome(x)
        log_prior = self.model.label_prior(y.shape[:-1]).log_prob(y)
        return self._given_label(x, y) + Estimate.of(log_prior, label_rate=-log_prior)

    def unlabelled(self, x: Tensor) -> Estimate:
        """U(x), the bound on log p(x) of unlabelled images.

        Args:
            x: Images [*batch, *outcome].

        Returns:
            An `Estimate` [*batch], in nats.
        """
        self.model.likelihood.check_outcome(x)
        q = self.guide.classifier(x)

        def bound_given_label(y: Tensor) -> Estimate:  # [samples, *batch, classes] → [samples, *batch]
            rate = q.log_prob(y) - self.model.label_prior(y.shape[:-1]).log_prob(y)
            return self._given_label(x, y) + Estimate.of(-rate, label_rate=rate)

        return self.label_estimator(bound_given_label, q, self.label_samples, context=x)

    def _given_label(self, x: Tensor, y: Tensor) -> Estimate:
        """E_q(z | x, y) [log p(x | y, z) + log p(z) - log q(z | x, y)]. y: [..., *batch, classes] → [..., *batch]."""
        q = self.guide.style(x, y)

        def log_weight(z: Tensor) -> Estimate:
            prior = self.model.style_prior(z.shape[: z.dim() - len(q.event_shape)])
            check_support(q, prior)
            rate = q.log_prob(z) - prior.log_prob(z)
            return self._log_likelihood(x, y, z) + Estimate.of(-self.style_rate_weight * rate, style_rate=rate)

        return self.style_estimator(log_weight, q, self.style_samples, context=self._context(x, y))

    def _log_likelihood(self, x: Tensor, y: Tensor, z: Tensor) -> Estimate:
        log_p = self.model(y, z).log_prob(x)
        return Estimate.of(log_p, distortion=-log_p)

    def _context(self, x: Tensor, y: Tensor) -> Tensor:
        return x.expand(*y.shape[:-1], *self.guide.style.image_shape)


class AnalyticKlSemiSupervisedElbo(SemiSupervisedElbo):
    """`SemiSupervisedElbo` with KL(q(z | x, y) || p(z)) in closed form: the same mean, less noise."""

    def _given_label(self, x: Tensor, y: Tensor) -> Estimate:
        q = self.guide.style(x, y)
        prior = self.model.style_prior(q.batch_shape)
        check_support(q, prior)
        try:
            kl = closed_form_kl(q, prior)
        except NotImplementedError as error:
            raise ValueError(
                f"There is no closed form for KL(q || p) between {type(q).__name__} and {type(self.model.style_prior).__name__}. "
                "SemiSupervisedElbo estimates it."
            ) from error
        rate = Estimate.of(-self.style_rate_weight * kl, style_rate=kl)

        def log_likelihood(z: Tensor) -> Estimate:
            return self._log_likelihood(x, y, z)

        return self.style_estimator(log_likelihood, q, self.style_samples, context=self._context(x, y)) + rate


class LogLikelihood(nn.Module):
    """log q(y | x): the objective of a classifier alone, on labelled images only.

    The surrogate's gradient is that of `value`. Called with (images [*batch, *image], labels int64 [*batch]), returns an `Estimate`
    [*batch], in nats.

    Args:
        classifier: x [*batch, *image] → q(y | x) over one-hot vectors [classes].
    """

    def __init__(self, classifier: CategoricalConditional) -> None:
        super().__init__()
        if not hasattr(classifier, "event_shape"):
            check_instance(classifier, CategoricalConditional, type(self).__name__, "a CategoricalConditional q(y | x)")
        self.classifier = classifier

    def forward(self, batch: tuple[Tensor, Tensor]) -> Estimate:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(
                f"LogLikelihood takes batches of (images, labels), and a {type(batch).__name__} was given."
            )
        images, labels = batch
        check_shape(images, self.classifier.input_shape, "the images", type(self).__name__)
        return Estimate.of(
            self.classifier(images).log_prob(as_one_hot(labels, self.classifier.event_shape[-1], images))
        )


def _mean(estimate: Estimate) -> Estimate:
    return estimate.reduce(lambda over_images: over_images.mean())


def _unpacked(batch: SemiSupervisedBatch) -> tuple[Tensor, Tensor, Tensor]:
    if not isinstance(batch, tuple | list) or len(batch) != 3:
        given = describe(batch) if isinstance(batch, Tensor) else f"a {type(batch).__name__}"
        raise ValueError(
            f"SemiSupervisedElbo takes batches of (labelled images, labels, unlabelled images), and {given} was given. "
            "`SemiSupervisedBatches` makes them; `Batches` of images alone has no labels."
        )
    images, labels, unlabelled = batch
    return images, labels, unlabelled


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
