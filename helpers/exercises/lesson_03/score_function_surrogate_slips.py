"""Further wrong answers to exercise 03.2: guards against log 0, other log-probabilities, other rewards, sums for means."""

from __future__ import annotations

from torch.distributions import Bernoulli

from helpers.exercises.exercise import Misconception


def _log_q(logits, z):
    return Bernoulli(logits=logits).log_prob(z).sum(-1)


def _with_log_q(log_q):
    """A wrong answer with this log q(z) [samples, batch], a function of logits and z, and the right rest."""
    return lambda f, logits, z: (f + f.detach() * log_q(logits, z)).mean(0)


def _guarded(guard):
    """log q(z) by logarithms of probabilities after this guard against 0."""

    def log_q(logits, z):
        p = logits.sigmoid()
        return (z * guard(p).log() + (1 - z) * guard(1 - p).log()).sum(-1)

    return _with_log_q(log_q)


SLIPS = (
    Misconception(
        "probabilities given to Bernoulli",
        _with_log_q(lambda logits, z: Bernoulli(probs=logits.sigmoid()).log_prob(z).sum(-1)),
        "Right for moderate logits. `Bernoulli(probs=…)` clamps the probabilities away from 0 and 1, so log q is never below −36 "
        "a bit, and "
        "its gradient is lost there. Give it the logits: `Bernoulli(logits=…)`.",
    ),
    *(
        Misconception(
            f"clamps the probability at {small:g}",
            _guarded(lambda p, small=small: p.clamp(small, 1 - small)),
            f"Right for moderate logits. You clamp the probability at {small:g}, so that a bit against a large logit gets the "
            "wrong log q, "
            "and no gradient. `Bernoulli(logits=…)` and `logsigmoid` need no clamp.",
        )
        for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    *(
        Misconception(
            f"adds {small:g} inside the logarithm",
            _guarded(lambda p, small=small: p + small),
            f"You add {small:g} inside the logarithms. It moves log q a little everywhere, and much where q is sure. "
            "`Bernoulli(logits=…)` "
            "and `logsigmoid` need no such guard.",
        )
        for small in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    Misconception(
        "the mean reward as baseline",
        lambda f, logits, z: (f + (f - f.mean(0)).detach() * _log_q(logits, z)).mean(0),
        "You subtract the samples' mean from the reward. That mean contains the sample itself, so the score term's gradient is "
        "too small, "
        "on average by the factor (S − 1) / S. The exercise asks for f itself.",
    ),
    Misconception(
        "log q added, not multiplied",
        lambda f, logits, z: (f + _log_q(logits, z)).mean(0),
        "You add log q to f. The score term is their product: f, detached, times log q.",
    ),
    Misconception(
        "a category for the bits",
        _with_log_q(lambda logits, z: (z * logits.log_softmax(-1)).sum(-1)),
        "Your log q is that of one category among all bits, by `log_softmax`. The bits are independent: each has its own sigmoid.",
    ),
    Misconception(
        "normaliser left out",
        _with_log_q(lambda logits, z: (z * logits).sum(-1)),
        "Your log q is z · ℓ alone. The logit is log q(1) − log q(0): subtract softplus(ℓ) for each bit.",
    ),
    Misconception(
        "the score for log q",
        _with_log_q(lambda logits, z: (z - logits.sigmoid()).sum(-1)),
        "You multiply f by z − sigmoid(ℓ), which is the gradient of log q with respect to the logits. The surrogate holds log q "
        "itself; "
        "automatic differentiation takes the gradient.",
    ),
    Misconception(
        "the reward squared",
        lambda f, logits, z: (f + f.detach() ** 2 * _log_q(logits, z)).mean(0),
        "You multiply log q by f². The reward is f.",
    ),
    Misconception(
        "only the first term summed",
        lambda f, logits, z: f.sum(0) + (f.detach() * _log_q(logits, z)).mean(0),
        "The score term is averaged over the samples, f is summed. Average both.",
    ),
    Misconception(
        "only the score term summed",
        lambda f, logits, z: f.mean(0) + (f.detach() * _log_q(logits, z)).sum(0),
        "f is averaged over the samples, the score term is summed. Average both.",
    ),
)
