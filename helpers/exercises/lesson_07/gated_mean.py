"""Exercise 07.1: stay, or go somewhere new?."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def gated_mean(z, gate_logit, proposal, weight, bias):
    """Mean of p(z_t | z_{t-1}): (1 - g) (A z + a) + g h, with g = sigmoid(gate_logit), z = z_{t-1}.

    z, gate_logit, proposal h: [batch, latent]. weight A: [latent, latent], bias a: [latent]
    → [batch, latent]. Each coordinate of z has a gate of its own.
    """
    gate = gate_logit.sigmoid()
    linear = z @ weight.T + bias
    return (1 - gate) * linear + gate * proposal


def _gated_inputs(generator: Generator, batch: int, latent: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {
        "z": normal_leaf(generator, batch, latent, scale=scale, loc=0.4),
        "gate_logit": normal_leaf(generator, batch, latent, scale=1.5 * scale, loc=0.6),
        "proposal": normal_leaf(generator, batch, latent, scale=2.0, loc=-0.7),
        "weight": normal_leaf(generator, latent, latent),
        "bias": normal_leaf(generator, latent, loc=0.9),
    }


def _gated_with(
    mix=lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal,
    gate=lambda logit: logit.sigmoid(),
    linear=lambda z, weight, bias: z @ weight.T + bias,
):
    """A wrong answer with this mixture, gate, or linear part."""
    return lambda z, gate_logit, proposal, weight, bias: mix(gate(gate_logit), linear(z, weight, bias), proposal)


GATED = Exercise(
    id="07.1",
    title="Stay, or go somewhere new?",
    minutes=5,
    difficulty=1,
    statement=r"Write the mean of the gated transition, $m = (1 - g) \odot (A z + a) + g \odot h$, with the gate "
    r"$g = \mathrm{sigmoid}(\text{gate\_logit})$. One network has computed the gate's logits from $z = z_{t-1}$, another the "
    r"proposal $h$; both are given.",
    solution=gated_mean,
    why="Where a gate is shut, that coordinate of z takes a linear step; where it is open, it goes where the network says. A starts as the "
    "identity, so where a gate shuts, z stays where it is and gradients pass unchanged. Before training gates are about half open.",
    cases={
        "three vectors of four": lambda g: _gated_inputs(g, 3, 4),
        "gates wide open and shut": lambda g: {
            **_gated_inputs(g, 5, 2, scale=30.0),
            "gate_logit": torch.tensor([[100.0, -100.0], [30.0, -3.0], [-60.0, 90.0], [0.0, 8.0], [-9.0, 0.5]])
            .double()
            .requires_grad_(),
        },
        "one vector": lambda g: _gated_inputs(g, 1, 3),
        "all sizes alike": lambda g: _gated_inputs(g, 3, 3),
        "one number": lambda g: _gated_inputs(g, 4, 1),
        "numbers in the hundreds": lambda g: {
            **_gated_inputs(g, 2, 6),
            "z": normal_leaf(g, 2, 6, scale=100.0),
            "proposal": normal_leaf(g, 2, 6, scale=300.0),
        },
        "gates half open": lambda g: {
            **_gated_inputs(g, 2, 5),
            "gate_logit": torch.zeros(2, 5, dtype=torch.float64).requires_grad_(),
        },
    },
    dimensions={
        "z": ("batch", "latent"),
        "gate_logit": ("batch", "latent"),
        "proposal": ("batch", "latent"),
        "weight": ("latent", "latent"),
        "bias": ("latent",),
        "return": ("batch", "latent"),
    },  # fmt: skip
    returns=("the mean",),
    hints=(
        "Two places to go to, and a number between 0 and 1 for each coordinate that says how far towards the second.",
        "m[b, i] = (1 − g[b, i]) (Σ_j A[i, j] z[b, j] + a[i]) + g[b, i] h[b, i].",
        "gate = gate_logit.sigmoid()",
    ),
    misconceptions=(
        Misconception(
            "the gate the wrong way",
            _gated_with(lambda gate, linear, proposal: gate * linear + (1 - gate) * proposal),
            "Your gate opens the linear step and shuts the proposal. With g = 1 the mean is h.",
        ),
        Misconception(
            "the logits for the gate",
            _gated_with(gate=lambda logit: logit),
            "You use the gate's logits as they are. A gate lies between 0 and 1: `gate_logit.sigmoid()`.",
        ),
        Misconception(
            "the hyperbolic tangent for the gate",
            _gated_with(gate=torch.tanh),
            "Your gate is a tanh, from −1 to 1. A share lies between 0 and 1: take the sigmoid.",
        ),
        Misconception(
            "a softmax for the gate",
            _gated_with(gate=lambda logit: logit.softmax(-1)),
            "Your gates sum to 1 over the coordinates of z, as a softmax's do. Each coordinate has a gate of its own: a sigmoid.",
        ),
        Misconception(
            "the transpose",
            _gated_with(linear=lambda z, weight, bias: z @ weight + bias),
            "You multiply with A's transpose: for rows z, A z is `z @ weight.T`.",
        ),
        Misconception(
            "no bias",
            _gated_with(linear=lambda z, weight, bias: z @ weight.T + 0 * bias),
            "The linear part's bias a is missing.",
        ),
        Misconception(
            "the bias outside the gate",
            lambda z, gate_logit, proposal, weight, bias: (
                (1 - gate_logit.sigmoid()) * (z @ weight.T) + gate_logit.sigmoid() * proposal + bias
            ),
            "You add the bias whatever the gate does. It belongs to the linear step: (1 − g)(A z + a).",
        ),
        Misconception(
            "z for its linear step",
            _gated_with(linear=lambda z, weight, bias: z + 0 * (z @ weight.T + bias)),
            "With a shut gate your mean is z. It is A z + a, which only starts near z.",
        ),
        Misconception(
            "the linear step in full",
            _gated_with(lambda gate, linear, proposal: linear + gate * proposal),
            "You add g h to the whole linear step. The gate takes from the one what it gives to the other: (1 − g) on the linear step.",
        ),
        Misconception(
            "the proposal in full",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + proposal),
            "You add the whole proposal. It counts with the gate: g h.",
        ),
        Misconception(
            "no gate",
            _gated_with(lambda gate, linear, proposal: linear + proposal + 0 * gate),
            "You add both, and the gate decides nothing.",
        ),
        Misconception(
            "half and half",
            _gated_with(lambda gate, linear, proposal: (linear + proposal) / 2 + 0 * gate),
            "You take half of each. Shares are 1 − g and g.",
        ),
        Misconception(
            "one gate for all",
            _gated_with(gate=lambda logit: logit.sigmoid().mean(-1, keepdim=True)),
            "You average the gates over the coordinates of z. Each coordinate has its own.",
        ),
        Misconception(
            "the proposal squashed",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal.tanh()),
            "You take the tanh of the proposal. It enters as it is.",
        ),
        Misconception(
            "the proposal rectified",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal.relu()),
            "You rectify the proposal. That belongs to the transition's scale; the mean takes h as it is.",
        ),
        Misconception(
            "the gate detached",
            _gated_with(gate=lambda logit: logit.sigmoid().detach()),
            "The value is right, and the gate's network does not learn: nothing is to be detached.",
        ),
        Misconception(
            "z detached",
            _gated_with(linear=lambda z, weight, bias: z.detach() @ weight.T + bias),
            "The value is right, and no gradient flows back along the chain through z. Nothing is to be detached.",
        ),
        Misconception(
            "the sigmoid twice",
            _gated_with(gate=lambda logit: logit.sigmoid().sigmoid()),
            "You take the sigmoid twice, so your gate lies between 0.5 and 0.73. Once is enough.",
        ),
        Misconception(
            "the exponential for the gate",
            _gated_with(gate=torch.exp),
            "Your gate is e to the logit, which has no upper end. A share lies between 0 and 1: take the sigmoid.",
        ),
        Misconception(
            "only the diagonal of A",
            _gated_with(linear=lambda z, weight, bias: z * weight.diagonal() + bias),
            "You multiply z with the diagonal of A, coordinate by coordinate. A z is a product of matrix and vector.",
        ),
        Misconception(
            "the bias before A",
            _gated_with(linear=lambda z, weight, bias: (z + bias) @ weight.T),
            "You add the bias to z before A. It is A z + a: multiply first, then add.",
        ),
        Misconception(
            "the linear step alone",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + 0 * proposal),
            "The proposal is missing: + g h.",
        ),
        Misconception(
            "A on the proposal too",
            lambda z, gate_logit, proposal, weight, bias: (
                ((1 - gate_logit.sigmoid()) * z + gate_logit.sigmoid() * proposal) @ weight.T + bias
            ),
            "You mix z and h, then take the linear step of the mixture. Only z takes it; h enters as it is.",
        ),
        Misconception(
            "the gate on both",
            _gated_with(lambda gate, linear, proposal: gate * (linear + proposal)),
            "Your gate multiplies both parts. The linear step has the rest of the share, 1 − g.",
        ),
        Misconception(
            "a softplus for the gate",
            _gated_with(gate=torch.nn.functional.softplus),
            "Your gate is a softplus, which has no upper end. A share lies between 0 and 1: take the sigmoid.",
        ),
    ),
)
