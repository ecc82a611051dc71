"""Answers to the exercises of lesson 00, by readers who knew only the notebook."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent

from tests.exercises.first_try.tries import right, wrong


@right("00.1", "Independent Bernoulli of three event dimensions, without the check that x is 0 or 1")
def by_independent(logits, x):
    return Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(x)


@right("00.1", "the loss of torch with its sign turned")
def by_loss(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))


@right("00.1", "two logsigmoids, as the formula stands")
def by_logsigmoids(logits, x):
    terms = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return terms.flatten(1).sum(1)


@right("00.1", "x times logit minus softplus, einsum for the product")
def by_softplus(logits, x):
    linear = torch.einsum("bchw,bchw->b", logits, x)
    return linear - F.softplus(logits).sum(dim=[-3, -2, -1])


@right("00.1", "logaddexp with zero as log of 1 + exp(logit)")
def by_logaddexp(logits, x):
    log_norm = torch.logaddexp(logits, torch.zeros_like(logits))
    return (x * logits - log_norm).sum(-1).sum(-1).sum(-1)


@right("00.1", "a class axis of two, log_softmax over it, and a loop over the images")
def by_two_classes(logits, x):
    log_p = torch.log_softmax(torch.stack([torch.zeros_like(logits), logits]), dim=0)
    result = []
    for i in range(len(logits)):
        result.append(((1 - x[i]) * log_p[0, i] + x[i] * log_p[1, i]).sum())
    return torch.stack(result)


@wrong("00.1", "the mean over the pixels instead of the sum")
def mean_of_pixels(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").mean((1, 2, 3))


@wrong("00.1", "two event dimensions declared, so the channel stays")
def two_event_dimensions(logits, x):
    return Independent(Bernoulli(logits=logits, validate_args=False), 2).log_prob(x)


@wrong("00.1", "one number for the whole batch")
def whole_batch(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


@wrong("00.1", "logarithm of the sigmoid, which rounds to 0 or 1")
def log_of_sigmoid(logits, x):
    p = torch.sigmoid(logits)
    return (x * torch.log(p) + (1 - x) * torch.log(1 - p)).sum((1, 2, 3))


@wrong("00.1", "1e-8 added inside the logarithms")
def log_plus_tiny(logits, x):
    p = torch.sigmoid(logits)
    return (x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)).sum((1, 2, 3))


@wrong("00.1", "only the pixels that are on: the term of 1 - x is forgotten")
def only_on_pixels(logits, x):
    return (x * F.logsigmoid(logits)).sum((1, 2, 3))


@wrong("00.1", "the loss, without turning its sign")
def loss_not_log_prob(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))


@wrong("00.1", "Bernoulli of probs=sigmoid(logits), which clamps the probabilities")
def by_probs(logits, x):
    return Independent(Bernoulli(probs=torch.sigmoid(logits), validate_args=False), 3).log_prob(x)


@wrong("00.1", "logits given as probs: sigmoid forgotten, clamped into the unit interval")
def logits_as_probs(logits, x):
    p = logits.clamp(1e-6, 1 - 1e-6)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3))


@wrong("00.1", "on and off mixed up")
def on_and_off_swapped(logits, x):
    return (x * F.logsigmoid(-logits) + (1 - x) * F.logsigmoid(logits)).sum((1, 2, 3))


@wrong("00.1", "log p(0) taken for 1 - log p(1)")
def one_minus_the_log(logits, x):
    log_p = F.logsigmoid(logits)
    return (x * log_p + (1 - x) * (1 - log_p)).sum((1, 2, 3))


@wrong("00.1", "grey pixels are rounded to black and white first")
def rounds_grey(logits, x):
    x = (x > 0.5).to(logits.dtype)
    return Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("00.1", "log(1 + exp(logit)) written out: overflows for large logits")
def exp_overflows(logits, x):
    return (x * logits - torch.log(1 + torch.exp(logits))).sum((1, 2, 3))


@wrong("00.1", "logits clamped to ±30 to be safe")
def clamped_logits(logits, x):
    logits = logits.clamp(-30, 30)
    return (x * logits - F.softplus(logits)).sum((1, 2, 3))


@wrong("00.1", "squared error: a Gaussian in place of the Bernoulli")
def squared_error(logits, x):
    return -0.5 * ((x - torch.sigmoid(logits)) ** 2).sum((1, 2, 3))


@wrong("00.1", "bits instead of nats")
def in_bits(logits, x):
    return (x * logits - F.softplus(logits)).sum((1, 2, 3)) / math.log(2)


@wrong("00.1", "softmax over the pixels of an image instead of a sigmoid for each")
def softmax_over_pixels(logits, x):
    log_p = torch.log_softmax(logits.flatten(1), dim=1)
    return (x.flatten(1) * log_p).sum(1)


@wrong("00.1", "arguments of the loss in the wrong order")
def loss_arguments_swapped(logits, x):
    return -F.binary_cross_entropy_with_logits(x, logits, reduction="none").sum((1, 2, 3))


@wrong("00.1", "a continuous Bernoulli, because pixels may be grey: a normaliser too many")
def continuous_bernoulli(logits, x):
    return Independent(ContinuousBernoulli(logits=logits, validate_args=False), 3).log_prob(x)


@wrong("00.1", "each image's number is taken out with item(), so the gradient is lost")
def gradient_lost(logits, x):
    terms = x * logits - F.softplus(logits)
    return torch.tensor([image.sum().item() for image in terms], dtype=logits.dtype)


@wrong("00.1", "loops over 28 rows and columns of one channel: hard-coded image size")
def hard_coded_size(logits, x):
    return (x * logits - F.softplus(logits)).reshape(-1, 28 * 28).sum(1)
