"""The estimator of the style's gradient sees the image: a baseline of the style may read it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.data import SemiSupervisedBatch
from helpers.distributions import BernoulliConditional
from helpers.estimators import LearnedBaseline, Pathwise, ScoreFunction
from helpers.models import AnalyticKlSemiSupervisedElbo, SemiSupervisedElbo, semi_supervised_vae
from helpers.networks import FeedForward

IMAGE, CLASSES = (1, 2, 3), 3


class Recorder(Pathwise):
    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[Tensor | None] = []

    def estimate(self, f, q, num_samples, context):
        self.contexts.append(context)
        assert context is not None and context.shape == (*q.batch_shape, *IMAGE)
        return super().estimate(f, q, num_samples, context)


@pytest.mark.parametrize("bound", [SemiSupervisedElbo, AnalyticKlSemiSupervisedElbo])
def test_the_context_of_the_style_is_the_image_once_for_each_class(bound):
    torch.manual_seed(0)
    model, guide = semi_supervised_vae(IMAGE, CLASSES, BernoulliConditional, latent=2, hidden=(4,))
    x = torch.rand(5, *IMAGE).round()
    recorder = Recorder()
    objective = bound(model, guide, labelled_share=0.5, style_estimator=recorder)
    objective.unlabelled(x)
    objective.labelled(x, torch.eye(CLASSES)[torch.tensor([0, 1, 2, 0, 1])])
    over_classes, given = recorder.contexts
    assert over_classes.shape == (CLASSES, 5, *IMAGE)
    assert all(torch.equal(context, x) for context in over_classes)
    assert torch.equal(given, x)


def test_a_learned_baseline_of_the_style_trains():
    torch.manual_seed(0)
    model, guide = semi_supervised_vae(IMAGE, CLASSES, BernoulliConditional, latent=2, hidden=(4,))
    baseline = LearnedBaseline(IMAGE, FeedForward(()))
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.5, style_estimator=ScoreFunction(baseline))
    x = torch.rand(6, *IMAGE).round()
    estimate = objective(SemiSupervisedBatch(x[:3], torch.arange(3), x[3:]))
    estimate.auxiliary_loss.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in baseline.parameters())
