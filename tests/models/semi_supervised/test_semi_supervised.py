"""The semi-supervised bound against sums written with loops, its sampled gradients against the enumerated one, and bad input."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from helpers.data import SemiSupervisedBatch, SemiSupervisedBatches
from helpers.distributions import BernoulliConditional, CategoricalConditional, GaussianConditional, StyleConditional
from helpers.estimators import (
    CentredReward,
    DrawSource,
    EveryOutcome,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    ScoreFunction,
    SelfCritic,
    drawing_from,
    exact_moments_of,
)
from helpers.evaluation import accuracy
from helpers.models import (
    AnalyticKlSemiSupervisedElbo,
    LogLikelihood,
    SemiSupervisedElbo,
    SemiSupervisedGuide,
    semi_supervised_vae,
)
from helpers.networks import FeedForward
from helpers.training import fit

IMAGE, CLASSES, LATENT = (1, 2, 3), 3, 2


def small(dtype=torch.float64, classes=CLASSES):
    torch.manual_seed(0)
    model, guide = semi_supervised_vae(IMAGE, classes, BernoulliConditional, latent=LATENT, hidden=(4,))
    for module in (model, guide):
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.7)  # so that classes and styles differ
    return model.to(dtype), guide.to(dtype)


def images(count, dtype=torch.float64):
    return torch.rand(count, *IMAGE, generator=torch.Generator().manual_seed(3)).round().to(dtype)


def batch(labelled=4, unlabelled=5):
    return SemiSupervisedBatch(images(labelled), torch.arange(labelled) % CLASSES, images(unlabelled + 2)[2:])


def test_the_bounds_are_the_sums_that_their_formulas_say():
    """One image, one style, no shared code: networks are called on [y, z] and the terms are added up class by class."""
    model, guide = small()
    x = images(2)
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.3)
    torch.manual_seed(7)
    ours = objective.unlabelled(x)
    torch.manual_seed(7)
    eps = torch.randn(1, CLASSES, 2, LATENT, dtype=x.dtype)
    log_q = guide.classifier.network(x).log_softmax(-1)
    for n in range(2):
        total = 0.0
        for k in range(CLASSES):
            y = one_hot(torch.tensor(k), CLASSES).to(x.dtype)
            hidden = guide.style.image_half.network[0].weight @ x[n].flatten() + guide.style.image_half.network[0].bias
            hidden = nn.functional.softplus(hidden + guide.style.label_half.weight @ y)
            loc, raw = guide.style.above.network(hidden)
            scale = nn.functional.softplus(raw) + 1e-5
            z = loc + scale * eps[0, k, n]
            logits = model.likelihood.network(torch.cat((y, z)))
            log_x = -nn.functional.binary_cross_entropy_with_logits(logits, x[n], reduction="sum")
            log_z = -0.5 * (z**2).sum() - LATENT / 2 * math.log(2 * math.pi)
            log_q_z = (-0.5 * eps[0, k, n] ** 2 - scale.log()).sum() - LATENT / 2 * math.log(2 * math.pi)
            total += log_q[n, k].exp() * (log_x + log_z - log_q_z - math.log(CLASSES) - log_q[n, k])
        torch.testing.assert_close(ours.value[n], total, rtol=1e-12, atol=0)
    assert set(ours.terms) == {"distortion", "style_rate", "label_rate"}
    terms = ours.terms
    torch.testing.assert_close(-(terms["distortion"] + terms["style_rate"] + terms["label_rate"]), ours.value)


def test_a_known_label_is_the_unlabelled_bound_with_a_certain_classifier():
    """q(y | x) = 1 on the label: U(x) = L(x, y). The noise is that of the label's own slice."""
    model, guide = small()
    x, labels = images(4), torch.tensor([0, 2, 1, 1])
    y = one_hot(labels, CLASSES).double()

    class Certain(nn.Module):
        event_shape, input_shape = (CLASSES,), IMAGE

        def forward(self, x):
            return torch.distributions.OneHotCategorical(probs=y, validate_args=False)

    sure = SemiSupervisedGuide(Certain(), guide.style)
    for bound in (SemiSupervisedElbo, AnalyticKlSemiSupervisedElbo):
        objective = bound(model, sure, labelled_share=0.5)
        with drawing_from(SameNoise()):
            torch.testing.assert_close(
                objective.unlabelled(x).value, objective.labelled(x, y).value, rtol=1e-12, atol=0
            )


