"""Exercise 02.5: what no model gets below."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli

from helpers.exercises.engine.inputs import IMAGE_DIMENSIONS, normal_leaf, random_bits, random_greys, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.floor_and_excess_slips import SLIPS


def floor_and_excess(logits, x):
    """Distortion of grey images in nats, split: its floor sum_d H(x_d), and the excess.

    logits: [batch, channels, height, width], x: greys in [0, 1], of the same shape
    → floor [batch], excess [batch].
    """
    distortion = nn.functional.softplus(logits) - x * logits  # -[x log p + (1 - x) log(1 - p)], p = sigmoid(logits)
    floor = -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)  # xlogy(0, 0) = 0
    return floor.sum((1, 2, 3)), (distortion - floor).sum((1, 2, 3))


def _grey_inputs(
    generator: Generator, batch: int, image: tuple[int, int, int], scale: float = 2.0
) -> dict[str, Tensor]:
    return {"logits": normal_leaf(generator, batch, *image, scale=scale), "x": random_greys(generator, batch, *image)}


def _exact_model(x: Tensor) -> dict[str, Tensor]:
    return {"logits": x.logit().requires_grad_(), "x": x}


def _nearly_bits(generator: Generator) -> dict[str, Tensor]:
    """Greys a millionth away from 0 and 1, under logits near 0."""
    x = (random_bits(generator, 2, 1, 4, 3) - 1e-6).abs()
    return {"logits": normal_leaf(generator, 2, 1, 4, 3, scale=1e-6), "x": x}


def _floor(x):
    return -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)


def _split_with(change):
    """A wrong answer: `change` of the distortion and the floor, pixel by pixel, and of x → floor [batch], excess [batch]."""

    def answer(logits, x):
        return change(nn.functional.softplus(logits) - x * logits, _floor(x), x)

    return answer


def _total(values):
    return values.sum((1, 2, 3))


def _floor_with(nudge):
    """The right distortion, and a floor that survives log 0 by this nudge of its argument."""

    def answer(distortion, floor, x):
        floor = -(x * nudge(x).log() + (1 - x) * nudge(1 - x).log())
        return _total(floor), _total(distortion - floor)

    return _split_with(answer)


def _floor_of_clamped(small):
    """The right distortion, and the floor of greys that were kept this far from 0 and 1."""

    def answer(distortion, floor, x):
        x = x.clamp(small, 1 - small)
        floor = -(x * x.log() + (1 - x) * (1 - x).log())
        return _total(floor), _total(distortion - floor)

    return _split_with(answer)


def _excess_from(distortion):
    """The right floor, and the excess by this distortion [batch, channels, height, width], a function of logits and x."""

    def answer(logits, x):
        return _total(_floor(x)), _total(distortion(logits, x) - _floor(x))

    return answer


def _by_log(logits, x):
    p = logits.sigmoid()
    return -(x * p.log() + (1 - x) * (1 - p).log())


def _floor_by_log(distortion, floor, x):
    floor = -(x * x.log() + (1 - x) * (1 - x).log())
    return _total(floor), _total(distortion - floor)


def _half_floor(distortion, floor, x):
    floor = -torch.xlogy(x, x)
    return _total(floor), _total(distortion - floor)


FLOOR = Exercise(
    id="02.5",
    title="What no model gets below",
    minutes=9,
    difficulty=2,
    statement=r"Split the distortion $-\sum_d [x_d \log \pi_d + (1 - x_d) \log(1 - \pi_d)]$ of grey images, with "
    r"$\pi = \mathrm{sigmoid}(\ell)$ and $\ell$ `logits`, in two: "
    r"the **floor** $\sum_d H(x_d)$, and the **excess** above it. Both in nats, one number per image. Pixels of "
    r"exactly 0 and 1 are frequent.",
    solution=floor_and_excess,
    why="The excess is a sum of KL(Bernoulli(x) || Bernoulli(π)), zero where the model says the grey itself; the "
    "floor has no model in it, so excess and rate compare models.",
    cases={
        "five small images in colour": lambda g: _grey_inputs(g, 5, (3, 4, 6)),
        "four small images": lambda g: _grey_inputs(g, 4, (1, 5, 6)),
        "one image in colour": lambda g: _grey_inputs(g, 1, (3, 4, 2), scale=6.0),
        "confident logits": lambda g: _grey_inputs(g, 2, (1, 4, 7), scale=60.0),
        "black and white": lambda g: {"logits": normal_leaf(g, 2, 1, 3, 7), "x": random_bits(g, 2, 1, 3, 7)},
        "a model that says the grey itself": lambda g: _exact_model(uniform_leaf(g, 0.05, 0.95, 3, 1, 4, 5).detach()),
        "digits of MNIST's size": lambda g: _grey_inputs(g, 6, (1, 28, 28), scale=5.0),
        "all sizes alike": lambda g: _grey_inputs(g, 3, (3, 3, 3)),
        "one pixel": lambda g: _grey_inputs(g, 4, (1, 1, 1), scale=0.1),
        "nearly black, nearly white": lambda g: _nearly_bits(g),
    },
    dimensions={
        "logits": ("batch", *IMAGE_DIMENSIONS),
        "x": ("batch", *IMAGE_DIMENSIONS),
        "return": (("batch",), ("batch",)),
    },
    returns=("the floor", "the excess"),
    hints=(
        "What does the best prediction for a grey pixel cost? And what is 0 · log 0 here? PyTorch has a function for "
        "x log y that knows.",
        "H(x) = −x log x − (1 − x) log(1 − x), by `torch.xlogy`;   excess = distortion − floor, and per pixel the "
        "distortion is softplus(ℓ) − x ℓ.",
        "distortion = nn.functional.softplus(logits) - x * logits",
    ),
    misconceptions=(
        Misconception(
            "half of the entropy",
            _split_with(_half_floor),
            "Your floor has only −x log x. The coin also shows 0, with probability 1 − x: add −(1 − x) log(1 − x).",
        ),
        Misconception(
            "zero times log zero",
            _split_with(_floor_by_log),
            "Your floor is NaN wherever a pixel is 0 or 1: there PyTorch multiplies 0 by log 0 = −∞. In an entropy this product "
            "is 0; "
            "`torch.xlogy` knows.",
        ),
        *(
            Misconception(
                f"{small:g} inside the logarithm",
                _floor_with(lambda share, small=small: share + small),
                f"You add {small:g} inside the logarithms to survive log 0, and it moves the floor. 0 · log 0 is 0, "
                "exactly: `torch.xlogy` says so.",
            )
            for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
        *(
            Misconception(
                f"greys kept {small:g} from 0 and 1",
                _floor_of_clamped(small),
                f"You nudged the greys 0 and 1 by {small:g} to survive log 0, and it moves the floor. Leave them as they are: 0 · "
                "log 0 "
                "is 0, and `torch.xlogy` knows it.",
            )
            for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
        Misconception(
            "greys given to Bernoulli",
            _excess_from(lambda logits, x: -Bernoulli(logits=logits).log_prob(x)),
            "`Bernoulli` refuses greys: its outcomes are 0 and 1. The distortion's formula takes them: per pixel it is "
            "softplus(ℓ) − x ℓ, which `nn.functional.binary_cross_entropy_with_logits` computes with `reduction='none'`.",
        ),
        Misconception(
            "greys given to Bernoulli of probabilities",
            _excess_from(lambda logits, x: -Bernoulli(probs=logits.sigmoid()).log_prob(x)),
            "`Bernoulli` refuses greys, because its outcomes are 0 and 1; and from `probs` it would lose confident logits. Per "
            "pixel "
            "the distortion is softplus(ℓ) − x ℓ, for greys too.",
        ),
        Misconception(
            "probabilities given to Bernoulli",
            _excess_from(lambda logits, x: -Bernoulli(probs=logits.sigmoid(), validate_args=False).log_prob(x)),
            "Your floor is right, and your excess is right only where the model is unsure: sigmoid(40) rounds to 1, and "
            "`Bernoulli(probs=…)` clamps what it is given away from 0 and 1. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "probabilities given to binary_cross_entropy",
            _excess_from(lambda logits, x: nn.functional.binary_cross_entropy(logits.sigmoid(), x, reduction="none")),
            "Your floor is right, and your excess is right only where the model is unsure: sigmoid(40) rounds to 1, and "
            "`binary_cross_entropy` then puts −100 in place of log 0. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "logarithm of a rounded probability",
            _excess_from(_by_log),
            "Your floor is right, and your excess is infinite or NaN where the model is confident: sigmoid(40) rounds to 1, and "
            "log(1 − 1) "
            "is −∞. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "excess is the whole distortion",
            _split_with(lambda distortion, floor, x: (_total(floor), _total(distortion))),
            "Your floor is right. Your excess is the whole distortion: subtract the floor from it.",
        ),
        Misconception(
            "excess below zero",
            _split_with(lambda distortion, floor, x: (_total(floor), _total(floor - distortion))),
            "Your floor is right, and your excess has the wrong sign. No distortion is below the floor, so what is "
            "above it is never negative.",
        ),
        Misconception(
            "floor with the wrong sign",
            _split_with(lambda distortion, floor, x: (-_total(floor), _total(distortion + floor))),
            "Your floor is negative. log x is negative for a grey, so an entropy, −x log x − (1 − x) log(1 − x), is "
            "positive.",
        ),
        Misconception(
            "mean over the pixels",
            _split_with(lambda distortion, floor, x: (floor.mean((1, 2, 3)), (distortion - floor).mean((1, 2, 3)))),
            "You average over the pixels. The bound counts nats per image: sum over channels, height and width.",
        ),
        Misconception(
            "floor of the model's own coins",
            lambda logits, x: (
                _total(_floor(logits.sigmoid())),
                _total(nn.functional.softplus(logits) - x * logits - _floor(logits.sigmoid())),
            ),
            "Your floor is the entropy of the model's coins, H(π), and moves with the model. The floor is a property "
            "of the data: H(x).",
        ),
        Misconception(
            "greys thresholded",
            lambda logits, x: (
                torch.zeros(len(x)).to(x),
                _total(nn.functional.softplus(logits) - (x > 0.5) * logits),
            ),
            "You thresholded the pixels, which sets the floor to zero and changes the data set. Keep the greys: a "
            "grey is the probability of a coin.",
        ),
        *SLIPS,
    ),
)
