"""Exercise 08.3: the surrogate of two traces."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def surrogate_of_traces(log_p, log_q, is_scored):
    """What to differentiate for the bound E_q[log p(x, z) - log q(z)], from one execution of each member.

    A guide has several sites. Where is_scored is False, the value is a differentiable function of the
    guide's parameters (pathwise); where it is True, no gradient passes through the value, and the site
    needs a score term, log q of the site times the log weight, detached.
    log_p: log p(x, z), [batch]; log_q: of each of the guide's sites, [sites, batch]; is_scored: [sites]
    → log weight + score terms, [batch]; its gradient is an unbiased estimate.
    """
    log_weight = log_p - log_q.sum(0)  # [batch]
    score = torch.where(is_scored.unsqueeze(-1), log_q, 0.0).sum(0)  # [batch]
    return log_weight + log_weight.detach() * score


def _inputs(
    generator: Generator, sites: int, batch: int, scored: list[bool], loc: float = -3.0, scale: float = 2.0
) -> dict[str, Tensor]:
    return {
        "log_p": normal(generator, batch, loc=loc, scale=scale).requires_grad_(),
        "log_q": normal(generator, sites, batch, loc=-1.5, scale=1.0).requires_grad_(),
        "is_scored": torch.tensor(scored),
    }


def _with(
    weight=lambda log_p, log_q: log_p - log_q.sum(0), reward=lambda w: w.detach(), score=None, join=lambda w, s: w + s
):
    """A wrong answer: the log weight, the reward, the sum of scores, or how they are joined."""

    def answer(log_p, log_q, is_scored):
        w = weight(log_p, log_q)
        of_scored = torch.where(is_scored.unsqueeze(-1), log_q, 0.0)
        chosen = of_scored.sum(0) if score is None else score(log_q, of_scored, is_scored)
        return join(w, reward(w) * chosen)

    return answer


SURROGATE = Exercise(
    id="08.3",
    title="The score term that backward forgets",
    minutes=6,
    difficulty=2,
    statement=r"From the traces of model and guide you have $\log p(x, z)$ and the $\log q$ of each site of the guide. Return the "
    r"surrogate: the "
    r"log weight $\log w = \log p(x, z) - \sum \log q$, plus $[\log w] \sum_{\text{scored}} \log q$, the sum over scored sites "
    r"only, $[\cdot]$ "
    r"detached.",
    solution=surrogate_of_traces,
    why="Through a pathwise site the gradient flows by itself. Through a scored one nothing flows: its parameters are felt only "
    "by how often its "
    "values come, which is what the score term says.",
    cases={
        "three sites, one scored": lambda g: _inputs(g, 3, 4, [False, True, False]),
        "none scored": lambda g: _inputs(g, 2, 5, [False, False]),
        "all scored": lambda g: _inputs(g, 4, 3, [True] * 4),
        "one site, one member": lambda g: _inputs(g, 1, 1, [True]),
        "as many members as sites": lambda g: _inputs(g, 3, 3, [True, False, True]),
        "positive and negative weights": lambda g: _inputs(g, 2, 6, [True, False], loc=-3.0, scale=4.0),
        "weights in the hundreds": lambda g: _inputs(
            g, 5, 2, [True, True, False, False, True], loc=-400.0, scale=150.0
        ),
    },
    dimensions={"log_p": ("batch",), "log_q": ("sites", "batch"), "is_scored": ("sites",), "return": ("batch",)},
    returns=("the surrogate",),
    hints=(
        "Start with the log weight, which all sites enter. Then add one product: what is rewarded, and by how much.",
        "log_weight = log_p - log_q.sum(0);   surrogate = log_weight + log_weight.detach() * (log q summed over scored sites).",
        "score = torch.where(is_scored.unsqueeze(-1), log_q, 0.0).sum(0)",
    ),
    misconceptions=(
        Misconception(
            "no score term",
            _with(join=lambda w, s: w),
            "That is the log weight alone, what `(-log_weight).backward()` uses: scored sites get no signal from the model. Add "
            "[log w] · log q of the scored sites.",
        ),
        Misconception(
            "every site scored",
            _with(score=lambda log_q, of_scored, is_scored: log_q.sum(0)),
            "You score every site. A pathwise site's gradient already flows through its value: with a score term it would count twice.",
        ),
        Misconception(
            "pathwise sites scored",
            _with(score=lambda log_q, of_scored, is_scored: (log_q - of_scored).sum(0)),
            "You score the sites where is_scored is False: the wrong way round.",
        ),
        Misconception(
            "the reward not detached",
            _with(reward=lambda w: w),
            "The value is right. The log weight that multiplies log q is a factor only: detach it, or its own gradient comes in, "
            "times log q.",
        ),
        Misconception(
            "the whole score term detached",
            _with(join=lambda w, s: w + s.detach()),
            "The value is right. You detach the whole score term: its gradient goes through log q; only the log weight is detached.",
        ),
        Misconception(
            "log p as the reward",
            lambda log_p, log_q, is_scored: (
                (log_p - log_q.sum(0)) + log_p.detach() * torch.where(is_scored.unsqueeze(-1), log_q, 0.0).sum(0)
            ),
            "Your reward is log p(x, z). It is the whole log weight: -log q is part of what the bound averages.",
        ),
        Misconception(
            "log q added",
            _with(weight=lambda log_p, log_q: log_p + log_q.sum(0)),
            "Your log weight adds log q. It is log p(x, z) less log q(z).",
        ),
        Misconception(
            "the score term subtracted",
            _with(join=lambda w, s: w - s),
            "The score term has the wrong sign: it is added, since the bound is climbed.",
        ),
        Misconception(
            "only the score term",
            _with(join=lambda w, s: s),
            "You return the score term alone. Pathwise sites and the model's own parameters get their gradient from the log "
            "weight: add it.",
        ),
        Misconception(
            "the weight, not its logarithm",
            _with(reward=lambda w: w.exp().detach()),
            "Your reward is the weight w. The bound averages log w.",
        ),
        Misconception(
            "one reward for all members",
            _with(reward=lambda w: w.detach().sum()),
            "You reward every member with the sum over the batch. A member's choice changes its own log weight only.",
        ),
        Misconception(
            "the mean reward for all members",
            _with(reward=lambda w: w.detach().mean()),
            "You reward every member with the mean over the batch. A member's choice changes its own log weight only.",
        ),
        Misconception(
            "the guide's log q without its scored sites",
            lambda log_p, log_q, is_scored: (lambda s, rest: (log_p - rest) + (log_p - rest).detach() * s)(
                torch.where(is_scored.unsqueeze(-1), log_q, 0.0).sum(0),
                torch.where(is_scored.unsqueeze(-1), 0.0, log_q).sum(0),
            ),
            "Your log weight leaves out log q of the scored sites. All of the guide's sites enter it.",
        ),
        Misconception(
            "sites averaged",
            lambda log_p, log_q, is_scored: (
                (log_p - log_q.mean(0))
                + (log_p - log_q.mean(0)).detach() * torch.where(is_scored.unsqueeze(-1), log_q, 0.0).mean(0)
            ),
            "You average over sites. The joint log q of an execution is the sum over its sites.",
        ),
        Misconception(
            "summed over the batch",
            lambda log_p, log_q, is_scored: surrogate_of_traces(log_p, log_q, is_scored).sum(),
            "You sum over the batch at the end. Return one number for each member, [batch].",
        ),
    ),
)