class SameNoise(DrawSource):
    """rsample from one noise for each image, whatever the class and sample."""

    def rsample(self, q, num_samples):
        eps = torch.linspace(-1, 1, q.batch_shape[-1] * LATENT, dtype=q.mean.dtype).reshape(q.batch_shape[-1], LATENT)
        return (q.mean + q.stddev * eps).expand(num_samples, *q.mean.shape)


class EveryLabel(EveryOutcome):
    """Every outcome of the labels, each with that same noise of the style."""

    def rsample(self, q, num_samples):
        return SameNoise().rsample(q, num_samples)


@pytest.mark.parametrize(
    ("build", "num_samples"),
    [
        (ScoreFunction, 1),
        (ScoreFunction, 2),
        (LeaveOneOut, 2),
        (lambda: ScoreFunction(CentredReward()), 1),
        (lambda: ScoreFunction(SelfCritic()), 2),
        (lambda: ScoreFunction(LearnedBaseline(IMAGE, FeedForward((3,))).double()), 1),
    ],
)
def test_the_sampled_gradients_exact_mean_is_the_enumerated_gradient(build, num_samples):
    model, guide = small()
    x = images(2)
    parameters = [*model.parameters(), *guide.parameters()]
    enumerated = SemiSupervisedElbo(model, guide, labelled_share=0.3)
    with drawing_from(SameNoise()):
        exact = torch.autograd.grad(enumerated.unlabelled(x).surrogate.sum(), parameters)
    sampled = SemiSupervisedElbo(model, guide, build(), labelled_share=0.3, label_samples=num_samples)
    moments = exact_moments_of(
        lambda: sampled.unlabelled(x), parameters=parameters, stateful=[sampled.label_estimator], source=EveryLabel()
    )
    for mean, expected in zip(moments.mean, exact, strict=True):
        torch.testing.assert_close(mean, expected, rtol=1e-9, atol=1e-12)
    assert moments.total_variance > 1e-3


def test_enumeration_has_no_variance_of_its_own():
    model, guide = small()
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.3)
    parameters = [*model.parameters(), *guide.parameters()]
    moments = exact_moments_of(lambda: objective.unlabelled(images(2)), parameters=parameters, source=EveryLabel())
    assert moments.total_variance < 1e-20


