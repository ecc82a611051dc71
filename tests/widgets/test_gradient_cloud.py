"""The gradient cloud: its exact moments against the harness, its points against the estimators themselves, and the picture's numbers."""

import re

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    DrawSource,
    LearnedBaseline,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    drawing_from,
    exact_gradient,
    exact_moments,
)
from helpers.experiments.control_variate_cloud import (
    BIASED,
    ESTIMATORS,
    codes_of,
    exact_cloud,
    sampled_cloud,
    samples_of,
)
from helpers.experiments.small_network import DATA, codes, small_network
from helpers.widgets.gradient_cloud import gradient_cloud, gradient_cloud_picture
from tests.widgets.legible import unreadable

EXPLORER = gradient_cloud()
STATES = list(EXPLORER.states())
NETWORKS, CODES = EXPLORER.picture.args


class Known(nn.Module):
    """A baseline with a given value for each datum."""

    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, context):
        return self.values


def problem(network):
    """f and q of the network by torch's distributions, with the parameter that gradients are with respect to."""
    offset = network.offset.clone().requires_grad_()
    q = Independent(Bernoulli(logits=network.x @ network.encoder + offset), 1)

    def log_weight(z):
        likelihood = Independent(Bernoulli(logits=z @ network.weight + network.bias), 1).log_prob(network.x)
        return Independent(Bernoulli(logits=network.prior), 1).log_prob(z) + likelihood - q.log_prob(z)

    return log_weight, q, offset


def at_rest(name, f, q):
    """The package's estimator with converged statistics, from sums over all codes."""
    with torch.no_grad():
        z = codes(q.event_shape[0]).unsqueeze(1).expand(-1, *q.batch_shape, -1)
        probability, reward = q.log_prob(z).exp(), f(z)
    best = (probability * reward).sum(0)
    running = CentredReward().double(), ScaledReward().double()
    learned = LearnedBaseline(DATA.shape[1], Known(best)).double()
    left = best if name == "chain of three" else best.mean()
    running[0].past.mean.copy_(
        (probability * (reward - best)).sum(0).mean() if name == "chain of three" else best.mean()
    )
    running[1].past.variance.copy_((probability * (reward - left) ** 2).sum(0).mean())
    for one in running:
        one.past.started.fill_(True)
    return ScoreFunction(
        {
            "score function": None,
            "centred reward": running[0],
            "scaled reward": running[1],
            "self-critic": SelfCritic(),
            "learned baseline": learned,
            "chain of three": ControlVariateChain(learned, *running),
        }[name]
    )


