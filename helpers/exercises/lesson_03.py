"""The exercises of lesson 03, NVIL and control variates.

Beside what they are given, the solutions use `torch` and `Bernoulli` of `torch.distributions`; the lesson imports both.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return (loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)).requires_grad_()


def _numbers(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    """The same without gradients."""
    return _normal(generator, *size, scale=scale, loc=loc).detach()


def _bits(generator: Generator, *size: int) -> Tensor:
    return (torch.rand(size, generator=generator, dtype=torch.float64) < 0.4).double()


# 03.1


def categorical_posterior(log_prior, log_likelihood):
    """log p(z | x) and log p(x) in nats, by summing over all categories z.

    log_prior: log p(z), [categories]. log_likelihood: log p(x | z), [batch, categories]
    → log p(z | x) [batch, categories], log p(x) [batch].
    """
    log_joint = log_prior + log_likelihood  # [batch, categories]
    log_evidence = log_joint.logsumexp(-1)  # [batch]
    return log_joint - log_evidence.unsqueeze(-1), log_evidence


def _categories(generator: Generator, batch: int, categories: int, loc: float = -3.0, scale: float = 2.0) -> dict[str, Tensor]:
    """The prior without gradients, so that an answer may normalise it once more."""
    return {
        "log_prior": _numbers(generator, categories, scale=1.5).log_softmax(-1),
        "log_likelihood": _normal(generator, batch, categories, loc=loc, scale=scale),
    }


def _by_probabilities(log_prior, log_likelihood):
    joint = (log_prior + log_likelihood).exp()
    evidence = joint.sum(-1)
    return (joint / evidence.unsqueeze(-1)).log(), evidence.log()


def _evidence_with(evidence):
    """A wrong answer with this log p(x) [batch], a function of log prior and log likelihood, and the posterior that it makes."""

    def answer(log_prior, log_likelihood):
        log_evidence = evidence(log_prior, log_likelihood)
        return log_prior + log_likelihood - log_evidence.unsqueeze(-1), log_evidence

    return answer


def _posterior_with(posterior):
    """A wrong answer with the right log p(x) and this posterior [batch, categories], a function of log prior and log likelihood."""

    def answer(log_prior, log_likelihood):
        return posterior(log_prior, log_likelihood), (log_prior + log_likelihood).logsumexp(-1)

    return answer


CATEGORICAL_POSTERIOR = Exercise(
    id="03.1",
    title="A posterior by counting",
    minutes=5,
    difficulty=1,
    statement=r"A code $z$ is one of $K$ categories, so Bayes' rule is a finite sum. From $\log p(z)$ and $\log p(x \mid z)$ of every "
    r"category, write $\log p(z \mid x)$ and $\log p(x)$, in nats. It must stay exact where $\log p(x \mid z)$ is −1000: an image has "
    r"hundreds of pixels.",
    solution=categorical_posterior,
    why="The joint adds in logarithms, `logsumexp` sums it over the categories without leaving them, and dividing by p(x) is a "
    "subtraction.",
    cases={
        "four data, three categories": lambda g: _categories(g, 4, 3),
        "images, whose log-likelihoods are near −1000": lambda g: _categories(g, 2, 5, loc=-1000.0, scale=15.0),
        "one datum, seven categories": lambda g: _categories(g, 1, 7, scale=5.0),
    },
    dimensions={
        "log_prior": ("categories",), "log_likelihood": ("batch", "categories"), "return": (("batch", "categories"), ("batch",)),
    },  # fmt: skip
    returns=("log p(z | x)", "log p(x)"),
    hints=(
        "Write the joint first. Then p(x) is its sum over z, and the posterior is the joint divided by that sum: what is each in "
        "logarithms?",
        "log p(x) = log Σ_z exp[log p(z) + log p(x | z)], by `logsumexp`;   log p(z | x) = log p(z) + log p(x | z) − log p(x).",
        "log_joint = log_prior + log_likelihood  # [batch, categories]",
    ),
    misconceptions=(
        Misconception(
            "leaves logarithms",
            _by_probabilities,
            "Right for small data, and −∞ or NaN for images: exp(−1000) rounds to 0, and its logarithm is gone. Sum inside the logarithm "
            "with `logsumexp`.",
        ),
        Misconception(
            "leaves the prior out",
            lambda log_prior, log_likelihood: (log_likelihood.log_softmax(-1), log_likelihood.logsumexp(-1)),
            "You sum the likelihoods alone, as if every category were as probable before x was seen. Add log p(z) first.",
        ),
        Misconception(
            "a uniform prior",
            lambda log_prior, log_likelihood: (
                log_likelihood.log_softmax(-1),
                log_likelihood.logsumexp(-1) - log_likelihood.new_tensor(log_prior.numel()).log(),
            ),
            "You give every category the prior 1/K. `log_prior` says how probable each is before x is seen: add it.",
        ),
        Misconception(
            "sums logarithms",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).sum(-1)),
            "Your log p(x) is a sum of logarithms, which is the logarithm of a product. Probabilities of different z add: log of the sum "
            "of exponentials.",
        ),
        Misconception(
            "average of the joint",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).exp().mean(-1).log()),
            "You average the joint over the categories, and in probabilities, which round to 0 for images. p(x) is its sum: the prior has "
            "weighed the categories already. Use `logsumexp`.",
        ),
        Misconception(
            "average of the joint, in logarithms",
            _evidence_with(
                lambda log_prior, log_likelihood: (
                    (log_prior + log_likelihood).logsumexp(-1) - log_likelihood.new_tensor(log_prior.numel()).log()
                )
            ),
            "You average the joint over the categories. p(x) is its sum: the prior has weighed the categories already.",
        ),
        Misconception(
            "the best category for all",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).amax(-1)),
            "You take the most probable category for all of them. That is a lower bound of log p(x): the others add to it.",
        ),
        Misconception(
            "the logarithm inside the expectation",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior.exp() * log_likelihood).sum(-1)),
            "That is E_p(z)[log p(x | z)]: the logarithm has slipped inside the expectation. It makes the naive bound, which lies "
            "below log "
            "p(x).",
        ),
        Misconception(
            "posterior not normalised",
            _posterior_with(lambda log_prior, log_likelihood: log_prior + log_likelihood),
            "Your log p(x) is right. Your posterior is the joint still: divide by p(x), so that its exponentials sum to 1.",
        ),
        Misconception(
            "posterior as probabilities",
            _posterior_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).softmax(-1)),
            "Your log p(x) is right, and your posterior is p(z | x) itself. Its logarithm is asked.",
        ),
        Misconception(
            "likelihood divided by the evidence",
            _posterior_with(
                lambda log_prior, log_likelihood: log_likelihood - (log_prior + log_likelihood).logsumexp(-1, keepdim=True)
            ),
            "Your log p(x) is right. Your posterior is p(x | z) / p(x): the prior is missing in its numerator.",
        ),
        Misconception(
            "normalised likelihood",
            _posterior_with(lambda log_prior, log_likelihood: log_likelihood.log_softmax(-1)),
            "Your log p(x) is right. Your posterior is the likelihood normalised, as if the prior were uniform: normalise the joint.",
        ),
        Misconception(
            "sums over the data",
            lambda log_prior, log_likelihood: (
                (log_prior + log_likelihood).log_softmax(0),
                (log_prior + log_likelihood).logsumexp(0),
            ),
            "You sum over the data. Each datum has a p(x) of its own: sum over the categories, the last dimension.",
        ),
        Misconception(
            "minus log p(x)",
            lambda log_prior, log_likelihood: (
                (log_prior + log_likelihood).log_softmax(-1),
                -(log_prior + log_likelihood).logsumexp(-1),
            ),
            "Your posterior is right. Your second result is −log p(x), a loss; log p(x) itself is asked.",
        ),
    ),
)


# 03.2


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
        "f": _normal(generator, samples, batch, loc=loc, scale=scale),
        "logits": _normal(generator, batch, bits, scale=logits),
        "z": _bits(generator, samples, batch, bits),
    }


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
    },
    dimensions={
        "f": ("samples", "batch"), "logits": ("batch", "bits"), "z": ("samples", "batch", "bits"), "return": ("batch",),
    },  # fmt: skip
    returns=("the surrogate",),
    hints=(
        "Automatic differentiation would take the product apart both ways. In f log q, which of the two factors must it see as a number?",
        "log q(z) = Σ_d log Bernoulli(z_d; sigmoid(ℓ_d));   surrogate = mean_s [f + detach(f) log q].",
        "log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)  # [samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "the reward keeps its graph",
            _surrogate_with(lambda f, log_q: (f + f * log_q).mean(0)),
            "The value is right and the gradient of f is not: the f that multiplies log q lets gradients through, so the model learns "
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
            "The value is right and the gradients are not: you detached log q, the only factor that knows the logits. Detach the reward "
            "instead.",
        ),
        Misconception(
            "without the model's own route",
            _surrogate_with(lambda f, log_q: (f.detach() * log_q).mean(0)),
            "Only the score term is there. f depends on the model's parameters too, and the first term, f itself, is how their gradient "
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
            "Your surrogate is the mean of f. Samples carry no gradient to the logits: the score term, f log q with f detached, is what "
            "brings it.",
        ),
        Misconception(
            "q for log q",
            _surrogate_with(lambda f, log_q: (f + f.detach() * log_q.exp()).mean(0)),
            "You weigh q(z) where log q(z) is asked. The samples come from q already; ∇q = q ∇log q would count q twice.",
        ),
        Misconception(
            "right gradients, value of f",
            _surrogate_with(lambda f, log_q: (f + f.detach() * (log_q - log_q.detach())).mean(0)),
            "Your gradients are right, and so would training be. Your value is the mean of f, where f + f log q is asked: leave out what "
            "you subtract.",
        ),
        Misconception(
            "a loss",
            _surrogate_with(lambda f, log_q: -(f + f.detach() * log_q).mean(0)),
            "Yours has the wrong sign: it is a loss. The surrogate's gradient estimates that of E_q[f]; leave the minus to the training "
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
            "You average f and log q before you multiply them, so every sample gets the same reward. Multiply sample by sample, then "
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
            "You average over the batch as well. Each datum keeps a surrogate of its own: average over the samples, the first dimension.",
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
            _log_q_with(lambda logits, z: (z * logits.sigmoid().log() + (1 - z) * (1 - logits.sigmoid()).log()).sum(-1)),
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
            "Only bits that are 1 count in your log q. A bit that is 0 has probability sigmoid(−logit), and its logarithm belongs in "
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
    ),
)


# 03.3


def optimal_baseline(probability, f, score):
    """The b that makes (f(z) - b) score(z), z ~ q, least noisy, and the variance left.

    probability: q(z) of every outcome, [outcomes]. f: f(z), [outcomes].
    score: the gradient of log q(z), [outcomes, parameters]
    → b, and the variance with it, summed over the parameters: two scalars.
    """
    weight = probability * (score**2).sum(-1)  # [outcomes]
    b = (weight * f).sum() / weight.sum()
    mean = (probability * f) @ score  # [parameters], with any b
    return b, (weight * (f - b) ** 2).sum() - (mean**2).sum()


def _outcomes(generator: Generator, bits: int, inputs: int = 0, loc: float = 0.0, scale: float = 2.0) -> dict[str, Tensor]:
    """Every outcome of some bits, with the score of their logits; or, with inputs, that of a linear encoder of so many."""
    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * bits).reshape(-1, bits)  # [outcomes, bits]
    p = _numbers(generator, bits).sigmoid()
    score = z - p
    if inputs:
        score = (score.unsqueeze(-1) * _numbers(generator, inputs)).flatten(1)
    return {
        "probability": (z * p + (1 - z) * (1 - p)).prod(-1),
        "f": _numbers(generator, len(z), loc=loc, scale=scale),
        "score": score,
    }


def _variance(probability, f, score, b):
    gradient = (f - b).unsqueeze(-1) * score  # [outcomes, parameters]
    mean = probability @ gradient
    return (probability @ (gradient - mean) ** 2).sum()


def _baseline_with(baseline):
    """A wrong answer with this baseline, a function of all three, and the variance that it leaves."""

    def answer(probability, f, score):
        b = baseline(probability, f, score)
        return b, _variance(probability, f, score, b)

    return answer


def _variance_with(variance):
    """A wrong answer with the right baseline and this function of all three and it."""

    def answer(probability, f, score):
        b, _ = optimal_baseline(probability, f, score)
        return b, variance(probability, f, score, b)

    return answer


def _one_each(probability, f, score):
    b = probability @ (f.unsqueeze(-1) * score**2) / (probability @ score**2)  # [parameters]
    gradient = (f.unsqueeze(-1) - b) * score
    mean = probability @ gradient
    return b, (probability @ (gradient - mean) ** 2).sum()


def _each_variance(probability, f, score, b):
    gradient = (f - b).unsqueeze(-1) * score
    return probability @ (gradient - probability @ gradient) ** 2


def _weighed_by(weight):
    """The mean of f, each outcome weighed by this function of probability and score, [outcomes]."""
    return _baseline_with(lambda p, f, score: (weight(p, score) * f).sum() / weight(p, score).sum())


OPTIMAL_BASELINE = Exercise(
    id="03.3",
    title="The best constant",
    minutes=11,
    difficulty=2,
    statement=r"A baseline $b$ makes the gradient of one sample $g = (f(z) - b)\, s(z)$ with the score $s = \nabla_\phi \log q$. Its mean "
    r"is the same for every $b$. Find the one $b$ with the least variance, summed over the parameters, and that variance, "
    r"$\mathbb E\,|g|^2 - |\mathbb E\, g|^2$: both exact, over all outcomes.",
    solution=optimal_baseline,
    why="Only E|g|² moves with b, and it is a parabola: its minimum is the mean of f under weights q(z) |s(z)|², so outcomes with a "
    "large score count more than in E[f].",
    cases={
        "three bits": lambda g: _outcomes(g, 3),
        "one bit, where no variance is left": lambda g: _outcomes(g, 1),
        "rewards near −50, a linear encoder": lambda g: _outcomes(g, 2, inputs=3, loc=-50.0, scale=6.0),
        "four bits": lambda g: _outcomes(g, 4, loc=3.0),
    },
    dimensions={"probability": ("outcomes",), "f": ("outcomes",), "score": ("outcomes", "parameters"), "return": ((), ())},
    returns=("b", "the variance"),
    hints=(
        "|E g|² does not depend on b, so make E|g|² small: a parabola in b. Where is its derivative zero?",
        "E|g|² = E[(f − b)² |s|²], with |s|² the sum over the parameters. At its minimum E[(f − b) |s|²] = 0: solve for b.",
        "weight = probability * (score**2).sum(-1)  # [outcomes]",
    ),
    misconceptions=(
        Misconception(
            "the mean reward",
            _baseline_with(lambda p, f, score: p @ f),
            "Your b is the mean reward E[f]: a good baseline, and not the best one. An outcome makes noise in proportion to |s|², and b "
            "must predict f there.",
        ),
        Misconception(
            "zero",
            _baseline_with(lambda p, f, score: 0 * f.sum()),
            "Your b is 0, which is no baseline. Set the derivative of E[(f − b)² |s|²] with respect to b to zero.",
        ),
        Misconception(
            "outcomes not weighed by their probability",
            _weighed_by(lambda p, score: (score**2).sum(-1)),
            "You weigh all outcomes alike. The expectations are under q: multiply by `probability`.",
        ),
        Misconception(
            "plain mean over outcomes",
            _baseline_with(lambda p, f, score: f.mean()),
            "Your b is the plain mean of f over the outcomes, as if all were equally probable and equally noisy: weigh each by q(z) "
            "|s(z)|².",
        ),
        Misconception(
            "norm of the score, not squared",
            _weighed_by(lambda p, score: p * score.norm(dim=-1)),
            "You weigh by |s|. The variance is quadratic in the score: weigh by |s|².",
        ),
        Misconception(
            "adds the scores before squaring",
            _weighed_by(lambda p, score: p * score.sum(-1) ** 2),
            "You add the parameters' scores up and square the sum. |s|² is the sum of their squares.",
        ),
        Misconception(
            "absolute scores",
            _weighed_by(lambda p, score: p * score.abs().sum(-1)),
            "You weigh by the sum of absolute scores. The variance is quadratic in the score: weigh by the sum of squares.",
        ),
        Misconception(
            "the probability squared",
            _weighed_by(lambda p, score: p**2 * (score**2).sum(-1)),
            "The probability stands in your weights twice. It belongs there once, for the expectation under q.",
        ),
        Misconception(
            "not divided by the weights",
            _baseline_with(lambda p, f, score: (p * (score**2).sum(-1) * f).sum()),
            "Your b is E[f |s|²]. Divide by E[|s|²], so that b is a mean of f.",
        ),
        Misconception(
            "wrong sign",
            _baseline_with(lambda p, f, score: -optimal_baseline(p, f, score)[0]),
            "Your b has the wrong sign: here it is subtracted, f − b.",
        ),
        Misconception(
            "a baseline for each parameter",
            _one_each,
            "You give each parameter a baseline of its own. That is unbiased, and less noisy still; here one b for all of them is asked: "
            "sum |s|² over the parameters first.",
        ),
        Misconception(
            "second moment",
            _variance_with(lambda p, f, score, b: (p * (f - b) ** 2 * (score**2).sum(-1)).sum()),
            "Your b is right. Your variance is E|g|²: subtract |E g|².",
        ),
        Misconception(
            "the plain variance",
            _variance_with(lambda p, f, score, b: _variance(p, f, score, 0.0)),
            "Your b is right. Your variance is that without a baseline: put f − b in place of f in E|g|².",
        ),
        Misconception(
            "standard deviation",
            _variance_with(lambda p, f, score, b: optimal_baseline(p, f, score)[1].clamp(min=0).sqrt()),
            "Your b is right. You took the root of the variance; the variance itself is asked.",
        ),
        Misconception(
            "variances not summed",
            _variance_with(_each_variance),
            "Your b is right. You keep one variance for each parameter; their sum is asked.",
        ),
        Misconception(
            "variances averaged",
            _variance_with(lambda p, f, score, b: _each_variance(p, f, score, b).mean()),
            "Your b is right. You average the variance over the parameters; their sum is asked.",
        ),
        Misconception(
            "variance of the reward",
            _variance_with(lambda p, f, score, b: p @ f**2 - (p @ f) ** 2),
            "Your b is right. Your variance is that of the reward f; that of the gradient, (f − b) s, is asked.",
        ),
    ),
)


# 03.4


def centre_by_past(rewards, mean):
    """Each batch of rewards less the running mean of the batches before it.

    rewards: [steps, batch]. mean: the running mean before the first step, a scalar
    → centred rewards [steps, batch], running mean after the last step, a scalar.
    """
    centred = []
    for reward in rewards:  # [batch]
        centred.append(reward - mean)
        mean = 0.9 * mean + 0.1 * reward.mean()
    return torch.stack(centred), mean


def _rewards(generator: Generator, steps: int, batch: int, loc: float, mean: float) -> dict[str, Tensor]:
    """Rewards that rise with the steps, as in training."""
    rise = torch.arange(steps, dtype=torch.float64).unsqueeze(-1)
    return {
        "rewards": _numbers(generator, steps, batch, loc=loc, scale=3.0) + rise,
        "mean": torch.tensor(mean, dtype=torch.float64),
    }


def _running(step):
    """A wrong answer: step(reward, mean) → (centred, mean), batch by batch."""

    def answer(rewards, mean):
        centred = []
        for reward in rewards:
            found, mean = step(reward, mean)
            centred.append(found)
        return torch.stack(centred), mean

    return answer


def _average_so_far(rewards, mean):
    centred, batches = [], [mean]
    for reward in rewards:
        centred.append(reward - sum(batches) / len(batches))
        batches.append(reward.mean())
    return torch.stack(centred), sum(batches) / len(batches)


def _one_by_one(reward, mean):
    centred = reward - mean
    for single in reward:
        mean = 0.9 * mean + 0.1 * single
    return centred, mean


def _without_the_last(rewards, mean):
    return centre_by_past(rewards, mean)[0], centre_by_past(rewards[:-1], mean)[1] if len(rewards) > 1 else mean.clone()


def _started_by_the_first(rewards, mean):
    centred, _ = centre_by_past(rewards[:1], mean)
    if len(rewards) == 1:
        return centred, rewards[0].mean()
    others, last = centre_by_past(rewards[1:], rewards[0].mean())
    return torch.cat([centred, others]), last


CENTRE = Exercise(
    id="03.4",
    title="Only the past",
    minutes=4,
    difficulty=2,
    statement=r"Centre the rewards of a run, step by step: subtract the running mean $m$ from each reward of the batch, then update "
    r"$m \leftarrow 0.9\, m + 0.1\, \bar r$ with the batch's mean reward $\bar r$. A batch is never measured against a mean that "
    r"contains it. Return the mean after the last step too: it is saved with the model.",
    solution=centre_by_past,
    why="A mean that contains a sample depends on that sample, so subtracting it would bend the gradient; one made of the past alone is "
    "a constant.",
    cases={
        "five steps": lambda g: _rewards(g, 5, 3, -20.0, -24.0),
        "one step": lambda g: _rewards(g, 1, 4, 2.0, 1.5),
        "a mean that starts far off": lambda g: _rewards(g, 7, 2, -100.0, 0.0),
    },
    dimensions={"rewards": ("steps", "batch"), "mean": (), "return": (("steps", "batch"), ())},
    returns=("the centred rewards", "the running mean"),
    hints=(
        "A loop over the steps with two lines in it. Which of the two must come first?",
        "centred_t = r_t − m_t;   m_{t+1} = 0.9 m_t + 0.1 mean(r_t).",
        "for reward in rewards:  # [batch]",
    ),
    misconceptions=(
        Misconception(
            "updates first",
            _running(lambda r, m: (r - (0.9 * m + 0.1 * r.mean()), 0.9 * m + 0.1 * r.mean())),
            "You update the mean before you subtract it, so each reward is measured against a mean that contains it, and the gradient is "
            "biased. Subtract first, update after.",
        ),
        Misconception(
            "the new batch weighs 0.9",
            _running(lambda r, m: (r - m, 0.1 * m + 0.9 * r.mean())),
            "Your new batch weighs 0.9 and all the past 0.1: a mean that forgets at once. The old mean weighs 0.9.",
        ),
        Misconception(
            "the new batch weighs 0.9, and updates first",
            _running(lambda r, m: (r - (0.1 * m + 0.9 * r.mean()), 0.1 * m + 0.9 * r.mean())),
            "Two things: your new batch weighs 0.9, where the old mean should, and you update before you subtract, so the mean "
            "contains the "
            "rewards that it is subtracted from.",
        ),
        Misconception(
            "centres with the batch's own mean",
            _running(lambda r, m: (r - r.mean(), 0.9 * m + 0.1 * r.mean())),
            "You subtract the mean of the same batch, which contains the reward itself. Subtract the running mean of the batches before.",
        ),
        Misconception(
            "starts from zero",
            lambda rewards, mean: centre_by_past(rewards, 0 * mean),
            "You start the mean from 0. `mean` is what earlier training left: a run that is resumed goes on from there.",
        ),
        Misconception(
            "started by the first batch",
            _started_by_the_first,
            "Your first batch replaces the mean. `mean` has a past already, from before the first step: it weighs 0.9 there too.",
        ),
        Misconception(
            "the mean never moves",
            _running(lambda r, m: (r - m, 1.0 * m)),
            "You subtract the same mean at every step. After each step, the batch joins it: 0.9 m + 0.1 of the batch's mean.",
        ),
        Misconception(
            "without a loop",
            lambda rewards, mean: (rewards - mean, 0.9 * mean + 0.1 * rewards.mean()),
            "You subtract the starting mean at every step, and update it once, with all steps together. The mean moves after each step: "
            "go through them one by one.",
        ),
        Misconception(
            "sum of the batch",
            _running(lambda r, m: (r - m, 0.9 * m + 0.1 * r.sum())),
            "You let the sum of the batch into the mean: it would grow with the batch. Take the batch's mean.",
        ),
        Misconception(
            "average of all so far",
            _average_so_far,
            "You average over all steps so far, so that old rewards never fade. The model improves, and its rewards with it: 0.9 old, "
            "0.1 new.",
        ),
        Misconception(
            "one update for each reward",
            _running(_one_by_one),
            "You update once for each reward of the batch. One update for a step: 0.1 of the batch's mean.",
        ),
        Misconception(
            "mean of the centred rewards",
            _running(lambda r, m: (r - m, 0.9 * m + 0.1 * (r - m).mean())),
            "You let the centred rewards into the mean. It is a mean of the rewards as they came.",
        ),
        Misconception(
            "wrong sign",
            _running(lambda r, m: (m - r, 0.9 * m + 0.1 * r.mean())),
            "Your centred rewards have the wrong sign: they are reward − mean, positive where a sample did better than usual.",
        ),
        Misconception(
            "the last update left out",
            _without_the_last,
            "Your centred rewards are right. The mean that you return lacks the last batch: the next batch will need it there.",
        ),
        Misconception(
            "no batch mean",
            lambda rewards, mean: _running(lambda r, m: (r - m, 0.9 * m + 0.1 * r))(rewards, mean),
            "You keep a running mean for each place in the batch. The places hold other data at every step: average the batch first.",
        ),
    ),
)


# 03.5


def learned_baseline_losses(f, log_q, baseline):
    """The surrogate with a learned baseline b(x), and the loss that b learns from.

    f: f(z), with its graph to the model's parameters, [samples, batch].
    log_q: log q(z), [samples, batch]. baseline: b(x), with its graph, [batch]
    → surrogate [batch], auxiliary loss, a scalar.
    """
    residual = f.detach() - baseline  # [samples, batch]
    surrogate = f + residual.detach() * log_q
    return surrogate.mean(0), (residual**2).mean()


def _baseline_inputs(generator: Generator, samples: int, batch: int, loc: float = 0.0, scale: float = 2.0) -> dict[str, Tensor]:
    return {
        "f": _normal(generator, samples, batch, loc=loc, scale=scale),
        "log_q": _normal(generator, samples, batch, loc=-3.0),
        "baseline": _normal(generator, batch, loc=0.8 * loc + 0.5, scale=scale),
    }


def _losses_with(surrogate=None, loss=None):
    """A wrong answer: this surrogate [samples, batch] or this loss, a scalar, of f, log q and baseline, in place of the right one."""

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
    },
    dimensions={
        "f": ("samples", "batch"), "log_q": ("samples", "batch"), "baseline": ("batch",), "return": (("batch",), ()),
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
            "The values are right, and the surrogate's gradient reaches the baseline: it would learn to make the surrogate large rather "
            "than to predict the reward. Detach f − b as a whole.",
        ),
        Misconception(
            "the reward keeps its graph",
            _losses_with(lambda f, log_q, b: f + (f - b.detach()) * log_q),
            "The values are right, and the f in f − b lets gradients through to the model, times log q. As a reward it is a number: detach "
            "f − b as a whole.",
        ),
        Misconception(
            "nothing detached in the surrogate",
            _losses_with(lambda f, log_q, b: f + (f - b) * log_q),
            "The values are right, and f − b is not detached in your surrogate: gradients pass through the reward to the model and through "
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
            "The values are right, and the auxiliary loss reaches f: the model would make its reward easy to predict. Detach f there.",
        ),
        Misconception(
            "the baseline learns nothing",
            _losses_with(loss=lambda f, log_q, b: ((f - b).detach() ** 2).mean()),
            "The values are right, and the auxiliary loss has no gradient: the baseline never learns. There, f is the number, and b must "
            "not be detached.",
        ),
        Misconception(
            "baseline detached in its own loss",
            _losses_with(loss=lambda f, log_q, b: ((f - b.detach()) ** 2).mean()),
            "The values are right, and your auxiliary loss teaches the model instead of the baseline: you detached b where f is to be.",
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
            "Your auxiliary loss is right. You subtracted b from the first f as well: the baseline changes the reward that multiplies "
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
            "Your auxiliary loss is right. In your surrogate the reward has the wrong sign: f − b, not b − f. Better samples must become "
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
            "Your surrogate is right. Your auxiliary loss is a sum over samples and batch; a mean is asked.",
        ),
        Misconception(
            "auxiliary loss of each datum",
            _losses_with(loss=lambda f, log_q, b: ((f.detach() - b) ** 2).mean(0)),
            "Your surrogate is right. Your auxiliary loss is one number for each datum; average over the batch too.",
        ),
        Misconception(
            "half of the auxiliary loss",
            _losses_with(loss=lambda f, log_q, b: 0.5 * ((f.detach() - b) ** 2).mean()),
            "Your surrogate is right. Your auxiliary loss is half of what is asked: the mean of (f − b)², without a ½.",
        ),
        Misconception(
            "absolute residuals",
            _losses_with(loss=lambda f, log_q, b: (f.detach() - b).abs().mean()),
            "Your surrogate is right. Your auxiliary loss takes absolute values, whose minimum is a median; the square's is the mean.",
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
    ),
)


# 03.6


def downstream_rewards(log_prior, log_p, log_q):
    """The reward of each layer: the terms of the log weight that its draw has a say in.

    log_prior: log p(h_L), [samples, batch].
    log_p: log p(x | h_1), log p(h_1 | h_2), ...   [layers, samples, batch].
    log_q: log q(h_1 | x), log q(h_2 | h_1), ...   [layers, samples, batch]
    → rewards, numbers without a graph, [layers, samples, batch].
    """
    terms = log_p - log_q  # [layers, samples, batch]
    upwards = terms.flip(0).cumsum(0).flip(0)  # the layer's own and those above it
    return (log_prior + upwards).detach()


def _layers(generator: Generator, layers: int, samples: int, batch: int, loc: float = -5.0) -> dict[str, Tensor]:
    return {
        "log_prior": _normal(generator, samples, batch, loc=-4.0),
        "log_p": _normal(generator, layers, samples, batch, loc=loc, scale=2.0),
        "log_q": _normal(generator, layers, samples, batch, loc=-2.0),
    }


def _rewards_with(rewards):
    """A wrong answer: this function of all three, [layers, samples, batch], detached."""
    return lambda log_prior, log_p, log_q: rewards(log_prior, log_p, log_q).detach()


def _upwards(terms):
    return terms.flip(0).cumsum(0).flip(0)


def _prior_at_the_top(log_prior, log_p, log_q):
    top = torch.zeros_like(log_p)
    top[-1] = log_prior
    return _upwards(log_p - log_q) + top


DOWNSTREAM = Exercise(
    id="03.6",
    title="What a layer has a say in",
    minutes=8,
    difficulty=3,
    statement=r"A network of $L$ layers of bits draws $h_1 \sim q(\cdot \mid x)$, then $h_2 \sim q(\cdot \mid h_1)$, up to $h_L$. The log "
    r"weight is $\log p(h_L) + \sum_l \log p(h_{l-1} \mid h_l) - \log q(h_l \mid h_{l-1})$, with $h_0 = x$. Write each layer's reward: "
    r"from the log weight, leave out the terms that were settled before the layer was drawn. A reward is a number, without a graph.",
    solution=downstream_rewards,
    why="Given h_{l−1}, the terms below layer l are constants to its draw, so they would add noise to its gradient and nothing to the "
    "mean.",
    cases={
        "three layers": lambda g: _layers(g, 3, 4, 2),
        "two layers, images": lambda g: _layers(g, 2, 3, 5, loc=-90.0),
        "one layer": lambda g: _layers(g, 1, 2, 3),
        "four layers, one sample": lambda g: _layers(g, 4, 1, 2),
    },
    dimensions={
        "log_prior": ("samples", "batch"), "log_p": ("layers", "samples", "batch"), "log_q": ("layers", "samples", "batch"),
        "return": ("layers", "samples", "batch"),
    },  # fmt: skip
    returns=("the rewards",),
    hints=(
        "Take two layers. h_2 is drawn when x and h_1 stand already: which of the five terms contain h_2 or come after it?",
        "reward_l = log p(h_L) + Σ_{k ≥ l} [log p(h_{k−1} | h_k) − log q(h_k | h_{k−1})]: a cumulative sum from the top down.",
        "terms = log_p - log_q  # [layers, samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "the whole log weight for every layer",
            _rewards_with(lambda prior, p, q: (prior + (p - q).sum(0)).expand_as(p).clone()),
            "Every layer gets the whole log weight. The gradient's mean is right and its noise is not: leave out what was settled "
            "before the layer was drawn.",
        ),
        Misconception(
            "summed from the data upwards",
            _rewards_with(lambda prior, p, q: prior + (p - q).cumsum(0)),
            "Your sums run from the data up to the layer. A layer has a say in its own term and in those above it: sum from the layer to "
            "the top.",
        ),
        Misconception(
            "its own term alone",
            _rewards_with(lambda prior, p, q: prior + p - q),
            "Each layer is rewarded by its own term and the prior. The layers above are drawn from it, so their terms depend on it too.",
        ),
        Misconception(
            "its own term left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) - (p - q)),
            "You leave the layer's own term out. log p(h_{l−1} | h_l) and log q(h_l | h_{l−1}) contain h_l: they belong to its reward.",
        ),
        Misconception(
            "the prior left out",
            _rewards_with(lambda prior, p, q: _upwards(p - q)),
            "log p(h_L) is missing. The top layer is drawn last, so every layer has a say in it.",
        ),
        Misconception(
            "the prior for the top layer alone",
            _rewards_with(_prior_at_the_top),
            "log p(h_L) reaches the top layer alone. The layers under it have a say in h_L as well: add it to every reward.",
        ),
        Misconception(
            "without log q",
            _rewards_with(lambda prior, p, q: prior + _upwards(p)),
            "−log q is missing: your rewards are those of the log joint, and q would collapse on its best guess.",
        ),
        Misconception(
            "plus log q",
            _rewards_with(lambda prior, p, q: prior + _upwards(p + q)),
            "log q has the wrong sign: in the log weight it is subtracted.",
        ),
        Misconception(
            "its own log q left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) + q),
            "The layer's own −log q(h_l | h_{l−1}) is missing. It contains h_l, so it belongs to its reward.",
        ),
        Misconception(
            "its own log p left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) - p),
            "log p(h_{l−1} | h_l) is missing from the reward of layer l: it is how well h_l explains the layer under it.",
        ),
        Misconception(
            "a loss",
            _rewards_with(lambda prior, p, q: -(prior + _upwards(p - q))),
            "Your rewards have the wrong sign: a reward is large where the log weight is.",
        ),
        Misconception(
            "rewards keep their graph",
            lambda log_prior, log_p, log_q: log_prior + _upwards(log_p - log_q),
            "The values are right, and gradients pass through your rewards. What multiplies ∇log q is a number: detach it.",
        ),
        Misconception(
            "mean over the layers above",
            _rewards_with(
                lambda prior, p, q: (
                    prior + _upwards(p - q) / torch.arange(len(p), 0, -1, dtype=p.dtype, device=p.device).reshape(-1, 1, 1)
                )
            ),
            "You average over the layers. Log-probabilities of a chain add: take the sum.",
        ),
        Misconception(
            "layers in the wrong order",
            _rewards_with(lambda prior, p, q: prior + (p - q).flip(0).cumsum(0)),
            "Your sums are right, and stand upside down: the reward of h_1, next to the data, comes first.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (CATEGORICAL_POSTERIOR, SURROGATE, OPTIMAL_BASELINE, CENTRE, LEARNED_BASELINE, DOWNSTREAM)
