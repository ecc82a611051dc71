"""`evaluate_bound` against a linear-Gaussian model, whose evidence, posterior and bound are known."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from helpers.distributions import (
    BernoulliConditional,
    CategoricalConditional,
    GaussianConditional,
    StandardNormalPrior,
)
from helpers.evaluation import Measured, accuracy, evaluate_bound
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward

ROOT = Path(__file__).parents[2]
WEIGHT = torch.tensor([[1.0, 0.5], [-0.3, 0.8], [0.6, -1.0]], dtype=torch.float64)
SCALE = torch.tensor([0.7, 1.1, 0.9], dtype=torch.float64)


class Affine(nn.Module):
    def __init__(self, weight, scale):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.raw_scale = nn.Parameter((scale - 1e-5).expm1().log())

    def forward(self, x):
        loc = x @ self.weight.T
        return torch.stack([loc, self.raw_scale.expand_as(loc)], dim=-2)


PRECISION = torch.eye(2, dtype=torch.float64) + WEIGHT.T @ torch.diag(SCALE**-2) @ WEIGHT
GAIN = torch.linalg.inv(PRECISION) @ WEIGHT.T @ torch.diag(SCALE**-2)


def system(spread: float = 1.5):
    """x = W z + noise, and q(z | x) with the right mean and a diagonal covariance that is too wide."""
    model = LatentVariableModel(StandardNormalPrior(2), GaussianConditional(2, 3, Affine(WEIGHT, SCALE))).double()
    scale = spread * torch.diag(PRECISION) ** -0.5
    return model, AmortizedGuide(GaussianConditional(3, 2, Affine(GAIN, scale))).double()


def evidence(x):
    zero = torch.zeros(3, dtype=torch.float64)
    return MultivariateNormal(zero, WEIGHT @ WEIGHT.T + torch.diag(SCALE**2)).log_prob(x)


def test_against_closed_forms():
    """Many copies of one image: the standard error is then that of the draws alone, and every mean has a known value."""
    model, guide = system()
    x = torch.tensor([0.4, -1.0, 0.8], dtype=torch.float64)
    result = evaluate_bound(model, guide, x.expand(3000, 3), num_samples=40)
    with torch.no_grad():
        q = guide(x)
        full = MultivariateNormal(q.mean, torch.diag(q.variance))
        exact = MultivariateNormal(GAIN @ x, precision_matrix=PRECISION)
        elbo = evidence(x) - kl_divergence(full, exact)
        rate = (0.5 * (q.mean**2 + q.variance - 1) - q.stddev.log()).sum()
    for measured, value in ((result.elbo, elbo), (result.rate, rate), (result.distortion, -elbo - rate)):
        assert abs(measured.mean - value.item()) < 5 * measured.standard_error
        assert 0 < measured.standard_error < 0.05
    gap = evidence(x).item() - result.log_marginal_is.mean
    assert gap > -5 * result.log_marginal_is.standard_error
    assert gap < 0.1 * (evidence(x) - elbo).item()  # forty samples close most of the gap
    assert result.elbo.mean == pytest.approx(-(result.distortion.mean + result.rate.mean), rel=1e-12)
    assert (result.num_samples, result.num_images) == (40, 3000)


def test_log_marginal_is_reaches_log_marginal_with_the_exact_posterior():
    """With W diagonal the exact posterior is q itself: every weight is p(x), so the answer has no noise at all."""
    weight = torch.diag(torch.tensor([0.8, -1.3], dtype=torch.float64))
    scale = torch.tensor([0.7, 1.2], dtype=torch.float64)
    precision = 1 + torch.diag(weight) ** 2 / scale**2
    gain = torch.diag(torch.diag(weight) / scale**2 / precision)
    model = LatentVariableModel(StandardNormalPrior(2), GaussianConditional(2, 2, Affine(weight, scale))).double()
    guide = AmortizedGuide(GaussianConditional(2, 2, Affine(gain, precision**-0.5))).double()
    x = torch.randn(20, 2, dtype=torch.float64)
    exact = MultivariateNormal(
        torch.zeros(2, dtype=torch.float64), torch.diag(torch.diag(weight) ** 2 + scale**2)
    ).log_prob(x)
    result = evaluate_bound(model, guide, x, num_samples=3)
    for measured in (result.log_marginal_is, result.elbo):
        assert measured.mean == pytest.approx(exact.mean().item(), rel=1e-9)
        assert measured.standard_error == pytest.approx(exact.std().item() / math.sqrt(20), rel=1e-9)


@pytest.mark.parametrize("max_evaluations", [1, 7, 12, 64, 10_000])
def test_working_in_pieces_does_not_change_the_answer(max_evaluations):
    """Draws pinned to q's mean plus what `count` says: the same whatever the pieces, images or draws."""
    model, guide = system()

    class Fixed(nn.Module):
        """q(z | x) whose s-th draw for an image is always the same, however the draws are asked for."""

        def forward(self, x):
            q = guide(x)
            count = [0]

            def sample(shape):
                numbers = torch.arange(count[0], count[0] + shape[0], dtype=torch.float64)
                count[0] += shape[0]
                return q.mean + numbers.sin().reshape(-1, *[1] * q.mean.dim()) * q.stddev

            q.sample = sample
            return q

    x = torch.randn(9, 3, dtype=torch.float64)
    whole = evaluate_bound(model, Fixed(), x, num_samples=12, max_evaluations=9 * 12)
    pieces = evaluate_bound(model, Fixed(), x, num_samples=12, max_evaluations=max_evaluations)
    for name in ("elbo", "distortion", "rate", "log_marginal_is"):
        ours, theirs = getattr(pieces, name), getattr(whole, name)
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-12), name
        assert ours.standard_error == pytest.approx(theirs.standard_error, rel=1e-12), name


