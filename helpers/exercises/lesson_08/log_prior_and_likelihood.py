"""Exercise 08.1: a `sample` that adds up the log joint."""

from __future__ import annotations

from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_08.small_programs import branching, counting, one_mean, twice_observed, two_levels


def log_prior_and_likelihood(program, x, values):
    """log p(z) and log p(x | z) of one execution of program(sample, x).

    The program calls sample(name, distribution, obs=None) at each site and goes on with what it returns:
    write this `sample`. A latent site `name` takes the value values[name].
    x: [data]; values: tensors by name → sum of the latent sites' log-probabilities, and of the observed
    ones', scalars in nats.
    """
    log_prior, log_likelihood = x.new_zeros(()), x.new_zeros(())

    def sample(name, distribution, obs=None):
        nonlocal log_prior, log_likelihood
        if obs is None:
            log_prior = log_prior + distribution.log_prob(values[name]).sum()
            return values[name]
        log_likelihood = log_likelihood + distribution.log_prob(obs).sum()
        return obs

    program(sample, x)
    return log_prior, log_likelihood


def _leaf(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return normal(generator, *size, scale=scale).requires_grad_()


def _fixed(*values: float) -> Tensor:
    import torch

    return torch.tensor(values if len(values) != 1 else values[0], dtype=torch.float64)


def _with(latent=lambda term: term, observed=lambda term: term, value=lambda z, distribution: z, back=None):
    """A wrong answer: what a latent and an observed site add, at which value, and what the program goes on with."""

    def answer(program, x, values):
        totals = [x.new_zeros(()), x.new_zeros(())]

        def sample(name, distribution, obs=None):
            z = value(values[name], distribution) if obs is None else obs
            term = distribution.log_prob(z)
            totals[obs is not None] = totals[obs is not None] + (latent(term) if obs is None else observed(term))
            return z if back is None else back(z, distribution, obs)

        program(sample, x)
        return tuple(totals)

    return answer


def _sum(term):
    return term.sum()


def _exchanged(program, x, values):
    log_prior, log_likelihood = log_prior_and_likelihood(program, x, values)
    return log_likelihood, log_prior


def _joint_twice(program, x, values):
    log_prior, log_likelihood = log_prior_and_likelihood(program, x, values)
    return log_prior, log_prior + log_likelihood


def _joint_first(program, x, values):
    log_prior, log_likelihood = log_prior_and_likelihood(program, x, values)
    return log_prior + log_likelihood, log_likelihood


def _last_site(program, x, values):
    kept = [x.new_zeros(()), x.new_zeros(())]

    def sample(name, distribution, obs=None):
        z = values[name] if obs is None else obs
        kept[obs is not None] = distribution.log_prob(z).sum()
        return z

    program(sample, x)
    return tuple(kept)


def _negative(program, x, values):
    log_prior, log_likelihood = log_prior_and_likelihood(program, x, values)
    return -log_prior, -log_likelihood


def _probabilities(program, x, values):
    log_prior, log_likelihood = log_prior_and_likelihood(program, x, values)
    return log_prior.exp(), log_likelihood.exp()


LOG_JOINT = Exercise(
    id="08.1",
    title="A sample that adds up the log joint",
    minutes=6,
    difficulty=1,
    statement=r"A program is given its `sample` as an argument. Write one that makes the program a joint distribution: a latent site "
    r"takes its value from `values`, an observed one keeps `obs`, each adds its log-probability, and the program goes on with the value. "
    r"Return $\log p(z)$, the latent sites' sum, and $\log p(x \mid z)$, the observed ones'.",
    solution=log_prior_and_likelihood,
    why="The program does not know who listens. One `sample` draws, another adds up: the same function is a simulator and a density.",
    cases={
        "one mean": lambda g: {"program": one_mean, "x": _leaf(g, 4), "values": {"z": _leaf(g)}},
        "two levels and a vector": lambda g: {
            "program": two_levels,
            "x": _leaf(g, 5),
            "values": {"a": _leaf(g), "b": _leaf(g, 3), "c": _leaf(g, scale=3.0)},
        },
        "a branch that is taken": lambda g: {
            "program": branching,
            "x": _leaf(g, 2),
            "values": {"k": _fixed(1.0), "extra": _leaf(g), "factor": _leaf(g)},
        },
        "a branch that is not, and values of it": lambda g: {
            "program": branching,
            "x": _leaf(g, 2),
            "values": {"k": _fixed(0.0), "extra": _leaf(g), "factor": _leaf(g)},
        },
        "three trials, values for six": lambda g: {
            "program": counting,
            "x": _leaf(g, 1),
            "values": {f"stop {n}": _fixed(float(n == 2)) for n in range(6)},
        },
        "two observed sites, far from the prior": lambda g: {
            "program": twice_observed,
            "x": _leaf(g, 3, scale=30.0),
            "values": {"z": _leaf(g, scale=30.0)},
        },
        "a value stands by an observed site's name": lambda g: {
            "program": one_mean,
            "x": _leaf(g, 4),
            "values": {"z": _leaf(g), "x": normal(g, 4)},
        },
    },
    dimensions={"x": ("data",), "return": ((), ())},
    returns=("log p(z)", "log p(x | z)"),
    hints=(
        "`sample` is a function inside yours: it picks the value, adds a log-probability, and returns the value.",
        "value = values[name], or obs if that is given;   log prior or log-likelihood += distribution.log_prob(value).sum();   "
        "return the "
        "value.",
        "Two totals that start at x.new_zeros(()), `def sample(name, distribution, obs=None):` with `nonlocal` for both, then "
        "program(sample, x).",
    ),
    misconceptions=(
        Misconception(
            "entries not summed",
            _with(lambda term: term, lambda term: term),
            "The log-probabilities of a site with several members are not summed: each site adds one number, `.sum()`.",
        ),
        Misconception(
            "means over members",
            _with(lambda term: term.mean(), lambda term: term.mean()),
            "A site's members are independent: their log-probabilities are summed. You take their mean.",
        ),
        Misconception(
            "mean over the data",
            _with(_sum, lambda term: term.mean()),
            "log p(z) is right. The observed members' log-probabilities are summed; you take their mean.",
        ),
        Misconception(
            "prior and likelihood exchanged",
            _exchanged,
            "Your two results are exchanged: first log p(z), of the latent sites, then log p(x | z), of the observed ones.",
        ),
        Misconception(
            "joint in place of the likelihood",
            _joint_twice,
            "log p(z) is right. Your second number is log p(x, z), of all sites; asked is the observed sites' part.",
        ),
        Misconception(
            "joint in place of the prior",
            _joint_first,
            "log p(x | z) is right. Your first number is log p(x, z), of all sites; asked is the latent sites' part.",
        ),
        Misconception(
            "the last site only",
            _last_site,
            "You keep the last site's log-probability only: a `=` where the total should grow, `total = total + ...`.",
        ),
        Misconception(
            "negative log-probabilities",
            _negative,
            "Both signs are wrong: those are costs, minus the log-probability.",
        ),
        Misconception(
            "probabilities, not logarithms",
            _probabilities,
            "Those are probabilities. Asked are their logarithms, in nats: log_prob, summed.",
        ),
        Misconception(
            "the program goes on with the distribution's mean",
            _with(_sum, _sum, back=lambda z, distribution, obs: distribution.mean if obs is None else obs),
            "Each site is scored at the right value, but your `sample` returns another: the program must go on with values[name].",
        ),
        Misconception(
            "scored at the distribution's mean",
            _with(_sum, _sum, value=lambda z, distribution: distribution.mean),
            "Latent sites are scored at the mean of their distribution. Their values are given: values[name].",
        ),
        Misconception(
            "values detached",
            _with(_sum, _sum, value=lambda z, distribution: z.detach()),
            "The numbers are right, and no gradient reaches `values`: do not detach them, nor compute under no_grad.",
        ),
        Misconception(
            "given values before data",
            lambda program, x, values: _data_replaced(program, x, values),
            "An observed site takes its value from `values` in your answer if the name is there. It keeps `obs`: data are not replaced.",
        ),
        Misconception(
            "every site a prior",
            lambda program, x, values: (sum(log_prior_and_likelihood(program, x, values)), x.new_zeros(())),
            "You add every site to log p(z). A site with `obs` is observed: it belongs to log p(x | z).",
        ),
        Misconception(
            "two numbers of the same sites",
            lambda program, x, values: (sum(log_prior_and_likelihood(program, x, values)),) * 2,
            "Both of your numbers are the log joint. Keep the two sums apart: `obs is None` tells which one a site belongs to.",
        ),
    ),
)


def _data_replaced(program, x, values):
    totals = [x.new_zeros(()), x.new_zeros(())]

    def sample(name, distribution, obs=None):
        z = values.get(name, obs)
        totals[obs is not None] = totals[obs is not None] + distribution.log_prob(z).sum()
        return z

    program(sample, x)
    return tuple(totals)
