"""The objective for batches of one kind: the bounds of `SemiSupervisedElbo`, each in a step of its own."""

from __future__ import annotations

import pytest
import torch

from helpers.estimators import drawing_from
from helpers.models import OneKindSemiSupervisedElbo
from tests.models.semi_supervised.test_pyro_semi_supervised import Noise, parts, pyro_bound
from tests.models.test_pyro_agreement import gradient_gap, relative_gap

LABELS = torch.tensor([0, 3, 1, 1, 2])


def test_a_batch_without_labels_has_pyros_enumerated_bound():
    model, guide, x, eps = parts(torch.float64)
    theirs = pyro_bound(model, guide, x, eps)
    with drawing_from(Noise(eps)):
        ours = OneKindSemiSupervisedElbo(model, guide, classifier_weight=46.0)((x, None))
    assert ours.value.shape == (len(x),) and not ours.terms["cross_entropy"].any()
    assert relative_gap(ours.value.sum(), theirs.detach()) < 1e-12
    assert gradient_gap(ours.surrogate.sum(), theirs, model, guide) < 1e-9


@pytest.mark.parametrize("weight", [0.0, 46.0])
def test_a_labelled_batch_has_pyros_bound_and_its_auxiliary_loss(weight):
    model, guide, x, eps = parts(torch.float64)
    log_q = guide.classifier.network(x).log_softmax(-1)[torch.arange(len(x)), LABELS]
    theirs = pyro_bound(model, guide, x, eps[0], LABELS) + weight * log_q.sum()
    with drawing_from(Noise(eps[0])):
        ours = OneKindSemiSupervisedElbo(model, guide, classifier_weight=weight)((x, LABELS))
    assert relative_gap(ours.value.sum(), theirs.detach()) < 1e-12
    trained = (model, guide) if weight else (model, guide.style)
    assert gradient_gap(ours.surrogate.sum(), theirs, *trained) < 1e-9
    torch.testing.assert_close(ours.terms["cross_entropy"], -log_q.detach())


def test_a_tensor_without_its_labels_is_refused():
    model, guide, x, _ = parts(torch.float64)
    with pytest.raises(ValueError, match="OneKindBatches"):
        OneKindSemiSupervisedElbo(model, guide)(x)
