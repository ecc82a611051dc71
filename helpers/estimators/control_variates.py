"""Control variates of the score function: they transform the reward before it multiplies grad log q(z).

E_q[b grad log q(z)] = 0 for every b that does not depend on z. So a baseline subtracted from the reward leaves the expected gradient
unchanged, and lowers the noise if it predicts the reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution

from helpers.distributions import innermost, support
from helpers.estimators.base import Integrand, evaluate
from helpers.estimators.parts.doors import check_instance
from helpers.estimators.parts.running import RunningMoments
from helpers.networks.recipes import NetworkRecipe, as_shape, built


@dataclass(frozen=True)
class RewardContext:
    """What a control variate may depend on, beside the reward.

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch].
        q: Distribution with batch_shape [*batch].
        z: The samples of q that the rewards belong to, [samples, *batch, *event].
        context: [*batch, ...], or None if the estimator was called without.
    """

    f: Integrand
    q: Distribution
    z: Tensor
    context: Tensor | None


class ControlVariate(nn.Module):
    """Base class.

    A running statistic belongs in a `RunningMoments`: `ScoreFunction` holds those still while it evaluates f, so that one instance may be
    shared by nested levels. A statistic of another kind that f's nested call updates would be a baseline that depends on the sample.

    Attributes:
        label: Name in legends and tables, such as "centred reward"; every control variate has its own.
        unbiased: Whether it leaves the expected gradient unchanged.
        extra_evaluations: Evaluations of f per datum that the control variate makes itself, on top of those for the rewards.
    """

    label: str = "control variate"
    unbiased: bool = True
    extra_evaluations: int = 0

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        """Transform the reward; subclasses define this.

        Args:
            reward: f at the samples, [samples, *batch], detached.
            reward_context: f, q, the samples and the context that the reward came from.

        Returns:
            The factor of grad log q, [samples, *batch], and a scalar auxiliary loss.

        Raises:
            NotImplementedError: In the base class.
        """
        raise NotImplementedError


class CentredReward(ControlVariate):
    """reward - m, with m the running mean of past rewards, one scalar for all data.  Unbiased: m depends on past batches only.

    Args:
        weight: Weight of a new batch in the running mean, above 0 and at most 1.
    """

    label = "centred reward"

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.past = RunningMoments(weight)

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        centred = reward - self.past.mean
        self.past.update(reward)
        return centred, 0.0


class ScaledReward(ControlVariate):
    """reward / max(1, s), with s the running standard deviation of past rewards.

    Biased: not a control variate but a rescaling of the guide's score term, whose expected gradient is multiplied by 1 / max(1, s);
    the gradient that reaches f's parameters through f is unchanged. It acts as an adaptive step size for the guide.
    Mnih, Gregor 2014, "Neural variational inference and learning in belief networks", section 2.4 (variance normalisation). The paper
    updates its statistics with the present batch before it uses them, at weight 0.2; here a batch meets those of the past.

    Args:
        weight: Weight of a new batch in the running variance, above 0 and at most 1.
    """

    label = "scaled reward"
    unbiased = False

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.past = RunningMoments(weight)

    @property
    def factor(self) -> Tensor:
        """Factor of the next reward: 1 / max(1, s), a scalar."""
        return 1 / self.past.variance.sqrt().clamp_min(1)

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        scaled = reward * self.factor
        self.past.update(reward)
        return scaled, 0.0


class SelfCritic(ControlVariate):
    """reward - f(z*), with z* the mode of q: the advantage over the guide's most probable outcome.  Unbiased: z* does not depend on z.

    f is the whole reward, so with `Elbo` the critic includes -log q(z* | x). Costs one more evaluation of f, made without gradients.
    Needs a q whose mode is known: bits, categories, or a finite support.
    Rennie, Marcheret, Mroueh, Ross, Goel 2017, "Self-critical sequence training for image captioning".
    """

    label = "self-critic"
    extra_evaluations = 1

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        with torch.no_grad():
            critic = evaluate(
                reward_context.f, mode(reward_context.q).unsqueeze(0), reward_context.q
            ).value  # [1, *batch]
        return reward - critic, 0.0


class LearnedBaseline(ControlVariate):
    """reward - b(context), with b a network that regresses the reward.  Unbiased: b depends on the datum, not on the sample.

    auxiliary_loss = mean over samples and batch of (reward - b(context))². Its gradient reaches b's parameters and no others; the
    surrogate's does not reach them. A call raises ValueError if the context is missing, or if its shape or b's does not fit.
    Mnih, Gregor 2014, "Neural variational inference and learning in belief networks", section 2.3 (input-dependent baselines).

    Args:
        context_shape: Shape of one datum's context.
        network: A recipe such as `FeedForward((100,))`, or a module [*batch, *context_shape] → [*batch].

    Raises:
        ValueError: If the context's shape is none, or the network is neither a recipe nor a module.
    """

    label = "learned baseline"

    def __init__(self, context_shape: int | tuple[int, ...], network: NetworkRecipe | nn.Module) -> None:
        super().__init__()
        self.context_shape = as_shape(context_shape)
        self.network = built(network, self.context_shape, (), type(self).__name__)

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        context = reward_context.context
        if context is None:
            raise ValueError(
                "LearnedBaseline predicts the reward from a context, and none was given: estimator(f, q, S, context=x)."
            )
        batch_dims = context.dim() - len(self.context_shape)
        if batch_dims < 0 or context.shape[batch_dims:] != self.context_shape:
            raise ValueError(
                f"The context of LearnedBaseline has shape {tuple(context.shape)}, and [*batch, "
                f"{', '.join(map(str, self.context_shape))}] was expected."
            )
        baseline = self.network(context.detach())
        batch = reward.shape[1:]
        if (
            batch_dims > len(batch)
            or not baseline.shape == context.shape[:batch_dims] == batch[len(batch) - batch_dims :]
        ):
            raise ValueError(
                f"LearnedBaseline predicted the shape {tuple(baseline.shape)} from a context of shape {tuple(context.shape)}, for rewards "
                f"[samples, *batch] = {tuple(reward.shape)}: one number per datum was expected. Usual cause: a network that ends "
                "in one unit and keeps its dimension; end it with nn.Flatten(-2), or give a recipe."
            )
        residual = reward.detach() - baseline  # [samples, *batch]
        return residual.detach(), residual.square().mean()


class ControlVariateChain(ControlVariate):
    """Control variates in sequence: each transforms the result of the previous one.

    `LearnedBaseline`, `CentredReward`, `ScaledReward` in this order has the parts of NVIL; in the paper the network
    regresses the reward less the running mean. Unbiased if each is. Auxiliary losses add up.

    Args:
        links: The control variates, in order.

    Raises:
        ValueError: If a link is not a control variate, or one with a running statistic stands twice.
    """

    label = "chain"

    def __init__(self, *links: ControlVariate) -> None:
        super().__init__()
        for link in links:
            check_instance(link, ControlVariate, type(self).__name__, "a control variate such as CentredReward()")
        parts = [part for link in links for part in link.modules() if isinstance(part, RunningMoments)]
        if len({id(part) for part in parts}) < len(parts):
            raise ValueError(
                "One control variate with a running statistic stands twice in a chain: its second turn would compare the reward with a "
                "statistic that holds it already, which is biased. Make a second instance."
            )
        self.links = nn.ModuleList(links)
        self.extra_evaluations = sum(link.extra_evaluations for link in links)
        self.unbiased = all(link.unbiased for link in links)
        self.label = ", ".join(link.label for link in links) or self.label

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        auxiliary_loss: Tensor | float = 0.0
        for link in self.links:
            reward, loss = link(reward, reward_context)
            auxiliary_loss = auxiliary_loss + loss
        return reward, auxiliary_loss


def mode(q: Distribution) -> Tensor:
    """The most probable outcome of q; one of them if several are equally probable.

    Args:
        q: Distribution with batch_shape [*batch]: one whose mode torch knows, or one with a finite support.

    Returns:
        The outcome, [*batch, *event].

    Raises:
        ValueError: If q has no known mode and its support cannot be listed.
    """
    base = innermost(q)
    if isinstance(base, Bernoulli):  # torch's own is NaN at p = 1/2
        return (base.logits > 0).to(base.logits.dtype)
    try:
        return base.mode
    except NotImplementedError:
        pass
    try:
        values = support(base)  # [support, *batch, *event]
    except ValueError as error:
        raise ValueError(
            f"SelfCritic needs the mode of q, and {type(base).__name__} names none. `SampledCritic` and `LeaveOneOut` need no mode."
        ) from error
    best = base.log_prob(values).argmax(0)  # [*batch]
    return values.gather(
        0, best.reshape(1, *best.shape, *[1] * len(base.event_shape)).expand(1, *values.shape[1:])
    ).squeeze(0)
