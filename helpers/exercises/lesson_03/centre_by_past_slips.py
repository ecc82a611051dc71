"""Further wrong answers to exercise 03.4: other weights, other means, other centred rewards."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _running(step):
    """A wrong answer: step(reward, mean) → (centred, mean), batch by batch."""

    def answer(rewards, mean):
        centred = []
        for reward in rewards:
            found, mean = step(reward, mean)
            centred.append(found)
        return torch.stack(centred), mean

    return answer


_right = _running(lambda reward, mean: (reward - mean, 0.9 * mean + 0.1 * reward.mean()))


SLIPS = (
    Misconception(
        "the old mean not faded",
        _running(lambda r, m: (r - m, m + 0.1 * r.mean())),
        "You add a tenth of the batch's mean and keep all of the old one, so the mean grows without end: the old mean weighs "
        "0.9.",
    ),
    Misconception(
        "the new batch weighs one",
        _running(lambda r, m: (r - m, 0.9 * m + r.mean())),
        "Your new batch weighs 1, beside 0.9 for the old mean. The weights sum to 1: 0.9 and 0.1.",
    ),
    Misconception(
        "the mean of the last batch",
        _running(lambda r, m: (r - m, r.mean())),
        "Your mean is that of the last batch alone. Keep 0.9 of the old one.",
    ),
    Misconception(
        "moves away from the batch",
        _running(lambda r, m: (r - m, m - 0.1 * (r.mean() - m))),
        "Your mean moves away from the batch's mean: m + 0.1 (r̄ − m), with a plus, is 0.9 m + 0.1 r̄.",
    ),
    Misconception(
        "weights 0.99 and 0.01",
        _running(lambda r, m: (r - m, 0.99 * m + 0.01 * r.mean())),
        "Your old mean weighs 0.99. The exercise asks for 0.9, and 0.1 for the new batch.",
    ),
    Misconception(
        "the batch's median",
        _running(lambda r, m: (r - m, 0.9 * m + 0.1 * r.median())),
        "You let the batch's median into the mean; take the batch's mean.",
    ),
    Misconception(
        "divided by the spread",
        _running(lambda r, m: ((r - m) / r.std(correction=0).clamp(min=1e-12), 0.9 * m + 0.1 * r.mean())),
        "Your running mean is right. You divide the centred rewards by the batch's standard deviation; the exercise only "
        "centres them.",
    ),
    Misconception(
        "one number for each step",
        _running(lambda r, m: ((r.mean() - m).expand(len(r)), 0.9 * m + 0.1 * r.mean())),
        "Your running mean is right. You centre the batch's mean, and give it to all. Each reward is centred on its own: "
        "reward − mean.",
    ),
    Misconception(
        "centres with both means",
        _running(lambda r, m: (r - m - r.mean(), 0.9 * m + 0.1 * r.mean())),
        "Your running mean is right. You subtract the batch's own mean as well; subtract the running mean alone.",
    ),
    Misconception(
        "the last step first",
        lambda rewards, mean: (
            _right(rewards.flip(0), mean)[0].flip(0),
            _right(rewards.flip(0), mean)[1],
        ),
        "You go through the steps from the last to the first. The past of a step is what came before it: start with the first.",
    ),
    Misconception(
        "corrected for the start",
        lambda rewards, mean: (
            _right(rewards, mean)[0],
            _right(rewards, mean)[1] / (1 - 0.9 ** len(rewards)),
        ),
        "Your centred rewards are right. You divide the mean by 1 − 0.9^steps, which corrects a mean that starts from 0. "
        "This one starts from `mean`.",
    ),
    Misconception(
        "the mean of all steps at once",
        lambda rewards, mean: (rewards - rewards.mean(), rewards.mean() + 0 * mean),
        "You subtract the mean of all rewards, the future included. Each batch is measured against the running mean of the "
        "batches before it.",
    ),
)
