"""The exact mean gradient of one of Pyro's losses, over every execution of a guide whose choices are bits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor

Program = Callable[..., Any]


def mean_gradient(elbo: ELBO, model: Program, guide: Program, parameter: str, most: int) -> Tensor:
    """Sum over executions of probability times gradient. Each execution is forced by the bits that it draws, in order.

    Args:
        elbo: Pyro's loss.
        model: Program of p(x, z).
        guide: Program of q(z), all of whose choices are bits.
        parameter: Name of the parameter, which is unconstrained.
        most: Most choices that an execution has.

    Returns:
        The mean gradient of the loss, in the parameter's shape.
    """
    total, seen = 0.0, set()
    for bits in itertools.product((0.0, 1.0), repeat=most):
        pyro.clear_param_store()
        used: list[float] = []

        class Forced(poutine.messenger.Messenger):
            def _pyro_sample(self, msg, bits=bits, used=used):
                if not msg["is_observed"] and msg["value"] is None:
                    msg["value"] = torch.tensor(bits[len(used)], dtype=torch.float64)
                    msg["done"] = True
                    used.append(bits[len(used)])

        def forced(Forced=Forced):
            with Forced():
                return guide()

        elbo.loss_and_grads(model, forced)
        if tuple(used) in seen:
            continue
        seen.add(tuple(used))
        gradient = pyro.get_param_store()._params[parameter].grad.clone()
        used.clear()
        probability = poutine.trace(forced).get_trace().log_prob_sum().exp().item()
        total = total + probability * gradient
    return total
