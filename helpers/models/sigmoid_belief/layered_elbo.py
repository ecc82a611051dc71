"""The evidence lower bound of a sigmoid belief network, one gradient estimator a layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.sigmoid_belief import SigmoidBeliefGuide, SigmoidBeliefPrior
from helpers.estimators import Estimate, GradientEstimator
from helpers.models.elbo import check_images_alone
from helpers.models.latent_variable import AmortizedGuide, LatentVariableModel


class LayeredElbo(nn.Module):
    """The ELBO of `sigmoid_belief_network`, with estimators nested: one for each layer, from the data upwards.

    F_1(x) = E_q(h_1 | x) [log p(x | h_1) - log q(h_1 | x) + F_2(h_1)],
    F_l(h_{l-1}) = E_q(h_l | h_{l-1}) [log p(h_{l-1} | h_l) - log q(h_l | h_{l-1}) + F_{l+1}(h_l)],  F_{L+1}(h_L) = log p(h_L).

    The target is that of `Elbo`. But layer l is scored by F_l's bracket alone: by costs that its bits can still change, and not by
    those that were settled before they were drawn (signal locality, downstream cost). And each layer may have an estimator that
    wants independent bits, which the layers together are not.

    model, guide: of `sigmoid_belief_network`.
    estimators: one for each layer, from the data upwards, of expectations. Layer l's baselines look at x for l = 1, else at h_{l-1}.
    num_samples: for each layer, evaluations of its bracket per sample of the layer below: (2, 2) evaluates log p(x | h_1) twice per
        image, and log p(h_1 | h_2) four times. None for each estimator's own fewest.

    Called with x [*batch, *outcome], returns an `Estimate` [*batch] in nats, with terms `distortion` and `rate` as `Elbo` has them.
    Mnih, Gregor 2014, "Neural variational inference and learning in belief networks", section 2.3 and appendix.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        guide: AmortizedGuide,
        estimators: Sequence[GradientEstimator],
        num_samples: Sequence[int | None] | None = None,
    ) -> None:
        super().__init__()
        conditional = guide.conditional
        if not isinstance(model.prior, SigmoidBeliefPrior) or not isinstance(conditional, SigmoidBeliefGuide):
            raise ValueError(
                f"LayeredElbo walks through the layers of a sigmoid belief network, and a model with {type(model.prior).__name__} and a "
                f"guide with {type(conditional).__name__} were given. `sigmoid_belief_network` makes both; `Elbo` takes any model."
            )
        if model.prior.sizes != conditional.sizes:
            raise ValueError(
                f"The layers of p have {model.prior.sizes} bits, and those of q {conditional.sizes}: they must be the same."
            )
        count = len(conditional.sizes)
        num_samples = [None] * count if num_samples is None else list(num_samples)
        if len(estimators) != count or len(num_samples) != count:
            raise ValueError(
                f"{count} layer(s) need as many estimators and numbers of samples, from the data upwards; {len(estimators)} and "
                f"{len(num_samples)} were given."
            )
        for estimator in estimators:
            if estimator.target != "expectation":
                raise ValueError(
                    f"LayeredElbo nests expectations, and {type(estimator).__name__} has the target {estimator.target!r}, in which a layer "
                    "cannot be scored by its own costs alone. Use `Elbo`, which takes all layers as one variable."
                )
        self.model = model
        self.guide = guide
        self.estimators = nn.ModuleList(estimators)
        self.num_samples = tuple(num_samples)

    def forward(self, x: Tensor) -> Estimate:
        check_images_alone(x, type(self).__name__)
        self.model.likelihood.check_outcome(x)
        return self._from_layer(0, x)

    def _from_layer(self, level: int, below: Tensor) -> Estimate:
        """F of the layer above `below`, which is x or a layer: [*batch, ...] → [*batch]."""
        q = self.guide.conditional.layers[level](below)
        generative = self.model.prior.layers[level - 1] if level else self.model.likelihood.bottom
        is_top = level == len(self.estimators) - 1

        def bracket(h: Tensor) -> Estimate:  # [samples, *batch, size] → [samples, *batch]
            log_below, rate = generative(h).log_prob(below), q.log_prob(h)
            if is_top:
                rate = rate - self._top(h).log_prob(h)
            if level == 0:
                costs = Estimate.of(log_below - rate, distortion=-log_below, rate=rate)
            else:
                costs = Estimate.of(log_below - rate, rate=rate - log_below)
            return costs if is_top else costs + self._from_layer(level + 1, h)

        return self.estimators[level](bracket, q, self.num_samples[level], context=below)

    def _top(self, h: Tensor) -> Distribution:
        return self.model.prior.top(h.shape[:-1])
