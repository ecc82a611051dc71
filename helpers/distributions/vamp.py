"""The VampPrior: the mixture of the guide's q(z | u_k) over learned pseudo-inputs u_k."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from helpers.distributions.checks import check_shape, check_unit_interval
from helpers.distributions.network_conditional import Conditional
from helpers.distributions.priors import Prior
from helpers.networks.recipes import Shape, as_shape


class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z | u_k): the guide averaged over K pseudo-inputs u_k, which are learned.

    The best prior for a given guide is its average over the data, which this approximates by K pseudo-inputs. They stay in [0, 1]
    (as sigmoids of parameters; the paper clips), so that they can be shown as images.

    Tomczak, Welling 2018, "VAE with a VampPrior".

    Args:
        guide: q(z | x), the same conditional that the objective trains. It is not a submodule of the prior: its parameters are trained,
            moved and saved once, with the guide.
        pseudo_inputs: Initial u_k, [K, *guide.input_shape] in [0, 1], such as images of the training set, or noise.

    Raises:
        ValueError: If the guide is not a `Conditional`, or the pseudo-inputs have another shape or values outside [0, 1].
    """

    def __init__(self, guide: Conditional, pseudo_inputs: Tensor) -> None:
        if not isinstance(guide, Conditional):
            raise ValueError(
                f"A VampPrior is made of a conditional q(z | x), and a {type(guide).__name__} was given. "
                "The conditional of an AmortizedGuide is its `.conditional`."
            )
        super().__init__(guide.event_shape)
        batch_shape = check_shape(pseudo_inputs, guide.input_shape, "the pseudo-inputs", type(self).__name__)
        check_unit_interval(pseudo_inputs, "pseudo-inputs")
        if len(batch_shape) != 1:
            raise ValueError(
                f"Pseudo-inputs come in a list, [components, {', '.join(map(str, guide.input_shape))}], and the shape "
                f"{tuple(pseudo_inputs.shape)} was given."
            )
        self._guide = (guide,)  # in a tuple, a module is not registered as a submodule
        # values of exactly 0 and 1 have infinite logits and a gradient of 0
        self.logits = nn.Parameter(pseudo_inputs.detach().clamp(0.01, 0.99).logit())

    @property
    def guide(self) -> Conditional:
        """q(z | x), the components of the mixture."""
        return self._guide[0]

    @property
    def pseudo_inputs(self) -> Tensor:
        """u_k: [K, *input_shape], between 0 and 1."""
        return self.logits.sigmoid()

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        components = self.guide(self.pseudo_inputs)  # batch_shape [K]
        shape = (*as_shape(batch_shape), len(self.logits))
        weights = Categorical(logits=torch.zeros_like(self.logits.flatten(1)[:, 0]).expand(shape), validate_args=False)
        return MixtureSameFamily(weights, components.expand(torch.Size(shape)), validate_args=False)
