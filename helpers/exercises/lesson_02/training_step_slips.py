"""Further wrong answers to exercise 02.7: a rate that is sampled, and a step of Adam."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _gradients(x, eps, encoder, decoder, rate):
    with torch.enable_grad():
        phi, theta = (weight.detach().clone().requires_grad_() for weight in (encoder, decoder))
        loc, raw = (x @ phi.T).chunk(2, dim=-1)
        scale = torch.nn.functional.softplus(raw)
        logits = (loc + scale * eps) @ theta.T
        distortion = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        return torch.autograd.grad((distortion + rate(loc, scale, eps).sum(-1)).mean(), (phi, theta))


def _sampled(loc, scale, eps):
    """log q(z) - log p(z) at z = loc + scale eps."""
    return 0.5 * (loc + scale * eps) ** 2 - 0.5 * eps**2 - scale.log()


def _closed_form(loc, scale, eps):
    return 0.5 * (scale**2 + loc**2 - 1) - scale.log()


def _sampled_rate(x, eps, encoder, decoder, learning_rate):
    found = _gradients(x, eps, encoder, decoder, _sampled)
    return tuple(weight.detach() - learning_rate * g for weight, g in zip((encoder, decoder), found, strict=True))


def _adam(x, eps, encoder, decoder, learning_rate):
    found = _gradients(x, eps, encoder, decoder, _closed_form)
    return tuple(
        weight.detach() - learning_rate * g / (g.abs() + 1e-8)
        for weight, g in zip((encoder, decoder), found, strict=True)
    )


SLIPS = (
    Misconception(
        "the rate sampled",
        _sampled_rate,
        "Your decoder is right. Your rate is sampled, log q(z) − log p(z) at this z; asked is the closed form, which has another gradient.",
    ),
    Misconception(
        "a step of Adam",
        _adam,
        "That is a step of Adam, of one length for every weight. Asked is plain gradient ascent: network + learning rate · gradient.",
    ),
)
