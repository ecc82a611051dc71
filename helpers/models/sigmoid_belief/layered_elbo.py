"""The evidence lower bound of a sigmoid belief network, one gradient estimator a layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from helpers.distributions.sigmoid_belief import SigmoidBeliefGuide, SigmoidBeliefLikelihood, SigmoidBeliefPrior
from helpers.estimators import Estimate, GradientEstimator
from helpers.models.checks import check_estimator, check_images_alone, check_num_samples, check_part
from helpers.models.latent_variable import AmortizedGuide, LatentVariableModel


class LayeredElbo(nn.Module):
    """The ELBO of a `sigmoid_belief_network`, with nested estimators: one for each layer, from the data upwards.

    F_1(x) = E_q(h_1 | x) [log p(x | h_1) - log q(h_1 | x) + F_2(h_1)],
    F_l(h_{l-1}) = E_q(h_l | h_{l-1}) [log p(h_{l-1} | h_l) - log q(h_l | h_{l-1}) + F_{l+1}(h_l)],  F_{L+1}(h_L) = log p(h_L).

    The target is that of `Elbo`. The reward of layer l is F_l's bracket alone: the costs that depend on its bits, without those that
    were fixed before its bits were drawn (signal locality, downstream cost). Each layer may have an estimator that needs independent
    bits: the bits of one layer are independent, those of all layers together are not.

    The surrogate's gradient is that of `value`, with no weight; the loss of trainable baselines is the estimate's `auxiliary_loss`.

    Called with x [*batch, *outcome], returns an `Estimate` [*batch] in nats, with terms `distortion` and `rate` as in `Elbo`.
    Mnih, Gregor 2014, "Neural variational inference and learning in belief networks", section 2.3 and appendix.

    Args:
        model: p(x, z) of `sigmoid_belief_network`.
        guide: q(z | x) of `sigmoid_belief_network`.
        estimators: One estimator of an expectation for each layer, from the data upwards. Layer l's baselines read x if l = 1, else
            h_{l-1}.
        num_samples: For each layer, evaluations of its bracket per sample of the layer below: (2, 2) evaluates log p(x | h_1) twice
            per image, and log p(h_1 | h_2) four times. None: each estimator's minimum.

    Raises:
        ValueError: If an argument is of the wrong kind, if model or guide is no sigmoid belief network, if their layers differ, if
            estimators or num_samples are not one for each layer, or if an estimator's target is not an expectation.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        guide: AmortizedGuide,
        estimators: Sequence[GradientEstimator],
        num_samples: Sequence[int | None] | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_part(model, LatentVariableModel, AmortizedGuide, name, "model")
        check_part(guide, AmortizedGuide, LatentVariableModel, name, "guide")
        prior, likelihood, conditional = model.prior, model.likelihood, guide.conditional
        if (
            not isinstance(prior, SigmoidBeliefPrior)
            or not isinstance(likelihood, SigmoidBeliefLikelihood)
            or not isinstance(conditional, SigmoidBeliefGuide)
        ):
            raise ValueError(
                f"LayeredElbo needs the layers of a sigmoid belief network, and a model with {type(prior).__name__} and "
                f"{type(likelihood).__name__} and a guide with {type(conditional).__name__} were given. `sigmoid_belief_network` makes "
                "both; `Elbo` takes any model."
            )
        if prior.sizes != conditional.sizes:
            raise ValueError(
                f"The layers of p have {prior.sizes} bits, and those of q {conditional.sizes}: they must be the same."
            )
        count = len(conditional.sizes)
        for given, what in ((estimators, "estimators"), (num_samples, "num_samples")):
            if not isinstance(given, Sequence | nn.ModuleList) and not (given is None and what == "num_samples"):
                raise ValueError(
                    f"{what} is a {type(given).__name__}; expected one for each layer, from the data upwards, in a list."
                )
        num_samples = [None] * count if num_samples is None else [check_num_samples(each) for each in num_samples]
        if len(estimators) != count or len(num_samples) != count:
            raise ValueError(
                f"{count} layer(s) need as many estimators and numbers of samples, from the data upwards; {len(estimators)} and "
                f"{len(num_samples)} were given."
            )
        for estimator in estimators:
            check_estimator(estimator, name)
            if estimator.target != "expectation":
                raise ValueError(
                    f"LayeredElbo nests expectations, and {type(estimator).__name__} has the target {estimator.target!r}, in which the "
                    "reward of a layer is not its own costs alone. Use `Elbo`, which takes all layers as one variable."
                )
        self.model = model
        self.guide = guide
        self.estimators = nn.ModuleList(estimators)
        self.num_samples = tuple(num_samples)
        # In tuples, which `nn.Module` does not register: the layers are already in the state through model and guide.
        self._guide_layers = tuple(conditional.layers)  # q(h_l | h_{l-1}), from the data upwards; h_0 is x
        self._model_layers = (likelihood.bottom, *prior.layers)  # p(h_{l-1} | h_l), likewise
        self._top = (prior.top,)

    def forward(self, x: Tensor) -> Estimate:
        check_images_alone(x, type(self).__name__)
        self.model.likelihood.check_outcome(x)
        return self._from_layer(0, x)

    def _from_layer(self, level: int, below: Tensor) -> Estimate:
        """F of the layer above `below`, which is x or a layer: [*batch, ...] → [*batch]."""
        q = self._guide_layers[level](below)
        p_below = self._model_layers[level]
        is_top = level == len(self.estimators) - 1

        def bracket(h: Tensor) -> Estimate:  # [samples, *batch, size] → [samples, *batch]
            log_below, rate = p_below(h).log_prob(below), q.log_prob(h)
            if is_top:
                (top,) = self._top
                rate = rate - top(h.shape[:-1]).log_prob(h)
            if level == 0:
                costs = Estimate.of(log_below - rate, distortion=-log_below, rate=rate)
            else:
                costs = Estimate.of(log_below - rate, rate=rate - log_below)
            return costs if is_top else costs + self._from_layer(level + 1, h)

        return self.estimators[level](bracket, q, self.num_samples[level], context=below)
