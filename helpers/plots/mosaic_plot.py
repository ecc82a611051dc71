"""A mosaic: a tensor of images laid out as one array of pixels, without a figure."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

Ink = Literal["dark", "light"]

FRAME = 0.86  # grey of the one-pixel frame around a tile


def mosaic(images: torch.Tensor, columns: int, ink: Ink = "dark", gap: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Images in reading order as one RGB picture.

    Tile i stands in row i // columns and column i % columns; its top left pixel is at
    (1 + row * (H + gap[0]), 1 + column * (W + gap[1])). Every tile has a frame one pixel wide; the rest is white.

    Args:
        images: [N, C, H, W], C = 1 (grey) or 3 (RGB), values in [0, 1].
        columns: Tiles in a row.
        ink: "dark" prints grey value 1 as black, as ink on the page; "light" prints it as white on black. RGB is shown as it is.
        gap: Pixels between two tiles, vertically and horizontally, at least 1.

    Returns:
        float32 [2 + rows * H + (rows - 1) * gap[0], 2 + columns * W + (columns - 1) * gap[1], 3].

    Raises:
        ValueError: If the ink is unknown, or `checked_images` refuses the images.
    """
    if ink not in ("dark", "light"):
        raise ValueError(f'ink={ink!r}: choose "dark" (grey value 1 is black) or "light" (grey value 1 is white).')
    tiles = checked_images(images).numpy()
    count, channels, height, width = tiles.shape
    if channels == 1:
        tiles = (1 - tiles if ink == "dark" else tiles).repeat(3, axis=1)
    tiles = tiles.transpose(0, 2, 3, 1)  # [tile, y, x, rgb]
    rows = -(-count // columns)
    # White ink on black tiles, and photographs, stand out from the page without a frame; a grey one blurs their edge.
    frame = FRAME if channels == 1 and ink == "dark" else 1.0

    shape = (2 + rows * height + (rows - 1) * gap[0], 2 + columns * width + (columns - 1) * gap[1], 3)
    page = np.ones(shape, dtype=np.float32)
    for index, tile in enumerate(tiles):
        top = 1 + index // columns * (height + gap[0])
        left = 1 + index % columns * (width + gap[1])
        page[top - 1 : top + height + 1, left - 1 : left + width + 1] = frame
        page[top : top + height, left : left + width] = tile
    return page


def checked_images(images: torch.Tensor, name: str = "images") -> torch.Tensor:
    """Images as a float32 tensor on the CPU, after checks of shape and values.

    Args:
        images: [N, C, H, W], C = 1 or 3, values in [0, 1] up to 0.001; any device and dtype.
        name: Name of the images in error messages.

    Returns:
        float32 [N, C, H, W] on the CPU, clamped to [0, 1].

    Raises:
        ValueError: If `images` is no tensor, is empty, has another shape or number of channels, NaN, or values outside [0, 1].
    """
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"{name} must be a torch tensor; got {type(images).__name__}. torch.as_tensor(...) makes one.")
    shape = list(images.shape)
    if images.dim() != 4:
        hint = " One image alone? Give images[None]." if images.dim() in (2, 3) else ""
        raise ValueError(f"{name} has shape {shape}; expected [N, C, H, W].{hint}")
    if images.numel() == 0:
        raise ValueError(f"{name} is empty (shape {shape}): there is nothing to draw.")
    if shape[1] not in (1, 3):
        hint = "channels last? Try images.permute(0, 3, 1, 2)" if shape[3] in (1, 3) else "a missing channel dimension"
        raise ValueError(
            f"{name} has shape {shape}, so {shape[1]} channels; expected 1 (grey) or 3 (RGB). Usual cause: {hint}."
        )
    pixels = images.detach().cpu().to(torch.float32)
    if not torch.isfinite(pixels).all():
        raise ValueError(f"{name} holds NaN or infinite pixels. Usual cause: a diverged model.")
    low, high = pixels.min().item(), pixels.max().item()
    if low < -1e-3 or high > 1 + 1e-3:  # a tolerance, because the mean of many images may round to more than 1
        hint = (
            "bytes: divide by 255"
            if low >= 0 and high > 2
            else "logits instead of means, or noise: apply sigmoid, or clamp(0, 1)"
        )
        raise ValueError(f"{name} has values from {low:.4g} to {high:.4g}; expected [0, 1]. Usual cause: {hint}.")
    return pixels.clamp(0, 1)
