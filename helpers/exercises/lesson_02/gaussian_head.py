"""Exercise 02.6: the last layer of an encoder."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def gaussian_head(features, weight, bias):
    """Mean and standard deviation of q(z | x), from the encoder's last hidden layer.

    One linear layer makes 2 · latent numbers an image: first all means, then all raw scales.
    A scale is softplus(raw) + 1e-5. features: [batch, hidden], weight: [2 · latent, hidden],
    bias: [2 · latent] → loc [batch, latent], scale [batch, latent].
    """
    loc, raw = (features @ weight.T + bias).chunk(2, dim=-1)
    return loc, torch.nn.functional.softplus(raw) + 1e-5


def _head_inputs(generator: Generator, batch: int, hidden: int, latent: int, scale: float = 0.7) -> dict[str, Tensor]:
    return {
        "features": normal_leaf(generator, batch, hidden),
        "weight": normal_leaf(generator, 2 * latent, hidden, scale=scale),
        "bias": normal_leaf(generator, 2 * latent, loc=0.2),
    }


def _head_with(to_scale, split=lambda made: made.chunk(2, dim=-1)):
    """A wrong answer: this function of the raw scales, and this way to split what the layer makes."""

    def answer(features, weight, bias):
        loc, raw = split(features @ weight.T + bias)
        return loc, to_scale(raw)

    return answer


def _right(raw):
    return torch.nn.functional.softplus(raw) + 1e-5


GAUSSIAN_HEAD = Exercise(
    id="02.6",
    title="Two outputs, one of them positive",
    minutes=6,
    difficulty=1,
    statement=r"Write the encoder's last layer: from hidden features $h$ one linear layer $Wh + b$ makes $2 \cdot$ `latent` numbers "
    r"an image, first "
    r"the means $\mu$, then the raw scales $r$. Return $\mu$ and $\sigma = \mathrm{softplus}(r) + 10^{-5}$, which is positive whatever the "
    r"network says.",
    solution=gaussian_head,
    why="A mean may be any number, a standard deviation must be above zero: so the head is a linear layer, and a positive function "
    "on one half of "
    "it. With softplus the gradient neither vanishes fast nor explodes, and the small number keeps log σ finite.",
    cases={
        "three images, five features, two latents": lambda g: _head_inputs(g, 3, 5, 2),
        "one image, one latent": lambda g: _head_inputs(g, 1, 4, 1),
        "all sizes alike": lambda g: _head_inputs(g, 4, 4, 2),
        "one feature": lambda g: _head_inputs(g, 5, 1, 3),
        "raw scales of both signs, far from zero": lambda g: _head_inputs(g, 6, 3, 2, scale=60.0),
        "a layer of 400, fifty latents": lambda g: _head_inputs(g, 2, 400, 50, scale=0.05),
    },
    dimensions={
        "features": ("batch", "hidden"),
        "weight": ("2 latent", "hidden"),
        "bias": ("2 latent",),
        "return": (("batch", "latent"), ("batch", "latent")),
    },  # fmt: skip
    returns=("loc", "scale"),
    hints=(
        "One product with the weights for both halves. Where do the means end? And which of the two must be positive?",
        "loc, raw = the two halves of features · Wᵀ + b along the last dimension;   scale = log(1 + e^raw) + 1e-5.",
        "loc, raw = (features @ weight.T + bias).chunk(2, dim=-1)",
    ),
    misconceptions=(
        Misconception(
            "the raw scale as it is",
            _head_with(lambda raw: raw),
            "Your scale can be negative: it is the raw output. Put it through softplus, and add 1e-5.",
        ),
        Misconception(
            "the exponential",
            _head_with(lambda raw: raw.exp()),
            "You take exp(raw), as if the output were log σ. Here it is softplus(raw) + 1e-5, which does not explode at large outputs.",
        ),
        Misconception(
            "the exponential and the floor",
            _head_with(lambda raw: raw.exp() + 1e-5),
            "You take exp(raw) + 1e-5. Here it is softplus(raw) + 1e-5, which does not explode at large outputs.",
        ),
        Misconception(
            "a log variance",
            _head_with(lambda raw: (0.5 * raw).exp()),
            "You read the output as a log variance: exp(raw / 2). Here the scale is softplus(raw) + 1e-5.",
        ),
        Misconception(
            "the variance",
            _head_with(lambda raw: _right(raw) ** 2),
            "You return the square: a variance. Asked is the standard deviation.",
        ),
        Misconception(
            "the root of softplus",
            _head_with(lambda raw: _right(raw).sqrt()),
            "You take the square root, as if softplus gave the variance. It gives the standard deviation.",
        ),
        Misconception(
            "no floor",
            _head_with(lambda raw: torch.nn.functional.softplus(raw)),
            "The 1e-5 is missing: for very negative outputs softplus rounds to 0, and log σ is minus infinity.",
        ),
        Misconception(
            "a floor by clamping",
            _head_with(lambda raw: torch.nn.functional.softplus(raw).clamp(min=1e-5)),
            "You clamp at 1e-5 where it is to be added: under a clamp the gradient is cut off.",
        ),
        Misconception(
            "softplus by exponentials",
            _head_with(lambda raw: (1 + raw.exp()).log() + 1e-5),
            "Right for small outputs; at 800 the exponential overflows. `torch.nn.functional.softplus` does not.",
        ),
        Misconception(
            "a ReLU",
            _head_with(lambda raw: raw.relu() + 1e-5),
            "You use a ReLU: for every negative output the scale is the same and has no gradient. Use softplus.",
        ),
        Misconception(
            "the absolute value",
            _head_with(lambda raw: raw.abs() + 1e-5),
            "You take the absolute value. It is positive, but it is not softplus: its slope jumps at 0.",
        ),
        Misconception(
            "a sigmoid",
            _head_with(lambda raw: raw.sigmoid() + 1e-5),
            "You use a sigmoid: a scale above 1 could never be said. Use softplus.",
        ),
        Misconception(
            "both halves positive",
            lambda features, weight, bias: (
                _right((features @ weight.T + bias).chunk(2, -1)[0]),
                _right((features @ weight.T + bias).chunk(2, -1)[1]),
            ),
            "You make the mean positive too. A mean may be any number: softplus is for the scale alone.",
        ),
        Misconception(
            "the mean through softplus",
            lambda features, weight, bias: (
                torch.nn.functional.softplus(features @ weight.T + bias).chunk(2, -1)[0],
                gaussian_head(features, weight, bias)[1],
            ),
            "Your scale is right. Your mean has gone through softplus as well: it may be any number, so leave it as the layer makes it.",
        ),
        Misconception(
            "the floor inside",
            _head_with(lambda raw: torch.nn.functional.softplus(raw + 1e-5)),
            "You add 1e-5 before softplus. Added there, the scale can still round to 0: add it to the result.",
        ),
        Misconception(
            "scales first",
            _head_with(_right, lambda made: made.chunk(2, dim=-1)[::-1]),
            "You take the first half for the scales. The means come first.",
        ),
        Misconception(
            "every other number",
            _head_with(_right, lambda made: (made[..., ::2], made[..., 1::2])),
            "You take every other number for a mean. All means come first, then all raw scales: `.chunk(2, -1)`.",
        ),
        Misconception(
            "the bias forgotten",
            lambda features, weight, bias: gaussian_head(features, weight, 0 * bias),
            "The bias is missing from your layer.",
        ),
        Misconception(
            "the mean detached",
            lambda features, weight, bias: (
                gaussian_head(features, weight, bias)[0].detach(),
                gaussian_head(features, weight, bias)[1],
            ),
            "The values are right, and the mean has no gradient: the network could not learn it.",
        ),
    ),
)
