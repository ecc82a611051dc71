"""Exercise 00.1: one number per image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf, random_greys, uniform
from helpers.exercises.exercise import Exercise, Inputs, Misconception
from helpers.exercises.lesson_00.log_prob_of_images_slips import SLIPS


def log_prob_of_images(logits, x):
    """log p(x) of images whose pixels are independent Bernoulli, in nats, stable for logits of any size.

    logits: [batch, channel, height, width]; x: the same shape, pixels from 0 to 1 → [batch].
    """
    log_on = torch.nn.functional.logsigmoid(logits)  # log p(pixel = 1)
    log_off = torch.nn.functional.logsigmoid(-logits)  # log p(pixel = 0)
    per_pixel = x * log_on + (1 - x) * log_off  # [batch, channel, height, width]
    return per_pixel.sum((-3, -2, -1))  # [batch]


def _per_pixel(logits: Tensor, x: Tensor) -> Tensor:
    """[batch, channel, height, width]."""
    on, off = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    return x * on + (1 - x) * off


def _one_number(logits: Tensor, x: Tensor) -> Tensor:
    return _per_pixel(logits, x).sum()


def _no_sum(logits: Tensor, x: Tensor) -> Tensor:
    return _per_pixel(logits, x)


def _mean(logits: Tensor, x: Tensor) -> Tensor:
    return _per_pixel(logits, x).mean((-3, -2, -1))


def _loss(logits: Tensor, x: Tensor) -> Tensor:
    return -_per_pixel(logits, x).sum((-3, -2, -1))


def _channel_left(logits: Tensor, x: Tensor) -> Tensor:
    return _per_pixel(logits, x).sum((-2, -1))


def _only_ink(logits: Tensor, x: Tensor) -> Tensor:
    return (x * torch.nn.functional.logsigmoid(logits)).sum((-3, -2, -1))


def _sigmoid_twice(logits: Tensor, x: Tensor) -> Tensor:
    return _per_pixel(logits.sigmoid(), x).sum((-3, -2, -1))


def _small_number(logits: Tensor, x: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).sum((-3, -2, -1))


def _one_minus_the_log(logits: Tensor, x: Tensor) -> Tensor:
    log_on = torch.nn.functional.logsigmoid(logits)
    return (x * log_on + (1 - x) * (1 - log_on)).sum((-3, -2, -1))


def _clamped(logits: Tensor, x: Tensor) -> Tensor:
    p = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


def _cross_entropy_of_probabilities(logits: Tensor, x: Tensor) -> Tensor:
    return -torch.nn.functional.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum((-3, -2, -1))


def _log_of_sigmoid(logits: Tensor, x: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


def _images(batch: int, channels: int, height: int, width: int, scale: float, grey: bool) -> Inputs:
    """Logits from N(0.3, scale²), and pixels that are greys or bits, independent of the logits."""

    def make(generator: torch.Generator) -> dict[str, Tensor]:
        shape = (batch, channels, height, width)
        logits = normal_leaf(generator, *shape, scale=scale, loc=0.3)
        x = uniform(generator, *shape)
        return {"logits": logits, "x": x if grey else (x < 0.35).double()}

    return make


def _digits(generator: torch.Generator) -> dict[str, Tensor]:
    """Greys as in MNIST, many exactly 0 or 1. Each image has logits of its own size: near 0 for the first, in the hundreds for "
    "the last."""
    size = torch.logspace(-3, 2.5, 6, dtype=torch.float64).reshape(-1, 1, 1, 1)
    logits = size * normal(generator, 6, 1, 28, 28)
    return {"logits": logits.requires_grad_(), "x": random_greys(generator, 6, 1, 28, 28)}


def _one_pixel(generator: torch.Generator) -> dict[str, Tensor]:
    """Images of one pixel, some of which the decoder gives even odds. No logit is exactly 0, where `relu` and `abs` have a "
    "corner."""
    logits = normal(generator, 5, 1, 1, 1, scale=3.0)
    logits[:2] *= 1e-6
    return {"logits": logits.requires_grad_(), "x": random_greys(generator, 5, 1, 1, 1)}


CASES: dict[str, Callable[[torch.Generator], dict[str, Tensor]]] = {
    "bits, one channel": _images(5, 1, 3, 4, 1.5, grey=False),
    "greys, two channels": _images(3, 2, 4, 5, 1.0, grey=True),
    "a batch of one": _images(1, 3, 2, 4, 0.7, grey=True),
    # Beyond ±90 the sigmoid is rounded to 0 or 1 in float32; near ±800 its logarithm is infinite in float64.
    "a very sure decoder": _images(4, 2, 3, 5, 600.0, grey=False),
    "digits of MNIST's size": _digits,
    "as many images as channels, rows and columns": _images(3, 3, 3, 3, 2.0, grey=False),
    "one pixel": _one_pixel,
}

