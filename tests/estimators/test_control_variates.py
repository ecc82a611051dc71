"""Control variates of the score function: what each leaves unchanged, and by how much each lowers the variance."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.distributions import Finite
from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    Estimate,
    EveryOutcome,
    LearnedBaseline,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    exact_gradient,
    exact_moments,
)
from helpers.estimators.control_variates import mode
from helpers.networks import FeedForward
from tests.estimators.problems import DOUBLE, assert_same, bits, category, leaf, moments


def with_past(control_variate, mean: float = 0.0, variance: float = 0.0):
    control_variate.double()
    control_variate.past.mean.fill_(mean)
    control_variate.past.variance.fill_(variance)
    control_variate.past.started.fill_(True)
    return control_variate


# Theorems, exact


@pytest.mark.parametrize("num_samples", [1, 2])
def test_no_constant_baseline_beats_the_optimal_one(num_samples):
    """With s = grad log q and a constant baseline b: variance = least + E|s|² (b - b*)² / S,  b* = E[f |s|²] / E|s|²."""
    logits, a = leaf(3), leaf(3, seed=1).detach()
    q = Independent(Bernoulli(logits=logits), 1)

    def f(z):
        return (z @ a).exp() - 3 * z[..., 0]

    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=DOUBLE)] * 3)
    probability = q.log_prob(z).exp().detach()
    square = ((z - logits.sigmoid()) ** 2).sum(-1).detach()
    optimal = (probability * f(z) * square).sum() / (probability * square).sum()

    def variance(baseline: float) -> float:
        estimator = ScoreFunction(with_past(CentredReward(), mean=baseline))
        return exact_moments(estimator, f, q, num_samples, parameters=[logits]).total_variance

    least = variance(optimal.item())
    for baseline in (-5.0, 0.0, (probability * f(z)).sum().item(), optimal.item() + 0.1):
        excess = (probability * square).sum().item() * (baseline - optimal.item()) ** 2 / num_samples
        assert excess > 1e-6
        assert variance(baseline) - least == pytest.approx(excess, rel=1e-6)


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize(("variance", "factor"), [(6.25, 0.4), (0.3, 1.0)])
@pytest.mark.parametrize("problem", [bits(2), category(4)], ids=["2 bits", "4-way category"])
def test_scaled_reward_multiplies_the_guides_score_term_alone(problem, variance, factor, num_samples):
    """By exactly 1 / max(1, s). With a log weight for f the guide's whole expected gradient is its score term."""
    estimator = ScoreFunction(with_past(ScaledReward(), variance=variance))
    ours = moments(estimator, problem, num_samples)
    exact = exact_gradient(problem.f, problem.q, parameters=problem.parameters).gradient
    assert estimator.control_variate.factor.item() == factor
    split = len(problem.model)
    assert_same(ours.mean[:split], exact[:split])
    assert_same(ours.mean[split:], [factor * part for part in exact[split:]])


def test_scaled_reward_leaves_what_reaches_the_guide_through_f():
    """f = z + φ², z ~ Bernoulli(σ(φ)): the gradient is 2 φ through f, and p (1-p) by the score, which alone is scaled."""
    logit = leaf(seed=3)
    estimator = ScoreFunction(with_past(ScaledReward(), variance=4.0))
    ours = exact_moments(estimator, lambda z: z + logit**2, Bernoulli(logits=logit), 1, parameters=[logit])
    p = logit.detach().sigmoid()
    assert ours.mean[0].item() == pytest.approx((2 * logit.detach() + p * (1 - p) / 2).item(), rel=1e-12)


