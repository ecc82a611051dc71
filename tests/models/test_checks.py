"""Mistakes at the doors of models, guides and objectives: each is a ValueError in a sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, OneHotCategoricalStraightThrough

from helpers.distributions import (
    BernoulliConditional,
    BernoulliPrior,
    CategoricalConditional,
    CategoricalPrior,
    GatedTransition,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    NetworkConditional,
    StandardNormalPrior,
    StyleConditional,
)
from helpers.estimators import (
    Enumeration,
    GumbelSoftmax,
    ImportanceWeighted,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Pathwise,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
    exact_moments_of,
)
from helpers.models import (
    AmortizedGuide,
    AnalyticKlElbo,
    AnalyticKlSemiSupervisedElbo,
    DeepMarkovModel,
    Elbo,
    LatentVariableModel,
    LayeredElbo,
    LogLikelihood,
    RecurrentGuide,
    SemiSupervisedElbo,
    SemiSupervisedGuide,
    SemiSupervisedVAE,
    SequenceElbo,
    deep_markov_model,
    semi_supervised_vae,
    sigmoid_belief_network,
)
from helpers.models.checks import check_slope, check_support
from helpers.networks import FeedForward

NET = FeedForward((5,))
IMAGE = (1, 2, 3)
X = torch.rand(4, *IMAGE)
KINDS = {
    "gaussian": (StandardNormalPrior, GaussianConditional),
    "bits": (BernoulliPrior, BernoulliConditional),
    "categories": (CategoricalPrior, CategoricalConditional),
    "mixture": (StandardNormalPrior, lambda x, z, net: MixtureOfGaussiansConditional(x, z, net, 2)),
}


def model(kind="gaussian", likelihood=BernoulliConditional):
    return LatentVariableModel(KINDS[kind][0](3), likelihood(3, IMAGE, NET))


def guide(kind="gaussian"):
    return AmortizedGuide(KINDS[kind][1](IMAGE, 3, NET))


def elbo(*arguments, prior="gaussian", posterior="gaussian", kind=Elbo, **options):
    return kind(model(prior), guide(posterior), *arguments, **options)


def called(batch, kind=Elbo, likelihood=BernoulliConditional):
    return lambda: kind(model(likelihood=likelihood), guide())(batch)


def mismatch(posterior, prior, estimator=None, kind=Elbo):
    return lambda: kind(model(prior), guide(posterior), estimator or ScoreFunction())(X.round())


def semi_supervised(**options):
    torch.manual_seed(0)
    model, guide = semi_supervised_vae(IMAGE, 3, BernoulliConditional, 2, (4,))
    return SemiSupervisedElbo(model, guide, **{"labelled_share": 0.5, **options})


def parts_of_semi_supervised():
    return semi_supervised_vae(IMAGE, 3, BernoulliConditional, 2, (4,))


def belief_network():
    return sigmoid_belief_network((2, 2), IMAGE)


def sequence_parts():
    return deep_markov_model(6, 2, (3,), 3, 4)


class Plain(nn.Module):
    def forward(self, x):
        return x


class TwoHeads(nn.Module):
    def forward(self, x):
        return x, x


LABELS = torch.tensor([0, 2, 1, 0])
LENGTHS = torch.tensor([3, 2])
SEQUENCES = torch.rand(2, 3, 6).round()

MISTAKES = {
    # models and guides
    "prior and likelihood swapped": (
        lambda: LatentVariableModel(BernoulliConditional(3, IMAGE, NET), StandardNormalPrior(3)), "swapped; the prior comes first"),
    "a distribution as prior": (
        lambda: LatentVariableModel(Normal(0.0, 1.0), BernoulliConditional(3, IMAGE, NET)), "a distribution, Normal, as its prior"),
    "a class as prior": (
        lambda: LatentVariableModel(StandardNormalPrior, BernoulliConditional(3, IMAGE, NET)), "the class StandardNormalPrior"),
    "a size as prior": (lambda: LatentVariableModel(3, BernoulliConditional(3, IMAGE, NET)), "given int; expected a prior"),
    "a network as likelihood": (
        lambda: LatentVariableModel(StandardNormalPrior(3), nn.Linear(3, 6)), "a Linear as its likelihood.*A network becomes one"),
    "a recipe as likelihood": (lambda: LatentVariableModel(StandardNormalPrior(3), NET), "a FeedForward as its likelihood"),
    "a class as likelihood": (
        lambda: LatentVariableModel(StandardNormalPrior(3), BernoulliConditional), "the class BernoulliConditional as its likelihood"),
    "a distribution as likelihood": (
        lambda: LatentVariableModel(StandardNormalPrior(3), Normal(0.0, 1.0)), "a Normal as its likelihood.*depends on nothing"),
    "a network as guide's conditional": (lambda: AmortizedGuide(nn.Linear(6, 3)), "a Linear as its conditional"),
    "a class as guide's conditional": (lambda: AmortizedGuide(GaussianConditional), "the class GaussianConditional"),
    "samples of half a number": (lambda: model().sample(2.5), "integer of 0 or more; 2.5 was given"),
    "draws of half a number": (lambda: model().sample_given(torch.zeros(3), 1.5), "num_samples must be an integer.*1.5"),
    "no draws": (lambda: model().naive_lower_bound(X, 0), "num_samples must be an integer of 1 or more; 0"),
    # objectives' parts
    "model and guide swapped": (lambda: Elbo(guide(), model()), "a AmortizedGuide as its model.*swapped: the model comes first"),
    "two models": (lambda: Elbo(model(), model()), "LatentVariableModel as its guide; expected a AmortizedGuide"),
    "a likelihood as model": (lambda: Elbo(BernoulliConditional(3, IMAGE, NET), guide()), "BernoulliConditional; expected a LatentV"),
    "a class as model": (lambda: Elbo(LatentVariableModel, guide()), "the class LatentVariableModel"),
    "a class as guide": (lambda: Elbo(model(), AmortizedGuide), "the class AmortizedGuide; expected a guide"),
    "a distribution as guide": (lambda: Elbo(model(), Normal(0.0, 1.0)), "a distribution, Normal, as its guide"),
    "an estimator as guide": (lambda: Elbo(model(), Pathwise()), "given Pathwise; expected a guide"),
    "None as guide": (lambda: AnalyticKlElbo(model(), None), "given NoneType; expected a guide"),
    "a guide that returns a tensor": (lambda: Elbo(model(), Plain())(X), "guide Plain returned a Tensor; expected a distribution"),
    "a class as estimator": (lambda: elbo(Pathwise), "the class Pathwise; expected a gradient estimator.*Pathwise.. with parent"),
    "a number as estimator": (lambda: elbo(4), "given int; expected a gradient estimator"),
    "a name as estimator": (lambda: elbo("pathwise"), "given str; expected a gradient estimator"),
    "no samples": (lambda: elbo(num_samples=0), "num_samples must be an integer of 1 or more; 0"),
    "half a sample": (lambda: elbo(num_samples=0.5), "num_samples must be an integer.*0.5"),
    "a tensor of samples": (lambda: elbo(num_samples=torch.tensor(4)), r"num_samples must be an integer.*\.item\(\)"),
    "true samples": (lambda: elbo(num_samples=True), "num_samples must be an integer.*True"),
    "a negative weight": (lambda: elbo(rate_weight=-1), "rate_weight=-1 rewards a guide that is far from the prior; 0 or more"),
    "a weight NaN": (lambda: elbo(rate_weight=math.nan), "rate_weight=nan was given; expected a finite number"),
    "a weight without end": (lambda: elbo(rate_weight=math.inf), "rate_weight=inf was given"),
    "a weight of words": (lambda: elbo(rate_weight="1"), "rate_weight='1' was given"),
    "a true weight": (lambda: elbo(rate_weight=True), "rate_weight=True was given"),
    "a weight None": (lambda: elbo(kind=AnalyticKlElbo, rate_weight=None), "rate_weight=None was given"),
    "a tensor as weight": (lambda: elbo(rate_weight=torch.tensor(1.0)), r"rate_weight is a tensor.*\.item\(\)"),
    "a weight set later": (lambda: setattr(elbo(), "rate_weight", -0.5), "rate_weight=-0.5 rewards"),
    # outcomes of guide and prior
    "bits under a Gaussian": (mismatch("bits", "gaussian"), r"draws bits \(Bernoulli\).*prior is over real numbers \(Normal\)"),
    "categories under a Gaussian": (mismatch("categories", "gaussian"), "draws one-hot vectors.*over real numbers"),
    "a Gaussian over bits": (mismatch("gaussian", "bits"), "draws real numbers.*over bits"),
    "a mixture over bits": (mismatch("mixture", "bits"), "draws real numbers.*over bits"),
    "bits under categories": (mismatch("bits", "categories"), "draws bits.*over one-hot vectors"),
    "a Gaussian over categories": (mismatch("gaussian", "categories"), "draws real numbers.*over one-hot vectors"),
    "in closed form too": (mismatch("bits", "gaussian", LeaveOneOut(), AnalyticKlElbo), "draws bits.*over real numbers"),
    # a slope that is not there
    "straight-through categories": (mismatch("categories", "categories", StraightThrough()), "StraightThrough follows the slope.*lost"),
    "Gumbel categories": (mismatch("categories", "categories", GumbelSoftmax()), "GumbelSoftmax follows.*AnalyticKlElbo"),
    "within sticking the landing": (
        mismatch("categories", "categories", StickingTheLanding(StraightThrough())), "StickingTheLanding follows the slope"),
    "labels straight through": (lambda: semi_supervised(label_estimator=StraightThrough()), "StraightThrough follows the slope"),
    "labels by Gumbel": (lambda: semi_supervised(label_estimator=GumbelSoftmax(0.5)), "GumbelSoftmax follows the slope"),
    # batches
    "images with labels": (called((X, LABELS)), "takes a batch of images alone, and a tuple of 2"),
    "an array": (called(X.numpy()), "a ndarray was given.*torch.as_tensor"),
    "a dict": (called({"x": X}), "a dict was given"),
    "None as batch": (called(None), "a NoneType was given"),
    "greys up to 255": (called((255 * X).round()), "expected values in .0, 1.*divide by 255"),
    "bytes": (called((255 * X).byte()), "dtype torch.uint8; expected floating point"),
    "bools": (called(X > 0.5), "dtype torch.bool; expected floating point"),
    "complex images": (called(X + 0j), "dtype torch.complex64; expected floating point"),
    "half precision": (called(X.half()), r"dtype torch.float16; expected torch.float32.*images.to\(torch.float32\)"),
    "bfloat16": (called(X.bfloat16(), likelihood=GaussianConditional), "dtype torch.bfloat16; expected torch.float32"),
    "double precision": (called(X.double()), r"dtype torch.float64; expected torch.float32.*images.float\(\)"),
    "single precision for a double network": (
        lambda: Elbo(model(), guide()).double()(X), r"dtype torch.float32; expected torch.float64"),
    "NaN": (called(X * math.nan), "NaN or infinite"),
    "no images": (called(X[:0]), "Got no outcomes"),
    "another size": (called(X[..., :2]), r"shape \(4, 1, 2, 2\); expected \[\*batch, 1, 2, 3\]"),
    "a network of two heads": (
        lambda: GaussianConditional(3, 3, TwoHeads())(torch.zeros(2, 3)), "network of GaussianConditional returned a tuple; expected one"),
    # layers of bits
    "swapped layers": (lambda: LayeredElbo(*belief_network()[::-1], [Enumeration()] * 2), "swapped: the model comes first"),
    "one estimator for all layers": (lambda: LayeredElbo(*belief_network(), Enumeration()), "estimators is a Enumeration; expected one"),
    "classes for layers": (lambda: LayeredElbo(*belief_network(), [Enumeration] * 2), "the class Enumeration; expected a gradient"),
    "one number for all layers": (lambda: LayeredElbo(*belief_network(), [Enumeration()] * 2, 4), "num_samples is a int; expected one"),
    "half a sample in a layer": (
        lambda: LayeredElbo(*belief_network(), [LeaveOneOut()] * 2, [2, 2.5]), "num_samples must be an integer of 1 or more; 2.5"),
    "no sizes of layers": (lambda: sigmoid_belief_network((), IMAGE), "`sizes` must be the bits of each layer"),
    "a size of layers": (lambda: sigmoid_belief_network(200, IMAGE), "`sizes` must be the bits of each layer.*200 was given"),
    "half a bit": (lambda: sigmoid_belief_network((2.5,), IMAGE), "`sizes` must be the bits of each layer"),
    # labels
    "model and guide of labels swapped": (
        lambda: SemiSupervisedElbo(*parts_of_semi_supervised()[::-1], labelled_share=0.5), "swapped: the model comes first"),
    "a VAE for labels": (lambda: SemiSupervisedElbo(model(), parts_of_semi_supervised()[1], labelled_share=0.5), "given LatentVar"),
    "a share NaN": (lambda: semi_supervised(labelled_share=math.nan), "labelled_share=nan was given"),
    "a share of words": (lambda: semi_supervised(labelled_share="all"), "labelled_share='all' was given"),
    "a negative weight of the classifier": (lambda: semi_supervised(classifier_weight=-1.0), "teaches the classifier wrong labels"),
    "a classifier weight NaN": (lambda: semi_supervised(classifier_weight=math.nan), "classifier_weight=nan was given"),
    "a style weight below 0": (lambda: semi_supervised(style_rate_weight=-2.0), "style_rate_weight=-2.0 rewards a guide"),
    "no style samples": (lambda: semi_supervised(style_samples=0), "style_samples must be an integer of 1 or more"),
    "a class as label estimator": (lambda: semi_supervised(label_estimator=Enumeration), "the class Enumeration"),
    "labels that are one-hot": (lambda: semi_supervised()((X, torch.eye(3)[LABELS].long(), X)), "one-hot already"),
    "labels too few": (lambda: semi_supervised()((X, LABELS[:2], X)), r"labels of shape \(2,\) for images"),
    "labelled images of another size": (lambda: semi_supervised()((X[..., :2], LABELS, X)), "the labelled images.*shape"),
    "unlabelled images as bytes": (lambda: semi_supervised()((X, LABELS, X.byte())), "the unlabelled images.*dtype torch.uint8"),
    "images and labels alone": (lambda: semi_supervised()((X, LABELS)), "takes batches of .labelled images, labels, unlabelled"),
    "a likelihood as label prior": (
        lambda: SemiSupervisedVAE(BernoulliPrior(3), StandardNormalPrior(2), NET), "BernoulliPrior; expected a CategoricalPrior"),
    "a network as classifier": (lambda: SemiSupervisedGuide(nn.Linear(6, 3), None), "Linear; expected a CategoricalConditional"),
    "a network as the classifier alone": (lambda: LogLikelihood(nn.Linear(6, 3)), "Linear; expected a CategoricalConditional"),
    "a network above": (lambda: StyleConditional(IMAGE, 3, nn.Linear(3, 3)), "a Linear as its `above`; expected a conditional"),
    "half a class": (lambda: semi_supervised_vae(IMAGE, 2.5, BernoulliConditional), "num_classes must be an integer"),
    "no closed form of the style": (
        lambda: AnalyticKlSemiSupervisedElbo(*_mixture_of_styles(), labelled_share=0.5)((X, LABELS, X)),
        "no closed form for KL.*SemiSupervisedElbo estimates it"),
    # sequences
    "sequences swapped": (lambda: SequenceElbo(*sequence_parts()[::-1]), "swapped: the model comes first"),
    "a VAE for sequences": (lambda: SequenceElbo(model(), sequence_parts()[1]), "given LatentVariableModel; expected a DeepMarkov"),
    "sequence samples": (lambda: SequenceElbo(*sequence_parts(), 1.5), "num_samples, the paths of z per sequence, must be.*1.5"),
    "sequence weight NaN": (lambda: SequenceElbo(*sequence_parts(), rate_weight=math.nan), "rate_weight=nan was given"),
    "sequence weight a tensor": (lambda: SequenceElbo(*sequence_parts(), rate_weight=torch.ones(1)), "rate_weight is a tensor"),
    "no lengths": (lambda: SequenceElbo(*sequence_parts())(SEQUENCES), "batches of .sequences, lengths."),
    "a length of 0": (lambda: SequenceElbo(*sequence_parts())((SEQUENCES, torch.tensor([3, 0]))), "from 0 to 3"),
    "a length too long": (lambda: SequenceElbo(*sequence_parts())((SEQUENCES, torch.tensor([3, 9]))), "padded to 3"),
    "float lengths": (lambda: SequenceElbo(*sequence_parts())((SEQUENCES, LENGTHS.float())), "expected int64"),
    "a network as emission": (lambda: DeepMarkovModel(GatedTransition(2), nn.Linear(2, 6)), "a Linear as its emission"),
    "half a latent": (lambda: deep_markov_model(6, 2.5), "latent must be an integer of 1 or more; 2.5"),
    "half a hidden unit": (lambda: RecurrentGuide(6, 2, 3.5), "hidden must be an integer.*3.5"),
    "half a step": (lambda: sequence_parts()[0].sample(2, 1.5), "steps must be an integer.*1.5"),
    "a path of a tensor": (lambda: sequence_parts()[1](SEQUENCES, LENGTHS, torch.tensor(2)), r"paths of z.*\.item\(\)"),
}  # fmt: skip


def _mixture_of_styles():
    above = MixtureOfGaussiansConditional((4,), (2,), NET, 2)
    guide = SemiSupervisedGuide(CategoricalConditional(IMAGE, 3, NET), StyleConditional(IMAGE, 3, above))
    return parts_of_semi_supervised()[0], guide


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_in_a_sentence(name):
    make, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_is_no_mistake():
    objective = elbo(num_samples=np.int64(2), rate_weight=np.float64(0.5))
    assert objective(X).value.shape == (4,)
    assert objective.num_samples == 2 and objective.rate_weight == 0.5
    objective.rate_weight = 0
    assert objective(X).value.shape == (4,)
    assert model().sample(np.int64(3))[0].shape == (3, *IMAGE)
    assert Elbo(model("bits"), model("bits").posterior, Enumeration())(X.round()).value.shape == (
        4,
    )  # a function is a guide
    assert Elbo(model(), GaussianConditional(IMAGE, np.int64(3), NET))(X).value.shape == (4,)
    assert elbo(Pathwise(), posterior="gaussian")(X[0]).value.shape == ()
    assert LayeredElbo(*belief_network(), [LeaveOneOut()] * 2, (np.int64(2), None))(X.round()).value.shape == (4,)
    assert semi_supervised(labelled_share=np.float64(0.5))((X, LABELS.int(), X)).value.shape == ()
    assert SequenceElbo(*sequence_parts(), np.int64(2))((SEQUENCES, LENGTHS)).value.shape == (2,)
    assert isinstance(NetworkConditional(np.int64(2), 3, NET).input_shape[0], int)


@pytest.mark.parametrize("kind", ["gaussian", "bits", "categories"])
@pytest.mark.parametrize("objective", [Elbo, AnalyticKlElbo])
def test_objectives_run_under_autocast(kind, objective):
    estimator = Pathwise() if kind == "gaussian" else LeaveOneOut()
    bound = elbo(estimator, prior=kind, posterior=kind, kind=objective)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        estimate = bound(X.round())
        assert estimate.value.dtype == torch.float32  # not bfloat16, whose three digits lose a bound
        loss = -estimate.surrogate.mean()
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in bound.parameters() if parameter.grad is not None)


def test_categories_keep_the_rates_gradient_or_are_refused():
    """Every estimator that takes categories: the exact gradient of the bound, or a refusal; AnalyticKlElbo has it by all of them."""
    torch.manual_seed(0)
    network = nn.Linear(6, 3).double()
    parts = LatentVariableModel(CategoricalPrior(3), BernoulliConditional(3, 6, FeedForward(()))).double()
    x = torch.rand(1, 6).double().round()
    posterior = AmortizedGuide(CategoricalConditional(6, 3, network))
    with torch.no_grad():
        parts.likelihood.network.network[0].weight.zero_()  # the rate is all that depends on z
    (exact,) = torch.autograd.grad(Elbo(parts, posterior, Enumeration())(x).surrogate.sum(), network.bias)
    assert exact.abs().max() > 0.01
    for estimator in (LeaveOneOut(), LocalEnumeration(), MuProp(), ScoreFunction()):
        objective = Elbo(parts, posterior, estimator)
        ours = exact_moments_of(
            lambda objective=objective: objective(x), parameters=[network.bias], stateful=[objective]
        )
        torch.testing.assert_close(ours.mean[0], exact)
    for estimator in (StraightThrough(), GumbelSoftmax()):
        with pytest.raises(ValueError, match="gradient of the rate would be lost"):
            Elbo(parts, posterior, estimator)(x)
        surrogate = AnalyticKlElbo(parts, posterior, estimator)(x).surrogate
        torch.testing.assert_close(torch.autograd.grad(surrogate.sum(), network.bias)[0], exact)


def test_bits_straight_through_keep_the_rates_gradient():
    """log q(z) of bits is linear in z, so its straight-through gradient is exact."""
    torch.manual_seed(0)
    network = nn.Linear(6, 3).double()
    parts = LatentVariableModel(BernoulliPrior(3), BernoulliConditional(3, 6, FeedForward(()))).double()
    with torch.no_grad():
        parts.likelihood.network.network[0].weight.zero_()
    posterior, x = AmortizedGuide(BernoulliConditional(6, 3, network)), torch.rand(2, 6).double().round()
    (exact,) = torch.autograd.grad(Elbo(parts, posterior, Enumeration())(x).surrogate.sum(), network.bias)
    objective = Elbo(parts, posterior, StraightThrough())
    ours = exact_moments_of(lambda: objective(x), parameters=[network.bias], stateful=[objective])
    torch.testing.assert_close(ours.mean[0], exact)


def test_the_closed_form_of_bits_under_a_certain_prior_is_finite():
    parts, posterior = model("bits"), guide("bits")
    for logit in (17.0, -17.0, 40.0, 200.0):
        parts.prior.logits.fill_(logit)
        estimate = AnalyticKlElbo(parts, posterior, LeaveOneOut())(X.round())
        sampled = Elbo(parts, posterior, Enumeration())(X.round())
        torch.testing.assert_close(estimate.terms["rate"], sampled.terms["rate"], rtol=1e-4, atol=1e-4)
        gradients = torch.autograd.grad(estimate.surrogate.sum(), list(posterior.parameters()), allow_unused=True)
        assert all(part.isfinite().all() for part in gradients)


def test_supports_that_fit_and_slopes_that_are_there():
    one_hot, bits = CategoricalPrior(3)(), BernoulliPrior(3)()
    check_support(one_hot, bits)  # one-hot vectors are bits
    check_support(model("bits").posterior(X[0].round()), bits)
    check_support(guide("mixture")(X), StandardNormalPrior(3)((4,)))
    with pytest.raises(ValueError, match="Pathwise follows the slope"):
        check_slope(Pathwise(), OneHotCategoricalStraightThrough(logits=torch.zeros(3)))
    check_slope(MuProp(), one_hot)
    check_slope(ImportanceWeighted(), Independent(Normal(torch.zeros(3), 1.0), 1))
