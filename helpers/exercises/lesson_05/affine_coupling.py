"""Exercise 05.6: an affine coupling layer."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def affine_coupling(z, log_q, weight, context):
    """One affine coupling layer: y and log q(y) in nats. The first coordinates stay, the others move.

    z_kept @ weight + context: shift and log scale, side by side; y_moved = scale z_moved + shift.
    z: [batch, kept + moved], log_q = log q(z): [batch]; weight: [kept, 2 moved];
    context, what the encoder says of x: [batch, 2 moved] → y [batch, kept + moved], [batch].
    """
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)  # each [batch, moved]
    y = torch.cat([kept, moved * log_scale.exp() + shift], -1)
    return y, log_q - log_scale.sum(-1)


def _coupling_inputs(
    generator: Generator, batch: int, kept: int, moved: int, spread: float = 0.6, loc: float = -4.0
) -> dict[str, Tensor]:
    return {
        "z": normal_leaf(generator, batch, kept + moved),
        "log_q": normal_leaf(generator, batch, loc=loc, scale=-loc / 4),
        "weight": normal_leaf(generator, kept, 2 * moved, scale=0.4),
        "context": normal_leaf(generator, batch, 2 * moved, scale=spread),
    }


def _coupling_with(move, log_det):
    """A wrong answer with this y_moved, a function of z_moved, shift, log scale, and this log |det|, a function of shift and log scale."""

    def answer(z, log_q, weight, context):
        kept, moved = z[:, : len(weight)], z[:, len(weight) :]
        shift, log_scale = (kept @ weight + context).chunk(2, -1)
        return torch.cat([kept, move(moved, shift, log_scale)], -1), log_q - log_det(shift, log_scale)

    return answer


def _moved(moved, shift, log_scale):
    return moved * log_scale.exp() + shift


def _log_det(shift, log_scale):
    return log_scale.sum(-1)


def _exchanged(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    log_scale, shift = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, _moved(moved, shift, log_scale)], -1), log_q - log_scale.sum(-1)


def _other_order(z, log_q, weight, context):
    y, log_density = affine_coupling(z, log_q, weight, context)
    return torch.cat([y[:, len(weight) :], y[:, : len(weight)]], -1), log_density


def _cut_at(place):
    """A wrong answer that keeps this many coordinates, a function of z and the weight; where it is too many or few, it raises."""

    def answer(z, log_q, weight, context):
        kept, moved = z[:, : place(z, weight)], z[:, place(z, weight) :]
        shift, log_scale = (kept @ weight + context).chunk(2, -1)
        return torch.cat([kept, _moved(moved, shift, log_scale)], -1), log_q - log_scale.sum(-1)

    return answer


def _last_stay(z, log_q, weight, context):
    moved, kept = z[:, : -len(weight)], z[:, -len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([_moved(moved, shift, log_scale), kept], -1), log_q - log_scale.sum(-1)


def _interleaved(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    parameters = kept @ weight + context
    shift, log_scale = parameters[:, ::2], parameters[:, 1::2]
    return torch.cat([kept, _moved(moved, shift, log_scale)], -1), log_q - log_scale.sum(-1)


COUPLING = Exercise(
    id="05.6",
    title="An affine coupling layer",
    minutes=7,
    difficulty=2,
    statement=r"Write one affine coupling layer. The first coordinates of $z$, as many as `weight` has rows, stay; shift $t$ and log scale "
    r"$s$ of the others are the two halves of `kept @ weight + context`, and $y_\text{moved} = e^{s} z_\text{moved} + t$. Return $y$ and "
    r"$\log q(y) = \log q(z) - \sum s$, with gradients to everything.",
    solution=affine_coupling,
    why="The coordinates that stay decide how the others move, so the Jacobian is triangular, with 1 and e^s on its diagonal: its log "
    "determinant is the sum of s. And y_kept = z_kept tells the inverse all it needs.",
    cases={
        "two stay, three move": lambda g: _coupling_inputs(g, 4, 2, 3),
        "four stay, one moves": lambda g: _coupling_inputs(g, 3, 4, 1),
        "one stays, two move": lambda g: _coupling_inputs(g, 5, 1, 2),
        "one datum": lambda g: _coupling_inputs(g, 1, 3, 4),
        "all sizes alike": lambda g: _coupling_inputs(g, 2, 2, 2),
        "stretched and shrunk a thousandfold": lambda g: _coupling_inputs(g, 6, 2, 3, spread=3.0, loc=-400.0),
    },
    dimensions={
        "z": ("batch", "kept + moved"),
        "log_q": ("batch",),
        "weight": ("kept", "2 moved"),
        "context": ("batch", "2 moved"),
        "return": (("batch", "kept + moved"), ("batch",)),
    },  # fmt: skip
    returns=("y", "log q(y)"),
    hints=(
        "`len(weight)` says where to cut z, and `.chunk(2, -1)` cuts in halves. Where space is stretched, is the density higher or lower?",
        "y = [z_kept, e^s z_moved + t];   log q(y) = log q(z) − Σ s.",
        "kept, moved = z[:, : len(weight)], z[:, len(weight) :]",
    ),
    misconceptions=(
        Misconception(
            "the wrong sign of the determinant",
            _coupling_with(_moved, lambda shift, log_scale: -log_scale.sum(-1)),
            "y is right. Where a layer stretches space, the density thins out: log |det| is subtracted.",
        ),
        Misconception(
            "no determinant",
            _coupling_with(_moved, lambda shift, log_scale: 0.0),
            "y is right. The log density is still that of z: stretching changes it by −Σ s.",
        ),
        Misconception(
            "the scales summed",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.exp().sum(-1)),
            "y is right. The determinant is the product of the scales, so its log is the sum of their logs, s; you sum e^s.",
        ),
        Misconception(
            "the determinant without its log",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.sum(-1).exp()),
            "y is right. You subtract the determinant. Among logs its log is subtracted: Σ s.",
        ),
        Misconception(
            "the mean of the log scales",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.mean(-1)),
            "y is right. The log determinant is the sum of the s, and not their mean.",
        ),
        Misconception(
            "the shift in the determinant",
            _coupling_with(_moved, lambda shift, log_scale: (log_scale + shift).sum(-1)),
            "y is right. A shift moves the density and does not change its height: only s enters the determinant.",
        ),
        Misconception(
            "the determinant detached",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.sum(-1).detach()),
            "The values are right, and the determinant's gradient is lost: without it nothing keeps the scales from shrinking.",
        ),
        Misconception(
            "shift and scale exchanged",
            _exchanged,
            "You take the first half for the log scale. The first half is the shift t, the second the log scale s.",
        ),
        Misconception(
            "shift and scale interleaved",
            _interleaved,
            "You take every other number for the shift. The first half is the shift, the second the log scale: `.chunk(2, -1)`.",
        ),
        Misconception(
            "the log scale as scale",
            _coupling_with(lambda moved, shift, log_scale: moved * log_scale + shift, _log_det),
            "log q(y) is right. You multiply by s, which may be negative or 0; the scale is e^s.",
        ),
        Misconception(
            "the shift is stretched too",
            _coupling_with(lambda moved, shift, log_scale: (moved + shift) * log_scale.exp(), _log_det),
            "log q(y) is right. You shift before you stretch. Asked is e^s z + t.",
        ),
        Misconception(
            "the inverse",
            _coupling_with(
                lambda moved, shift, log_scale: (moved - shift) * (-log_scale).exp(),
                lambda shift, log_scale: -log_scale.sum(-1),
            ),
            "That is the inverse, from y to z. Asked is the way from z to y: stretch, then shift.",
        ),
        Misconception(
            "the context left out",
            lambda z, log_q, weight, context: affine_coupling(z, log_q, weight, torch.zeros_like(context)),
            "The context is left out: your layer is the same for every x.",
        ),
        Misconception(
            "the context alone",
            lambda z, log_q, weight, context: affine_coupling(z, log_q, torch.zeros_like(weight), context),
            "The coordinates that stay have no say in your layer, which then only shifts and scales: a Gaussian stays a Gaussian. Add "
            "kept @ weight.",
        ),
        Misconception(
            "the parts in the other order",
            _other_order,
            "log q(y) is right. y holds the moved part first; the part that stays keeps its place at the front.",
        ),
        Misconception(
            "z detached where it decides",
            lambda z, log_q, weight, context: affine_coupling(
                torch.cat([z[:, : len(weight)].detach(), z[:, len(weight) :]], -1), log_q, weight, context
            ),
            "The values are right. The coordinates that stay are detached, so no gradient reaches what made them.",
        ),
        Misconception(
            "z cut in halves",
            _cut_at(lambda z, weight: (z.shape[1] + 1) // 2),
            "You cut z in halves, the larger one first. As many coordinates stay as `weight` has rows: cut at `len(weight)`.",
        ),
        Misconception(
            "z cut in halves, the smaller first",
            _cut_at(lambda z, weight: z.shape[1] // 2),
            "You cut z in halves, the smaller one first. As many coordinates stay as `weight` has rows: cut at `len(weight)`.",
        ),
        Misconception(
            "z cut at the number that moves",
            _cut_at(lambda z, weight: z.shape[1] - len(weight)),
            "You keep as many coordinates as should move. As many stay as `weight` has rows: cut at `len(weight)`.",
        ),
        Misconception(
            "z cut at the columns of the weight",
            _cut_at(lambda z, weight: weight.shape[1]),
            "You cut z at the number of the weight's columns, 2 for each coordinate that moves. As many coordinates stay as `weight` has "
            "rows: cut at `len(weight)`.",
        ),
        Misconception(
            "the last coordinates stay",
            _last_stay,
            "You keep the last coordinates and move the first. Asked is the other way: the first ones stay.",
        ),
        Misconception(
            "shrunk in place of stretched",
            _coupling_with(lambda moved, shift, log_scale: moved * (-log_scale).exp() + shift, _log_det),
            "log q(y) is right. You divide by e^s. Asked is e^s z + t, which fits the density.",
        ),
        Misconception(
            "a tanh on the log scale",
            _coupling_with(
                lambda moved, shift, log_scale: moved * log_scale.tanh().exp() + shift,
                lambda shift, log_scale: log_scale.tanh().sum(-1),
            ),
            "You take the tanh of the log scale, which keeps scales bounded. Here s enters as it is.",
        ),
    ),
)