def test_a_perfect_baseline_leaves_no_noise_of_the_constant_part():
    """f = c(x) + small(z), c far larger: a baseline b(c) removes its noise; the mean of past rewards is one scalar."""
    logits, level = leaf(2), torch.tensor([30.0, -30.0], dtype=DOUBLE)
    q = Bernoulli(logits=logits)

    def variance(control_variate) -> float:
        return exact_moments(
            ScoreFunction(control_variate), lambda z: level + 0.1 * z, q, 1, parameters=[logits], context=level[:, None]
        ).total_variance

    exact_baseline = LearnedBaseline(1, nn.Flatten(-2))  # the context is the level, and so is the prediction
    assert variance(exact_baseline) < 1e-4 * variance(None)
    assert variance(with_past(CentredReward(), mean=0.0)) > 0.9 * variance(None)


def test_the_critic_takes_away_what_all_outcomes_share():
    q_logits = torch.full((2,), 2.0, dtype=DOUBLE, requires_grad=True)  # the mode is (1, 1), and likely
    q = Independent(Bernoulli(logits=q_logits), 1)

    def f(z):
        return 50 + z.sum(-1)

    plain = exact_moments(ScoreFunction(), f, q, 1, parameters=[q_logits])
    critic = exact_moments(ScoreFunction(SelfCritic()), f, q, 2, parameters=[q_logits])
    assert critic.total_variance < 1e-2 * plain.total_variance
    assert_same(critic.mean, plain.mean)


# Running statistics


def test_running_statistics_weigh_the_past_nine_to_one_and_enter_only_after_use():
    estimator, q = ScoreFunction(CentredReward()).double(), Bernoulli(logits=leaf(2))
    past, used = estimator.control_variate.past, []

    def call(level: float) -> None:
        used.append(past.mean.item())
        estimator(lambda z: level + torch.tensor([-1.0, 1.0]).expand(z.shape).double(), q, num_samples=3)

    for level in (10.0, 20.0, 0.0):
        call(level)
    assert used == pytest.approx([0.0, 10.0, 11.0])  # nothing yet; the first batch; 0.9 · 10 + 0.1 · 20
    assert past.mean.item() == pytest.approx(9.9)
    # variance around the earlier mean: 1, then 0.9 · 1 + 0.1 · (10² + 1), then 0.9 · that + 0.1 · (11² + 1)
    assert past.variance.item() == pytest.approx(0.9 * (0.9 + 0.1 * 101) + 0.1 * 122)


def test_a_centred_reward_is_the_reward_less_the_past_mean():
    """By hand, on one draw: the surrogate's gradient is (f - m) (b - p)."""
    estimator, logit = ScoreFunction(with_past(CentredReward(weight=0.5), mean=2.0)), leaf()
    estimate = estimator(lambda z: 5.0 + 0 * z, Bernoulli(logits=logit), num_samples=1)
    (gradient,) = torch.autograd.grad(estimate.surrogate, logit)
    p = logit.sigmoid().item()
    assert min(abs(gradient.item() - 3 * (b - p)) for b in (0, 1)) < 1e-12
    assert estimator.control_variate.past.mean.item() == 3.5
    with pytest.raises(ValueError, match="weight=0"):
        CentredReward(weight=0)


def test_evaluation_and_no_grad_leave_running_statistics_alone():
    chain = ControlVariateChain(CentredReward(), ScaledReward())
    estimator, q = ScoreFunction(chain), Bernoulli(torch.tensor([0.4]))
    before = {name: value.clone() for name, value in estimator.state_dict().items()}
    with torch.no_grad():
        estimator(lambda z: 7 + z, q)
    estimator.eval()
    estimator(lambda z: 7 + z, q)
    assert all(torch.equal(value, before[name]) for name, value in estimator.state_dict().items())
    estimator.train()
    estimator(lambda z: 7 + z, q)
    assert not torch.equal(chain.links[0].past.mean, before["control_variate.links.0.past.mean"])


def test_running_statistics_are_saved_and_restored():
    first, second = (ScoreFunction(ControlVariateChain(CentredReward(), ScaledReward())) for _ in range(2))
    q = Bernoulli(torch.tensor([0.4, 0.6]))
    for level in (3.0, 9.0):
        first(lambda z, level=level: level * z, q, num_samples=2)
    second.load_state_dict(first.state_dict())
    for one, other in zip(first.buffers(), second.buffers(), strict=True):
        assert torch.equal(one, other)
    assert len(list(first.buffers())) == 6


