"""Right answers to lesson 07 that are written in other ways than the solutions: `check` must take them, and those of the package."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical

from helpers.distributions import GatedTransition
from helpers.estimators.draws import draw, draw_uniform
from helpers.evaluation import evaluate_sequences
from helpers.evaluation.particle_filter import particle_log_marginal
from helpers.evaluation.sequences import PerStep
from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find
from helpers.models import SampledKlSequenceElbo, deep_markov_model
from helpers.networks.packed_steps import PackedSteps


def by_interpolation(z, gate_logit, proposal, weight, bias):
    return torch.lerp(nn.functional.linear(z, weight, bias), proposal, torch.sigmoid(gate_logit))


def number_by_number(z, gate_logit, proposal, weight, bias):
    shut = torch.sigmoid(-gate_logit)
    step = torch.einsum("ij,bj->bi", weight, z) + bias
    return proposal + shut * (step - proposal)


def sequence_by_sequence(log_likelihood, rate, lengths):
    bounds = [(p[:n] - kl[:n]).sum() for p, kl, n in zip(log_likelihood, rate, lengths.tolist(), strict=True)]
    return torch.stack(bounds), sum(bounds) / sum(lengths.tolist())


def by_filling(log_likelihood, rate, lengths):
    beyond = torch.arange(log_likelihood.shape[-1]).expand_as(rate) >= lengths.unsqueeze(-1)
    bound = log_likelihood.masked_fill(beyond, 0).sum(-1) - rate.masked_fill(beyond, 0).sum(-1)
    return bound, (bound / lengths * lengths / lengths.sum()).sum()


def flipped_one_by_one(x, lengths):
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist(), strict=True)])


def by_two_indices(x, lengths):
    time = torch.arange(x.shape[1]).expand(len(x), -1)
    end = lengths.unsqueeze(1)
    return x[torch.arange(len(x)).unsqueeze(1), time + (end - 1 - 2 * time) * (time < end)]


def by_normalised_weights(log_joint, log_q):
    log_weight = log_joint - log_q
    largest = log_weight.amax(0)
    weight = (log_weight - largest).exp()
    return largest + weight.mean(0).log(), weight.sum(0) ** 2 / (weight**2).sum(0)


def by_softmax(log_joint, log_q):
    log_weight = torch.sub(log_joint, log_q)
    share = log_weight.T.softmax(1)
    return log_weight.T.logsumexp(1) - math.log(log_weight.shape[0]), 1 / (share * share).sum(1)


def counting_edges(log_z, log_weight, z, offset):
    batch, count = log_weight.shape
    gain = torch.logsumexp(log_weight, 1)
    edges = (log_weight - gain[:, None]).exp().cumsum(-1)
    teeth = torch.arange(count) / count + offset.unsqueeze(1) / count
    chosen = (edges[:, None, :] <= teeth[:, :, None]).sum(-1).clamp(max=count - 1)
    return log_z + gain - math.log(count), z[torch.arange(batch).unsqueeze(1), chosen]


def particle_by_particle(log_z, log_weight, z, offset):
    drawn = []
    for share, particles, u in zip(log_weight.softmax(-1).tolist(), z, offset.tolist(), strict=True):
        edges = list(itertools.accumulate(share))
        teeth = [(i + u) / len(share) for i in range(len(share))]
        drawn.append(
            torch.stack([particles[next((k for k, edge in enumerate(edges) if tooth < edge), -1)] for tooth in teeth])
        )
    largest = log_weight.max(1, keepdim=True).values
    return log_z + (log_weight - largest).exp().mean(1).log() + largest[:, 0], torch.stack(drawn)


def by_normalisers(log_initial, log_transition, log_emission):
    """log p(x) as the sum of log p(x_t | x_1..t-1), with the filter kept normalised."""
    total, log_filter = 0, log_initial
    for t, emission in enumerate(log_emission.unbind(1)):
        if t:
            log_filter = torch.logsumexp(log_filter.unsqueeze(-1) + log_transition, -2)
        step = (log_filter + emission).logsumexp(-1)
        log_filter = log_filter + emission - step[:, None]
        total = total + step
    return total


def from_the_end(log_initial, log_transition, log_emission):
    """The backward algorithm: what the future says of each state."""
    log_future = torch.zeros_like(log_emission[:, 0])
    for emission in reversed(log_emission.unbind(1)[1:]):
        log_future = (log_transition + (emission + log_future)[:, None, :]).logsumexp(2)
    return torch.logsumexp(log_initial + log_emission[:, 0] + log_future, -1)


def by_addcmul(z, gate_logit, proposal, weight, bias):
    gate = torch.sigmoid(gate_logit)
    linear = torch.addmm(bias, z, weight.t())
    return torch.addcmul(linear, gate, proposal - linear)


def vector_by_vector(z, gate_logit, proposal, weight, bias):
    rows = []
    for one, logit, h in zip(z, gate_logit, proposal, strict=True):
        g = logit.sigmoid()
        rows.append((1 - g) * (weight @ one + bias) + g * h)
    return torch.stack(rows)


def by_both_sigmoids(z, gate_logit, proposal, weight, bias):
    step = (weight @ z.mT).mT + bias
    return torch.sigmoid(-gate_logit) * step + torch.sigmoid(gate_logit) * proposal


def by_softmax_of_two(z, gate_logit, proposal, weight, bias):
    shares = torch.stack([torch.zeros_like(gate_logit), gate_logit]).softmax(0)
    return (shares * torch.stack([nn.functional.linear(z, weight, bias), proposal])).sum(0)


def by_zeros(log_likelihood, rate, lengths):
    within = torch.arange(rate.shape[1]).unsqueeze(0).lt(lengths.unsqueeze(1))
    zeros = torch.zeros_like(rate)
    terms = torch.where(within, log_likelihood, zeros) - torch.where(within, rate, zeros)
    return torch.sum(terms, dim=-1), torch.sum(terms) / torch.sum(lengths)


def by_packing(log_likelihood, rate, lengths):
    within = torch.arange(rate.shape[1]) < lengths[:, None]
    owner = torch.arange(len(lengths)).repeat_interleave(lengths)
    terms = log_likelihood[within] - rate[within]
    return torch.zeros_like(rate[:, 0]).index_add(0, owner, terms), terms.mean()


def by_nan_to_num(log_likelihood, rate, lengths):
    within = (torch.arange(rate.shape[1]) < lengths[:, None]).to(rate)
    terms = (log_likelihood - rate).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0) * within
    return terms.sum(1), terms.sum() / within.sum()


def step_by_step(log_likelihood, rate, lengths):
    bound = torch.zeros(len(lengths), dtype=rate.dtype)
    for t in range(rate.shape[1]):
        bound = bound + torch.where(t < lengths, log_likelihood[:, t] - rate[:, t], bound.new_zeros(()))
    return bound, bound.sum() / lengths.sum().to(bound)


def by_sorting(x, lengths):
    time = torch.arange(x.shape[1]).expand(x.shape[0], -1)
    order = torch.where(time < lengths[:, None], -time - 1, time).argsort(1)
    return torch.take_along_dim(x, order[:, :, None], 1)


def by_flip_and_roll(x, lengths):
    rows = []
    for row, n in zip(x, lengths, strict=True):
        turned = row.flip(0).roll(int(n) - len(row), 0)
        rows.append(torch.where((torch.arange(len(row)) < n)[:, None], turned, row))
    return torch.stack(rows)


def by_index_lists(x, lengths):
    steps = x.shape[1]
    source = torch.tensor([[n - 1 - t if t < n else t for t in range(steps)] for n in lengths.tolist()])
    return torch.gather(x, 1, source.unsqueeze(-1).repeat(1, 1, x.shape[2]))


def by_a_permutation_matrix(x, lengths):
    time = torch.arange(x.shape[1])
    source = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return torch.einsum("bts,bsf->btf", nn.functional.one_hot(source, x.shape[1]).to(x), x)


def by_the_variance_of_weights(log_joint, log_q):
    log_weight = log_joint - log_q
    share = torch.softmax(log_weight, dim=0) * len(log_weight)
    return torch.logsumexp(log_weight - math.log(len(log_weight)), 0), len(share) / (1 + share.var(0, correction=0))


def path_by_path(log_joint, log_q):
    total = square = None
    for joint, q in zip(log_joint, log_q, strict=True):
        w = joint - q
        total = w if total is None else torch.logaddexp(total, w)
        square = 2 * w if square is None else torch.logaddexp(square, 2 * w)
    return total - math.log(log_joint.shape[0]), torch.exp(2 * total - square)


def sequence_for_sequence(log_joint, log_q):
    estimates, sizes = [], []
    for w in (log_joint - log_q).unbind(1):
        scaled = torch.exp(w - w.max())
        estimates.append(w.max() + torch.log(scaled.mean()))
        sizes.append(scaled.sum() ** 2 / (scaled @ scaled))
    return torch.stack(estimates), torch.stack(sizes)


def by_bucketize(log_z, log_weight, z, offset):
    batch, count, _ = z.shape
    drawn = []
    for b in range(batch):
        edges = torch.cumsum(torch.softmax(log_weight[b], 0), 0)
        points = (torch.arange(count) + offset[b]) / count
        drawn.append(z[b, torch.bucketize(points, edges, right=True).clamp_max(count - 1)])
    return log_z + torch.logsumexp(log_weight, 1) - math.log(count), torch.stack(drawn)


def with_a_last_edge_of_one(log_z, log_weight, z, offset):
    count = log_weight.size(1)
    edges = log_weight.softmax(1).cumsum(1)
    points = (torch.arange(count).to(offset) + offset.unsqueeze(1)) / count
    chosen = torch.searchsorted(edges[:, :-1].contiguous(), points.contiguous(), right=True)
    mean = torch.logsumexp(log_weight - math.log(count), dim=1)
    return log_z + mean, torch.take_along_dim(z, chosen.unsqueeze(-1), dim=1)


def by_one_hot_copies(log_z, log_weight, z, offset):
    count = log_weight.shape[1]
    share = (log_weight - log_weight.max(1, keepdim=True).values).exp()
    edges = (share / share.sum(1, keepdim=True)).cumsum(1)
    points = (torch.arange(count) + offset[:, None]) / count
    chosen = (points[..., None] >= edges[:, None, :]).sum(2).clamp(0, count - 1)
    copies = nn.functional.one_hot(chosen, count).to(z)
    return log_z + log_weight.logsumexp(1) - math.log(count), copies @ z


def sequence_for_sequence_forward(log_initial, log_transition, log_emission):
    found = []
    for sequence in log_emission:
        forward = log_initial + sequence[0]
        for step in sequence[1:]:
            forward = torch.stack([(forward + column).logsumexp(0) for column in log_transition.T]) + step
        found.append(torch.logsumexp(forward, 0))
    return torch.stack(found)


def by_other_broadcasting(log_initial, log_transition, log_emission):
    log_forward = log_emission[:, 0] + log_initial
    for t in range(1, log_emission.size(1)):
        pairs = log_forward.unsqueeze(1) + log_transition.T.unsqueeze(0)  # [batch, after, before]
        log_forward = torch.logsumexp(pairs, -1) + log_emission[:, t]
    return torch.logsumexp(log_forward, -1)


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("07.1", by_interpolation),
        ("07.1", number_by_number),
        ("07.2", sequence_by_sequence),
        ("07.2", by_filling),
        ("07.3", flipped_one_by_one),
        ("07.3", by_two_indices),
        ("07.4", by_normalised_weights),
        ("07.4", by_softmax),
        ("07.5", counting_edges),
        ("07.5", particle_by_particle),
        ("07.6", by_normalisers),
        ("07.6", from_the_end),
        ("07.1", by_addcmul),
        ("07.1", vector_by_vector),
        ("07.1", by_both_sigmoids),
        ("07.1", by_softmax_of_two),
        ("07.2", by_zeros),
        ("07.2", by_packing),
        ("07.2", step_by_step),
        ("07.2", by_nan_to_num),
        ("07.3", by_sorting),
        ("07.3", by_flip_and_roll),
        ("07.3", by_index_lists),
        ("07.3", by_a_permutation_matrix),
        ("07.4", by_the_variance_of_weights),
        ("07.4", path_by_path),
        ("07.4", sequence_for_sequence),
        ("07.5", by_bucketize),
        ("07.5", with_a_last_edge_of_one),
        ("07.5", by_one_hot_copies),
        ("07.6", sequence_for_sequence_forward),
        ("07.6", by_other_broadcasting),
    ],
)
def test_a_right_answer_passes_however_it_is_written(id, answer):
    verdict = judge(find(id), answer)
    assert verdict.passed, verdict


@pytest.fixture
def system():
    torch.manual_seed(3)
    model, guide = deep_markov_model(5, latent=3, emission=(6,), transition=7, rnn=8)
    return model.double(), guide.double()


@pytest.fixture
def sequences():
    lengths = torch.tensor([4, 7, 2])
    x = (torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    return x * (torch.arange(7) < lengths[:, None])[:, :, None], lengths


def test_the_mean_is_the_packages_transition():
    torch.manual_seed(0)
    transition = GatedTransition(4, 6).double()
    network, z = transition.network, torch.randn(5, 4, dtype=torch.float64)
    with torch.no_grad():
        network.linear.weight.normal_()
        network.linear.bias.normal_()
        found = find("07.1").solution(
            z, network.gate(z), network.proposal(z), network.linear.weight, network.linear.bias
        )
        torch.testing.assert_close(found, transition(z).mean)


def test_the_bound_is_the_packages_and_what_lies_beyond_the_end_may_be_anything(system, sequences):
    (model, guide), (x, lengths) = system, sequences
    torch.manual_seed(7)
    expected = SampledKlSequenceElbo(model, guide)((x, lengths)).value
    torch.manual_seed(7)
    path = guide(x, lengths)
    steps, z = path.steps, path.packed_z
    log_likelihood = steps.pad(model.step_log_likelihood(steps.pack(x), z)[:, 0])
    rate = steps.pad((path.step_log_prob() - model.step_log_prior(z, steps))[:, 0])
    beyond = torch.arange(7) >= lengths[:, None]
    bound, per_step = find("07.2").solution(log_likelihood.masked_fill(beyond, torch.nan), rate, lengths)
    torch.testing.assert_close(bound, expected)
    assert per_step.item() == pytest.approx(PerStep.over(bound.detach(), lengths).mean)


def test_reversal_is_the_packages(sequences):
    x, lengths = sequences
    steps = PackedSteps(lengths, 7)
    torch.testing.assert_close(find("07.3").solution(x, lengths), steps.pad(steps.pack(x)[steps.mirrored]))


def test_the_estimate_is_the_packages(system, sequences):
    (model, guide), (x, lengths) = system, sequences
    for n in range(3):  # one by one, for the package draws in an order of its own
        one, end = x[n : n + 1, : lengths[n]], lengths[n : n + 1]
        torch.manual_seed(11)
        expected = evaluate_sequences(model, guide, one, end, 30, smc=False).log_marginal_is.values
        torch.manual_seed(11)
        path = guide(one, end, 30)
        found, size = find("07.4").solution(model.log_joint(one, end, path.z), path.log_prob)
        torch.testing.assert_close(found.detach(), expected)
        assert 1 < size.item() < 30


def test_steps_of_particles_are_the_packages(system):
    model, guide = system
    x, lengths = (torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(2)) < 0.4).double(), torch.tensor([6, 6])
    torch.manual_seed(5)
    expected = particle_log_marginal(model, guide, x, lengths, 20, resample_below=1.0)
    torch.manual_seed(5)
    with torch.no_grad():
        steps = PackedSteps(lengths, 6)
        z, z_guide = (part.initial.expand(2, 20, -1) for part in (model, guide))
        log_z = torch.zeros(2, dtype=torch.float64)
        for t, features in enumerate(guide.features(steps.pack(x), steps).split(2)):
            q = guide.step(features, z_guide)
            new = draw(q, 1)[0]
            log_weight = (
                model.transition(z).log_prob(new) + model.emission(new).log_prob(x[:, t, None]) - q.log_prob(new)
            )
            offset = draw_uniform(torch.Size((2, 1)), log_weight)[:, 0]
            log_z, z = find("07.5").solution(log_z, log_weight, new, offset)
            z_guide = z
    torch.testing.assert_close(log_z, expected)


def test_the_forward_algorithm_sums_over_all_paths():
    generator = torch.Generator().manual_seed(4)
    draws = (torch.randn(*size, generator=generator, dtype=torch.float64) for size in ((3,), (3, 3)))
    initial, transition = (Categorical(logits=logits).logits for logits in draws)
    emission = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    paths = []
    for path in itertools.product(range(3), repeat=4):
        prior = initial[path[0]] + sum(transition[i, j] for i, j in itertools.pairwise(path))
        paths.append(prior + sum(emission[:, t, j] for t, j in enumerate(path)))
    torch.testing.assert_close(find("07.6").solution(initial, transition, emission), torch.stack(paths).logsumexp(0))


def test_an_answer_that_draws_the_particles_itself_is_told_of_the_offset():
    def drawn(log_z, log_weight, z, offset):
        chosen = torch.multinomial(log_weight.softmax(1), z.shape[1], replacement=True)
        return find("07.5").solution(log_z, log_weight, z, offset)[0], z.gather(1, chosen[:, :, None].expand_as(z))

    assert "Use `offset`, which is given" in judge(find("07.5"), drawn).sentence


def test_an_answer_without_clamp_is_told_why():
    def unclamped(log_z, log_weight, z, offset):
        count = z.shape[1]
        edges, points = log_weight.softmax(1).cumsum(1), (torch.arange(count) + offset[:, None]) / count
        chosen = torch.searchsorted(edges, points, right=True)[:, :, None]
        return log_z + log_weight.logsumexp(1) - math.log(count), z.gather(1, chosen.expand_as(z))

    assert "clamp" in judge(find("07.5"), unclamped).sentence
