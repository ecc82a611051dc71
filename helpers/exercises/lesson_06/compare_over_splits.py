"""Exercise 06.6: better, or a lucky split?."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import uniform
from helpers.exercises.exercise import Exercise, Misconception


def compare_over_splits(correct, other):
    """Difference of the mean accuracies of two variants, and its standard errors over splits.

    Both were trained on the same splits. correct, other: 1.0 where a test image is classified
    right, else 0.0, [splits, images] → mean accuracy of `correct` less that of `other`; its
    standard error, paired; and unpaired, as if each had splits of its own: three scalars.
    """
    accuracy, others = correct.mean(1), other.mean(1)  # [splits]
    difference = accuracy - others
    paired = (difference.var() / len(difference)).sqrt()
    return difference.mean(), paired, ((accuracy.var() + others.var()) / len(difference)).sqrt()


def _split_inputs(
    generator: Generator, splits: int, images: int, low: float = 0.5, high: float = 0.7, together: float = 0.25
) -> dict[str, Tensor]:
    """Right and wrong answers of two methods whose accuracies rise and fall together from split to split; against each other if < 0."""
    luck = abs(together) * uniform(generator, splits, 1)
    share = torch.stack([high + luck, low + (luck if together > 0 else -together - luck)])
    correct, other = (uniform(generator, 2, splits, images) < share).double()
    return {"correct": correct, "other": other}


def _splits_with(paired=None, unpaired=None, difference=None):
    """A wrong answer with these numbers, functions of the accuracies [splits] of both; None: the right one."""

    def answer(correct, other):
        given = correct.mean(1), other.mean(1)
        right = compare_over_splits(correct, other)
        return tuple(r if f is None else f(*given) for f, r in zip((difference, paired, unpaired), right, strict=True))

    return answer


def _by_images(correct, other):
    difference = (correct - other).flatten()
    return (
        difference.mean(),
        (difference.var() / len(difference)).sqrt(),
        ((correct.flatten().var() + other.flatten().var()) / len(difference)).sqrt(),
    )


SPLITS = Exercise(
    id="06.6",
    title="Better, or a lucky split?",
    minutes=7,
    difficulty=2,
    statement=r"Two variants have been trained on the same $n$ splits. `correct` and `other` are 1.0 where they classified a test image "
    r"right, else 0.0. With $a_i$, $b_i$ their accuracies on split $i$ and $d_i = a_i - b_i$, return the mean of $d$; its standard error "
    r"over splits, *paired*, $\sqrt{\mathrm{var}(d) / n}$; and *unpaired*, $\sqrt{(\mathrm{var}(a) + \mathrm{var}(b)) / n}$. Variances "
    r"divide by $n - 1$.",
    solution=compare_over_splits,
    why="A hundred labels may be lucky ones, for both variants at once. Within a split that luck cancels from the difference, so the "
    "paired error is the smaller one, as far as the accuracies rise and fall together.",
    cases={
        "five splits": lambda g: _split_inputs(g, 5, 40),
        "two splits": lambda g: _split_inputs(g, 2, 30),
        "worse, not better": lambda g: _split_inputs(g, 4, 25, low=0.65, high=0.4),
        "many small ones": lambda g: _split_inputs(g, 9, 12),
        "as many images as splits": lambda g: _split_inputs(g, 6, 6),
        "one rises where the other falls": lambda g: _split_inputs(g, 7, 50, low=0.1, high=0.1, together=-0.6),
        "one never right": lambda g: {**_split_inputs(g, 3, 20), "other": torch.zeros(3, 20, dtype=torch.float64)},
        "five splits of a thousand images": lambda g: _split_inputs(g, 5, 1000, low=0.74, high=0.745),
    },
    dimensions={"correct": ("splits", "images"), "other": ("splits", "images"), "return": ((), (), ())},
    returns=("the difference", "the paired standard error", "the unpaired standard error"),
    hints=(
        "What varies here is the split: one accuracy a split is one number. What is one number of the difference?",
        "a_i, b_i: means over images;   d_i = a_i − b_i;   mean d,   √(var d / n),   √((var a + var b) / n).",
        "accuracy, others = correct.mean(1), other.mean(1)  # [splits]",
    ),
    misconceptions=(
        Misconception(
            "the other way about",
            _splits_with(difference=lambda a, b: (b - a).mean()),
            "Both errors are right. The difference has the wrong sign: `correct` less `other`.",
        ),
        Misconception(
            "standard deviations",
            _splits_with(paired=lambda a, b: (a - b).std(), unpaired=lambda a, b: (a.var() + b.var()).sqrt()),
            "The difference is right. You return standard deviations, the spread of single splits. A mean of n splits has a standard error "
            "√n times smaller.",
        ),
        Misconception(
            "divided by n and not by its root",
            _splits_with(
                paired=lambda a, b: (a - b).std() / len(a), unpaired=lambda a, b: (a.var() + b.var()).sqrt() / len(a)
            ),
            "The difference is right. You divide standard deviations by n; a standard error divides by √n.",
        ),
        Misconception(
            "variances",
            _splits_with(
                paired=lambda a, b: (a - b).var() / len(a), unpaired=lambda a, b: (a.var() + b.var()) / len(a)
            ),
            "The difference is right. You return the variances of the mean; a standard error is their root.",
        ),
        Misconception(
            "divided by n in the variance",
            _splits_with(
                paired=lambda a, b: ((a - b).var(unbiased=False) / len(a)).sqrt(),
                unpaired=lambda a, b: ((a.var(unbiased=False) + b.var(unbiased=False)) / len(a)).sqrt(),
            ),
            "The difference is right. Your variances divide by n. The mean was taken from the same few splits, so divide by n − 1.",
        ),
        Misconception(
            "unpaired twice",
            _splits_with(paired=lambda a, b: ((a.var() + b.var()) / len(a)).sqrt()),
            "Difference and unpaired error are right. For the paired one, first take the difference within each split, then its variance.",
        ),
        Misconception(
            "paired twice",
            _splits_with(unpaired=lambda a, b: ((a - b).var() / len(a)).sqrt()),
            "Difference and paired error are right. The unpaired one adds the two variances, as if no split were shared.",
        ),
        Misconception(
            "the errors exchanged",
            lambda correct, other: tuple(compare_over_splits(correct, other)[index] for index in (0, 2, 1)),
            "All three numbers are right, and the errors are in the wrong order: paired first.",
        ),
        Misconception(
            "the errors added",
            _splits_with(unpaired=lambda a, b: (a.std() + b.std()) / math.sqrt(len(a))),
            "Difference and paired error are right. For the unpaired one you add standard errors; their squares add.",
        ),
        Misconception(
            "the variances subtracted",
            _splits_with(paired=lambda a, b: ((a.var() - b.var()).abs() / len(a)).sqrt()),
            "Difference and unpaired error are right. The variance of a difference is no difference of variances: take var(d).",
        ),
        Misconception(
            "over the images",
            _by_images,
            "The difference is right. Your errors treat every test image as a trial of its own. Its network was trained on one of few "
            "splits, and that luck is common to all its images: the splits are the trials.",
        ),
        Misconception(
            "the mean over the splits",
            lambda correct, other: compare_over_splits(correct.T, other.T),
            "The difference is right. Your errors are those of a mean over images: you have one number for each image, its average over "
            "the splits. Take one accuracy for each split, averaged over the images.",
        ),
        Misconception(
            "in per cent",
            lambda correct, other: tuple(100 * value for value in compare_over_splits(correct, other)),
            "Your numbers are in per cent. Asked are shares.",
        ),
        Misconception(
            "the best split",
            _splits_with(difference=lambda a, b: a.amax() - b.amax()),
            "Both errors are right. You compare the best split of each; that rewards luck. Compare means.",
        ),
        Misconception(
            "the median",
            _splits_with(difference=lambda a, b: (a - b).median()),
            "Both errors are right. You take the median difference; take the mean.",
        ),
        Misconception(
            "the size of the difference",
            _splits_with(difference=lambda a, b: (a - b).mean().abs()),
            "Both errors are right. You take the absolute value of the difference; its sign says which variant is better.",
        ),
        Misconception(
            "the mean size of the differences",
            _splits_with(difference=lambda a, b: (a - b).abs().mean()),
            "Both errors are right. You average the sizes of the differences; average the differences with their signs.",
        ),
        Misconception(
            "the standard error of the first alone",
            _splits_with(unpaired=lambda a, b: (a.var() / len(a)).sqrt()),
            "Difference and paired error are right. For the unpaired one add the variances of both variants; you have that of `correct` "
            "alone.",
        ),
        Misconception(
            "the shared luck taken off by its size",
            _splits_with(
                paired=lambda a, b: (
                    (a.var() + b.var() - 2 * torch.stack([a, b]).cov()[0, 1].abs()).clamp(min=0) / len(a)
                ).sqrt()
            ),
            "Right where both accuracies rise and fall together. The covariance has a sign: where one rises as the other falls, the "
            "paired error is the larger one. Take var(d).",
        ),
        Misconception(
            "divided by n − 1",
            _splits_with(
                paired=lambda a, b: ((a - b).var() / (len(a) - 1)).sqrt(),
                unpaired=lambda a, b: ((a.var() + b.var()) / (len(a) - 1)).sqrt(),
            ),
            "The difference is right. In the standard errors you divide the variances by n − 1, once more. The variance of a mean of n is "
            "var / n.",
        ),
        Misconception(
            "the number of images for that of the splits",
            lambda correct, other: (
                compare_over_splits(correct, other)[0],
                *(
                    (len(correct) / correct.shape[1]) ** 0.5 * error
                    for error in compare_over_splits(correct, other)[1:]
                ),
            ),
            "The difference is right. You divide the variances by the number of images. n is the number of splits.",
        ),
        Misconception(
            "counts for accuracies",
            lambda correct, other: tuple(correct.shape[1] * value for value in compare_over_splits(correct, other)),
            "You count right answers. An accuracy is their share: divide by the number of images, `mean(1)`.",
        ),
    ),
)
