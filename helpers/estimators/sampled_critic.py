"""The self-critic whose critic is a second sample of q, where `SelfCritic` takes the mode."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.estimators.base import evaluate
from helpers.estimators.control_variates import ControlVariate, RewardContext
from helpers.estimators.draws import draw


class SampledCritic(ControlVariate):
    """reward - f(z'), with z' one more sample of q for each datum.  Unbiased: z' is independent of z.

    E[f(z')] = E_q[f], so the baseline is the mean reward of the datum plus noise. With one sample z, the average of this estimate and of
    the same with z and z' exchanged is `LeaveOneOut` with two samples, which needs no further evaluation of f.
    f is the whole reward, so with `Elbo` the critic includes -log q(z' | x). Costs one more evaluation of f, made without gradients.
    Needs a q that can be sampled; its mode need not be known.
    Rennie, Marcheret, Mroueh, Ross, Goel 2017, "Self-critical sequence training for image captioning", with a sample for the mode;
    Kool, van Hoof, Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
    """

    label = "sampled critic"
    extra_evaluations = 1

    def forward(self, reward: Tensor, reward_context: RewardContext) -> tuple[Tensor, Tensor | float]:
        q = reward_context.q
        with torch.no_grad():
            critic = evaluate(reward_context.f, draw(q, 1), q).value  # [1, *batch]
        return reward - critic, 0.0
