"""Exercise 07.6: the likelihood of a hidden Markov model."""

from __future__ import annotations

import math

from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_07.chain_inputs import against_the_past, chain_inputs, far_apart, forbidden


def forward_log_marginal(log_initial, log_transition, log_emission):
    """log p(x_1, ..., x_T) of a hidden Markov model, in nats, by the forward algorithm.

    log_initial: log p(z_1 = i) [states]. log_transition: log p(z_t = j | z_{t-1} = i) at [i, j],
    [states, states]. log_emission: log p(x_t | z_t = j) of the x at hand, [batch, steps, states]
    → [batch].
    """
    log_forward = log_initial + log_emission[:, 0]  # log p(x_1, z_1): [batch, states]
    for t in range(1, log_emission.shape[1]):
        log_ahead = (log_forward[:, :, None] + log_transition).logsumexp(1)  # log p(x_1..t-1, z_t)
        log_forward = log_ahead + log_emission[:, t]
    return log_forward.logsumexp(1)


def _forward_with(
    first=lambda log_initial, log_transition, emission: log_initial + emission,
    ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).logsumexp(1),
    seen=lambda log_ahead, emission: log_ahead + emission,
    last=lambda log_forward: log_forward.logsumexp(1),
    times=lambda steps: range(1, steps),
):
    """A wrong answer with this first step, step ahead, observation, end, or range of steps."""

    def answer(log_initial, log_transition, log_emission):
        log_forward = first(log_initial, log_transition, log_emission[:, 0])
        for t in times(log_emission.shape[1]):
            log_forward = seen(ahead(log_forward, log_transition), log_emission[:, t])
        return last(log_forward)

    return answer


def _by_probabilities(log_initial, log_transition, log_emission):
    forward = log_initial.exp() * log_emission[:, 0].exp()
    for t in range(1, log_emission.shape[1]):
        forward = (forward @ log_transition.exp()) * log_emission[:, t].exp()
    return forward.sum(1).log()


def _independent_steps(log_initial, log_transition, log_emission):
    return (log_initial + log_emission).logsumexp(2).sum(1) + 0 * log_transition.exp().sum()


