"""How a mixture guide uses its components."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import MixtureSameFamily


@torch.no_grad()
def component_use(guide: nn.Module, images: Tensor, num_samples: int = 20) -> dict[str, float | list[float]]:
    """How a mixture guide uses its components, averaged over images.

    Args:
        guide: x → q(z | x).
        images: [images, *outcome].
        num_samples: Draws of z an image.

    Returns:
        An empty dict unless q(z | x) is a mixture. Otherwise `component_shares`, E_x[w_k(x)] of each component; `component_entropy`,
        E_x[H(w(x))] in nats, 0 if each image has one component of its own; and `component_information`, E_x[I(k; z | x)] in nats: 0 if
        q(z | x) is a Gaussian in effect, because one component has all the weight or the components coincide, and at most the entropy.
    """
    shares, entropies, information = [], [], []
    for x in images.split(500):
        q = guide(x)
        if not isinstance(q, MixtureSameFamily):
            return {}
        log_weights = q.mixture_distribution.logits.log_softmax(-1)  # [images, components]
        z = q.sample((num_samples,))  # [draws, images, *latent]
        inside = q.component_distribution.log_prob(z.unsqueeze(2))  # [draws, images, components]
        entropies.append(_entropy(log_weights))
        information.append(entropies[-1] - _entropy((log_weights + inside).log_softmax(-1)).mean(0))
        shares.append(log_weights.exp())
    return {
        "component_shares": torch.cat(shares).mean(0).tolist(),
        "component_entropy": torch.cat(entropies).mean().item(),
        "component_information": torch.cat(information).mean().item(),
    }


def _entropy(log_probabilities: Tensor) -> Tensor:
    """[..., K] → [...], nats."""
    return torch.special.entr(log_probabilities.exp()).sum(-1)
