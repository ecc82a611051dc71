"""Exercise 03.5: a baseline that learns."""

from __future__ import annotations

from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_03.learned_baseline_losses_slips import SLIPS


def learned_baseline_losses(f, log_q, baseline):
    """The surrogate with a learned baseline b(x), and the loss that b learns from.

    f: f(z), with its graph to the model's parameters, [samples, batch].
    log_q: log q(z), [samples, batch]. baseline: b(x), with its graph, [batch]
    → surrogate [batch], auxiliary loss, a scalar.
    """
    residual = f.detach() - baseline  # [samples, batch]
    surrogate = f + residual.detach() * log_q
    return surrogate.mean(0), (residual**2).mean()


def _baseline_inputs(
    generator: Generator, samples: int, batch: int, loc: float = 0.0, scale: float = 2.0
) -> dict[str, Tensor]:
    return {
        "f": normal_leaf(generator, samples, batch, loc=loc, scale=scale),
        "log_q": normal_leaf(generator, samples, batch, loc=-3.0),
        "baseline": normal_leaf(generator, batch, loc=0.8 * loc + 0.5, scale=scale),
    }


def _losses_with(surrogate=None, loss=None):
    """A wrong answer: this surrogate [samples, batch] or this loss, a scalar, of f, log q and baseline, in place of the right "
    "one."""

    def answer(f, log_q, baseline):
        ours, right = learned_baseline_losses(f, log_q, baseline)
        if surrogate is not None:
            ours = surrogate(f, log_q, baseline).mean(0)
        return ours, right if loss is None else loss(f, log_q, baseline)

    return answer


