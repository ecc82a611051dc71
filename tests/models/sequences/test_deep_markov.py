"""The deep Markov model, its guides and its objective: against plain loops, and with padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from helpers.distributions.flow_layers import InverseAutoregressive
from helpers.estimators import DrawSource, drawing_from
from helpers.evaluation import evaluate_sequences
from helpers.evaluation.particle_filter import particle_log_marginal
from helpers.models import AnalyticKlSequenceElbo, SampledKlSequenceElbo, SequenceElbo, SequenceGuide, deep_markov_model
from helpers.models.sequences.recurrent_guide import GUIDES
from helpers.networks import PackedSteps
from helpers.training import NonFiniteError, fit
from tests.models.test_pyro_agreement import gradient_gap

KEYS, LATENT = 6, 3
LENGTHS = torch.tensor([3, 7, 1, 7, 4])


def parts(dtype=torch.float64, **options):
    torch.manual_seed(0)
    model, guide = deep_markov_model(KEYS, latent=LATENT, emission=(5,), transition=4, rnn=8, **options)
    for parameter in guide.flows.parameters():  # untrained ones change nothing, and would test nothing
        nn.init.normal_(parameter, std=0.5)
    x = (torch.rand(len(LENGTHS), 9, KEYS) < 0.3).to(dtype)
    return model.to(dtype), guide.to(dtype), x


def gradients(objective, batch):
    torch.manual_seed(7)
    estimate = objective(batch)
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return estimate, torch.autograd.grad(estimate.surrogate.sum(), trained)


@pytest.mark.parametrize("num_samples", [1, 4])
@pytest.mark.parametrize("reads", list(GUIDES))
@pytest.mark.parametrize("flows", [0, 1])
def test_a_draw_equals_one_step_after_another(reads, flows, num_samples):
    """The written-out sampling path against the base class, which asks for one distribution a step; values and gradients."""
    model, guide, x = parts(guide=reads, flows=flows)
    results = []
    for draw in (type(guide).draw_given, SequenceGuide.draw_given):
        torch.manual_seed(1)
        steps = PackedSteps(LENGTHS, 9)
        features = guide.features(steps.pack(x), steps)
        if draw is SequenceGuide.draw_given:  # the same noise, in the order in which this one asks for it
            noise = torch.randn(num_samples, steps.rows, LATENT, dtype=torch.float64).movedim(0, 1)
            with drawing_recorded(noise.split(steps.sizes)):
                path = draw(guide, features, steps, num_samples)
        else:
            path = draw(guide, features, steps, num_samples)
        results.append((path.z, path.log_prob))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-11)
    weights = [torch.randn_like(value) for value in results[0]]
    ours, plain = (
        sum((value * weight).sum() for value, weight in zip(values, weights, strict=True)) for values in results
    )
    assert gradient_gap(ours, plain, nn.ParameterList(p for p in guide.parameters() if p.requires_grad)) < 1e-9


def drawing_recorded(blocks):
    class RecordedDraws(DrawSource):
        def __init__(self):
            self.blocks = iter(blocks)

        def rsample(self, q, num_samples):
            base = getattr(q, "base", q)
            x = base.mean + base.stddev * next(self.blocks)
            for layer in getattr(q, "layers", ()):
                x, _ = layer.forward(x)
            return x[None]

    return drawing_from(RecordedDraws())


@pytest.mark.parametrize("reads", list(GUIDES))
@pytest.mark.parametrize("flows", [0, 2])
@torch.no_grad()
def test_scores_of_a_draw_and_of_the_same_z_agree(reads, flows):
    model, guide, x = parts(guide=reads, flows=flows)
    drawn = guide(x, LENGTHS, 4)
    assert drawn.z.shape == (4, 5, 9, LATENT)
    assert not drawn.z[:, torch.arange(9) >= LENGTHS[:, None]].any()
    torch.testing.assert_close(drawn.log_prob, guide.log_prob(x, LENGTHS, drawn.z), rtol=1e-8, atol=1e-8)


@torch.no_grad()
def test_log_joint_is_the_sum_over_a_plain_loop():
    model, _, x = parts()
    nn.init.normal_(model.initial)
    z = torch.randn(2, 5, 9, LATENT, dtype=torch.float64)
    expected = torch.zeros(2, 5, dtype=torch.float64)
    for s in range(2):
        for b, length in enumerate(LENGTHS.tolist()):
            before = model.initial
            for t in range(length):
                expected[s, b] += model.transition(before).log_prob(z[s, b, t]) + model.emission(z[s, b, t]).log_prob(
                    x[b, t]
                )
                before = z[s, b, t]
    torch.testing.assert_close(model.log_joint(x, LENGTHS, z), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(model.log_joint(x, LENGTHS, z[0]), expected[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("reads", list(GUIDES))
@pytest.mark.parametrize("cell", ["gru", "relu"])
@pytest.mark.parametrize("beyond", [1.0, 1e30, torch.nan])
def test_what_stands_beyond_the_end_changes_no_bit(reads, cell, beyond):
    model, guide, x = parts(torch.float32, guide=reads, cell=cell)
    changed = torch.where((torch.arange(9) < LENGTHS[:, None])[..., None], x, beyond)
    assert not torch.equal(x, changed)
    objective = SequenceElbo(model, guide, num_samples=2)
    one, slopes = gradients(objective, (x, LENGTHS))
    for other in (changed, changed[:, :7]):  # and neither does the width of the padding
        two, others = gradients(objective, (other, LENGTHS))
        assert torch.equal(one.value, two.value)
        assert all(torch.equal(one.terms[name], two.terms[name]) for name in one.terms)
        assert all(torch.equal(a, b) for a, b in zip(slopes, others, strict=True))
    torch.manual_seed(0)
    measured = evaluate_sequences(model, guide, x, LENGTHS, num_samples=3)
    torch.manual_seed(0)
    again = evaluate_sequences(model, guide, changed, LENGTHS, num_samples=3)
    for name in ("bound", "log_marginal_is", "log_marginal_smc"):
        assert torch.equal(getattr(measured, name).values, getattr(again, name).values)


def test_the_closed_form_is_the_mean_of_the_monte_carlo_rate():
    model, guide, x = parts()
    batch = x[:1].expand(4000, -1, -1), torch.full((4000,), 7)
    rates = []
    for bound in (AnalyticKlSequenceElbo, SampledKlSequenceElbo):
        torch.manual_seed(5)
        rates.append(bound(model, guide)(batch).terms["rate"])
    gap = rates[0] - rates[1]
    assert gap.std() > 0.1
    assert gap.mean().abs() < 5 * gap.std() / 4000**0.5


@pytest.mark.parametrize("reads", ["future", "mean-field"])
@torch.no_grad()
def test_with_flows_the_rate_keeps_its_mean_with_what_there_is_of_a_closed_form(reads):
    """Rates are compared on the same paths; what differs is then -log q_0 and log p of the Gaussian's draw, each less its mean."""
    model, guide, _ = parts(guide=reads, flows=2)
    steps = torch.ones(20_000, dtype=torch.long)  # sequences of one step: what is compared has no other noise
    batch = torch.zeros(len(steps), 1, KEYS, dtype=torch.float64), steps
    nn.init.normal_(model.initial)  # a prior that is not symmetric about 0
    sampled, partly = (
        _on_the_same_noise(model, guide, batch, bound) for bound in (SampledKlSequenceElbo, SequenceElbo)
    )
    gap = sampled - partly
    assert gap.std() > 0.1
    assert gap.mean().abs() < 5 * gap.std() / len(gap) ** 0.5


