"""Exercise 06.4: all of it, in proportion."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def semi_supervised_objective(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    """s mean L + (1 - s) mean U + a mean log q(y | x), nats per image; s: share of labelled ones.

    Of a batch: bound_labelled = L(x, y) [labelled], bound_unlabelled = U(x) [unlabelled];
    log_q: log q(k | x) of the labelled images, [labelled, classes], labels: int64 [labelled].
    counts: (labelled, unlabelled) images in the data set. weight: a, a number → [].
    """
    share = counts[0] / sum(counts)
    of_label = log_q.gather(1, labels[:, None])[:, 0]  # log q(y | x) [labelled]
    bound = share * bound_labelled.mean() + (1 - share) * bound_unlabelled.mean()
    return bound + weight * of_label.mean()


def _objective_inputs(
    generator: Generator,
    labelled: int,
    unlabelled: int,
    classes: int,
    counts: tuple[int, int],
    weight: float,
    loc: float = -20.0,
    scale: float = 4.0,
    spread: float = 1.5,
) -> dict[str, Tensor | tuple[int, int] | float]:
    return {
        "bound_labelled": normal_leaf(generator, labelled, loc=loc, scale=scale),
        "bound_unlabelled": normal_leaf(generator, unlabelled, loc=1.6 * loc, scale=1.5 * scale),
        "log_q": _log_probabilities(normal(generator, labelled, classes, scale=spread)),
        "labels": torch.randint(classes, (labelled,), generator=generator),
        "counts": counts,
        "weight": weight,
    }


def _log_probabilities(logits: Tensor) -> Tensor:
    """log_softmax(logits) as a leaf, whose gradient is the one that reaches the logits, up to a constant per image.

    Answers that normalise once more, as `cross_entropy` does, have another gradient with respect to log q, and the same one with
    respect to what log q is made of. So the hook passes on what `log_softmax` would.
    """
    log_q = logits.log_softmax(-1).requires_grad_()
    q = log_q.detach().exp()
    log_q.register_hook(lambda gradient: gradient - q.to(gradient) * gradient.sum(-1, keepdim=True))
    return log_q


def _of_label(log_q, labels):
    return log_q.gather(1, labels[:, None])[:, 0]


def _objective_with(
    share=lambda counts, labelled, unlabelled: counts[0] / sum(counts),
    classifier=lambda log_q, labels: _of_label(log_q, labels).mean(),
    bound=lambda share, labelled, unlabelled: share * labelled.mean() + (1 - share) * unlabelled.mean(),
    factor=lambda weight, share: weight,
):
    """A wrong answer with this share, classifier loss, bound, or weight of the classifier loss."""

    def answer(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
        s = share(counts, bound_labelled, bound_unlabelled)
        return bound(s, bound_labelled, bound_unlabelled) + factor(weight, s) * classifier(log_q, labels)

    return answer


OBJECTIVE = Exercise(
    id="06.4",
    title="All of it, in proportion",
    minutes=6,
    difficulty=1,
    statement=r"Put the objective together: $s\, \overline{L(x, y)} + (1 - s)\, \overline{U(x)} + a\, \overline{\log q(y \mid x)}$, in "
    r"nats per image, where bars are means over a batch's labelled or unlabelled images, $a$ is `weight`, and $s$ is the share of "
    r"labelled images in the *data set*, from `counts`: a batch may hold more of them.",
    solution=semi_supervised_objective,
    why="Each mean stands for its part of the data set however many images of it a batch holds, so a batch may take a hundred labels "
    "beside a hundred of many thousand images. The last term is the only one in which q(y | x) meets a true label.",
    cases={
        "few labels": lambda g: _objective_inputs(g, 3, 5, 4, (100, 59_900), 0.3),
        "many labels": lambda g: _objective_inputs(g, 6, 2, 3, (30, 10), 7.0),
        "no classifier loss": lambda g: _objective_inputs(g, 2, 4, 5, (20, 60), 0.0),
        "one of each": lambda g: _objective_inputs(g, 1, 1, 6, (7, 9), 1.5),
        "a batch of all": lambda g: _objective_inputs(g, 4, 9, 2, (4, 9), 2.5),
        "as many labelled as others, bounds above zero": lambda g: _objective_inputs(
            g, 3, 3, 3, (500, 500), 0.5, loc=40.0
        ),
        "images far apart, a classifier that is sure and wrong": lambda g: _objective_inputs(
            g, 5, 7, 10, (600, 49_400), 46.0, loc=-400.0, scale=150.0, spread=150.0
        ),
    },
    dimensions={
        "bound_labelled": ("labelled",),
        "bound_unlabelled": ("unlabelled",),
        "log_q": ("labelled", "classes"),
        "labels": ("labelled",),
        "return": (),
    },  # fmt: skip
    returns=("the objective",),
    hints=(
        "Three means, and each has its weight. Which numbers say how much of the data set has labels: the batch's sizes, or the counts?",
        "s = N_l / (N_l + N_u);   `log_q.gather(1, labels[:, None])` picks each image's own label.",
        "share = counts[0] / sum(counts)",
    ),
    misconceptions=(
        Misconception(
            "the batch's share",
            _objective_with(share=lambda counts, a, b: len(a) / (len(a) + len(b))),
            "You take the labelled share of the batch. With a hundred labelled images beside a hundred others it is a half, however few "
            "labels the data set has. s is the data set's: N_l / (N_l + N_u), from `counts`.",
        ),
        Misconception(
            "labelled over unlabelled",
            _objective_with(share=lambda counts, a, b: counts[0] / counts[1]),
            "You divide by the unlabelled images. A share is of all images: N_l / (N_l + N_u).",
        ),
        Misconception(
            "the shares exchanged",
            _objective_with(share=lambda counts, a, b: counts[1] / sum(counts)),
            "L and U have each other's share: s, the labelled one, goes with L(x, y).",
        ),
        Misconception(
            "both in full",
            _objective_with(bound=lambda s, labelled, unlabelled: labelled.mean() + unlabelled.mean()),
            "Both bounds count in full, as if there were as many labelled images as others, and the number is no longer per image. Weigh "
            "them with s and 1 − s.",
        ),
        Misconception(
            "sums for means",
            _objective_with(bound=lambda s, labelled, unlabelled: s * labelled.sum() + (1 - s) * unlabelled.sum()),
            "You sum the bounds over the batch. The exercise asks for nats per image: take means.",
        ),
        Misconception(
            "the classifier loss summed",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).sum()),
            "The bound's part is right. log q(y | x) is summed over the labelled images; take the mean.",
        ),
        Misconception(
            "the classifier's loss subtracted",
            _objective_with(classifier=lambda log_q, labels: -_of_label(log_q, labels).mean()),
            "You subtract log q(y | x): the classifier learns to avoid the true label. The objective is maximised, so it is added.",
        ),
        Misconception(
            "the mean over all classes",
            _objective_with(classifier=lambda log_q, labels: log_q.mean()),
            "You average log q over all classes. Only that of the image's own label counts: `gather`.",
        ),
        Misconception(
            "the sum over all classes",
            _objective_with(classifier=lambda log_q, labels: log_q.sum(1).mean()),
            "You sum log q over all classes. Only that of the image's own label counts: `gather`.",
        ),
        Misconception(
            "columns for labels",
            _objective_with(classifier=lambda log_q, labels: log_q[:, labels].mean()),
            "`log_q[:, labels]` takes every label for every image. Each image has one: `gather`, or a pair of indices.",
        ),
        Misconception(
            "the probability",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).exp().mean()),
            "You maximise the probability of the label, and not its log: then images that are quite wrong hardly teach.",
        ),
        Misconception(
            "no classifier loss",
            _objective_with(factor=lambda weight, share: 0.0),
            "The classifier loss is missing: nothing tells q(y | x) a true label.",
        ),
        Misconception(
            "the weight forgotten",
            _objective_with(factor=lambda weight, share: 1.0),
            "The classifier loss has the weight 1. It has `weight`.",
        ),
        Misconception(
            "the weight within the share",
            _objective_with(factor=lambda weight, share: share * weight),
            "You weigh the classifier loss with s too; with few labels nothing is left of it. Here `weight` stands alone (Pyro's "
            "multiplier for each labelled image is this weight over s).",
        ),
        Misconception(
            "the classifier detached",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).mean().detach()),
            "The value is right, and the classifier gets no gradient from its own loss.",
        ),
        Misconception(
            "a loss",
            lambda *given, **named: -semi_supervised_objective(*given, **named),
            "That is the objective with its sign turned, a loss. Asked is what is maximised.",
        ),
        Misconception(
            "the first class",
            _objective_with(classifier=lambda log_q, labels: log_q[:, 0].mean()),
            "You take log q of the first class for every image. Each image has its own label: `gather`.",
        ),
        Misconception(
            "the classifier's own guess",
            _objective_with(classifier=lambda log_q, labels: log_q.amax(1).mean()),
            "You take the class that q holds most likely. The true label counts, whatever q holds: `gather` with `labels`.",
        ),
        Misconception(
            "bounds summed over the data set",
            lambda bound_labelled, bound_unlabelled, log_q, labels, counts, weight: (
                counts[0] * bound_labelled.mean()
                + counts[1] * bound_unlabelled.mean()
                + weight * _of_label(log_q, labels).mean()
            ),
            "Your bounds are those of the whole data set. The objective is per image: divide the counts by their sum.",
        ),
        Misconception(
            "the weight over the share",
            _objective_with(factor=lambda weight, share: weight / share),
            "You divide the classifier loss's weight by s. Here `weight` stands alone.",
        ),
        Misconception(
            "sums of everything",
            lambda bound_labelled, bound_unlabelled, log_q, labels, counts, weight: (
                bound_labelled.sum() + bound_unlabelled.sum() + weight * _of_label(log_q, labels).sum()
            ),
            "You sum all terms over the batch. The exercise asks for means, the bounds weighed with s and 1 − s.",
        ),
    ),
)