def test_labelled_and_unlabelled_images_count_in_their_proportions():
    model, guide = small()
    data = batch()
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.3, classifier_weight=0.7)
    y = one_hot(data.labels, CLASSES).double()
    with drawing_from(SameNoise()):
        total = objective(data)
        labelled, unlabelled = objective.labelled(data.images, y), objective.unlabelled(data.unlabelled)
    log_q = guide.classifier(data.images).log_prob(y).mean()
    torch.testing.assert_close(
        total.value, 0.3 * labelled.value.mean() + 0.7 * unlabelled.value.mean() + 0.7 * log_q.detach()
    )
    expected = 0.3 * labelled.surrogate.mean() + 0.7 * unlabelled.surrogate.mean() + 0.7 * log_q
    parameters = [*model.parameters(), *guide.parameters()]
    for ours, theirs in zip(*(torch.autograd.grad(s, parameters) for s in (total.surrogate, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(total.terms["cross_entropy"], -log_q.detach())
    torch.testing.assert_close(total.terms["unlabelled"], unlabelled.value.mean())
    assert total.value.shape == ()


def test_without_its_loss_no_label_reaches_the_classifier():
    """L(x, y) does not hold q(y | x): the labelled part has no gradient in the classifier, and the classifier loss has."""
    model, guide = small()
    data = batch()
    y = one_hot(data.labels, CLASSES).double()
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.3)
    parameters = [*guide.classifier.parameters()]
    none = torch.autograd.grad(objective.labelled(data.images, y).surrogate.sum(), parameters, allow_unused=True)
    assert all(gradient is None for gradient in none)

    def gradient(weight):
        objective.classifier_weight = weight
        with drawing_from(SameNoise()):
            return torch.cat([g.flatten() for g in torch.autograd.grad(objective(data).surrogate, parameters)])

    alone = torch.autograd.grad(
        LogLikelihood(guide.classifier)((data.images, data.labels)).surrogate.mean(), parameters
    )
    torch.testing.assert_close(gradient(2.0) - gradient(0.0), 2 * torch.cat([g.flatten() for g in alone]))


def test_closed_form_kl_has_the_same_mean():
    model, guide = small()
    x = images(3)
    sampled = SemiSupervisedElbo(model, guide, labelled_share=0.3, style_samples=50)
    exact = AnalyticKlSemiSupervisedElbo(model, guide, labelled_share=0.3)
    torch.manual_seed(1)
    with torch.no_grad():
        rates = torch.stack([sampled.unlabelled(x).terms["style_rate"] for _ in range(200)])
        theirs = exact.unlabelled(x).terms
    gap = (rates.mean(0) - theirs["style_rate"]).abs()
    assert (gap < 5 * rates.std(0) / 200**0.5).all()
    torch.testing.assert_close(sampled.unlabelled(x).terms["label_rate"].detach(), theirs["label_rate"])


def test_the_weight_of_the_styles_rate_stands_where_it_says():
    model, guide = small()
    x = images(3)
    for bound in (SemiSupervisedElbo, AnalyticKlSemiSupervisedElbo):
        plain, heavy = (bound(model, guide, labelled_share=0.3, style_rate_weight=weight) for weight in (1.0, 2.5))
        with drawing_from(SameNoise()):
            ours, theirs = heavy.unlabelled(x), plain.unlabelled(x)
        torch.testing.assert_close(ours.value, theirs.value - 1.5 * theirs.terms["style_rate"])
        torch.testing.assert_close(ours.terms["style_rate"], theirs.terms["style_rate"])


def test_two_halves_of_a_first_layer_are_one_layer_on_image_and_label_side_by_side():
    style = StyleConditional(IMAGE, CLASSES, GaussianConditional((4,), (LATENT,), FeedForward((5,)))).double()
    x, y = images(4), one_hot(torch.tensor([0, 2, 1, 1]), CLASSES).double()
    layer = style.image_half.network[0]
    hidden = nn.functional.linear(
        torch.cat((x.flatten(1), y), 1), torch.cat((layer.weight, style.label_half.weight), 1), layer.bias
    )
    expected = style.above(nn.functional.softplus(hidden))
    torch.testing.assert_close(style(x, y).mean, expected.mean)
    every = torch.eye(CLASSES).double().reshape(CLASSES, 1, CLASSES).expand(-1, 4, -1)
    assert style(x, every).batch_shape == (CLASSES, 4)
    torch.testing.assert_close(style(x, every).mean[y.argmax(1), torch.arange(4)], expected.mean)


def test_one_style_in_every_class():
    model, _ = small()
    z = torch.randn(5, LATENT).double()
    means = model.every_class(z)
    assert means.shape == (CLASSES, 5, *IMAGE)
    y = one_hot(torch.full((5,), 2), CLASSES).double()
    torch.testing.assert_close(means[2], model(y, z).mean)
    x, y, z = model.sample(7)
    assert x.shape == (7, *IMAGE) and (y.sum(-1) == 1).all() and z.shape == (7, LATENT)
    assert model.log_joint(x, y, z).shape == (7,)


def test_fit_takes_it_and_the_classifier_learns():
    torch.manual_seed(0)
    labels = torch.arange(60) % 2
    x = (labels.reshape(-1, 1, 1, 1) * torch.ones(60, *IMAGE) + 0.05 * torch.rand(60, *IMAGE)).clamp(0, 1)
    model, guide = semi_supervised_vae(IMAGE, 2, BernoulliConditional, latent=1, hidden=(8,))
    batches = SemiSupervisedBatches(x[:6], labels[:6], x[6:], num_classes=2, batch_size=20)
    objective = SemiSupervisedElbo(model, guide, labelled_share=batches.labelled_share, classifier_weight=1.0)
    history = fit(objective, batches, epochs=30, optimizers=torch.optim.Adam(objective.parameters(), lr=0.01))
    assert history.train["cross_entropy"][-1] < 0.5 * history.train["cross_entropy"][0]
    assert accuracy(guide.classifier, x, labels).mean > 0.95
    assert set(history.train) == {
        "bound",
        "distortion",
        "style_rate",
        "label_rate",
        "labelled",
        "unlabelled",
        "cross_entropy",
    }


MODEL, GUIDE = small(torch.float32)
OBJECTIVE = SemiSupervisedElbo(MODEL, GUIDE, labelled_share=0.3)


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda: OBJECTIVE(images(3).float()), "takes batches of (labelled images, labels, unlabelled images)"),
        (
            lambda: OBJECTIVE((images(3).float(), torch.tensor([0, 1, 2]))),
            "takes batches of (labelled images, labels, unlabelled",
        ),
        (lambda: OBJECTIVE((images(2).float(), None, images(2).float())), "labels of type NoneType"),
        (
            lambda: OBJECTIVE((images(2).float(), torch.tensor([0.0, 1.0]), images(2).float())),
            "one class per item",
        ),
        (
            lambda: OBJECTIVE((images(2).float(), torch.tensor([0, 3]), images(2).float())),
            "expected classes from 0 to 2",
        ),
        (lambda: OBJECTIVE((images(2).float(), torch.tensor([-1, 1]), images(2).float())), "-1 marks a missing label"),
        (lambda: OBJECTIVE((2 * images(2).float(), torch.tensor([0, 1]), images(2).float())), "from 0 to 2; expected"),
        (lambda: SemiSupervisedElbo(MODEL, GUIDE, labelled_share=1.0), "above 0 and below 1"),
        (lambda: SemiSupervisedElbo(MODEL, GUIDE, labelled_share=0.0), "above 0 and below 1"),
        (
            lambda: SemiSupervisedElbo(MODEL, GUIDE, labelled_share=0.1, classifier_weight=-1.0),
            "0 or more was expected",
        ),
        (lambda: SemiSupervisedElbo(MODEL, GUIDE, ImportanceWeighted(), labelled_share=0.1), "nests expectations"),
        (lambda: SemiSupervisedElbo(MODEL, small(classes=4)[1], labelled_share=0.1), "3 classes and the guide 4"),
        (lambda: GUIDE.style(images(3).float(), torch.eye(CLASSES)[:2]), "one label or several for each image"),
        (lambda: LogLikelihood(GUIDE.classifier)(images(3).float()), "batches of (images, labels)"),
        (lambda: semi_supervised_vae(IMAGE, 1, BernoulliConditional), "2 classes or more"),
        (lambda: semi_supervised_vae(IMAGE, 3, BernoulliConditional, hidden=()), "give `hidden` one size or more"),
        (
            lambda: SemiSupervisedGuide(CategoricalConditional(IMAGE, (4,), FeedForward(())), GUIDE.style),
            "one-hot labels of 3 classes",
        ),
    ],
)
def test_what_cannot_be_right_is_one_clear_sentence(attempt, sentence):
    with pytest.raises(ValueError) as error:
        attempt()
    assert sentence in str(error.value)


def test_two_classes_and_many_classes():
    for classes in (2, 17):
        model, guide = small(classes=classes)
        objective = SemiSupervisedElbo(model, guide, labelled_share=0.3)
        assert objective((images(2), torch.tensor([0, classes - 1]), images(3))).value.isfinite()
