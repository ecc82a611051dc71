"""Exercise 03.4: only the past."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_03.centre_by_past_slips import SLIPS


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
        "rewards": normal(generator, steps, batch, loc=loc, scale=3.0) + rise,
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
        "rewards of both signs, from a mean above zero": lambda g: _rewards(g, 8, 5, -3.0, 60.0),
        "one datum in each step": lambda g: _rewards(g, 6, 1, 10.0, -2.0),
        "as many steps as data": lambda g: _rewards(g, 4, 4, 0.0, 1.0),
        "a hundred steps near −400": lambda g: _rewards(g, 100, 3, -400.0, -150.0),
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
            "You update the mean before you subtract it, so each reward is measured against a mean that contains it, and the "
            "gradient is "
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
            "You subtract the mean of the same batch, which contains the reward itself. Subtract the running mean of the batches "
            "before.",
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
            "You subtract the starting mean at every step, and update it once, with all steps together. The mean moves after "
            "each step: "
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
            "You average over all steps so far, so that old rewards never fade. The model improves, and its rewards with it: 0.9 "
            "old, "
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
            "You keep a running mean for each place in the batch. The places hold other data at every step: average the batch "
            "first.",
        ),
        *SLIPS,
    ),
)