@torch.no_grad()
def test_flows_that_shift_and_scale_leave_the_rate_without_noise():
    """z_t is a Gaussian then, so its KL is known: however far base and flow have drifted, in opposite directions."""
    model, guide, x = parts(flows=2)
    batch = x[:1, :1].expand(50, -1, -1), torch.ones(50, dtype=torch.long)
    scale, shift = torch.ones(LATENT, dtype=torch.float64), torch.zeros(LATENT, dtype=torch.float64)
    for network in guide.flows:
        last = network.network[-1]
        last.weight.zero_()
        last.bias.copy_(torch.cat([torch.linspace(-1, 1, LATENT), torch.linspace(-3, -2, LATENT)]))
        moved, log_det = InverseAutoregressive(network.without_context(), network.order).forward(
            torch.eye(LATENT + 1, LATENT).double()
        )
        factor = (moved[:LATENT] - moved[LATENT]).diagonal()
        shift, scale = factor * shift + moved[LATENT], factor * scale
        assert log_det[0].exp() == pytest.approx(factor.prod().item()) and factor.max() < 0.3
    rate = _on_the_same_noise(model, guide, batch, SequenceElbo)
    draw = guide(*batch)
    base = draw.flow.base.base_dist
    q = Independent(Normal(scale * base.loc + shift, scale * base.scale), 1)
    exact = kl_divergence(q, model.transition(draw.steps.previous(draw.packed_z, model.initial)))
    torch.testing.assert_close(rate, exact.flatten(), rtol=1e-9, atol=0)


