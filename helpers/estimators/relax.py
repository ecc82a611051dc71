"""RELAX: a learned network as control variate, alone or on top of REBAR's."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.base import Integrand
from helpers.estimators.parts.conditional_reparameterisation import ConditionalReparameterisation
from helpers.estimators.parts.doors import check_instance
from helpers.estimators.rebar import Rebar
from helpers.networks.recipes import FeedForward


class Relax(ConditionalReparameterisation):
    """Score function with a learned approximation of f as control variate; f itself is evaluated at bits only.

    grad_phi E_q[f] ~ mean_s (f(b) - c(z')) grad log q(b) + grad_phi c(z) - grad_phi c(z'),  c = network.
    Unbiased for any network: see `ConditionalReparameterisation` for z, z' and for the auxiliary loss that trains it.

    A call raises ValueError if the network returns another shape.

    Needs independent bits. One evaluation of f a sample.
    Grathwohl, Choi, Wu, Roeder, Duvenaud 2018, "Backpropagation through the Void: Optimizing control variates for black-box gradient
    estimation".

    Args:
        network: z [..., *event], unbounded reals whose signs are the bits → [..., 1] or [...]. Twice differentiable, so no ReLU.
    """

    label = "RELAX"
    evaluations_per_sample = 1

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        check_instance(network, nn.Module, type(self).__name__, "a network z → [..., 1], an nn.Module")
        self.network = network

    @classmethod
    def with_defaults(cls, event_shape: tuple[int, ...] = ()) -> Self:
        return cls(_default_network(event_shape))

    def control_variate(self, f: Integrand, z: Tensor, q: Distribution) -> Tensor:
        return _scalar_each(self.network(z), z, q)


class ResidualRelax(Rebar):
    """RELAX on top of REBAR: the network learns the difference between f and its relaxation.

    As `Relax`, with  c(z) = eta f(sigmoid(z / temperature)) + network(z).  Unbiased. Grathwohl et al. 2018 used it for sigmoid
    belief networks.

    Needs what `Rebar` needs: independent bits, a relaxable f, and a `num_samples` that is a multiple of 3.

    Args:
        network: As in `Relax`.
        temperature: As in `Rebar`.
        eta: As in `Rebar`.
    """

    label = "RELAX on top of REBAR"

    def __init__(self, network: nn.Module, temperature: float = 0.5, eta: float = 1.0) -> None:
        super().__init__(temperature, eta)
        check_instance(network, nn.Module, type(self).__name__, "a network z → [..., 1], an nn.Module")
        self.network = network

    @classmethod
    def with_defaults(cls, event_shape: tuple[int, ...] = ()) -> Self:
        return cls(_default_network(event_shape))

    def control_variate(self, f: Integrand, z: Tensor, q: Distribution) -> Tensor:
        return super().control_variate(f, z, q) + _scalar_each(self.network(z), z, q)


def _default_network(event_shape: tuple[int, ...]) -> nn.Module:
    return FeedForward((100,), nn.Tanh).build(event_shape, (1,))


def _scalar_each(result: Tensor, z: Tensor, q: Distribution) -> Tensor:
    """[S, *batch] or [S, *batch, 1] → [S, *batch]; ValueError if the shape is another."""
    expected = z.shape[: z.dim() - len(q.event_shape)]
    if result.shape not in (expected, (*expected, 1)):
        raise ValueError(
            f"The control variate's network returned the shape {tuple(result.shape)} for z {tuple(z.shape)}, and one number for each z, "
            f"{tuple(expected)}, was expected, or {(*expected, 1)}. Build it with output shape (1,)."
        )
    return result.reshape(expected)