LOG_PROB = Exercise(
    id="00.1",
    title="One number per image",
    minutes=6,
    difficulty=1,
    statement=(
        "A decoder gives one logit $\\ell_d$ per pixel, and $p(x_d = 1) = \\mathrm{sigmoid}(\\ell_d)$, independently. Write "
        "$\\log p(x) = \\sum_d x_d \\log p(x_d{=}1) + (1 - x_d) \\log p(x_d{=}0)$, one number per image. It must survive "
        "logits of ±1000: no logarithm of a probability that may have been rounded to zero. `x` may also be grey, between 0 "
        "and 1: use the same formula; it is then the negative cross-entropy and no longer a log-probability. Try it without "
        "`torch.distributions` first."
    ),
    solution=log_prob_of_images,
    why=(
        "An image is one event, so its three dimensions are summed and the batch is kept. For pixels that are 0 or 1, that is what "
        "`Independent(Bernoulli(logits=logits), 3).log_prob(x)` does. `logsigmoid` never leaves the logarithm, so nothing is "
        "rounded to zero on the way; and 1 - sigmoid(l) = sigmoid(-l) gives the pixels that are off."
    ),
    cases=CASES,
    dimensions={
        "logits": ("batch", "channel", "height", "width"),
        "x": ("batch", "channel", "height", "width"),
        "return": ("batch",),
    },
    returns=("log p(x)",),
    hints=(
        "Which dimensions are one image? Score every pixel first, then sum over those, and keep the batch.",
        "Stay in logarithms: log p(x_d = 1) = logsigmoid(l_d), which `torch.nn.functional` has. And 1 - sigmoid(l) = sigmoid(-l), "
        "so log p(x_d = 0) = logsigmoid(-l_d).",
        "`log_on = torch.nn.functional.logsigmoid(logits)`, then `log_off`, the same of `-logits`, then "
        "`return (x * log_on + ...).sum((-3, -2, -1))`.",
    ),
    misconceptions=(
        Misconception(
            "sums over the batch too",
            _one_number,
            "One number came back for the whole batch: `.sum()` without dimensions adds different images together. The batch "
            "holds separate data; sum over channel, height and width only.",
        ),
        Misconception(
            "does not sum",
            _no_sum,
            "One number per pixel came back. An image is one event: its log-probability is the sum over channel, height and "
            "width, as `Independent(..., 3)` would declare.",
        ),
        Misconception(
            "leaves the channel",
            _channel_left,
            "Height and width are summed, the channel is not. It belongs to the image too, even where there is only one.",
        ),
        Misconception(
            "averages over pixels",
            _mean,
            "This is the mean over pixels. Independent pixels multiply, so their logarithms add: a mean is too small by the "
            "number of pixels, and would weigh the prior wrongly against the image in lesson 02.",
        ),
        Misconception(
            "returns the loss",
            _loss,
            "The sign is turned: this is binary cross-entropy, which is minus the log-probability. A loss goes down, log p(x) "
            "goes up.",
        ),
        Misconception(
            "scores only pixels with ink",
            _only_ink,
            "Only the pixels with ink are scored. A pixel that is 0 was predicted too: it adds `(1 - x)` times log p(x = 0).",
        ),
        Misconception(
            "takes the sigmoid twice",
            _sigmoid_twice,
            "The logits seem to pass through the sigmoid twice: `logsigmoid` takes it already, so give it the logits themselves.",
        ),
        Misconception(
            "adds 1e-8 inside the logarithm",
            _small_number,
            "Right for mild logits. But 1e-8 inside the logarithm caps what a pixel can cost at 18.4 nats and moves all others "
            "a little. Stay in logits: `logsigmoid(l)` and `logsigmoid(-l)` need no such guard.",
        ),
        Misconception(
            "takes 1 - log p for log(1 - p)",
            _one_minus_the_log,
            "The pixels that are off are scored with `1 - logsigmoid(l)`. But log(1 - p) is not 1 - log p; it is the logarithm of "
            "sigmoid(-l), so `logsigmoid(-l)`.",
        ),
        Misconception(
            "clamps the probability",
            _clamped,
            "Right for mild logits. A clamp puts a floor under how wrong a sure decoder can be: at 1e-6 no pixel costs more than "
            "13.8 nats, and no gradient comes back from beyond. `logsigmoid(l)` and `logsigmoid(-l)` need no clamp.",
        ),
        Misconception(
            "takes the cross-entropy of probabilities",
            _cross_entropy_of_probabilities,
            "Right for mild logits. `binary_cross_entropy` of probabilities clamps each logarithm at -100, so a sure decoder that "
            "is wrong pays too little. Give it the logits: `binary_cross_entropy_with_logits`.",
        ),
        Misconception(
            "takes the logarithm of a sigmoid",
            _log_of_sigmoid,
            "Right for mild logits, NaN for a decoder that is very sure: its probability was rounded to zero before the logarithm "
            "was taken, and 0 times minus infinity is not a number. `logsigmoid` takes both steps at once.",
        ),
        *SLIPS,
    ),
)