@torch.no_grad()
def test_flows_that_have_learned_leave_the_rate_with_less_noise_than_monte_carlo():
    model, guide, x = parts(flows=2)
    batch = x[:1].expand(4000, -1, -1), torch.full((4000,), 7)
    for network in guide.flows:
        nn.init.normal_(network.network[-1].weight, std=0.1)
        nn.init.normal_(
            network.network[-1].bias, -1.0, 0.1
        )  # a base that is far too wide for the prior: z_t is a third of y_t
    guide.to_parameters.bias[LATENT:] += 1.0
    sampled, partly = (
        _on_the_same_noise(model, guide, batch, bound) for bound in (SampledKlSequenceElbo, SequenceElbo)
    )
    assert partly.std() < sampled.std() / 2
    assert (sampled.mean() - partly.mean()).abs() < 5 * (sampled - partly).std() / 4000**0.5


def _on_the_same_noise(model, guide, batch, bound):
    torch.manual_seed(5)
    return bound(model, guide)(batch).terms["rate"]


def test_flows_start_as_nothing_so_the_bound_and_its_gradient_are_those_without():
    _, plain, x = parts()
    torch.manual_seed(0)
    model, guide = deep_markov_model(KEYS, latent=LATENT, emission=(5,), transition=4, rnn=8, flows=2)
    model, guide = model.double(), guide.double()
    plain.load_state_dict(guide.state_dict(), strict=False)
    bounds = []
    for each in (plain, guide):
        torch.manual_seed(3)
        bounds.append(SequenceElbo(model, each)((x, LENGTHS)).surrogate.sum())
    # MIN_SCALE, which every scale has added to it, is what a flow does at the start: 1e-5 a number
    torch.testing.assert_close(bounds[1], bounds[0], rtol=1e-4, atol=0)
    shared = [
        nn.ParameterList(p for name, p in each.named_parameters() if "flows" not in name) for each in (plain, guide)
    ]
    slopes = [
        torch.cat([slope.flatten() for slope in torch.autograd.grad(bound, [*model.parameters(), *parameters])])
        for bound, parameters in zip(bounds, shared, strict=True)
    ]
    assert (slopes[1] - slopes[0]).norm() < 1e-3 * slopes[0].norm()


@torch.no_grad()
def test_particles_through_flows_are_scored_without_inverting_them(monkeypatch):
    model, guide, x = parts(flows=2)
    torch.manual_seed(4)
    expected = particle_log_marginal(model, InvertingGuide(guide), x, LENGTHS, 50)
    monkeypatch.setattr(
        InverseAutoregressive, "inverse", lambda *_: pytest.fail("inverted, in as many passes as z has numbers")
    )
    torch.manual_seed(4)
    found = particle_log_marginal(model, guide, x, LENGTHS, 50)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


class InvertingGuide(nn.Module):
    """A guide whose flows have forgotten what they drew when they are asked to score it."""

    def __init__(self, guide):
        super().__init__()
        self.guide, self.initial, self.features = guide, guide.initial, guide.features

    def step(self, features, z):
        q = self.guide.step(features, z)
        score = q.log_prob
        q.log_prob = lambda value: score(value.clone())
        return q


def test_the_mean_field_guide_does_not_read_the_step_before():
    model, guide, x = parts(guide="mean-field")
    steps = PackedSteps(LENGTHS, 9)
    features = guide.features(steps.pack(x), steps)
    q, other = (guide.step(features, torch.randn(steps.rows, 1, LATENT, dtype=torch.float64)) for _ in range(2))
    assert torch.equal(q.mean, other.mean)


@pytest.mark.parametrize(
    ("reads", "sees"), [("future", range(3, 7)), ("past", range(4)), ("both", range(7)), ("mean-field", range(7))]
)
def test_each_guide_sees_what_its_name_says(reads, sees):
    """Which x_t' move q(z_t | z_{t-1}, x) at the fourth of seven steps."""
    model, guide, x = parts(guide=reads)
    x = x[:1, :7].requires_grad_()
    steps = PackedSteps(torch.tensor([7]), 7)
    (slope,) = torch.autograd.grad(guide.features(steps.pack(x), steps)[3].sum(), x)
    assert slope[0].abs().sum(-1).nonzero().squeeze(1).tolist() == list(sees)


