"""Every prior and conditional keeps torch's shape contract, for any batch shape and any shape of outcome."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    BernoulliPrior,
    CategoricalConditional,
    CategoricalPrior,
    ContinuousBernoulliConditional,
    GaussianConditional,
    InverseAutoregressiveConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    PlanarFlowConditional,
    StandardNormalPrior,
)
from helpers.networks import ConvolutionalDecoder, ConvolutionalEncoder, FeedForward

batches = st.lists(st.integers(1, 3), max_size=3).map(tuple)
shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)  # scalars, vectors, matrices, images
some = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)  # for outcomes with at least one dimension
images = st.tuples(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9))  # odd, not square, 1x1

PRIORS = {
    "normal": StandardNormalPrior,
    "mixture": lambda shape: MixtureOfGaussiansPrior(shape, 3),
    "bernoulli": BernoulliPrior,
    "trainable bernoulli": lambda shape: BernoulliPrior(shape, trainable=True),
    "categorical": CategoricalPrior,
    "trainable categorical": lambda shape: CategoricalPrior(shape, trainable=True),
}
CONDITIONALS = {
    "gaussian": GaussianConditional,
    "bernoulli": BernoulliConditional,
    "continuous bernoulli": ContinuousBernoulliConditional,
    "categorical": CategoricalConditional,
    "mixture": lambda given, event, network: MixtureOfGaussiansConditional(given, event, network, 2),
    "planar flow": PlanarFlowConditional,
    "coupling flow": AffineCouplingConditional,
    "inverse autoregressive flow": InverseAutoregressiveConditional,
}


def assert_contract(distribution, batch, event) -> None:
    """What torch promises of any distribution with this batch and event shape."""
    assert distribution.batch_shape == batch
    assert distribution.event_shape == event
    for sample_shape in ((), (2,), (2, 3)):
        z = distribution.sample(torch.Size(sample_shape))
        assert z.shape == (*sample_shape, *batch, *event)
        log_prob = distribution.log_prob(z)
        assert log_prob.shape == (*sample_shape, *batch)
        assert torch.isfinite(log_prob).all()
    wider = distribution.expand(torch.Size((2, *batch)))
    assert wider.batch_shape == (2, *batch)
    assert wider.event_shape == event
    assert wider.sample().shape == (2, *batch, *event)
    one = distribution.sample()
    torch.testing.assert_close(wider.log_prob(one), distribution.log_prob(one).expand(2, *batch))


@given(st.sampled_from(sorted(PRIORS)), batches, shapes, some)
@settings(max_examples=60)
def test_priors(name, batch, shape, nonempty):
    event = nonempty if "categorical" in name else shape
    prior = PRIORS[name](event)
    assert_contract(prior(batch), batch, event)
    assert prior().batch_shape == ()
    if name == "normal":
        assert_contract(StandardNormalPrior(4)(batch), batch, (4,))  # an int is the size of a vector


@given(st.sampled_from(sorted(CONDITIONALS)), batches, shapes, shapes, some, st.sampled_from([(), (5,), (5, 4)]))
@settings(max_examples=90)
def test_feed_forward_conditionals(name, batch, given_shape, shape, nonempty, hidden):
    event = nonempty if name == "categorical" else shape
    if name == "coupling flow":
        event = (*shape[:2], 2)  # two coordinates or more
    conditional = CONDITIONALS[name](given_shape, event, FeedForward(hidden))
    x = torch.randn((*batch, *given_shape))
    distribution = conditional(x)
    assert_contract(distribution, batch, event)
    conditional.check_outcome(distribution.sample())


@given(
    st.sampled_from(["gaussian", "bernoulli", "continuous bernoulli"]),
    batches,
    images,
    st.lists(st.integers(1, 3), max_size=3),
)
@settings(max_examples=40)
def test_convolutional_conditionals(name, batch, image, channels):
    channels = tuple(channels)
    decode = CONDITIONALS[name](3, image, ConvolutionalDecoder(channels))
    assert_contract(decode(torch.randn(*batch, 3)), batch, image)
    encode = GaussianConditional(image, 3, ConvolutionalEncoder(channels))
    assert_contract(encode(torch.rand(*batch, *image)), batch, (3,))


@given(st.sampled_from(["gaussian", "bernoulli"]), images)
@settings(max_examples=20)
def test_members_of_a_batch_do_not_meet(name, image):
    """The distribution of a batch element does not depend on the other elements, nor on the batch shape."""
    torch.manual_seed(0)
    conditional = CONDITIONALS[name](3, image, ConvolutionalDecoder((2,)))
    z = torch.randn(2, 3, 3)
    whole = conditional(z).mean
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(whole[i, j], conditional(z[i, j]).mean)
    assert not torch.allclose(whole[0, 0], whole[1, 2])


def test_priors_follow_their_module_to_another_dtype():
    for name, make in PRIORS.items():
        z = make((3,)).double()((2,)).sample()
        assert z.dtype == torch.float64, name
