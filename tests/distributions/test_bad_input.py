"""Errors about bad batches name what was given, what was expected, and the usual cause."""

from __future__ import annotations

import pytest
import torch

from helpers.distributions import (
    BernoulliConditional,
    BernoulliPrior,
    CategoricalConditional,
    ContinuousBernoulliConditional,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    StandardNormalPrior,
)
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import FeedForward

IMAGE = (1, 8, 6)


def objective(kind=Elbo, likelihood=BernoulliConditional, image=IMAGE):
    network = FeedForward((5,))
    model = LatentVariableModel(StandardNormalPrior(2), likelihood(2, image, network))
    return kind(model, AmortizedGuide(GaussianConditional(image, 2, network)))


def spoiled(value: float) -> torch.Tensor:
    images = torch.rand(3, *IMAGE)
    images[1, 0, 2, 2] = value
    return images


WRONG = {
    "NaN": (spoiled(float("nan")), r"1 value\(s\) that are NaN or infinite"),
    "infinite": (spoiled(float("inf")), r"1 value\(s\) that are NaN or infinite"),
    "0..255": (torch.rand(3, *IMAGE).mul(255).round(), "from .* expected values in .0, 1..*divide by 255"),
    "negative": (torch.rand(3, *IMAGE) * 2 - 1, r"from -.*expected values in \[0, 1\]"),
    "uint8": (torch.zeros(3, *IMAGE, dtype=torch.uint8), "dtype torch.uint8; expected floating point.*/ 255"),
    "colour": (torch.rand(3, 3, 8, 6), "number of channels is 3, and 1 was expected"),
    "no channels": (torch.rand(3, 8, 6), r"shape \(3, 8, 6\).*channel dimension is missing.*unsqueeze\(-3\)"),
    "flattened": (torch.rand(3, 48), r"shape \(3, 48\).*flattened.*unflatten\(-1, \(1, 8, 6\)\)"),
    "channels last": (torch.rand(3, 8, 6, 1), r"channels are last.*movedim\(-1, -3\)"),
    "other size": (torch.rand(3, 1, 8, 7), r"shape \(3, 1, 8, 7\); expected \[\*batch, 1, 8, 6\]\.$"),
    "empty": (torch.rand(0, *IMAGE), "Got no .*one item or more"),
    "no tensor": ([[0.0]], "as a list; expected a tensor"),
    "doubles": (torch.rand(3, *IMAGE).double(), "dtype torch.float64.*torch.float32.*images.float"),
}


@pytest.mark.parametrize("kind", [Elbo, AnalyticKlElbo])
@pytest.mark.parametrize("likelihood", [BernoulliConditional, ContinuousBernoulliConditional])
@pytest.mark.parametrize("name", WRONG)
def test_a_bad_batch_is_refused_in_a_sentence(kind, likelihood, name):
    batch, sentence = WRONG[name]
    if name == "no tensor":
        sentence = "takes a batch of images alone, and a list"
    with pytest.raises(ValueError, match=sentence):
        objective(kind, likelihood)(batch)


@pytest.mark.parametrize("name", [name for name in WRONG if name not in ("0..255", "negative", "no tensor")])
def test_real_valued_outcomes_may_be_any_size_but_not_nan(name):
    batch, sentence = WRONG[name]
    with pytest.raises(ValueError, match=sentence):
        objective(Elbo, GaussianConditional)(batch)
    assert objective(Elbo, GaussianConditional)(100 * torch.randn(3, *IMAGE)).value.shape == (3,)


def test_colour_images_given_in_grey_are_named_too():
    with pytest.raises(ValueError, match="number of channels is 1, and 3 was expected"):
        objective(image=(3, 8, 6))(torch.rand(2, 1, 8, 6))


def test_good_batches_pass_the_door():
    for batch in ((1,), (5,), (2, 3), ()):
        assert objective()(torch.rand(*batch, *IMAGE)).value.shape == batch
    edges = torch.tensor([0.0, 1.0]).expand(1, 1, 8, 3, 2).reshape(1, *IMAGE)
    assert torch.isfinite(objective()(edges).value).all()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (torch.tensor([0, 2, 1]), "dtype torch.int64"),
        (torch.full((3, 4), 0.25), "are one-hot: a single 1.*one_hot"),
        (torch.zeros(3, 4), "are one-hot"),
        (torch.tensor([[1.0, 1.0, 0.0, 0.0]]), "are one-hot"),
        (torch.tensor([[2.0, -1.0, 0.0, 0.0]]), r"from -1 to 2"),
        (torch.eye(5), r"shape \(5, 5\)"),
    ],
)
def test_labels_that_are_not_one_hot(labels, sentence):
    conditional = CategoricalConditional(2, 4, FeedForward(()))
    with pytest.raises(ValueError, match=sentence):
        conditional.check_outcome(labels)
    conditional.check_outcome(torch.eye(4))


def test_shapes_and_numbers_of_components_that_cannot_be():
    for prior in (StandardNormalPrior, BernoulliPrior):
        with pytest.raises(ValueError, match=r"sizes of 1 or more, and \(3, 0\)"):
            prior((3, 0))
    with pytest.raises(ValueError, match="num_components=0"):
        MixtureOfGaussiansPrior(2, 0)
    with pytest.raises(ValueError, match="num_components=0"):
        MixtureOfGaussiansConditional(2, 2, FeedForward(()), 0)