@pytest.mark.parametrize("num_samples", [30, 250])  # fewer draws for one image than may be held at once, and more
def test_pieces_never_hold_more_pairs_than_allowed(num_samples):
    model, guide = system()
    largest = []
    model.likelihood.register_forward_hook(lambda module, inputs, output: largest.append(inputs[0][..., 0].numel()))
    x = torch.randn(25, 3, dtype=torch.float64)
    evaluate_bound(model, guide, x, num_samples=num_samples, max_evaluations=100)
    assert sum(largest) == 25 * num_samples
    assert max(largest) <= 100


def test_measured_is_mean_and_standard_error_by_hand():
    measured = Measured.over(torch.tensor([1.0, 2.0, 4.0, 5.0]))
    assert measured.mean == 3.0
    assert measured.standard_error == pytest.approx(math.sqrt(10 / 3) / 2)
    assert str(measured) == "3.00 ± 0.91"
    assert math.isnan(Measured.over(torch.tensor([1.0])).standard_error)
    with pytest.raises(dataclasses.FrozenInstanceError):
        measured.mean = 0.0


def test_evaluation_mode_inside_and_every_modules_mode_put_back():
    image, network = (1, 2, 2), FeedForward((64,), dropout=0.5)
    model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional(2, image, network))
    guide = AmortizedGuide(GaussianConditional(image, 2, network))
    frozen = model.likelihood.network.network[
        2
    ].eval()  # its owner holds one layer of a training model in evaluation mode
    modes = []
    model.likelihood.register_forward_hook(
        lambda *_: modes.append((model.training, guide.training, torch.is_grad_enabled()))
    )
    evaluate_bound(model, guide, torch.rand(3, *image), num_samples=2)
    assert set(modes) == {(False, False, False)}
    assert model.training
    assert guide.training
    assert not frozen.training
    with pytest.raises(ValueError, match="channel"):
        evaluate_bound(model, guide, torch.rand(3, 3, 2, 2), num_samples=2)
    assert model.training
    with pytest.raises(ValueError, match="Got num_samples=0; expected the draws.*1 or more"):
        evaluate_bound(model, guide, torch.rand(3, *image), num_samples=0)


def test_one_image_has_a_mean_and_no_standard_error():
    model, guide = system()
    result = evaluate_bound(model, guide, torch.zeros(1, 3, dtype=torch.float64), num_samples=2)
    assert math.isfinite(result.elbo.mean)
    assert math.isnan(result.elbo.standard_error)


HEAP = """
import torch

from helpers.distributions import BernoulliConditional, CategoricalConditional, GaussianConditional, StandardNormalPrior
from helpers.networks import FeedForward
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, LatentVariableModel


def anonymous():  # MB, in memory or swapped out; pages of files, which the system takes away as it likes, do not count
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "VmSwap")) / 1e6


torch.set_num_threads(1)
torch.manual_seed(0)
model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional((2,), (784,), FeedForward(())))
posterior = AmortizedGuide(GaussianConditional((784,), (2,), FeedForward(())))
kept = [torch.zeros(int(size)) for size in torch.randint(1000, 400_000, (2000,))][::7]  # a heap as training leaves it
images = torch.ones(30, 784)
evaluate_bound(model, posterior, images[:3], num_samples=10_000)
before = anonymous()
evaluate_bound(model, posterior, images, num_samples=10_000)
print(anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory in use is read from /proc")
def test_memory_does_not_grow_with_the_number_of_images():
    """In a process of its own, for its heap. Results kept between the pieces' large temporaries cost some 17 MB a piece here."""
    grown = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert float(grown) < 150


def test_accuracy_is_the_share_of_right_guesses():
    classifier = CategoricalConditional((3,), (3,), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        classifier.network.weight.copy_(torch.eye(3))
    images = torch.eye(3)[[0, 1, 2, 2]]
    measured = accuracy(classifier, images, torch.tensor([0, 1, 2, 0]), batch_size=3)
    assert measured.mean == 0.75
    assert measured.standard_error == pytest.approx(0.5 / 2)
    with pytest.raises(ValueError, match="one class per item"):
        accuracy(classifier, images, torch.tensor([0, 1, 2]))
