"""The two directions along which an explorer moves or shows latent codes."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_directions(codes: Tensor) -> tuple[Tensor, Tensor]:
    """The two directions in which codes differ most: a principal-components analysis, up to its arbitrary signs.

    Args:
        codes: Latent codes, [codes, latent], latent >= 2.

    Returns:
        Unit vectors [2, latent], each with its largest coordinate positive, and the codes' standard deviations along
        them [2], at least 1e-6 so that they can divide.
    """
    _, singular, directions = torch.linalg.svd(codes - codes.mean(0), full_matrices=False)
    directions, spread = directions[:2], singular[:2] / max(len(codes) - 1, 1) ** 0.5
    directions = directions * directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    return directions, spread.clamp(min=1e-6)
