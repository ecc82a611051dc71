"""Exercise 04.5: how wrong straight-through is."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def straight_through_bias(logits, f, slope):
    """Exact gradient of E[f(b)] on the logit of one bit, and the bias of straight-through there.

    Straight-through draws b, and takes f'(b) times the slope of b's mean for the gradient.
    logits: [batch]; f, slope: f and f' at b = 0 and at b = 1, [2, batch]
    → exact gradient, straight-through's mean less the exact gradient: [batch] each.
    """
    p = logits.sigmoid()  # [batch]
    exact = p * (1 - p) * (f[1] - f[0])
    expected = p * (1 - p) * ((1 - p) * slope[0] + p * slope[1])
    return exact, expected - exact


def _one_bit_inputs(generator: Generator, batch: int, scale: float = 1.5) -> dict[str, Tensor]:
    return {
        "logits": normal(generator, batch, scale=scale),
        "f": normal(generator, 2, batch, loc=-1.0, scale=2.0),
        "slope": normal(generator, 2, batch, loc=0.5),
    }


def _square(generator: Generator, batch: int) -> dict[str, Tensor]:
    """f(b) = (b - t)², whose bias on the logit is (2p - 1) p (1 - p), whatever t is."""
    t, b = normal(generator, batch), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    return {"logits": normal(generator, batch), "f": (b - t) ** 2, "slope": 2 * (b - t)}


def _bias_with(answer):
    """A wrong answer: a function of p, f_1 - f_0 and the slopes at 0 and at 1."""
    return lambda logits, f, slope: answer(logits.sigmoid(), f[1] - f[0], slope[0], slope[1])


def _slope_at(p, low, high):
    return (1 - p) * low + p * high


STRAIGHT_THROUGH = Exercise(
    id="04.5",
    title="How wrong straight-through is",
    minutes=6,
    difficulty=2,
    statement=r"One bit $b$ is 1 with probability $p = \mathrm{sigmoid}(\phi)$. Return the exact gradient of $\mathbb E[f(b)]$ on "
    r"$\phi$, and "
    r"the bias of straight-through: the mean of $f'(b)\,\frac{\mathrm d p}{\mathrm d \phi}$ over $b$, less the exact gradient. `f` and "
    r"`slope` hold $f$ and $f'$ at 0 and at 1.",
    solution=straight_through_bias,
    why="What counts is the difference f(1) − f(0); straight-through puts the mean of two slopes in its place, which is the same for "
    "a straight "
    "line, and else only by luck.",
    cases={
        "four bits": lambda g: _one_bit_inputs(g, 4),
        "one bit": lambda g: _one_bit_inputs(g, 1),
        "decided bits": lambda g: _one_bit_inputs(g, 5, scale=4.0),
        "a square": lambda g: _square(g, 3),
        "as many bits as outcomes": lambda g: _one_bit_inputs(g, 2),
        "f between 0 and a thousandth": lambda g: {
            name: value * (1 if name == "logits" else 1e-3) for name, value in _one_bit_inputs(g, 6).items()
        },
        "coins and saturated bits, f in the hundreds": lambda g: {
            "logits": torch.tensor([0.0, 800.0, -800.0, 40.0, 8.0, -8.0, 1e-3], dtype=torch.float64),
            "f": normal(g, 2, 7, loc=-400.0, scale=150.0),
            "slope": normal(g, 2, 7, scale=150.0),
        },
    },
    dimensions={
        "logits": ("batch",),
        "f": ("outcomes", "batch"),
        "slope": ("outcomes", "batch"),
        "return": (("batch",), ("batch",)),
    },  # fmt: skip
    returns=("the exact gradient", "the bias"),
    hints=(
        "E[f(b)] has two terms: write them down, and differentiate p by φ. Then take the mean of straight-through's gradient over the "
        "same two "
        "outcomes.",
        "exact = p (1 − p) (f(1) − f(0));   straight-through's mean = p (1 − p) [(1 − p) f′(0) + p f′(1)];   the bias is the second "
        "less the "
        "first.",
        "p = logits.sigmoid();   exact = p * (1 - p) * (f[1] - f[0]);   for straight-through, put a mean of "
        "`slope` in place of the last bracket.",
    ),
    misconceptions=(
        Misconception(
            "the slopes weigh the same",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (0.5 * (low + high) - rise))),
            "Your exact gradient is right. In the mean of straight-through the slopes at 0 and at 1 do not weigh ½ each: b is 1 with "
            "probability p.",
        ),
        Misconception(
            "the slopes exchanged",
            _bias_with(
                lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (_slope_at(1 - p, low, high) - rise))
            ),
            "Your exact gradient is right. The slopes are weighed the wrong way round: slope[1] is met with probability p, slope[0] "
            "with 1 − p.",
        ),
        Misconception(
            "exact less biased",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (rise - _slope_at(p, low, high)))),
            "Your exact gradient is right, and the bias has the wrong sign: it is what the estimator says on average, less the truth.",
        ),
        Misconception(
            "straight-through's mean for its bias",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * _slope_at(p, low, high))),
            "Your second number is the mean of straight-through itself. The bias is how far it is from the exact gradient: subtract "
            "that.",
        ),
        Misconception(
            "gradients on the probability",
            _bias_with(lambda p, rise, low, high: (rise, _slope_at(p, low, high) - rise)),
            "Those are gradient and bias on p. The logit moves p by p (1 − p): multiply both.",
        ),
        Misconception(
            "the slope of the sigmoid is p",
            _bias_with(lambda p, rise, low, high: (p * rise, p * (_slope_at(p, low, high) - rise))),
            "You multiply with p. The slope of the sigmoid is p (1 − p): it vanishes at both ends.",
        ),
        Misconception(
            "slope of the mean forgotten in straight-through",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, _slope_at(p, low, high) - p * (1 - p) * rise)),
            "Your exact gradient is right. Straight-through too goes on from b to the logit: f′(b) times dp/dφ = p (1 − p).",
        ),
        Misconception(
            "zero less one",
            _bias_with(
                lambda p, rise, low, high: (-p * (1 - p) * rise, p * (1 - p) * (_slope_at(p, low, high) + rise))
            ),
            "Your exact gradient has the wrong sign, and your bias follows it: a larger logit makes ones more frequent, so it is f(1) "
            "− f(0).",
        ),
        Misconception(
            "the expectation for its gradient",
            lambda logits, f, slope: (
                _slope_at(logits.sigmoid(), f[0], f[1]),
                logits.sigmoid() * (-logits).sigmoid() * _slope_at(logits.sigmoid(), slope[0], slope[1])
                - _slope_at(logits.sigmoid(), f[0], f[1]),
            ),
            "Your first number is E[f(b)] = (1 − p) f(0) + p f(1). Asked is its derivative by the logit.",
        ),
        Misconception(
            "logits for probabilities",
            lambda logits, f, slope: (
                logits * (1 - logits) * (f[1] - f[0]),
                logits * (1 - logits) * (_slope_at(logits, slope[0], slope[1]) - f[1] + f[0]),
            ),
            "You use the logit φ as if it were the probability. p = sigmoid(φ), and its slope is p (1 − p).",
        ),
        Misconception(
            "logits for probabilities in the mean of the slopes",
            lambda logits, f, slope: (
                logits.sigmoid() * (-logits).sigmoid() * (f[1] - f[0]),
                logits.sigmoid() * (-logits).sigmoid() * (_slope_at(logits, slope[0], slope[1]) - f[1] + f[0]),
            ),
            "Your exact gradient is right. In the mean of straight-through you weigh the slopes with φ and 1 − φ: the weights are p and "
            "1 − p.",
        ),
        Misconception(
            "slopes for values",
            _bias_with(
                lambda p, rise, low, high: (
                    p * (1 - p) * (high - low),
                    p * (1 - p) * (_slope_at(p, low, high) - high + low),
                )
            ),
            "Your exact gradient has f′(1) − f′(0). What counts is the difference of the values, f(1) − f(0).",
        ),
        Misconception(
            "the slope where b is 1 alone",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (high - rise))),
            "Your exact gradient is right. In the mean of straight-through you take f′(1) alone; b is 0 with probability 1 − p, and "
            "then f′(0) counts.",
        ),
        Misconception(
            "the size of the bias",
            _bias_with(
                lambda p, rise, low, high: (p * (1 - p) * rise, (p * (1 - p) * (_slope_at(p, low, high) - rise)).abs())
            ),
            "Your exact gradient is right. You return the size of the bias; keep its sign, which says to which side straight-through "
            "errs.",
        ),
        Misconception(
            "the slopes summed",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (low + high - rise))),
            "Your exact gradient is right. You add both slopes; their mean over b weighs them with 1 − p and p.",
        ),
    ),
)
