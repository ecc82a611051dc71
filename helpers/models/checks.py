"""Checks that objectives share: their parts, their batches, and whether guide, prior and estimator fit each other."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution, MixtureSameFamily, OneHotCategorical, constraints

from helpers.distributions import innermost
from helpers.estimators import Estimate, GradientEstimator
from helpers.estimators.parts.doors import check_instance
from helpers.networks import as_size


def check_estimator(estimator: object, caller: str) -> None:
    """Check that an argument is a gradient estimator.

    Args:
        estimator: The argument.
        caller: Name of the objective, for the message.

    Raises:
        ValueError: If it is not.
    """
    check_instance(estimator, GradientEstimator, caller, "a gradient estimator such as Pathwise()")


def check_part(part: object, kind: type, other: type, caller: str, role: str) -> None:
    """Check that an argument of an objective is a model, or a guide, of the right class.

    Args:
        part: The argument.
        kind: The class that was expected.
        other: The class of the argument beside it, with which it may have been swapped.
        caller: Name of the objective, for the message.
        role: "model" or "guide".

    Raises:
        ValueError: If it is not an instance of `kind`.
    """
    if isinstance(part, other) and not isinstance(part, kind):
        raise ValueError(
            f"{caller} was given a {type(part).__name__} as its {role}; expected a {kind.__name__}. Model and guide are swapped: the model "
            "comes first."
        )
    check_instance(part, kind, caller, f"a {kind.__name__} as its {role}")


def check_guide(guide: object, caller: str) -> None:
    """Check that an argument can be a guide: something to call with a batch, and neither a distribution nor a class.

    Args:
        guide: The argument.
        caller: Name of the objective, for the message.

    Raises:
        ValueError: If it cannot.
    """
    if isinstance(guide, Distribution):
        raise ValueError(
            f"{caller} was given a distribution, {type(guide).__name__}, as its guide; expected a module x → q(z | x), called with every "
            "batch, such as AmortizedGuide(GaussianConditional(...))."
        )
    if isinstance(guide, GradientEstimator | type) or not callable(guide):
        check_instance(guide, _Guide, caller, "a guide: a module x → q(z | x), such as AmortizedGuide")


class _Guide:
    """Nothing is one: it makes `check_instance` say what was expected."""


def check_guide_result(q: object, guide: nn.Module) -> None:
    """Check that a guide returned a distribution.

    Args:
        q: What it returned.
        guide: The guide, named in the message.

    Raises:
        ValueError: If it is not a distribution.
    """
    if not isinstance(q, Distribution):
        raise ValueError(
            f"The guide {type(guide).__name__} returned a {type(q).__name__}; expected a distribution q(z | x). Usual cause: a network in "
            "place of a conditional; GaussianConditional(image shape, latent shape, network) makes one of it."
        )


def check_num_samples(num_samples: object, name: str = "num_samples") -> int | None:
    """Check a number of samples.

    Args:
        num_samples: The argument; None is the estimator's minimum.
        name: Its name, for the message.

    Returns:
        The number as an `int`, or None.

    Raises:
        ValueError: If it is neither None nor an integer of 1 or more.
    """
    return None if num_samples is None else as_size(num_samples, name)


def check_images_alone(x: object, caller: str) -> None:
    """Check that a batch is one tensor of images, not a tuple such as (images, labels).

    Args:
        x: The batch that `caller` was given.
        caller: Name of the objective, for the message.

    Raises:
        ValueError: If x is anything but a tensor.
    """
    if isinstance(x, Tensor):
        return
    if isinstance(x, tuple | list):
        raise ValueError(
            f"{caller} takes a batch of images alone, and a {type(x).__name__} of {len(x)} was given. "
            "Usual cause: batches of (images, labels); build `Batches` from the images only."
        )
    cause = (
        " An Estimate is what it returns."
        if isinstance(x, Estimate)
        else " torch.as_tensor(images) makes one of an array."
    )
    raise ValueError(
        f"{caller} takes a batch of images, a tensor [*batch, *image], and a {type(x).__name__} was given.{cause}"
    )


def check_support(q: Distribution, p: Distribution) -> None:
    """Check that p(z) has a density, or a mass, at every outcome of q(z | x): otherwise log q - log p compares two different things.

    Args:
        q: q(z | x).
        p: p(z).

    Raises:
        ValueError: If one is discrete and the other continuous, or if q has outcomes that p has not.
    """
    ours, theirs = _outcomes(q), _outcomes(p)
    if ours is None or theirs is None or ours == theirs or (ours, theirs) in _WITHIN:
        return
    raise ValueError(
        f"The guide draws {ours} ({type(innermost(q)).__name__}), and the prior is over {theirs} ({type(innermost(p)).__name__}): the rate "
        "log q(z | x) - log p(z) needs both over the same outcomes. Choose a prior and a conditional of one kind: StandardNormalPrior and "
        "GaussianConditional, BernoulliPrior and BernoulliConditional, CategoricalPrior and CategoricalConditional."
    )


# q over the first, p over the second: every outcome of q is one of p
_WITHIN = {("one-hot vectors", "bits"), ("numbers in an interval", "real numbers")}


def _outcomes(q: Distribution) -> str | None:
    """The kind of q's outcomes, in words; None if it cannot be told, or does not matter here."""
    if isinstance(q := innermost(q), MixtureSameFamily):
        return _outcomes(q.component_distribution)
    try:
        support = q.support
    except NotImplementedError:
        return None
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    if support is None:
        return None
    if support is constraints.boolean:
        return "bits"
    if support is constraints.one_hot:
        return "one-hot vectors"
    if support.is_discrete:
        return "counts or class numbers"
    if isinstance(support, type(constraints.real)) or support is constraints.real_vector:
        return "real numbers"
    return "numbers in an interval"


def check_slope(estimator: GradientEstimator, q: Distribution) -> None:
    """Check that an estimator that follows the slope of f in z is not used on categories whose log q(z) stands in f.

    `OneHotCategorical.log_prob` looks up the index of the largest entry of z, so it has no slope in z: the gradient of the rate would be
    lost without a sign of it. MuProp corrects whatever slope it is given, and passes.

    Args:
        estimator: The estimator of the objective.
        q: q(z | x).

    Raises:
        ValueError: If the rate's gradient would be lost.
    """
    follows = estimator.f_needs == "derivative" or (estimator.f_needs == "relaxation" and not estimator.unbiased)
    if follows and isinstance(innermost(q), OneHotCategorical):
        raise ValueError(
            f"{type(estimator).__name__} follows the slope of the log weight in z, and log q(z | x) - log p(z) of categories "
            f"({type(innermost(q)).__name__}) has none, so the gradient of the rate would be lost. `AnalyticKlElbo` has the rate in closed "
            "form; with LeaveOneOut, LocalEnumeration or Enumeration this objective is right."
        )