LEARNED_BASELINE = Exercise(
    id="03.5",
    title="A baseline that learns",
    minutes=6,
    difficulty=2,
    statement=r"A network predicts the reward of a datum, $b(x)$. Write the surrogate of value $\frac1S \sum_s f_s + (f_s - b) \log q_s$ "
    r"for each datum, and the auxiliary loss: the mean over samples and batch of $(f_s - b)^2$. The surrogate's gradient reaches the model "
    r"through the first $f$ and $q$ through $\log q$, and nothing else; that of the auxiliary loss reaches the baseline, and nothing else.",
    solution=learned_baseline_losses,
    why="Two optimisations share one function: the baseline regresses a reward it must not change, and weighs a gradient that must not "
    "change it.",
    cases={
        "three samples of four data": lambda g: _baseline_inputs(g, 3, 4),
        "one sample": lambda g: _baseline_inputs(g, 1, 3),
        "rewards of an image, near −100": lambda g: _baseline_inputs(g, 5, 2, loc=-100.0, scale=6.0),
        "rewards above zero, one datum": lambda g: _baseline_inputs(g, 4, 1, loc=30.0),
        "as many samples as data": lambda g: _baseline_inputs(g, 3, 3),
        "a minibatch near −400 ± 150": lambda g: _baseline_inputs(g, 2, 40, loc=-400.0, scale=150.0),
    },
    dimensions={
        "f": ("samples", "batch"),
        "log_q": ("samples", "batch"),
        "baseline": ("batch",),
        "return": (("batch",), ()),
    },  # fmt: skip
    returns=("the surrogate", "the auxiliary loss"),
    hints=(
        "Three tensors, two outputs: for each of the six pairs, should a gradient pass? Where it should not, detach.",
        "surrogate = mean_s [f + detach(f − b) log q];   auxiliary loss = mean (detach(f) − b)².",
        "residual = f.detach() - baseline  # [samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "the surrogate reaches the baseline",
            _losses_with(lambda f, log_q, b: f + (f.detach() - b) * log_q),
            "The values are right, and the surrogate's gradient reaches the baseline: it would learn to make the surrogate large "
            "rather "
            "than to predict the reward. Detach f − b as a whole.",
        ),
        Misconception(
            "the reward keeps its graph",
            _losses_with(lambda f, log_q, b: f + (f - b.detach()) * log_q),
            "The values are right, and the f in f − b lets gradients through to the model, times log q. As a reward it is a "
            "number: detach "
            "f − b as a whole.",
        ),
        Misconception(
            "nothing detached in the surrogate",
            _losses_with(lambda f, log_q, b: f + (f - b) * log_q),
            "The values are right, and f − b is not detached in your surrogate: gradients pass through the reward to the model "
            "and through "
            "b to the baseline.",
        ),
        Misconception(
            "nothing detached at all",
            _losses_with(lambda f, log_q, b: f + (f - b) * log_q, lambda f, log_q, b: ((f - b) ** 2).mean()),
            "The values are right, and nothing is detached. In the surrogate f − b is a number; in the auxiliary loss f is.",
        ),
        Misconception(
            "the auxiliary loss reaches the model",
            _losses_with(loss=lambda f, log_q, b: ((f - b) ** 2).mean()),
            "The values are right, and the auxiliary loss reaches f: the model would make its reward easy to predict. Detach f "
            "there.",
        ),
        Misconception(
            "the baseline learns nothing",
            _losses_with(loss=lambda f, log_q, b: ((f - b).detach() ** 2).mean()),
            "The values are right, and the auxiliary loss has no gradient: the baseline never learns. There, f is the number, "
            "and b must "
            "not be detached.",
        ),
        Misconception(
            "baseline detached in its own loss",
            _losses_with(loss=lambda f, log_q, b: ((f - b.detach()) ** 2).mean()),
            "The values are right, and your auxiliary loss teaches the model instead of the baseline: you detached b where f is "
            "to be.",
        ),
        Misconception(
            "without the model's own route",
            _losses_with(lambda f, log_q, b: f.detach() + (f - b).detach() * log_q),
            "The values are right, and the model learns nothing: the first f of the surrogate must keep its graph.",
        ),
        Misconception(
            "log q detached",
            _losses_with(lambda f, log_q, b: f + (f - b).detach() * log_q.detach()),
            "The values are right, and q learns nothing: you detached log q in the surrogate. The number there is f − b.",
        ),
        Misconception(
            "the score term alone",
            _losses_with(lambda f, log_q, b: (f - b).detach() * log_q),
            "Your auxiliary loss is right. Your surrogate lacks its first term, f itself, by which the model learns.",
        ),
        Misconception(
            "the baseline leaves f's own term too",
            _losses_with(lambda f, log_q, b: (f - b).detach() * log_q + f - b.detach()),
            "Your auxiliary loss is right. You subtracted b from the first f as well: the baseline changes the reward that "
            "multiplies "
            "log q, "
            "and nothing else.",
        ),
        Misconception(
            "no baseline in the reward",
            _losses_with(lambda f, log_q, b: f + f.detach() * log_q),
            "Your auxiliary loss is right, and your surrogate does not use the baseline: multiply log q by f − b.",
        ),
        Misconception(
            "the baseline added",
            _losses_with(lambda f, log_q, b: f + (f + b).detach() * log_q),
            "Your auxiliary loss is right. In your surrogate the baseline has the wrong sign: f − b is small where b predicts f.",
        ),
        Misconception(
            "baseline less reward",
            _losses_with(lambda f, log_q, b: f + (b - f).detach() * log_q),
            "Your auxiliary loss is right. In your surrogate the reward has the wrong sign: f − b, not b − f. Better samples "
            "must become "
            "more probable.",
        ),
        Misconception(
            "samples averaged before squaring",
            _losses_with(loss=lambda f, log_q, b: ((f.detach().mean(0) - b) ** 2).mean()),
            "Your surrogate is right. In the auxiliary loss you average the samples before you square; square each residual first.",
        ),
        Misconception(
            "sum for the auxiliary loss",
            _losses_with(loss=lambda f, log_q, b: ((f.detach() - b) ** 2).sum()),
            "Your surrogate is right. Your auxiliary loss is a sum over samples and batch; take the mean.",
        ),
        Misconception(
            "auxiliary loss of each datum",
            _losses_with(loss=lambda f, log_q, b: ((f.detach() - b) ** 2).mean(0)),
            "Your surrogate is right. Your auxiliary loss is one number for each datum; average over the batch too.",
        ),
        Misconception(
            "half of the auxiliary loss",
            _losses_with(loss=lambda f, log_q, b: 0.5 * ((f.detach() - b) ** 2).mean()),
            "Your surrogate is right. Your auxiliary loss is half of the right one: take the mean of (f − b)², without a ½.",
        ),
        Misconception(
            "absolute residuals",
            _losses_with(loss=lambda f, log_q, b: (f.detach() - b).abs().mean()),
            "Your surrogate is right. Your auxiliary loss takes absolute values, whose minimum is a median; the square's is the "
            "mean.",
        ),
        Misconception(
            "residual not squared",
            _losses_with(loss=lambda f, log_q, b: (f.detach() - b).mean()),
            "Your surrogate is right. Your auxiliary loss is not squared: it falls without end as b grows.",
        ),
        Misconception(
            "a loss",
            _losses_with(lambda f, log_q, b: -(f + (f - b).detach() * log_q)),
            "Your auxiliary loss is right. Your surrogate has the wrong sign: its gradient estimates that of E_q[f].",
        ),
        Misconception(
            "sum over the samples",
            _losses_with(lambda f, log_q, b: len(f) * (f + (f - b).detach() * log_q)),
            "Your auxiliary loss is right. Your surrogate adds up the samples; an expectation is estimated by their mean.",
        ),
        *SLIPS,
    ),
)
