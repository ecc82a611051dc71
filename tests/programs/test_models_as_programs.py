"""The models of lessons 02, 06 and 07 as programs: on the same noise, the same bounds and gradients as their own objectives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.estimators import Enumeration
from helpers.estimators.draws import DrawSource, drawing_from
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel, SampledKlSequenceElbo, SemiSupervisedElbo
from helpers.models.semi_supervised.model import semi_supervised_vae
from helpers.models.sequences.deep_markov import deep_markov_model
from helpers.models.sequences.guide import steps_of
from helpers.networks import FeedForward
from helpers.programs import ProgramElbo, mask, module, plate, sample

IMAGES, PIXELS, CLASSES, LATENT = 5, (12,), 4, 3


class Tape(DrawSource):
    """Gaussian noise in a fixed order, whatever the shapes of the draws."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise.reshape(-1)

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        shape = (num_samples, *q.batch_shape, *q.event_shape)
        count = torch.Size(shape).numel()
        taken, self.noise = self.noise[:count].reshape(shape), self.noise[count:]
        return q.base_dist.loc + q.base_dist.scale * taken


def gradients(value: Tensor, *parts):
    parameters = [parameter for part in parts for parameter in part.parameters()]
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def assert_same(estimate, noise, objective, parts, size):
    with drawing_from(Tape(noise)):
        wanted = estimate()
    with drawing_from(Tape(noise)):
        found = objective()
    assert found.value.item() == pytest.approx(wanted.value.sum().item(), rel=1e-5)
    pairs = zip(gradients(found.surrogate, *parts), gradients(wanted.surrogate.sum(), *parts), strict=True)
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5 * size)


def bits(*shape: int) -> Tensor:
    return (torch.rand(*shape) < 0.5).float()


def test_the_vae():
    torch.manual_seed(0)
    x = bits(IMAGES, *PIXELS)
    model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), PIXELS, FeedForward((8,))))
    guide = AmortizedGuide(GaussianConditional(PIXELS, (LATENT,), FeedForward((8,))))

    def program(x):
        decoder = module("decoder", model.likelihood)
        with plate("images", len(x)):
            z = sample("z", model.prior(()))
            sample("x", decoder(z), obs=x)

    def program_guide(x):
        encoder = module("encoder", guide)
        with plate("images", len(x)):
            sample("z", encoder(x))

    objective = ProgramElbo(program, program_guide).initialise(x)
    noise = torch.randn(IMAGES, LATENT)
    assert_same(lambda: Elbo(model, guide)(x), noise, lambda: objective(x), (model, guide), IMAGES)
    assert {id(p) for p in objective.parameters()} == {
        id(p) for part in (model.likelihood, guide) for p in part.parameters()
    }


@pytest.mark.parametrize("labelled", [False, True])
def test_the_semi_supervised_vae(labelled):
    torch.manual_seed(1)
    x, labels = bits(IMAGES, *PIXELS), torch.eye(CLASSES)[torch.tensor([0, 3, 1, 2, 3])]
    model, guide = semi_supervised_vae(PIXELS, CLASSES, BernoulliConditional, LATENT, (8,))
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.5)
    sums = Enumeration()

    def program(x, y):
        with plate("images", len(x)):
            y = sample("y", model.label_prior((len(x),)), obs=y)
            z = sample("z", model.style_prior((len(x),)))
            sample("x", model(y, z), obs=x)

    def program_guide(x, y):
        with plate("images", len(x)):
            if y is None:
                y = sample("y", guide.classifier(x), estimator=sums)
            sample("z", guide.style(x, y))

    programs = ProgramElbo(program, program_guide)
    y = labels if labelled else None
    assert_same(
        lambda: objective.labelled(x, labels) if labelled else objective.unlabelled(x),
        torch.randn(CLASSES, IMAGES, LATENT),
        lambda: programs(x, y),
        (model, guide),
        IMAGES,
    )


def test_the_deep_markov_model():
    torch.manual_seed(2)
    num, longest, keys = 4, 6, 7
    x, lengths = bits(num, longest, keys), torch.tensor([6, 2, 5, 1])
    model, guide = deep_markov_model((keys,), latent=LATENT, emission=(8,), transition=8, rnn=8)
    for parameter in (*model.parameters(), *guide.parameters()):
        torch.nn.init.normal_(parameter, 0.0, 0.4)
    objective = SampledKlSequenceElbo(model, guide)
    steps = steps_of(x, lengths, (keys,))
    noise = torch.randn(num, longest, LATENT)

    def steps_in_plate():
        for step in range(longest):
            yield step, mask(where=(lengths > step)[:, None])

    def program(x):
        z = model.initial.expand(num, 1, -1)
        with plate("sequences", num, dim=-2):
            for step, there in steps_in_plate():
                with there:
                    z = sample(f"z{step}", model.transition(z))
                    sample(f"x{step}", model.emission(z), obs=x[:, step, None])

    def program_guide(x):
        features = steps.pad(guide.features(steps.pack(x), steps))
        z = guide.initial.expand(num, 1, -1)
        with plate("sequences", num, dim=-2):
            for step, there in steps_in_plate():
                with there:
                    z = sample(f"z{step}", guide.step(features[:, step], z))

    programs = ProgramElbo(program, program_guide)
    with drawing_from(Tape(steps.pack(noise))):
        wanted = objective((x, lengths))
    with drawing_from(Tape(noise.movedim(1, 0))):
        found = programs(x)
    assert found.value.item() == pytest.approx(wanted.value.sum().item(), rel=1e-5)
    assert found.terms["rate"].item() == pytest.approx(wanted.terms["rate"].sum().item(), rel=1e-4)
    for mine, other in zip(
        gradients(found.surrogate, model, guide), gradients(wanted.surrogate.sum(), model, guide), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)
