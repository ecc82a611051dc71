"""Data augmentation inside a network: recipes that perturb the input of another recipe's network, in training mode only.

The network learns to give similar outputs for similar inputs: a regulariser if labels are few. A guide with such a network is still a
valid guide: q(y | x) may depend on random numbers of its own, and every draw gives a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.networks.recipes import NetworkRecipe, Shape, image_shape


@dataclass(frozen=True)
class NoisyInput(NetworkRecipe):
    """Another recipe's network that in training mode reads x + scale eps, eps ~ N(0, I).

    `build` raises ValueError if `scale` is negative.

    Args:
        recipe: Recipe of the network.
        scale: Standard deviation of the noise, in units of the input, 0 or more.
    """

    recipe: NetworkRecipe
    scale: float

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        if self.scale < 0:
            raise ValueError(f"scale={self.scale} was given; the standard deviation of the noise must be 0 or more.")
        return nn.Sequential(_GaussianNoise(self.scale), self.recipe.build(input_shape, output_shape))


@dataclass(frozen=True)
class WarpedInput(NetworkRecipe):
    """Another recipe's network that in training mode reads each image through a random affine map, drawn anew at every call.

    `build` raises ValueError if the input shape is not [channels, height, width], or if `RandomAffine` refuses a bound.

    Args:
        recipe: Recipe of the network; its inputs are images [channels, height, width].
        max_rotation: Largest rotation, in degrees. This and the other bounds are those of `RandomAffine`.
        max_scaling: Largest change of size, as a fraction of the size.
        max_shear: Largest shear of x by y.
        max_translation: Largest translation in x and in y, as a fraction of the image's side.
    """

    recipe: NetworkRecipe
    max_rotation: float = 15.0
    max_scaling: float = 0.1
    max_shear: float = 0.2
    max_translation: float = 0.05

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        image_shape(input_shape, "WarpedInput reads")
        random_affine = RandomAffine(self.max_rotation, self.max_scaling, self.max_shear, self.max_translation)
        return nn.Sequential(random_affine, self.recipe.build(input_shape, output_shape))


class RandomAffine(nn.Module):
    """A random affine map of each image in training mode, the identity in evaluation mode.

    Rotation, scaling, shear and translation are drawn uniformly from [-bound, bound], for each image on its own. See `warp`.

    Args:
        max_rotation: Largest rotation, in degrees.
        max_scaling: Largest change of size, as a fraction of the size; below 1.
        max_shear: Largest shear of x by y.
        max_translation: Largest translation in x and in y, as a fraction of the image's side.

    Raises:
        ValueError: If a bound is negative, or `max_scaling` is 1 or more.
    """

    def __init__(
        self,
        max_rotation: float = 15.0,
        max_scaling: float = 0.1,
        max_shear: float = 0.2,
        max_translation: float = 0.05,
    ) -> None:
        super().__init__()
        self.max_rotation = max_rotation
        self.max_scaling = max_scaling
        self.max_shear = max_shear
        self.max_translation = max_translation
        for name in ("max_rotation", "max_scaling", "max_shear", "max_translation"):
            if (bound := getattr(self, name)) < 0:
                raise ValueError(f"{name}={bound} was given; a bound must be 0 or more.")
        if max_scaling >= 1:
            raise ValueError(
                f"max_scaling={max_scaling} was given, and an image could shrink to nothing; it must be less than 1."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Transform each image.

        Args:
            x: Images [*batch, channels, height, width].

        Returns:
            Images of the same shape.
        """
        if not self.training:
            return x
        images = x.flatten(0, -4) if x.dim() > 3 else x[None]  # [N, channels, height, width]
        amounts = 2 * torch.rand(5, len(images), dtype=x.dtype, device=x.device) - 1
        angle, scale, shear = (
            math.radians(self.max_rotation) * amounts[0],
            1 + self.max_scaling * amounts[1],
            self.max_shear * amounts[2],
        )
        translation = 2 * self.max_translation * amounts[3:].T  # the side is 2 in the map's coordinates
        return warp(images, angle, scale, shear, translation).reshape(x.shape)


def warp(images: Tensor, angle: Tensor, scale: Tensor, shear: Tensor, translation: Tensor) -> Tensor:
    """Affine maps of images: output(x, y) = input(A (x, y)ᵀ + translation), with

        A = [[s cos a, h − sin a], [sin a, s cos a]]

    Coordinates run from -1 to 1 along each side. Values between pixels are bilinear; the input is 0 outside the image.

    Args:
        images: [N, channels, height, width].
        angle: a [N], in radians.
        scale: s [N].
        shear: h [N].
        translation: [N, 2], in x and y.

    Returns:
        Images [N, channels, height, width].
    """
    across = torch.stack([scale * angle.cos(), shear - angle.sin(), translation[:, 0]], -1)
    down = torch.stack([angle.sin(), scale * angle.cos(), translation[:, 1]], -1)
    maps = torch.stack([across, down], 1)  # [N, 2, 3]
    grid = nn.functional.affine_grid(maps, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


class _GaussianNoise(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x