# What reaches whom


def test_auxiliary_loss_and_surrogate_keep_to_their_own_parameters():
    torch.manual_seed(0)
    baseline = LearnedBaseline(3, FeedForward((4,))).double()
    problem = bits(2, batch=(2,))
    context = leaf(2, 3, seed=9)
    estimate = ScoreFunction(baseline)(problem.f, problem.q, num_samples=3, context=context)
    others, own = [*problem.parameters, context], list(baseline.parameters())
    reached = torch.autograd.grad(estimate.auxiliary_loss, others, retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in reached)
    assert any(g.abs().max() > 0 for g in torch.autograd.grad(estimate.auxiliary_loss, own, retain_graph=True))
    reached = torch.autograd.grad(estimate.surrogate.sum(), [*own, context], retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in reached)


def test_auxiliary_losses_of_this_level_and_of_the_one_inside_add_up():
    """Rewards of 3 everywhere, a baseline of 1 at this level: (3 - 1)², and 5 from inside."""
    one = torch.ones(2, 1, dtype=DOUBLE)
    estimate = ScoreFunction(LearnedBaseline(1, nn.Flatten(-2)))(
        lambda z: Estimate(3 + 0 * z, 3 + 0 * z, {"rate": z + 1 - z}, auxiliary_loss=5.0),
        Bernoulli(logits=leaf(2)),
        num_samples=2,
        context=one,
    )
    assert estimate.auxiliary_loss.item() == 9.0
    assert estimate.terms["rate"].tolist() == [1.0, 1.0]


def test_the_auxiliary_loss_is_least_at_the_expected_reward():
    """Its gradient in a constant baseline vanishes, on average over all draws, at E f of each datum."""
    problem = bits(2, batch=(2,), seed=7)
    expected = exact_gradient(problem.f, problem.q, parameters=problem.parameters).value
    level = expected.clone().requires_grad_()

    class Level(nn.Module):
        def forward(self, context):
            return level

    estimator = ScoreFunction(LearnedBaseline(3, Level()))
    gradient, loss = torch.zeros(2, dtype=DOUBLE), 0.0
    for probability, estimate in EveryOutcome().outcomes(
        lambda: estimator(problem.f, problem.q, 1, context=problem.context)
    ):
        gradient += probability * torch.autograd.grad(estimate.auxiliary_loss, level, retain_graph=True)[0]
        loss += probability * estimate.auxiliary_loss.item()
    assert gradient.abs().max() < 1e-12
    values = exact_moments(ScoreFunction(), problem.f, problem.q, 1, parameters=problem.parameters).value_variance
    assert loss == pytest.approx(values.mean().item())  # the mean over data of Var f


def test_a_chain_passes_on_what_is_left_and_adds_losses():
    """NVIL: baseline, then centre, then scale. By hand on fixed rewards."""
    level = torch.tensor([1.0, 2.0], dtype=DOUBLE)
    chain = ControlVariateChain(
        LearnedBaseline(1, nn.Flatten(-2)),
        with_past(CentredReward(), mean=0.5),
        with_past(ScaledReward(), variance=4.0),
        LearnedBaseline(1, nn.Flatten(-2)),
    )
    logits = leaf(2)
    estimate = ScoreFunction(chain)(
        lambda z: level + 3.5 + 0 * z, Bernoulli(logits=logits), num_samples=1, context=level[:, None]
    )
    # 3.5 after the baseline, 3 after centring, 1.5 after scaling, 1.5 - level after the second baseline
    (gradient,) = torch.autograd.grad(estimate.surrogate.sum(), logits)
    for got, last, logit in zip(gradient.tolist(), (0.5, -0.5), logits.tolist(), strict=True):
        p = torch.tensor(logit).sigmoid().item()
        assert min(abs(got - last * (b - p)) for b in (0, 1)) < 1e-6
    assert estimate.auxiliary_loss.item() == pytest.approx(3.5**2 + 0.25)
    assert chain.links[1].past.mean.item() == pytest.approx(0.9 * 0.5 + 0.1 * 3.5)