FORWARD = Exercise(
    id="07.6",
    title="The likelihood of a hidden Markov model",
    minutes=11,
    difficulty=2,
    statement=r"With discrete $z_t$ the sum over all paths, $K^T$ of them, can be done step by step. Let "
    r"$\alpha_t(j) = p(x_1, \dots, x_t, z_t = j)$; then $\alpha_1(j) = p(z_1 = j)\, p(x_1 \mid z_1 = j)$ and "
    r"$\alpha_t(j) = p(x_t \mid z_t = j) \sum_i \alpha_{t-1}(i)\, p(z_t = j \mid z_{t-1} = i)$. Return $\log p(x) = \log \sum_j "
    r"\alpha_T(j)$, computed in logs: after a hundred steps $\alpha$ itself is 0 in floating point.",
    solution=forward_log_marginal,
    why="The sum over z_{t-1} is taken as soon as nothing later needs it: T K² operations for K^T paths. This is how the entropy "
    "floor of the synthetic chorales is computed, below which no model can come on average.",
    cases={
        "four states": lambda g: chain_inputs(g, 3, 5, 4),
        "probabilities too small for a float": lambda g: chain_inputs(g, 2, 30, 3, loc=-60.0),
        "one step": lambda g: chain_inputs(g, 4, 1, 3),
        "forbidden transitions": forbidden,
        "one sequence of two states": lambda g: chain_inputs(g, 1, 7, 2, spread=0.8),
        "all sizes alike, densities above one": lambda g: chain_inputs(g, 3, 3, 3, loc=9.0),
        "sequences and states far apart": far_apart,
        "what was unlikely turns out right": against_the_past,
        "one state": lambda g: chain_inputs(g, 2, 4, 1),
    },
    dimensions={
        "log_initial": ("states",),
        "log_transition": ("states", "states"),
        "log_emission": ("batch", "steps", "states"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("log p(x)",),
    hints=(
        "Keep one number for each state: the log probability of all that was seen so far and of being there now. What does one step do to "
        "it?",
        "log α_t(j) = log p(x_t | j) + logsumexp_i (log α_{t−1}(i) + log p(j | i));   log p(x) = logsumexp_j log α_T(j).",
        "log_forward = log_initial + log_emission[:, 0]",
    ),
    misconceptions=(
        Misconception(
            "the best path",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).amax(1),
                last=lambda log_forward: log_forward.amax(1),
            ),
            "That is the log probability of the best path (Viterbi). p(x) is the sum over all paths: `logsumexp` in place of the maximum.",
        ),
        Misconception(
            "the best path to each last state",
            _forward_with(ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).amax(1)),
            "On the way you keep the best path to each state, and only the last step sums. Sum over z_{t−1} at every step: `logsumexp`.",
        ),
        Misconception(
            "the best last state",
            _forward_with(last=lambda log_forward: log_forward.amax(1)),
            "You take the most likely last state. log p(x) sums over it too: `logsumexp`.",
        ),
        Misconception(
            "the transition transposed",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition.T).logsumexp(1)
            ),
            "You go through the transitions backwards: log_transition[i, j] leads from i to j. The state before is its first index.",
        ),
        Misconception(
            "summed over the state after",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).logsumexp(2)
            ),
            "You sum over the state that follows, so that no step is ever taken: transitions from a state sum to 1. Sum over the state "
            "before.",
        ),
        Misconception(
            "a transition before the first step",
            _forward_with(
                first=lambda log_initial, log_transition, emission: (
                    (log_initial[:, None] + log_transition).logsumexp(0) + emission
                )
            ),
            "You take a transition before the first step. Here p(z_1) is given, and x_1 is seen before any transition.",
        ),
        Misconception(
            "the first observation left out",
            _forward_with(first=lambda log_initial, log_transition, emission: log_initial + 0 * emission),
            "x_1 is left out: start with log p(z_1) + log p(x_1 | z_1).",
        ),
        Misconception(
            "the start alike in all states",
            _forward_with(first=lambda log_initial, log_transition, emission: emission - math.log(emission.shape[1])),
            "You start in every state alike. The chain starts with p(z_1), `log_initial`.",
        ),
        Misconception(
            "the start left out",
            _forward_with(first=lambda log_initial, log_transition, emission: emission),
            "log p(z_1) is missing at the start.",
        ),
        Misconception(
            "the last observation left out",
            _forward_with(times=lambda steps: range(1, max(steps - 1, 1))),
            "Your loop ends one step early: the last observation is left out.",
        ),
        Misconception(
            "the first observation twice",
            _forward_with(times=lambda steps: range(steps)),
            "Your loop begins with the first step, which the start has seen already.",
        ),
        Misconception(
            "by probabilities",
            _by_probabilities,
            "Right for short sequences. After a few hundred nats the probabilities are 0 in floating point, and their log −∞: stay in "
            "logs.",
        ),
        Misconception(
            "steps on their own",
            _independent_steps,
            "You treat the steps as independent draws of p(z_1). Each state depends on the one before.",
        ),
        Misconception(
            "no transitions",
            _forward_with(ahead=lambda log_forward, log_transition: log_forward),
            "Your chain stays in its first state for ever: the transitions are missing.",
        ),
        Misconception(
            "normalised at each step",
            _forward_with(seen=lambda log_ahead, emission: (log_ahead + emission).log_softmax(1)),
            "You normalise at each step, and throw away what you divide by. That is the filter, p(z_t | x_1..t); log p(x) is the sum of "
            "those normalisers.",
        ),
        Misconception(
            "the mean over the last state",
            _forward_with(last=lambda log_forward: log_forward.logsumexp(1) - math.log(log_forward.shape[1])),
            "You average over the last state. α has its probability in it already: sum.",
        ),
        Misconception(
            "the last state not summed out",
            _forward_with(last=lambda log_forward: log_forward),
            "You return log α_T, one number a state. Sum the last state out: `logsumexp`.",
        ),
        Misconception(
            "logs added at the end",
            _forward_with(last=lambda log_forward: log_forward.sum(1)),
            "At the end you add up log α_T, which is the log of a product. Return the log of the sum of α_T: `logsumexp`.",
        ),
        Misconception(
            "the past detached",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward.detach()[:, :, None] + log_transition).logsumexp(
                    1
                )
            ),
            "The value is right, and gradients stop at each step. Nothing is to be detached: so the model's parameters learn from all "
            "steps.",
        ),
        Misconception(
            "a loss",
            lambda *given, **named: -forward_log_marginal(*given, **named),
            "That is −log p(x), a loss. Return log p(x).",
        ),
        Misconception(
            "p(x) for its logarithm",
            _forward_with(last=lambda log_forward: log_forward.exp().sum(1)),
            "That is p(x), 0 in floating point for most sequences. Return its logarithm: `logsumexp`.",
        ),
        Misconception(
            "the first observation alone",
            _forward_with(seen=lambda log_ahead, emission: log_ahead),
            "Only x_1 counts in your sum. Each step adds its log p(x_t | z_t = j).",
        ),
    ),
)
