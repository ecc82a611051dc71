"""Exercise 03.2: a surrogate for what cannot be differentiated."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli

from helpers.exercises.engine.inputs import normal_leaf, random_bits
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_03.score_function_surrogate_slips import SLIPS


def score_function_surrogate(f, logits, z):
    """A surrogate whose gradient estimates that of E_q[f]; q draws independent bits.

    f: f(z), with its graph to the model's parameters, [samples, batch].
    logits: of q, [batch, bits]. z: bits drawn from q, [samples, batch, bits] → [batch].
    """
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)  # [samples, batch]
    return (f + f.detach() * log_q).mean(0)


def _surrogate_inputs(
    generator: Generator, samples: int, batch: int, bits: int, loc: float = 0.0, scale: float = 2.0, logits: float = 1.5
) -> dict[str, Tensor]:
    return {
        "f": normal_leaf(generator, samples, batch, loc=loc, scale=scale),
        "logits": normal_leaf(generator, batch, bits, scale=logits),
        "z": random_bits(generator, samples, batch, bits),
    }


def _nothing_known(generator: Generator) -> dict[str, Tensor]:
    zeros = [torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in ((4, 2), (2, 3))]
    return {"f": zeros[0], "logits": zeros[1], "z": random_bits(generator, 4, 2, 3)}


def _surrogate_with(combine):
    """A wrong answer with the right log q(z) [samples, batch]: this function of f and it."""

    def answer(f, logits, z):
        return combine(f, Bernoulli(logits=logits).log_prob(z).sum(-1))

    return answer


def _log_q_with(log_q):
    """A wrong answer with this log q(z) [samples, batch], a function of logits and z, and the right rest."""

    def answer(f, logits, z):
        return (f + f.detach() * log_q(logits, z)).mean(0)

    return answer


SURROGATE = Exercise(
    id="03.2",
    title="A surrogate for what cannot be differentiated",
    minutes=6,
    difficulty=2,
    statement=r"Write the score-function surrogate of $S$ samples: its value is $\frac1S \sum_s f(z_s) + f(z_s) \log q(z_s)$, and its "
    r"gradient must be $\frac1S \sum_s \nabla f(z_s) + f(z_s) \nabla \log q(z_s)$. The first term is for the model's parameters, which "
    r"`f` depends on; in the second, $f$ is a reward, a number. Bit $d$ of $z$ is 1 with probability $\mathrm{sigmoid}(\ell_d)$, where "
    r"$\ell$ is `logits`, which may be ±50.",
    solution=score_function_surrogate,
    why="Only log q carries q's parameters, so its gradient is weighed by f as a number; the other f keeps the model's own route.",
    cases={
        "three samples of four data": lambda g: _surrogate_inputs(g, 3, 4, 5),
        "one sample": lambda g: _surrogate_inputs(g, 1, 3, 2),
        "rewards of an image, near −100": lambda g: _surrogate_inputs(g, 5, 2, 3, loc=-100.0, scale=8.0),
        "one datum": lambda g: _surrogate_inputs(g, 2, 1, 6),
        "bits that q is sure of, logits beyond ±50": lambda g: _surrogate_inputs(g, 4, 3, 5, logits=60.0),
        "two hundred bits, rewards of both signs": lambda g: _surrogate_inputs(g, 2, 6, 200, loc=10.0, scale=40.0),
        "all sizes alike": lambda g: _surrogate_inputs(g, 3, 3, 3),
        "one bit, rewards above zero": lambda g: _surrogate_inputs(g, 4, 2, 1, loc=30.0),
        "no reward, even odds": _nothing_known,
    },
    dimensions={
        "f": ("samples", "batch"),
        "logits": ("batch", "bits"),
        "z": ("samples", "batch", "bits"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("the surrogate",),
    hints=(
        "Automatic differentiation would take the product apart both ways. In f log q, which of the two factors must it see as a "
        "number?",
        "log q(z) = Σ_d log Bernoulli(z_d; sigmoid(ℓ_d));   surrogate = mean_s [f + detach(f) log q].",
        "log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)  # [samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "the reward keeps its graph",
            _surrogate_with(lambda f, log_q: (f + f * log_q).mean(0)),
            "The value is right and the gradient of f is not: the f that multiplies log q lets gradients through, so the model "
            "learns "
            "log q times ∇f on top. A reward is a number: detach it.",
        ),
        Misconception(
            "both f detached",
            _surrogate_with(lambda f, log_q: (f.detach() + f.detach() * log_q).mean(0)),
            "The value is right, and the model learns nothing: you detached the first f too. It is the only road to the model's "
            "parameters.",
        ),
        Misconception(
            "log q detached",
            _surrogate_with(lambda f, log_q: (f + f * log_q.detach()).mean(0)),
            "The value is right and the gradients are not: you detached log q, the only factor that knows the logits. Detach the "
            "reward "
            "instead.",
        ),
        Misconception(
            "without the model's own route",
            _surrogate_with(lambda f, log_q: (f.detach() * log_q).mean(0)),
            "Only the score term is there. f depends on the model's parameters too, and the first term, f itself, is how their "
            "gradient "
            "gets through.",
        ),
        Misconception(
            "the score term alone, with the graph of f",
            _surrogate_with(lambda f, log_q: (f * log_q).mean(0)),
            "Your surrogate is f log q alone. The model's gradient is that of f itself, added as a term of its own, and the f that "
            "multiplies log q is detached.",
        ),
        Misconception(
            "log q left out",
            _surrogate_with(lambda f, log_q: f.mean(0) + 0 * log_q.mean(0)),
            "Your surrogate is the mean of f. Samples carry no gradient to the logits: the score term, f log q with f detached, "
            "is what "
            "brings it.",
        ),
        Misconception(
            "q for log q",
            _surrogate_with(lambda f, log_q: (f + f.detach() * log_q.exp()).mean(0)),
            "You multiply f by q(z); multiply it by log q(z). The samples come from q already; ∇q = q ∇log q would count q twice.",
        ),
        Misconception(
            "right gradients, value of f",
            _surrogate_with(lambda f, log_q: (f + f.detach() * (log_q - log_q.detach())).mean(0)),
            "Your gradients are right, and so would training be. Your value is the mean of f, but the exercise asks for "
            "that of f + f log q: leave out what you subtract.",
        ),
        Misconception(
            "a loss",
            _surrogate_with(lambda f, log_q: -(f + f.detach() * log_q).mean(0)),
            "Yours has the wrong sign: it is a loss. The surrogate's gradient estimates that of E_q[f]; leave the minus to the "
            "training "
            "loop, which minimises −surrogate.",
        ),
        Misconception(
            "minus the score term",
            _surrogate_with(lambda f, log_q: (f - f.detach() * log_q).mean(0)),
            "Your score term has the wrong sign: samples with a large f would become less probable.",
        ),
        Misconception(
            "averages before it multiplies",
            _surrogate_with(lambda f, log_q: f.mean(0) + f.detach().mean(0) * log_q.mean(0)),
            "You average f and log q before you multiply them, so every sample gets the same reward. Multiply sample by sample, "
            "then "
            "average.",
        ),
        Misconception(
            "sum over the samples",
            _surrogate_with(lambda f, log_q: (f + f.detach() * log_q).sum(0)),
            "You add up the samples. An expectation is estimated by their mean: divide by S.",
        ),
        Misconception(
            "one number for the whole batch",
            _surrogate_with(lambda f, log_q: (f + f.detach() * log_q).mean()),
            "You average over the batch as well. Each datum keeps a surrogate of its own: average over the samples, the first "
            "dimension.",
        ),
        Misconception(
            "averages over the batch",
            _surrogate_with(lambda f, log_q: (f + f.detach() * log_q).mean(1)),
            "You average over the batch and keep the samples. The samples are the first dimension: average over that one.",
        ),
        Misconception(
            "log q subtracted from the reward",
            _surrogate_with(lambda f, log_q: (f + (f - log_q).detach() * log_q).mean(0)),
            "You subtract log q from the reward. f is the whole reward: in an ELBO it holds −log q already.",
        ),
        Misconception(
            "log q subtracted from f throughout",
            _surrogate_with(lambda f, log_q: (f - log_q + (f - log_q).detach() * log_q).mean(0)),
            "You subtract log q from f, in both terms. f is complete: in an ELBO it holds −log q already.",
        ),
        Misconception(
            "log q not summed over the bits",
            _log_q_with(lambda logits, z: Bernoulli(logits=logits).log_prob(z)),
            "Your log q has a number for every bit, where f has one for every sample. Sum log q over the bits, the last dimension.",
        ),
        Misconception(
            "logarithms of rounded probabilities",
            _log_q_with(
                lambda logits, z: (z * logits.sigmoid().log() + (1 - z) * (1 - logits.sigmoid()).log()).sum(-1)
            ),
            "Right for moderate logits, and NaN for large ones: 1 − sigmoid(50) rounds to 0, and its logarithm is gone. "
            "`Bernoulli(logits=…)` and `logsigmoid` stay exact.",
        ),
        Misconception(
            "mean over the bits",
            _log_q_with(lambda logits, z: Bernoulli(logits=logits).log_prob(z).mean(-1)),
            "You average log q over the bits. The bits of one code are independent, so their log-probabilities add.",
        ),
        Misconception(
            "scores only the ones",
            _log_q_with(lambda logits, z: (z * nn.functional.logsigmoid(logits)).sum(-1)),
            "Only bits that are 1 count in your log q. A bit that is 0 has probability sigmoid(−logit), and its logarithm "
            "belongs in "
            "it too.",
        ),
        Misconception(
            "ones and zeros exchanged",
            _log_q_with(lambda logits, z: Bernoulli(logits=-logits).log_prob(z).sum(-1)),
            "You take ones for zeros and zeros for ones: sigmoid(logit) is the probability of a 1.",
        ),
        Misconception(
            "probabilities given as logits",
            _log_q_with(lambda logits, z: Bernoulli(logits=logits.sigmoid()).log_prob(z).sum(-1)),
            "You take the sigmoid twice: `Bernoulli(logits=…)` takes it itself. Give it the logits as they are.",
        ),
        Misconception(
            "logits given as probabilities",
            _log_q_with(lambda logits, z: Bernoulli(logits).log_prob(z).sum(-1)),
            "`Bernoulli(logits)` takes its first argument for probabilities, and refuses what is not between 0 and 1. Name it: "
            "`Bernoulli(logits=logits)`.",
        ),
        *SLIPS,
    ),
)
