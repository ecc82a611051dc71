"""Data augmentation inside a network: recipes that disturb what another recipe's network reads, in training mode only.

What the network answers near an input must then fit what it answers there: a regulariser where labels are few. As a part of a guide such
a network is still a guide: q(y | x) may draw numbers of its own, and every draw gives a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.networks.recipes import NetworkRecipe, Shape, image_shape


@dataclass(frozen=True)
class NoisyInput:
    """Another recipe's network, which in training mode reads its input with a draw of N(0, scale²) added to every number."""

    recipe: NetworkRecipe
    scale: float

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        if self.scale < 0:
            raise ValueError(
                f"scale={self.scale} was given: the standard deviation of the noise, 0 or more, was expected."
            )
        return nn.Sequential(_Noise(self.scale), self.recipe.build(input_shape, output_shape))


@dataclass(frozen=True)
class WarpedInput:
    """Another recipe's network, which in training mode reads each image through an affine map of its own, drawn anew for every call.

    The amounts are those of `RandomWarp`.
    """

    recipe: NetworkRecipe
    rotation: float = 15.0
    scaling: float = 0.1
    shear: float = 0.2
    shift: float = 0.05

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        image_shape(input_shape, "WarpedInput reads")
        random_warp = RandomWarp(self.rotation, self.scaling, self.shear, self.shift)
        return nn.Sequential(random_warp, self.recipe.build(input_shape, output_shape))


class RandomWarp(nn.Module):
    """Images [*batch, channels, height, width], each through an affine map of its own; in evaluation mode as they are.

    Each amount is drawn uniformly from [-most, most]:
    rotation: degrees.  scaling: fraction of the size; below 1.  shear: of x by y.  shift: fraction of the image's side, in x and y.
    """

    def __init__(self, rotation: float = 15.0, scaling: float = 0.1, shear: float = 0.2, shift: float = 0.05) -> None:
        super().__init__()
        for name, most in {"rotation": rotation, "scaling": scaling, "shear": shear, "shift": shift}.items():
            if most < 0:
                raise ValueError(f"{name}={most} was given: the largest amount, 0 or more, was expected.")
        if scaling >= 1:
            raise ValueError(
                f"scaling={scaling} was given: an image could shrink to nothing, and less than 1 was expected."
            )
        self.rotation, self.scaling, self.shear, self.shift = rotation, scaling, shear, shift

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        images = x.flatten(0, -4) if x.dim() > 3 else x[None]  # [N, channels, height, width]
        amounts = 2 * torch.rand(5, len(images), dtype=x.dtype, device=x.device) - 1
        angle, scale, shear = (
            math.radians(self.rotation) * amounts[0],
            1 + self.scaling * amounts[1],
            self.shear * amounts[2],
        )
        shift = 2 * self.shift * amounts[3:].T  # the side is 2 in the map's coordinates
        return warp(images, angle, scale, shear, shift).reshape(x.shape)


def warp(images: Tensor, angle: Tensor, scale: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """Images seen through affine maps: the pixel at (x, y) shows what stood at A (x, y)ᵀ + shift, with

        A = [[s cos a, h − sin a], [sin a, s cos a]]

    images: [N, channels, height, width], what lies outside counts as 0; values between pixels are bilinear.
    angle (a, radians), scale (s), shear (h): [N].  shift: [N, 2], in x and y. Coordinates run from -1 to 1 along each side.
    """
    across = torch.stack([scale * angle.cos(), shear - angle.sin(), shift[:, 0]], -1)
    down = torch.stack([angle.sin(), scale * angle.cos(), shift[:, 1]], -1)
    maps = torch.stack([across, down], 1)  # [N, 2, 3]
    grid = nn.functional.affine_grid(maps, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


class _Noise(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x
