"""Right answers to lesson 06 that are written in other ways than the solutions: `check` must take them, and those of the package."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, OneHotCategorical, kl_divergence
from torch.nn.functional import log_softmax, nll_loss, one_hot, softplus

from helpers.data import SemiSupervisedBatch
from helpers.distributions import BernoulliConditional, GaussianConditional, StyleConditional
from helpers.estimators import ScoreFunction, exact_gradient, exact_moments
from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find
from helpers.models import AnalyticKlSemiSupervisedElbo, semi_supervised_vae
from helpers.networks import FeedForward


def by_mean_and_entropy(logits, bound):
    q = OneHotCategorical(logits=logits)
    return torch.einsum("bk,bk->b", q.probs, bound) + q.entropy()


def by_the_gap_to_the_marginal(logits, bound):
    posterior = Categorical(logits=bound)
    return bound.logsumexp(-1) - kl_divergence(Categorical(logits=logits), posterior)


def guess_by_guess(logits, bound, baseline):
    log_q, draws = torch.log_softmax(logits, 1), []
    q = log_q.exp()
    for y in range(logits.shape[-1]):
        score = one_hot(torch.tensor(y), logits.shape[-1]) - q
        draws.append((bound[:, y] - log_q[:, y] - baseline).unsqueeze(-1) * score)
    mean = sum(q[:, y, None] * draw for y, draw in enumerate(draws))
    return mean, sum(q[:, y] * (draw - mean).square().sum(-1) for y, draw in enumerate(draws))


def by_moments(logits, bound, baseline):
    """The mean in closed form, and E[g²] - E[g]²."""
    q, signal = logits.softmax(-1), bound - log_softmax(logits, -1)
    mean = q * (signal - (q * signal).sum(-1, keepdim=True))
    squares = 1 - 2 * q + (q**2).sum(-1, keepdim=True)  # |e_y - q|²
    return mean, (q * (signal - baseline[:, None]) ** 2 * squares).sum(-1) - mean.square().sum(-1)


def class_by_class(x, weight, bias):
    pixels = x.shape[-1]
    once = nn.functional.linear(x, weight[:, :pixels], bias)
    return torch.stack([softplus(once + weight[:, pixels + k]) for k in range(weight.shape[1] - pixels)])


def side_by_side(x, weight, bias):
    classes = weight.shape[1] - x.shape[1]
    codes = torch.eye(classes, dtype=x.dtype)[:, None].expand(classes, len(x), classes)
    return torch.logaddexp(
        torch.cat([x.expand(classes, *x.shape), codes], -1) @ weight.T + bias, torch.zeros((), dtype=x.dtype)
    )


def by_losses(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    labelled, unlabelled = counts
    total = labelled * bound_labelled.mean() + unlabelled * bound_unlabelled.mean()
    return total / (labelled + unlabelled) - weight * nll_loss(log_q, labels)


def by_indices(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = 1 / (1 + counts[1] / counts[0])
    of_label = log_q[torch.arange(len(labels)), labels]
    return torch.lerp(bound_unlabelled.mean(), bound_labelled.mean(), s) + weight * torch.mean(of_label)


def all_draws_and_classes_at_once(log_weight, log_q):
    samples = torch.tensor(float(log_weight.shape[0]), dtype=log_weight.dtype).log()
    log_marginal = log_weight.logsumexp((0, 2)) - samples
    log_posterior = log_weight.logsumexp(0).log_softmax(-1)
    return log_marginal, log_posterior, kl_divergence(Categorical(logits=log_q), Categorical(logits=log_posterior))


def split_by_split(correct, other):
    n = len(correct)
    a, b = ([float(row.sum() / row.numel()) for row in rows] for rows in (correct, other))
    d = [x - y for x, y in zip(a, b, strict=True)]

    def variance(values):
        mean = sum(values) / n
        return sum((value - mean) ** 2 for value in values) / (n - 1)

    found = sum(d) / n, (variance(d) / n) ** 0.5, ((variance(a) + variance(b)) / n) ** 0.5
    return tuple(torch.tensor(value, dtype=correct.dtype) for value in found)


def by_the_covariance(correct, other):
    accuracy = torch.stack([correct.mean(-1), other.mean(-1)])
    covariance = accuracy.cov() / accuracy.shape[1]
    unpaired = covariance.diagonal().sum()
    return (accuracy[0] - accuracy[1]).mean(), (unpaired - 2 * covariance[0, 1]).clamp(min=0).sqrt(), unpaired.sqrt()


def class_for_class(logits, bound):
    log_q = torch.log_softmax(logits, dim=1)
    return sum(log_q[:, k].exp() * (bound[:, k] - log_q[:, k]) for k in range(logits.shape[1]))


def by_logsumexp(logits, bound):
    normaliser = torch.logsumexp(logits, 1)
    return (logits.softmax(1) * (bound - logits)).sum(1) + normaliser


def by_a_product_of_matrices(logits, bound):
    log_q = logits - logits.logsumexp(-1, keepdim=True)
    return torch.bmm(log_q.exp()[:, None], (bound - log_q)[:, :, None]).flatten()


def by_einsum(logits, bound, baseline):
    q = OneHotCategorical(logits=logits)
    signal = bound - q.logits - baseline.unsqueeze(1)
    score = torch.diag_embed(torch.ones_like(bound)) - q.probs.unsqueeze(1)
    each = torch.einsum("by,byj->byj", signal, score)
    mean = torch.einsum("by,byj->bj", q.probs, each)
    return mean, torch.einsum("by,byj->b", q.probs, (each - mean.unsqueeze(1)).square())


def by_second_moments(logits, bound, baseline):
    log_q = log_softmax(logits, 1)
    q, eye = log_q.exp(), torch.eye(logits.shape[1], dtype=logits.dtype)
    each = ((bound - log_q).T - baseline).T[..., None] * (eye - q[:, None, :])
    mean = (q[..., None] * each).sum(1)
    centred = each - mean[:, None, :]
    return mean, torch.sum(q * torch.linalg.vector_norm(centred, dim=2) ** 2, dim=1)


def image_by_image(logits, bound, baseline):
    means, variances = [], []
    for phi, values, b in zip(logits, bound, baseline, strict=True):
        log_q = phi.log_softmax(0)
        each = (values - log_q - b).unsqueeze(1) * (torch.eye(len(phi)).to(phi) - log_q.exp())
        means.append(log_q.exp() @ each)
        variances.append(log_q.exp() @ ((each - means[-1]) ** 2).sum(1))
    return torch.stack(means), torch.stack(variances)


def by_broadcasting(x, weight, bias):
    of_image, of_label = weight.split([x.shape[1], weight.shape[1] - x.shape[1]], dim=1)
    return softplus((of_image @ x.T).T[None] + of_label.T[:, None, :] + bias)


def by_einsum_of_the_layer(x, weight, bias):
    pixels = x.size(1)
    once = torch.einsum("bp,hp->bh", x, weight[:, :pixels])
    return torch.logaddexp(once.unsqueeze(0) + weight[:, pixels:].t().unsqueeze(1) + bias, torch.zeros_like(bias))


def by_codes(x, weight, bias):
    classes = weight.shape[1] - x.shape[1]
    codes = torch.eye(classes).to(x)
    hidden = torch.addmm(bias, x, weight[:, : x.shape[1]].T)
    return nn.Softplus()(hidden.expand(classes, -1, -1) + (codes @ weight[:, x.shape[1] :].T).unsqueeze(1))


def by_cross_entropy(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / (counts[0] + counts[1])
    classifier = nn.functional.cross_entropy(log_q, labels)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() - weight * classifier


def by_categorical(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    bound = s * torch.mean(bound_labelled) + (1.0 - s) * torch.mean(bound_unlabelled)
    return bound + weight * Categorical(logits=log_q).log_prob(labels).mean()


def by_codes_of_labels(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    codes = one_hot(labels, log_q.shape[1]).to(log_q)
    of_label = (codes * log_q).sum(-1)
    n = torch.tensor(counts, dtype=log_q.dtype)
    bounds = torch.stack([bound_labelled.mean(), bound_unlabelled.mean()])
    return (n / n.sum()) @ bounds + weight * of_label.mean()


def label_by_label(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    of_label = sum(log_q[i, int(label)] for i, label in enumerate(labels)) / len(labels)
    return s * bound_labelled.sum() / len(bound_labelled) + (1 - s) * bound_unlabelled.mean() + weight * of_label


def image_for_image(log_weight, log_q):
    samples, found = len(log_weight), []
    for weights, told in zip(log_weight.unbind(1), log_q, strict=True):
        joint = torch.logsumexp(weights - math.log(samples), 0)
        marginal = torch.logsumexp(joint, 0)
        found.append((marginal, joint - marginal, (told.exp() * (told - joint + marginal)).sum()))
    return tuple(torch.stack(part) for part in zip(*found, strict=True))


def by_the_largest_of_each(log_weight, log_q):
    largest = log_weight.max(0).values
    joint = largest + (log_weight - largest).exp().mean(0).log()
    most = joint.max(1, keepdim=True).values
    marginal = most + (joint - most).exp().sum(1, keepdim=True).log()
    posterior = joint - marginal
    return marginal.squeeze(1), posterior, torch.einsum("bk,bk->b", log_q.exp(), log_q - posterior)


def by_kl_div(log_weight, log_q):
    joint = torch.logsumexp(log_weight, 0) - math.log(log_weight.size(0))
    posterior = torch.log_softmax(joint, 1)
    divergence = nn.functional.kl_div(posterior, log_q, log_target=True, reduction="none").sum(1)
    return torch.logsumexp(joint, 1), posterior, divergence


def by_entropy_and_cross_entropy(log_weight, log_q):
    joint = log_weight.logsumexp(0) - torch.tensor(len(log_weight)).to(log_weight).log()
    posterior = Categorical(logits=joint).logits
    q = log_q.exp()
    return joint.logsumexp(1), posterior, (q * log_q).sum(1) - (q * posterior).sum(1)


def by_std(correct, other):
    a, b = correct.mean(dim=-1), other.mean(dim=-1)
    root = math.sqrt(a.shape[0])
    return a.mean() - b.mean(), torch.std(a - b) / root, torch.hypot(a.std(), b.std()) / root


def by_sums_of_squares(correct, other):
    a, b = correct.sum(1) / correct.shape[1], other.sum(1) / other.shape[1]
    n, d = len(a), a - b

    def error(*values):
        return sum((value - value.mean()).square().sum() for value in values).div(n * (n - 1)).sqrt()

    return d.sum() / n, error(d), error(a, b)


def by_stacking(correct, other):
    accuracy = torch.stack([correct, other]).mean(-1)
    d = accuracy[0].sub(accuracy[1])
    return d.mean(), d.var(correction=1).div(d.numel()).sqrt(), accuracy.var(dim=1).sum().div(d.numel()).sqrt()


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("06.1", by_mean_and_entropy),
        ("06.1", by_the_gap_to_the_marginal),
        ("06.2", guess_by_guess),
        ("06.2", by_moments),
        ("06.3", class_by_class),
        ("06.3", side_by_side),
        ("06.4", by_losses),
        ("06.4", by_indices),
        ("06.5", all_draws_and_classes_at_once),
        ("06.6", split_by_split),
        ("06.6", by_the_covariance),
        ("06.1", class_for_class),
        ("06.1", by_logsumexp),
        ("06.1", by_a_product_of_matrices),
        ("06.2", by_einsum),
        ("06.2", by_second_moments),
        ("06.2", image_by_image),
        ("06.3", by_broadcasting),
        ("06.3", by_einsum_of_the_layer),
        ("06.3", by_codes),
        ("06.4", by_cross_entropy),
        ("06.4", by_categorical),
        ("06.4", by_codes_of_labels),
        ("06.4", label_by_label),
        ("06.5", image_for_image),
        ("06.5", by_the_largest_of_each),
        ("06.5", by_kl_div),
        ("06.5", by_entropy_and_cross_entropy),
        ("06.6", by_std),
        ("06.6", by_sums_of_squares),
        ("06.6", by_stacking),
    ],
)
def test_a_right_answer_passes_however_it_is_written(id, answer):
    verdict = judge(find(id), answer)
    assert verdict.passed, verdict


@pytest.fixture
def system():
    torch.manual_seed(3)
    model, guide = semi_supervised_vae((2, 3), 4, BernoulliConditional, latent=2, hidden=(5,))
    model.double(), guide.double()
    return model, guide


def log_q(guide, x):
    """log q(y | x) of all four classes: [batch, classes]."""
    return guide.classifier(x).log_prob(torch.eye(4, dtype=x.dtype)[:, None].expand(4, len(x), 4)).T


def test_the_exercises_are_the_packages_objective(system):
    """06.1 and 06.4 with a decoder that does not read the style, so that L(x, k) is deterministic."""
    model, guide = system
    generator = torch.Generator().manual_seed(5)
    images, unlabelled = ((torch.rand(n, 2, 3, generator=generator) < 0.5).double() for n in (3, 5))
    labels = torch.tensor([2, 0, 3])
    objective = AnalyticKlSemiSupervisedElbo(model, guide, labelled_share=3 / 40, classifier_weight=2.0)
    with torch.no_grad():
        next(model.likelihood.parameters())[:, 4:] = 0  # p(x | y, z) does not read z
        bounds = torch.stack(
            [objective.labelled(unlabelled, one_hot(torch.full((5,), k), 4).double()).value for k in range(4)], 1
        )
        value = find("06.1").solution(log_q(guide, unlabelled), bounds)
        torch.testing.assert_close(value, objective.unlabelled(unlabelled).value)
        given = objective.labelled(images, one_hot(labels, 4).double()).value
        total = find("06.4").solution(given, value, log_q(guide, images), labels, (3, 37), 2.0)
        torch.testing.assert_close(total, objective(SemiSupervisedBatch(images, labels, unlabelled)).value)


def test_the_noise_of_a_guess_is_what_the_harness_of_lesson_03_finds():
    """The harness's estimator keeps f's own gradient, here that of -log q: as a baseline that is higher by 1 does."""
    logits = torch.tensor([[0.4, -1.0, 0.9]], dtype=torch.float64).requires_grad_()
    bound = torch.tensor([[-5.0, -7.5, -6.0]], dtype=torch.float64)
    q = OneHotCategorical(logits=logits)
    for baseline in (0.0, -6.5):

        def f(y, baseline=baseline):
            return (y * bound).sum(-1) - q.log_prob(y) - baseline

        found = exact_moments(ScoreFunction(), f, q, 1, parameters=[logits])
        above = torch.tensor([baseline + 1], dtype=torch.float64)
        mean, variance = find("06.2").solution(logits.detach(), bound, above)
        torch.testing.assert_close(found.mean[0], mean)
        assert found.total_variance == pytest.approx(variance.item(), rel=1e-9)
        torch.testing.assert_close(exact_gradient(f, q, parameters=[logits]).gradient[0], mean)


def test_the_first_layer_is_the_packages():
    torch.manual_seed(0)
    style = StyleConditional(6, 4, GaussianConditional(5, 2, FeedForward(()))).double()
    x = torch.randn(3, 6, dtype=torch.float64)
    weight, bias = style.image_half.parameters()
    hidden = find("06.3").solution(x, torch.cat([weight, style.label_half.weight], 1), bias)
    q = style(x, torch.eye(4, dtype=torch.float64)[:, None].expand(4, 3, 4))
    torch.testing.assert_close(q.mean, style.above(hidden).mean)