# Counts, modes, refusals


def test_num_samples_counts_every_evaluation_of_f():
    seen = []

    def f(z):
        seen.append(z.shape[0])
        return z.sum(-1)

    q = Independent(Bernoulli(torch.full((3,), 0.5)), 1)
    for control_variate, extra in ((None, 0), (CentredReward(), 0), (SelfCritic(), 1)):
        for num_samples in (None, 1 + extra, 4):
            seen.clear()
            ScoreFunction(control_variate)(f, q, num_samples=num_samples)
            assert sum(seen) == (num_samples or 1 + extra)
    with pytest.raises(ValueError, match="SelfCritic evaluates f 1 time.*2 or more, and 1 was given.*LearnedBaseline"):
        ScoreFunction(SelfCritic())(f, q, num_samples=1)
    with pytest.raises(ValueError, match="1 or more; 0 was given"):
        ScoreFunction()(f, q, num_samples=0)
    seen.clear()
    ScoreFunction(ControlVariateChain(SelfCritic(), SelfCritic()))(f, q)
    assert sum(seen) == 3


def test_mode_of_bits_categories_and_finite_supports():
    bits_at_half = Independent(Bernoulli(logits=torch.tensor([[0.0, 2.0], [-1.0, 0.1]])), 1)
    assert mode(bits_at_half).tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert mode(OneHotCategorical(torch.tensor([[0.2, 0.5, 0.3]]))).tolist() == [[0, 1, 0]]
    assert mode(Categorical(torch.tensor([0.2, 0.5, 0.3]))).item() == 1
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert mode(Finite(values, torch.tensor([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0]]))).tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert mode(Normal(torch.tensor(0.3), 1.0)).item() == pytest.approx(0.3)
    mixture = torch.distributions.MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.zeros(2), 1.0))
    with pytest.raises(ValueError, match="MixtureSameFamily names none.*LeaveOneOut"):
        mode(mixture)


def test_refusals_of_a_learned_baseline():
    baseline = LearnedBaseline(3, FeedForward(()))
    q = Bernoulli(torch.full((2,), 0.5))
    with pytest.raises(ValueError, match="none was given"):
        ScoreFunction(baseline)(lambda z: z, q)
    with pytest.raises(ValueError, match=r"shape \(2, 4\), and \[\*batch, 3\]"):
        ScoreFunction(baseline)(lambda z: z, q, context=torch.ones(2, 4))
    with pytest.raises(ValueError, match="one number per datum"):
        ScoreFunction(baseline)(lambda z: z, q, context=torch.ones(5, 3))
    with pytest.raises(ValueError, match="one number per datum.*Flatten"):
        ScoreFunction(LearnedBaseline(3, nn.Linear(3, 1)))(lambda z: z, q, context=torch.ones(2, 3))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("control_variate", [None, CentredReward(), SelfCritic(), ScaledReward()])
def test_shapes(batch, control_variate):
    q = Independent(Bernoulli(torch.full((*batch, 2, 2), 0.5)), 2)
    estimate = ScoreFunction(control_variate)(lambda z: z.sum((-1, -2)), q, num_samples=3)
    assert estimate.value.shape == estimate.surrogate.shape == batch
    assert not estimate.value.requires_grad


def test_context_may_leave_out_leading_dimensions_of_the_batch():
    """Inside another estimator's samples the batch is [samples, data], and the context still [data]."""
    baseline = LearnedBaseline(1, nn.Flatten(-2))
    q = Bernoulli(torch.full((4, 2), 0.5))
    estimate = ScoreFunction(baseline)(
        lambda z: torch.tensor([1.0, 2.0]) + 0 * z, q, context=torch.tensor([[1.0], [2.0]])
    )
    assert estimate.auxiliary_loss.item() == 0.0