@pytest.mark.parametrize(("bits", "data", "evaluations"), [(2, DATA[1:3], 2), (3, DATA[2:3], 2), (2, DATA[3:], 3)])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_moments_are_those_of_the_exact_harness(name, bits, data, evaluations):
    network = small_network(bits, data)
    f, q, offset = problem(network)
    cloud = exact_cloud(network, name, evaluations)
    harness = exact_moments(at_rest(name, f, q), f, q, evaluations, parameters=offset, context=data)
    torch.testing.assert_close(cloud.mean, harness.mean[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(cloud.covariance.diagonal(), harness.variance[0], rtol=1e-9, atol=1e-10)
    assert cloud.total_variance == pytest.approx(harness.total_variance)
    torch.testing.assert_close(cloud.exact, exact_gradient(f, q, parameters=offset).gradient[0], rtol=1e-10, atol=1e-10)


class RecordedDraws(DrawSource):
    """Draws given samples, one set per call."""

    def __init__(self, sets):
        self.sets = iter(sets)

    def sample(self, q, num_samples):
        z = next(self.sets)
        assert len(z) == num_samples
        return z


@pytest.mark.parametrize("name", ESTIMATORS)
def test_points_are_gradients_of_the_estimator_on_the_same_draws(name):
    network, evaluations = NETWORKS[3], 4
    f, q, offset = problem(network)
    drawn = network.z[CODES[3][:5, : samples_of(name, evaluations)]]  # [repeats, samples, data, bits]
    estimator = at_rest(name, f, q).eval()
    found = []
    with drawing_from(RecordedDraws(drawn)):
        for _ in drawn:
            surrogate = estimator(f, q, evaluations, context=network.x).surrogate.sum()
            found.append(torch.autograd.grad(surrogate, offset, retain_graph=True)[0])
    points = sampled_cloud(network, name, evaluations, CODES[3])
    torch.testing.assert_close(points[:5], torch.stack(found), rtol=1e-10, atol=1e-10)


def test_codes_have_the_probabilities_of_q():
    noise = torch.rand(2_000, 8, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    network = small_network(3)
    drawn = codes_of(network, noise)
    share = torch.stack([(drawn == k).double().mean((0, 1)) for k in range(8)])
    q = problem(network)[1].log_prob(network.z.unsqueeze(1)).exp().detach()
    torch.testing.assert_close(network.log_q.exp(), q)
    assert ((share - q).abs() < 6 * (q * (1 - q) / 16_000).sqrt()).all()


@pytest.mark.parametrize("bits", NETWORKS)
def test_the_cloud_lies_where_the_exact_moments_say(bits):
    for name in ESTIMATORS:
        cloud = exact_cloud(NETWORKS[bits], name, 4)
        points = sampled_cloud(NETWORKS[bits], name, 4, CODES[bits])
        error = cloud.covariance.diagonal().sqrt() / len(points) ** 0.5
        assert ((points.mean(0) - cloud.mean).abs() < 5 * error).all(), name
        assert (points.T.cov() - cloud.covariance).norm() < 0.5 * cloud.covariance.norm(), name


def test_only_the_scaled_ones_are_biased_and_they_are_so_by_one_factor():
    for bits, network in NETWORKS.items():
        for name in ESTIMATORS:
            cloud = exact_cloud(network, name, 2)
            ratio = cloud.mean / cloud.exact
            assert (ratio - ratio[0]).abs().max() < 1e-9
            assert (ratio[0] < 0.9) == (name in BIASED) and (name in BIASED or abs(ratio[0] - 1) < 1e-9), (bits, name)


def test_what_the_lesson_can_say_of_it():
    """A control variate reduces noise, a rescaling does not; E[f | x] reduces it more than a constant; the critic costs an evaluation."""
    for bits, network in NETWORKS.items():
        for evaluations in (2, 16):
            noise = {name: exact_cloud(network, name, evaluations).noise for name in ESTIMATORS}
            assert noise["learned baseline"] < 0.8 * noise["centred reward"] < 0.3 * noise["score function"], bits
            assert noise["centred reward"] < noise["score function"] < noise["scaled reward"]
            assert noise["learned baseline"] == min(noise.values())
            for name, cause in (("scaled reward", "score function"), ("chain of three", "learned baseline")):
                assert noise[cause] < noise[name] < 1.4 * noise[cause], bits
    at_eight = {n: exact_cloud(NETWORKS[8], "self-critic", n).total_variance for n in (2, 16)}
    centred = {n: exact_cloud(NETWORKS[8], "centred reward", n).total_variance for n in (2, 16)}
    assert at_eight[2] > centred[2] and at_eight[16] < centred[16]


def test_alt_text_and_figure_carry_the_numbers():
    for state in STATES[::17]:
        cloud = exact_cloud(NETWORKS[state["bits"]], state["estimator"], state["evaluations"])
        picture = EXPLORER.picture(**state)
        assert f"by {state['estimator']} with {state['evaluations']} evaluations of f" in picture.alt
        shown = float(
            re.search(rf"length of its mean: {state['estimator']} ([\d.,]+\d)", picture.alt)[1].replace(",", "")
        )
        assert shown == pytest.approx(
            (cloud.total_variance / cloud.mean.square().sum().item()) ** 0.5, rel=0.005, abs=0.005
        )
        exact = re.search(r"exact gradient is at \((.+?), (.+?)\)", picture.alt).groups()
        assert [float(n.replace("−", "-")) for n in exact] == pytest.approx(cloud.exact[:2].tolist(), abs=0.0051)
        words = " ".join(text.get_text() for text in picture.figure.axes[0].texts)
        assert all(name in words for name in ESTIMATORS)
        assert (
            ("is rescaled" in picture.caption)
            == ("over the mean grows" in picture.caption)
            == (state["estimator"] in BIASED)
        )


def test_the_drawn_points_are_the_cloud_and_the_scale_stays_unless_zoomed():
    limits = {}
    for name in ("score function", "learned baseline"):
        for zoom in (False, True):
            state = {"estimator": name, "evaluations": 4, "bits": 4, "zoom": zoom}
            axes = gradient_cloud_picture(NETWORKS, CODES, **state).figure.axes[0]
            drawn = next(line for line in axes.lines if len(line.get_xdata()) == len(CODES[4]))
            points = sampled_cloud(NETWORKS[4], name, 4, CODES[4])
            x = torch.as_tensor(drawn.get_xdata())
            slope = ((x[1] - x[0]) / (points[1, 0] - points[0, 0])).item()  # pixels for one unit of gradient
            torch.testing.assert_close(x - x[0], slope * (points[:, 0] - points[0, 0]))
            limits[name, zoom] = slope
    assert limits["score function", False] == pytest.approx(limits["learned baseline", False])
    assert limits["learned baseline", True] > 4 * limits["learned baseline", False]


def test_the_ring_is_one_standard_deviation_in_every_direction():
    for state in STATES[::29]:
        cloud = exact_cloud(NETWORKS[state["bits"]], state["estimator"], state["evaluations"])
        lines = EXPLORER.picture(**state).figure.axes[0].lines
        points = sampled_cloud(NETWORKS[state["bits"]], state["estimator"], state["evaluations"], CODES[state["bits"]])[
            :, :2
        ]
        drawn, ring = (
            next(torch.as_tensor(line.get_xydata()) for line in lines if len(line.get_xdata()) == n)
            for n in (len(points), 61)
        )
        slope = ((drawn[1] - drawn[0]) / (points[1] - points[0])).mean()  # pixels for one unit, the same both ways
        ring = points[0] + (ring - drawn[0]) / slope - cloud.mean[:2]
        distance = (ring * torch.linalg.solve(cloud.covariance[:2, :2], ring.T).T).sum(-1)
        torch.testing.assert_close(distance, torch.ones(61, dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES[::13]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_stills_show_noise_and_little_noise_two_abreast():
    noisy, quiet = (exact_cloud(NETWORKS[s["bits"]], s["estimator"], s["evaluations"]) for s in EXPLORER.stills)
    assert noisy.noise > 5 * quiet.noise
    assert EXPLORER.still_html().count("<img ") == 2


def test_an_unknown_estimator_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="expected one of score function"):
        exact_cloud(NETWORKS[2], "control", 2)
