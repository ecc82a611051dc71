"""Answers of readers to the exercises of lesson 06, from its text alone."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Categorical, kl_divergence

from tests.exercises.first_try.tries import right, wrong

classes = 10  # of a notebook
share = 0.01


# 06.1


@wrong("06.1", "forgets the entropy of the guess")
def without_entropy(logits, bound):
    return (logits.softmax(-1) * bound).sum(-1)


@wrong("06.1", "sign of the entropy")
def entropy_taken_off(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound + log_q)).sum(-1)


@wrong("06.1", "mean over the classes in place of their probabilities")
def classes_averaged(logits, bound):
    return (bound - logits.log_softmax(-1)).mean(-1)


@wrong("06.1", "log p(y) once more, though each bound has it")
def prior_twice(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - math.log(logits.shape[-1]) - log_q)).sum(-1)


@wrong("06.1", "log of a probability that rounds to 0")
def log_of_a_rounded_softmax(logits, bound):
    q = torch.softmax(logits, -1)
    return (q * (bound - q.log())).sum(-1)


@wrong("06.1", "entropy by torch.special.entr: right value, but its gradient at 0 is infinite")
def entropy_by_entr(logits, bound):
    q = torch.softmax(logits, dim=-1)
    return (q * bound + torch.special.entr(q)).sum(-1)


@wrong("06.1", "log of the sum over classes: what the best guess would reach")
def sum_over_classes_in_the_log(logits, bound):
    return torch.logsumexp(bound, -1)


@wrong("06.1", "the logarithm outside the expectation: log sum_k q_k exp L(x, k)")
def log_outside(logits, bound):
    return torch.logsumexp(logits.log_softmax(-1) + bound, -1)


@wrong("06.1", "the log probabilities are not weighted by q")
def entropy_without_weights(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * bound).sum(-1) - log_q.sum(-1)


@wrong("06.1", "the most probable class only")
def most_probable_class(logits, bound):
    log_q = logits.log_softmax(-1)
    best = logits.argmax(-1, keepdim=True)
    return (bound - log_q).gather(-1, best).squeeze(-1)


@wrong("06.1", "the weights are detached: the bounds do not teach the classifier")
def guess_detached(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp().detach() * (bound - log_q)).sum(-1)


@wrong("06.1", "the bound is detached: nothing reaches model and style")
def bound_detached(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound.detach() - log_q)).sum(-1)


@wrong("06.1", "softmax over the batch")
def softmax_of_the_batch(logits, bound):
    log_q = logits.log_softmax(0)
    return (log_q.exp() * (bound - log_q)).sum(-1)


@wrong("06.1", "logits for log probabilities: not normalised")
def logits_as_log_probabilities(logits, bound):
    return (logits.softmax(-1) * (bound - logits)).sum(-1)


@wrong("06.1", "sigmoid of each logit in place of the softmax")
def sigmoid_for_softmax(logits, bound):
    log_q = F.logsigmoid(logits)
    return (log_q.exp() * (bound - log_q)).sum(-1)


@wrong("06.1", "mean over the batch")
def averaged_over_images(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - log_q)).sum(-1).mean()


@wrong("06.1", "sums over the batch in place of the classes")
def summed_over_images(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - log_q)).sum(0)


@right("06.1", "log_softmax, and its exponential as weights")
def weights_from_log_softmax(logits, bound):
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - log_q)).sum(-1)


@right("06.1", "a Categorical's entropy, einsum for the expected bound")
def expected_bound_plus_entropy(logits, bound):
    q = Categorical(logits=logits)
    return torch.einsum("bk,bk->b", q.probs, bound) + q.entropy()


@right("06.1", "explicit loop over classes")
def class_by_class(logits, bound):
    log_total = torch.logsumexp(logits, dim=1)
    total = torch.zeros_like(log_total)
    for k in range(logits.shape[1]):
        log_q = logits[:, k] - log_total
        total = total + torch.exp(log_q) * (bound[:, k] - log_q)
    return total


@right("06.1", "log normaliser plus what q expects of bound less logit")
def normaliser_plus_expected(logits, bound):
    q = F.softmax(logits, dim=1)
    return logits.logsumexp(1) + torch.sum(q * (bound - logits), dim=1)


@right("06.1", "batched product of weights and differences")
def by_batched_product(logits, bound):
    shifted = logits - logits.amax(-1, keepdim=True).detach()
    log_q = shifted - shifted.exp().sum(-1, keepdim=True).log()
    return torch.matmul(log_q.exp().unsqueeze(-2), (bound - log_q).unsqueeze(-1)).reshape(len(logits))


@right("06.1", "soft cross-entropy of the guess with itself for the entropy")
def soft_cross_entropy(logits, bound):
    q = logits.softmax(-1)
    return (q * bound).sum(-1) + F.cross_entropy(logits, q, reduction="none")


# 06.2


@wrong("06.2", "forgets the baseline")
def noise_without_baseline(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q)[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "adds the baseline")
def baseline_added(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q + baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "forgets log q(y | x) in the signal")
def signal_without_log_q(logits, bound, baseline):
    q = logits.softmax(-1)
    g = (bound - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "the score is the one-hot code, without minus q")
def score_without_minus_q(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * torch.eye(q.shape[-1], dtype=q.dtype)
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "all guesses alike, not with their probabilities")
def guesses_alike(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    return g.mean(1), g.var(1, correction=0).sum(-1)


@wrong("06.2", "second moment for the variance")
def second_moment(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    return (q[..., None] * g).sum(1), (q[..., None] * g**2).sum((1, 2))


@wrong("06.2", "standard deviation for the variance")
def deviation_for_variance(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2)).sqrt()


@wrong("06.2", "mean over the logits in place of the sum")
def logits_averaged(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum(1).mean(-1)


@wrong("06.2", "score with q of the guess, 1[j = y] - q_y, in place of q of the logit")
def q_of_the_guess(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[..., None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "gradient of q, not of log q: a factor q too many")
def gradient_of_q(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    score = q[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    g = (bound - log_q - baseline[:, None])[..., None] * score
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "by a thousand sampled guesses, not exactly")
def by_sampled_guesses(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    y = Categorical(q).sample((1000,))
    b = torch.arange(len(q))
    signal = bound[b, y] - log_q[b, y] - baseline
    g = signal[..., None] * (F.one_hot(y, q.shape[-1]) - q)
    return g.mean(0), g.var(0).sum(-1)


@wrong("06.2", "takes off the square of the mean's sum, which is 0, not the sum of its squares")
def square_of_the_summed_mean(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * g**2).sum((1, 2)) - mean.sum(-1) ** 2


@wrong("06.2", "variance of the signal, not of the gradient")
def variance_of_the_signal(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    signal = bound - log_q - baseline[:, None]
    expected = (q * signal).sum(-1, keepdim=True)
    return q * (signal - expected), (q * (signal - expected) ** 2).sum(-1)


@wrong("06.2", "the baseline is taken off after the mean, from the gradient itself")
def baseline_off_the_gradient(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q)[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None]) - baseline[:, None, None]
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "leaves the variance of each logit, unsummed")
def variance_of_each_logit(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum(1)


@wrong("06.2", "the baseline along the classes: an error, or another image's baseline for each class")
def baseline_along_classes(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline)[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@wrong("06.2", "log of a probability that rounds to 0: 0 times infinity")
def log_of_rounded_probabilities(logits, bound, baseline):
    q = logits.softmax(-1)
    g = (bound - q.log() - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@right("06.2", "the array [batch, guess, logit], one mean and one variance over its guesses")
def array_of_guesses(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    g = (bound - log_q - baseline[:, None])[..., None] * (torch.eye(q.shape[-1], dtype=q.dtype) - q[:, None])
    mean = (q[..., None] * g).sum(1)
    return mean, (q[..., None] * (g - mean[:, None]) ** 2).sum((1, 2))


@right("06.2", "explicit loop over guesses: first and second moment")
def guess_by_guess(logits, bound, baseline):
    log_q = torch.log_softmax(logits, dim=1)
    q = torch.softmax(logits, dim=1)
    mean, second = torch.zeros_like(q), torch.zeros_like(q)
    for y in range(q.shape[1]):
        score = -q.clone()
        score[:, y] += 1
        g = (bound[:, y] - log_q[:, y] - baseline).unsqueeze(1) * score
        mean = mean + q[:, y, None] * g
        second = second + q[:, y, None] * g**2
    return mean, (second - mean**2).sum(1)


@right("06.2", "in closed form: |one-hot - q|² is 1 - 2 q_y + |q|²")
def closed_form(logits, bound, baseline):
    q = Categorical(logits=logits)
    signal = bound - q.logits - baseline.unsqueeze(-1)
    mean = q.probs * (signal - (q.probs * signal).sum(-1, keepdim=True))
    length = 1 - 2 * q.probs + q.probs.square().sum(-1, keepdim=True)
    return mean, (q.probs * signal.square() * length).sum(-1) - mean.square().sum(-1)


@right("06.2", "scores by torch.func.jacrev of log_softmax, sums by einsum")
def scores_by_jacobian(logits, bound, baseline):
    score = torch.func.vmap(torch.func.jacrev(lambda row: torch.log_softmax(row, -1)))(logits)
    log_q = torch.log_softmax(logits, -1)
    q = log_q.exp()
    g = torch.einsum("by,byj->byj", bound - log_q - baseline[:, None], score)
    mean = torch.einsum("by,byj->bj", q, g)
    off = g - mean[:, None]
    return mean, torch.einsum("by,byj,byj->b", q, off, off)


@right("06.2", "one image at a time: trace of the covariance")
def trace_of_the_covariance(logits, bound, baseline):
    means, variances = [], []
    for row, of_classes, b in zip(logits, bound, baseline, strict=True):
        log_q = row - row.logsumexp(0)
        q = log_q.exp()
        g = torch.diag(of_classes - log_q - b) @ (torch.eye(len(q), dtype=q.dtype) - q)
        mean = q @ g
        means.append(mean)
        variances.append(torch.trace((g - mean).T @ torch.diag(q) @ (g - mean)))
    return torch.stack(means), torch.stack(variances)


# 06.3


@wrong("06.3", "the label's columns in front of the image's")
def label_columns_first(x, weight, bias):
    k = weight.shape[1] - x.shape[1]
    return F.softplus(x @ weight[:, k:].T + weight[:, :k].T[:, None] + bias)


@wrong("06.3", "forgets the bias")
def hidden_without_bias(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(x @ weight[:, :pixels].T + weight[:, pixels:].T[:, None])


@wrong("06.3", "the bias twice, with the image and with the label")
def bias_twice(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(F.linear(x, weight[:, :pixels], bias) + (weight[:, pixels:].T + bias)[:, None])


@wrong("06.3", "relu for softplus")
def relu_for_softplus(x, weight, bias):
    pixels = x.shape[1]
    return F.relu(x @ weight[:, :pixels].T + weight[:, pixels:].T[:, None] + bias)


@wrong("06.3", "a softplus of each half, added")
def softplus_of_each_half(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(x @ weight[:, :pixels].T + bias) + F.softplus(weight[:, pixels:].T)[:, None]


@wrong("06.3", "softplus of the image's half, the label added after it")
def label_after_softplus(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(x @ weight[:, :pixels].T + bias) + weight[:, pixels:].T[:, None]


@wrong("06.3", "log(1 + exp(h)) overflows")
def softplus_that_overflows(x, weight, bias):
    pixels = x.shape[1]
    h = x @ weight[:, :pixels].T + weight[:, pixels:].T[:, None] + bias
    return torch.log(1 + h.exp())


@wrong("06.3", "every class at once: the sum of the label's columns")
def all_classes_at_once(x, weight, bias):
    pixels = x.shape[1]
    k = weight.shape[1] - pixels
    h = x @ weight[:, :pixels].T + weight[:, pixels:].sum(1) + bias
    return F.softplus(h).expand(k, *h.shape)


@wrong("06.3", "the average label: 1/K for each class")
def average_label(x, weight, bias):
    pixels = x.shape[1]
    k = weight.shape[1] - pixels
    code = torch.full((k, len(x), k), 1 / k, dtype=x.dtype)
    return F.softplus(x @ weight[:, :pixels].T + code @ weight[:, pixels:].T + bias)


@wrong("06.3", "the label's columns reshaped in place of transposed")
def columns_reshaped(x, weight, bias):
    pixels = x.shape[1]
    k, hidden = weight.shape[1] - pixels, weight.shape[0]
    return F.softplus(x @ weight[:, :pixels].T + weight[:, pixels:].reshape(k, 1, hidden) + bias)


@wrong("06.3", "no label at all: the image's half for every class")
def without_label(x, weight, bias):
    pixels = x.shape[1]
    h = x @ weight[:, :pixels].T + bias
    return F.softplus(h).expand(weight.shape[1] - pixels, *h.shape)


@wrong("06.3", "the label's number, not its one-hot code, times the first of its columns")
def number_for_one_hot(x, weight, bias):
    pixels = x.shape[1]
    k = torch.arange(weight.shape[1] - pixels, dtype=x.dtype)
    return F.softplus(x @ weight[:, :pixels].T + k[:, None, None] * weight[:, pixels] + bias)


@wrong("06.3", "batch in front of the classes")
def batch_in_front(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus((x @ weight[:, :pixels].T)[:, None] + weight[:, pixels:].T + bias)


@wrong("06.3", "the number of classes is the notebook's")
def classes_from_the_notebook(x, weight, bias):
    return F.softplus(x @ weight[:, :-classes].T + weight[:, -classes:].T[:, None] + bias)


@wrong("06.3", "adds the bias to the weights in place")
def bias_into_the_weights(x, weight, bias):
    pixels = x.shape[1]
    of_label = weight.detach()[:, pixels:]
    of_label += bias[:, None]
    return F.softplus(x @ weight[:, :pixels].T + of_label.T[:, None])


@wrong("06.3", "class dimension not inserted: an error, or class and image paired")
def class_paired_with_image(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(x @ weight[:, :pixels].T + weight[:, pixels:].T + bias)


@right("06.3", "the image's half once, the label's columns by broadcasting")
def halves_by_broadcasting(x, weight, bias):
    pixels = x.shape[1]
    return F.softplus(x @ weight[:, :pixels].T + weight[:, pixels:].T[:, None] + bias)


@right("06.3", "explicit loop over classes, stacked")
def stacked_classes(x, weight, bias):
    of_image = F.linear(x, weight[:, : x.shape[1]], bias)
    return torch.stack([F.softplus(of_image + weight[:, k]) for k in range(x.shape[1], weight.shape[1])])


@right("06.3", "two einsums")
def by_two_einsums(x, weight, bias):
    of_x, of_y = weight.split([x.size(1), weight.size(1) - x.size(1)], dim=1)
    image = torch.einsum("bp,hp->bh", x, of_x)
    code = torch.eye(of_y.size(1), dtype=x.dtype, device=x.device)
    return F.softplus(image.unsqueeze(0) + torch.einsum("ck,hk->ch", code, of_y).unsqueeze(1) + bias)


@right("06.3", "log(exp(0) + exp(h)) by logaddexp, the label's columns looked up as an embedding")
def by_logaddexp(x, weight, bias):
    pixels = x.shape[-1]
    labels = torch.arange(weight.shape[-1] - pixels)
    h = F.embedding(labels, weight[:, pixels:].T)[:, None, :] + torch.addmm(bias, x, weight[:, :pixels].T)
    return torch.logaddexp(h, torch.zeros_like(h))


@right("06.3", "the hidden units in front, then moved to the end")
def moved_to_the_end(x, weight, bias):
    pixels = x.shape[1]
    h = (weight[:, :pixels] @ x.T)[:, None, :] + weight[:, pixels:, None] + bias[:, None, None]
    return torch.nn.Softplus()(h.permute(1, 2, 0))


@right("06.3", "softplus as h less log sigmoid(h)")
def by_logsigmoid(x, weight, bias):
    by_column = weight.t()
    h = torch.matmul(x, by_column[: x.shape[1]])[None] + by_column[x.shape[1] :][:, None] + bias
    return h - F.logsigmoid(h)


# 06.4


@wrong("06.4", "the share of labelled images in the batch, not in the data set")
def share_of_the_batch(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = len(bound_labelled) / (len(bound_labelled) + len(bound_unlabelled))
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "shares exchanged")
def shares_exchanged(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[1] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "labelled over unlabelled, not over all")
def labelled_over_unlabelled(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / counts[1]
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "whole-number division: the share is 0")
def whole_number_division(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] // (counts[0] + counts[1])
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "sums over the batch in place of means")
def batch_sums(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.sum() + (1 - s) * bound_unlabelled.sum() + weight * right_class.sum()


@wrong("06.4", "the data set's total, not per image")
def total_of_the_data_set(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    right_class = log_q.gather(1, labels[:, None])
    bounds = counts[0] * bound_labelled.mean() + counts[1] * bound_unlabelled.mean()
    return bounds + weight * sum(counts) * right_class.mean()


@wrong("06.4", "log q of all classes, averaged, not of the label")
def log_q_of_all_classes(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * log_q.mean()


@wrong("06.4", "log_q[:, labels]: every image with every label")
def every_image_with_every_label(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * log_q[:, labels].mean()


@wrong("06.4", "sign of the classifier's term: a loss is added to what is climbed")
def loss_added(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * F.nll_loss(log_q, labels)


@wrong("06.4", "the classifier's term times s too")
def term_times_share(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return s * (bound_labelled.mean() + weight * right_class.mean()) + (1 - s) * bound_unlabelled.mean()


@wrong("06.4", "probabilities, not their logarithms")
def probability_of_the_label(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None]).exp()
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "returns a loss: the objective's negative")
def negative_objective(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return -(s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean())


@wrong("06.4", "no shares: the two means are added")
def means_added(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    right_class = log_q.gather(1, labels[:, None])
    return bound_labelled.mean() + bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "the classifier's own best guess in place of the label")
def own_best_guess(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * log_q.amax(-1).mean()


@wrong("06.4", "the classifier's term is detached: no label reaches it")
def term_detached(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None]).detach()
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "the classifier's term divided by all images of the batch, not by the labelled")
def term_over_all_images(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None]).sum() / (len(bound_labelled) + len(bound_unlabelled))
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class


@wrong("06.4", "the share is the notebook's")
def share_of_the_notebook(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    right_class = log_q.gather(1, labels[:, None])
    return share * bound_labelled.mean() + (1 - share) * bound_unlabelled.mean() + weight * right_class.mean()


@wrong("06.4", "returns a float, which has no gradient")
def objective_as_a_float(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return float(s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean())


@right("06.4", "gather of the label's log probability")
def by_gather(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    right_class = log_q.gather(1, labels[:, None])
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * right_class.mean()


@right("06.4", "nll_loss, subtracted")
def by_nll_loss(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    n, m = counts
    bounds = (n * bound_labelled.mean() + m * bound_unlabelled.mean()) / (n + m)
    return bounds - weight * F.nll_loss(log_q, labels)


@right("06.4", "one-hot codes and einsum")
def by_one_hot(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    labelled, unlabelled = counts
    s = labelled / (labelled + unlabelled)
    code = F.one_hot(labels, log_q.shape[1]).to(log_q.dtype)
    term = torch.einsum("bk,bk->", code, log_q) / len(labels)
    return torch.lerp(bound_unlabelled.mean(), bound_labelled.mean(), s) + weight * term


@right("06.4", "explicit loop over the labelled images")
def image_by_image(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / (counts[0] + counts[1])
    total = (1 - s) * bound_unlabelled.sum() / bound_unlabelled.numel()
    for i, label in enumerate(labels.tolist()):
        total = total + (s * bound_labelled[i] + weight * log_q[i, label]) / len(labels)
    return total


@right("06.4", "fancy indices, and a weight for each image of the batch")
def weight_for_each_image(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    n, m = len(bound_labelled), len(bound_unlabelled)
    s = counts[0] / sum(counts)
    of_labelled = bound_labelled.new_full((n,), s / n)
    of_unlabelled = bound_labelled.new_full((m,), (1 - s) / m)
    bounds = torch.cat([of_labelled, of_unlabelled]) @ torch.cat([bound_labelled, bound_unlabelled])
    return bounds + weight * torch.mean(log_q[torch.arange(n), labels])


# 06.5


@wrong("06.5", "mean of the log weights in place of the log of their mean")
def mean_of_log_weights(log_weight, log_q):
    log_joint = log_weight.mean(0)
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "forgets the 1/S: log p(x) is too large by log S")
def without_one_over_s(log_weight, log_q):
    log_joint = log_weight.logsumexp(0)
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "exponentials of log weights near -900: log of 0")
def weights_that_underflow(log_weight, log_q):
    joint = log_weight.exp().mean(0)
    px = joint.sum(-1)
    log_posterior = (joint / px[:, None]).log()
    return px.log(), log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "one maximum for the whole batch: other images underflow")
def one_maximum_for_the_batch(log_weight, log_q):
    top = log_weight.max()
    joint = (log_weight - top).exp().mean(0)
    log_px = joint.sum(-1).log() + top
    log_posterior = joint.log() + top - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "mean over the classes too: the prior counted twice")
def mean_over_classes(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1) - math.log(log_joint.shape[-1])
    log_posterior = log_joint.log_softmax(-1)
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "the divergence the other way round")
def divergence_from_the_posterior(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_posterior.exp() * (log_posterior - log_q)).sum(-1)


@wrong("06.5", "the divergence without its weights q")
def divergence_unweighted(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q - log_posterior).sum(-1)


@wrong("06.5", "the bound U in place of log p(x)")
def bound_for_log_px(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    u = (log_q.exp() * (log_joint - log_q)).sum(-1)
    log_posterior = log_joint.log_softmax(-1)
    return u, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "divergence from the joint: not normalised by p(x)")
def divergence_from_the_joint(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    return log_px, log_joint - log_px[:, None], (log_q.exp() * (log_q - log_joint)).sum(-1)


@wrong("06.5", "a posterior for each draw, then their mean: the ratio inside the average")
def posterior_of_each_draw(log_weight, log_q):
    s = len(log_weight)
    log_px = log_weight.logsumexp((0, 2)) - math.log(s)
    log_posterior = log_weight.log_softmax(-1).logsumexp(0) - math.log(s)
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "log p(x) of each draw, averaged")
def log_px_of_each_draw(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_weight.logsumexp(-1).mean(0)
    log_posterior = log_joint.log_softmax(-1)
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "puts q(y | x) into the weights, as if it were a prior")
def weighted_by_the_guess(log_weight, log_q):
    log_joint = (log_weight + log_q).logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "takes log q off the weights, which are conditional on y")
def guess_taken_off(log_weight, log_q):
    log_joint = (log_weight - log_q).logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "sign of the divergence")
def divergence_negative(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_posterior - log_q)).sum(-1)


@wrong("06.5", "kl_div with its arguments exchanged")
def kl_div_exchanged(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_posterior = log_joint.log_softmax(-1)
    divergence = F.kl_div(log_q, log_posterior, reduction="none", log_target=True).sum(-1)
    return log_joint.logsumexp(-1), log_posterior, divergence


@wrong("06.5", "normalises over the batch in place of the classes")
def normalised_over_the_batch(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_posterior = log_joint.log_softmax(0)
    return log_joint.logsumexp(-1), log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "the posterior's probabilities, not their logarithms")
def posterior_not_its_log(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior.exp(), (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "log(p + 1e-8) of the posterior: a floor under unlikely classes")
def posterior_with_a_floor(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = torch.log(log_joint.softmax(-1) + 1e-8)
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@wrong("06.5", "the divergence averaged over the batch")
def divergence_averaged(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1).mean()


@right("06.5", "two logsumexps: over draws less log S, over classes")
def two_logsumexps(log_weight, log_q):
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))
    log_px = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_px[:, None]
    return log_px, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


@right("06.5", "log_softmax of the joint, and torch's kl_div")
def by_kl_div(log_weight, log_q):
    log_joint = torch.logsumexp(log_weight, dim=0) - np.log(log_weight.shape[0])
    log_posterior = F.log_softmax(log_joint, dim=1)
    divergence = F.kl_div(log_posterior, log_q, reduction="none", log_target=True).sum(dim=1)
    return torch.logsumexp(log_joint, dim=1), log_posterior, divergence


@right("06.5", "explicit loops with logaddexp")
def loops_with_logaddexp(log_weight, log_q):
    log_joint = log_weight[0]
    for draw in log_weight[1:]:
        log_joint = torch.logaddexp(log_joint, draw)
    log_joint = log_joint - math.log(log_weight.shape[0])
    log_px = log_joint[:, 0]
    for k in range(1, log_joint.shape[1]):
        log_px = torch.logaddexp(log_px, log_joint[:, k])
    log_posterior = log_joint - log_px.unsqueeze(1)
    divergence = sum(log_q[:, k].exp() * (log_q[:, k] - log_posterior[:, k]) for k in range(log_q.shape[1]))
    return log_px, log_posterior, divergence


@right("06.5", "by Categorical and kl_divergence; log p(x) by one sum over draws and classes")
def by_categoricals(log_weight, log_q):
    s = log_weight.size(0)
    model = Categorical(logits=torch.logsumexp(log_weight, 0))
    guess = Categorical(logits=log_q)
    return torch.logsumexp(log_weight, (0, 2)) - math.log(s), model.logits, kl_divergence(guess, model)


@right("06.5", "exponentials less the maximum of each image and class")
def maximum_of_each_image_and_class(log_weight, log_q):
    top = log_weight.amax(0).detach()
    log_joint = torch.einsum("sbk->bk", (log_weight - top).exp()).div(len(log_weight)).log() + top
    highest = log_joint.amax(-1, keepdim=True).detach()
    log_px = (log_joint - highest).exp().sum(-1, keepdim=True).log() + highest
    log_posterior = log_joint - log_px
    return log_px.squeeze(-1), log_posterior, torch.einsum("bk,bk->b", log_q.exp(), log_q - log_posterior)


# 06.6


@wrong("06.6", "the trials are the images, not the splits")
def images_as_trials(correct, other):
    d = (correct - other).flatten()
    n = d.numel()
    unpaired = ((correct.var() + other.var()) / n).sqrt()
    return d.mean(), d.std() / math.sqrt(n), unpaired


@wrong("06.6", "accuracy of each image over splits, in place of each split over images")
def accuracy_of_each_image(correct, other):
    a, b = correct.mean(0), other.mean(0)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@wrong("06.6", "divides by the number of images")
def divided_by_images(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = correct.shape[1]
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@wrong("06.6", "variances divide by n")
def variances_divided_by_n(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    variance = [v.var(correction=0) for v in (d, a, b)]
    return d.mean(), (variance[0] / n).sqrt(), ((variance[1] + variance[2]) / n).sqrt()


@wrong("06.6", "standard deviations, not standard errors")
def deviations_for_errors(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    return d.mean(), d.std(), (a.var() + b.var()).sqrt()


@wrong("06.6", "the errors squared: no root")
def without_root(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), d.var() / n, (a.var() + b.var()) / n


@wrong("06.6", "the two standard errors are added")
def errors_added(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), d.std() / n**0.5, (a.std() + b.std()) / n**0.5


@wrong("06.6", "the variances of the two are averaged")
def variances_averaged(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / 2 / n).sqrt()


@wrong("06.6", "the variance of a difference as the difference of the variances")
def variances_subtracted(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() - b.var()).abs() / n).sqrt()


@wrong("06.6", "`other` less `correct`")
def sign_of_the_difference(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = b - a
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@wrong("06.6", "the size of each difference")
def size_of_the_difference(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = (a - b).abs()
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@wrong("06.6", "paired and unpaired exchanged")
def errors_exchanged(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), ((a.var() + b.var()) / n).sqrt(), (d.var() / n).sqrt()


@wrong("06.6", "binomial errors of the accuracies, over images")
def binomial_errors(correct, other):
    a, b = correct.mean(), other.mean()
    m = correct.numel()
    d = (correct - other).mean(1)
    return a - b, (d.var() / len(d)).sqrt(), ((a * (1 - a) + b * (1 - b)) / m).sqrt()


@wrong("06.6", "unpaired: variance of both variants' accuracies in one heap")
def in_one_heap(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), (2 * torch.cat([a, b]).var() / n).sqrt()


@wrong("06.6", "paired: the covariance is taken off once, not twice")
def covariance_once(correct, other):
    a, b = correct.mean(1), other.mean(1)
    n = len(a)
    covariance = torch.cov(torch.stack([a, b]))[0, 1]
    both = a.var() + b.var()
    return (a - b).mean(), ((both - covariance) / n).sqrt(), (both / n).sqrt()


@wrong("06.6", "numbers of right answers, not shares")
def numbers_for_shares(correct, other):
    a, b = correct.sum(1), other.sum(1)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@wrong("06.6", "forgets the unpaired error")
def two_of_three(correct, other):
    d = correct.mean(1) - other.mean(1)
    return d.mean(), d.std() / math.sqrt(len(d))


@right("06.6", "mean of each split, then variances over splits")
def over_splits(correct, other):
    a, b = correct.mean(1), other.mean(1)
    d = a - b
    n = len(d)
    return d.mean(), (d.var() / n).sqrt(), ((a.var() + b.var()) / n).sqrt()


@right("06.6", "torch.std_mean and torch.hypot")
def by_std_mean(correct, other):
    root = math.sqrt(correct.shape[0])
    spread, ahead = torch.std_mean(torch.mean(correct - other, dim=-1))
    return ahead, spread / root, torch.hypot(correct.mean(-1).std(), other.mean(-1).std()) / root


@right("06.6", "explicit loop over splits")
def split_by_split(correct, other):
    n, images = correct.shape
    a = [correct[i].sum() / images for i in range(n)]
    b = [other[i].sum() / images for i in range(n)]
    mean_a, mean_b = sum(a) / n, sum(b) / n
    paired = sum((a[i] - b[i] - mean_a + mean_b) ** 2 for i in range(n))
    unpaired = sum((a[i] - mean_a) ** 2 + (b[i] - mean_b) ** 2 for i in range(n))
    return mean_a - mean_b, torch.sqrt(paired / (n * (n - 1))), torch.sqrt(unpaired / (n * (n - 1)))


@right("06.6", "einsum and norms of what is left of the mean")
def by_norms(correct, other):
    n, m = correct.size()
    both = torch.einsum("vni->vn", torch.stack([correct, other])) / m
    centred = both - both.mean(1, keepdim=True)
    factor = 1 / math.sqrt(n * (n - 1))
    ahead = both[0].mean() - both[1].mean()
    return ahead, factor * torch.linalg.norm(centred[0] - centred[1]), factor * torch.linalg.norm(centred)


@right("06.6", "the trace of a covariance matrix, and its quadratic form with (1, -1)")
def by_covariance(correct, other):
    accuracies = torch.stack((correct, other)).mean(2)
    covariance = torch.cov(accuracies) / accuracies.shape[1]
    d = torch.tensor([1.0, -1.0], dtype=covariance.dtype)
    return d @ accuracies.mean(1), (d @ covariance @ d).clamp_min(0).sqrt(), covariance.trace().sqrt()
