"""Gradients on an argument that a case computed are taken on what it was computed from."""

from __future__ import annotations

from dataclasses import replace

import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.leaves import leaves_of
from tests.exercises.assertions import assert_verdict
from tests.exercises.toys import ENERGY, normal


def chosen(log_q, labels):
    """Mean log-probability of the labels. log_q: normalised, [batch, classes], labels: [batch] → []."""
    return log_q.gather(1, labels[:, None]).mean()


def _inputs(generator, batch, classes):
    labels = torch.randint(classes, (batch,), generator=generator)
    return {"log_q": normal(generator, batch, classes).log_softmax(-1), "labels": labels}


CHOSEN = replace(
    ENERGY,
    solution=chosen,
    misconceptions=(),
    dimensions={"log_q": ("batch", "classes"), "labels": ("batch",), "return": ()},
    cases={f"{b} of {k}": lambda g, b=b, k=k: _inputs(g, b, k) for b, k in ((4, 3), (2, 5), (1, 6))},
)


def test_answers_that_normalise_once_more_are_right():
    cross_entropy = torch.nn.functional.cross_entropy
    assert judge(CHOSEN, lambda log_q, labels: -cross_entropy(log_q, labels)).passed
    assert judge(
        CHOSEN, lambda log_q, labels: torch.distributions.Categorical(logits=log_q).log_prob(labels).mean()
    ).passed
    assert "gradients with respect to `log_q`" in judge(CHOSEN, chosen).sentence


def test_other_gradients_are_still_wrong():
    assert_verdict(lambda log_q, labels: chosen(log_q.detach(), labels), "no gradient", exercise=CHOSEN)
    double = lambda log_q, labels: 2 * chosen(log_q, labels) - chosen(log_q, labels).detach()  # noqa: E731
    assert_verdict(double, "with respect to `log_q` is wrong", exercise=CHOSEN)


def test_the_leaves_of_an_argument():
    one, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    assert [(name, leaf is one) for name, leaf in leaves_of("a", one)] == [("a", True)]
    assert [(name, leaf is one) for name, leaf in leaves_of("a", one.exp() + 1)] == [("a", True)]
    assert {name for name, _ in leaves_of("a", one * other)} == {"a (1)", "a (2)"}
