"""Inputs for the exercise of lesson 00 that `check` does not use: they say which mutants of the solution are wrong."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Inputs


def _logits_and_pixels(shape: tuple[int, ...], scale: float, shift: float, pixels: str) -> Inputs:
    def make(generator: torch.Generator):
        logits = scale * torch.randn(shape, generator=generator, dtype=torch.float64) + shift
        x = torch.rand(shape, generator=generator, dtype=torch.float64)
        if pixels == "bits":
            x = x.round()
        elif pixels == "white":
            x = torch.zeros_like(x)
        elif pixels == "black":
            x = torch.ones_like(x)
        return {"logits": logits.requires_grad_(), "x": x}

    return make


PROBES: dict[str, dict[str, Inputs]] = {
    "00.1": {
        "bits": _logits_and_pixels((7, 2, 5, 3), 2.0, -0.4, "bits"),
        "greys": _logits_and_pixels((2, 3, 4, 6), 1.0, 0.0, "greys"),
        "one pixel": _logits_and_pixels((6, 1, 1, 1), 1.0, 0.5, "greys"),
        "square, batch like the channels": _logits_and_pixels((3, 3, 3, 3), 1.0, 0.2, "bits"),
        "logits all zero": _logits_and_pixels((4, 1, 2, 3), 0.0, 0.0, "greys"),
        "white pages": _logits_and_pixels((3, 2, 2, 5), 1.0, -1.0, "white"),
        "black pages": _logits_and_pixels((3, 2, 2, 5), 1.0, 1.0, "black"),
        "logits in the thousands": _logits_and_pixels((2, 1, 3, 2), 1000.0, 0.0, "bits"),
        "tiny logits": _logits_and_pixels((5, 2, 3, 1), 1e-6, 0.0, "greys"),
        "an empty batch": _logits_and_pixels((0, 2, 3, 4), 1.0, 0.0, "greys"),
    }
}