def test_the_order_of_the_batch_does_not_matter():
    model, guide, x = parts(guide="mean-field")
    objective = SequenceElbo(model, guide)
    order = torch.tensor([4, 2, 0, 3, 1])
    steps, other = PackedSteps(LENGTHS, 9), PackedSteps(LENGTHS[order], 9)
    noise = torch.randn(5, 9, LATENT, dtype=torch.float64)
    values = []
    for xs, lengths, eps in ((x, LENGTHS, steps.pack(noise)), (x[order], LENGTHS[order], other.pack(noise[order]))):
        with drawing_recorded([eps]):  # one draw for all steps
            values.append(objective((xs, lengths)).value)
    torch.testing.assert_close(values[0][order], values[1], rtol=1e-12, atol=0)


def test_rate_weight_acts_in_training_and_not_in_evaluation():
    model, guide, x = parts()
    objective = SequenceElbo(model, guide, rate_weight=0.2)
    for training, weight in ((True, 0.2), (False, 1.0)):
        objective.train(training)
        estimate = objective((x, LENGTHS))
        torch.testing.assert_close(estimate.value, -estimate.terms["distortion"] - weight * estimate.terms["rate"])


def test_sizes_of_one_and_silence():
    model, guide, _ = parts(torch.float32)
    for x in (torch.zeros(1, 1, KEYS), torch.zeros(3, 4, KEYS)):
        lengths = torch.full((len(x),), x.shape[1])
        estimate, slopes = gradients(SequenceElbo(model, guide), (x, lengths))
        assert estimate.value.isfinite().all() and all(slope.isfinite().all() for slope in slopes)
        assert evaluate_sequences(model, guide, x, lengths, num_samples=1).log_marginal_is.values.isfinite().all()


def test_samples_and_their_continuation():
    model, _, _ = parts(torch.float32)
    x, z = model.sample(6, 4)
    assert x.shape == (6, 4, KEYS) and z.shape == (6, 4, LATENT) and not z.requires_grad
    far = torch.full((6, LATENT), 1e4)
    assert (
        model.sample(6, 1, after=far)[1].abs().mean() > 100 * z.abs().mean()
    )  # the gate starts as the identity, in part
    with pytest.raises(ValueError, match=r"after.*\[num, latent\] = \(6, 3\)"):
        model.sample(6, 4, after=torch.zeros(LATENT))
    with pytest.raises(ValueError, match="steps=0"):
        model.sample(6, 0)


def test_an_exploding_transition_stops_training_with_step_and_term_named():
    torch.manual_seed(0)
    model, guide, x = parts(torch.float32)
    objective = SequenceElbo(model, guide)
    taken = {"steps": 0}

    class ThenExplodes:
        """Stands in for a scheduler: after three good steps the transition multiplies by 1e30 what it should leave."""

        def step(self):
            taken["steps"] += 1
            if taken["steps"] == 3:
                with torch.no_grad():
                    model.transition.network.linear.weight.mul_(1e30)
                taken["state"] = {name: value.clone() for name, value in objective.state_dict().items()}

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    with pytest.raises(NonFiniteError, match=r"step 4: rate") as stopped:
        fit(objective, [(x, LENGTHS)] * 9, epochs=1, schedulers=[ThenExplodes()], progress=False)
    assert stopped.value.history.steps == 3
    assert all(torch.equal(value, taken["state"][name]) for name, value in objective.state_dict().items())


def test_dropout_reaches_the_guide():
    """In training mode hidden units are dropped at random, in evaluation mode none."""
    torch.manual_seed(0)
    _, guide = deep_markov_model(KEYS, latent=LATENT, emission=(5,), transition=6, rnn=7, dropout=0.5)
    x, lengths = torch.rand(3, 6, KEYS).round(), torch.tensor([6, 4, 2])
    steps = PackedSteps(lengths, 6)

    def features() -> torch.Tensor:
        return guide.features(steps.pack(x), steps).detach()

    assert not torch.equal(features(), features())
    guide.eval()
    assert torch.equal(features(), features())
