"""Wrong answers to exercise 08.2: sites that do not count, or that take another value."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _run(program, x, pick, counts, reduce=torch.sum):
    """What the program returns and the summed log-probability of sites that count, with values that `pick` chooses."""
    total = x.new_zeros(())

    def sample(name, distribution, obs=None):
        nonlocal total
        value = pick(name, obs, distribution)
        if counts(name, obs):
            total = total + reduce(distribution.log_prob(value))
        return value

    return program(sample, x), total


def _values(earlier, fresh):
    """The right values, by name and obs."""
    return lambda name, obs, distribution: obs if obs is not None else earlier[name] if name in earlier else fresh[name]


def _counting(counts):
    return lambda program, x, earlier, fresh: _run(
        program, x, _values(earlier, fresh), lambda name, obs: counts(name, obs, earlier, fresh)
    )


def _was_drawn(name, obs, earlier, fresh):
    return obs is None and name not in earlier


def _picking(pick):
    return lambda program, x, earlier, fresh: _run(
        program, x, pick(earlier, fresh), lambda name, obs: _was_drawn(name, obs, earlier, fresh)
    )


def _other_sign(program, x, earlier, fresh):
    returned, log_drawn = _right(program, x, earlier, fresh)
    return returned, -log_drawn


def _result_exchanged(program, x, earlier, fresh):
    returned, log_drawn = _right(program, x, earlier, fresh)
    return log_drawn, returned


def _probability(program, x, earlier, fresh):
    returned, log_drawn = _right(program, x, earlier, fresh)
    return returned, log_drawn.exp()


def _right(program, x, earlier, fresh):
    return _run(program, x, _values(earlier, fresh), lambda name, obs: _was_drawn(name, obs, earlier, fresh))


def _scored_at_zero(program, x, earlier, fresh):
    total = x.new_zeros(())

    def sample(name, distribution, obs=None):
        nonlocal total
        if obs is None and name not in earlier:
            total = total + distribution.log_prob(torch.zeros_like(fresh[name])).sum()
        return obs if obs is not None else earlier[name] if name in earlier else fresh[name]

    program(sample, x)
    return total


MISCONCEPTIONS = (
    Misconception(
        "log-probability of all sites",
        _counting(lambda name, obs, earlier, fresh: True),
        "The program returns the right value. Your log-probability counts every site; asked are those that were drawn.",
    ),
    Misconception(
        "log-probability of all latent sites",
        _counting(lambda name, obs, earlier, fresh: obs is None),
        "The program returns the right value. Your log-probability counts replayed sites too; asked are those that were drawn.",
    ),
    Misconception(
        "log-probability of the replayed sites",
        _counting(lambda name, obs, earlier, fresh: obs is None and name in earlier),
        "The program returns the right value. Your log-probability is that of the replayed sites; asked are the others, which "
        "were drawn.",
    ),
    Misconception(
        "log-probability of drawn and observed sites",
        _counting(lambda name, obs, earlier, fresh: obs is not None or name not in earlier),
        "The program returns the right value. Your log-probability counts observed sites too: they are neither replayed nor drawn.",
    ),
    Misconception(
        "fresh before earlier",
        _picking(
            lambda earlier, fresh: (
                lambda name, obs, d: obs if obs is not None else fresh[name] if name in fresh else earlier[name]
            )
        ),
        "Where both have a value you take `fresh`. The earlier execution comes first: that is what replaying means.",
    ),
    Misconception(
        "everything drawn anew",
        lambda program, x, earlier, fresh: _run(
            program,
            x,
            lambda name, obs, d: obs if obs is not None else fresh.get(name, earlier.get(name)),
            lambda n, o: o is None,
        ),
        "You draw every latent site anew and count them all. Sites that the earlier execution had keep their value, and do "
        "not count.",
    ),
    Misconception(
        "data replaced by earlier values",
        _picking(
            lambda earlier, fresh: (
                lambda name, obs, d: earlier[name] if name in earlier else obs if obs is not None else fresh[name]
            )
        ),
        "An observed site takes the earlier value of its name in your answer. Data stay: look at `obs` first.",
    ),
    Misconception(
        "values on the way detached",
        _picking(
            lambda earlier, fresh: (
                lambda name, obs, d: (
                    obs if obs is not None else earlier[name].detach() if name in earlier else fresh[name]
                )
            )
        ),
        "The numbers are right, and no gradient reaches the earlier values. A bound needs it: a guide's parameters are behind them.",
    ),
    Misconception(
        "nothing counted",
        _counting(lambda name, obs, earlier, fresh: False),
        "The program returns the right value, and your log-probability stays 0: add that of each site that is drawn.",
    ),
    Misconception(
        "means over members",
        lambda program, x, earlier, fresh: _run(
            program, x, _values(earlier, fresh), lambda n, o: _was_drawn(n, o, earlier, fresh), torch.mean
        ),
        "The program returns the right value. A site's members are independent: their log-probabilities are summed, not averaged.",
    ),
    Misconception(
        "minus the log-probability",
        _other_sign,
        "The program returns the right value. The log-probability has the wrong sign.",
    ),
    Misconception(
        "results exchanged",
        _result_exchanged,
        "Your two results are exchanged: first what the program returns, then the log-probability.",
    ),
    Misconception(
        "a probability",
        _probability,
        "The program returns the right value. Your second number is a probability; asked is its logarithm, in nats.",
    ),
    Misconception(
        "the program's mean for a site that was not there",
        _picking(lambda earlier, fresh: lambda name, obs, d: obs if obs is not None else earlier.get(name, d.mean)),
        "A site that the earlier execution did not have takes the mean of its distribution in your answer. It is drawn: fresh[name].",
    ),
    Misconception(
        "drawn sites scored at zero",
        lambda program, x, earlier, fresh: (
            _right(program, x, earlier, fresh)[0],
            _scored_at_zero(program, x, earlier, fresh),
        ),
        "The program returns the right value. The log-probability is to be taken at what was drawn, fresh[name].",
    ),
)
