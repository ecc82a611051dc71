"""Moving an image between a window and the box on a canvas that the window looks at: the spatial transformer of scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.networks.sizes import as_size

LARGEST_LOG_SIZE = 10.0  # a box 22,000 times as large as the canvas, or as small: its gradients are lost


@dataclass(frozen=True)
class SpatialTransformer:
    """Bilinear maps between a window [height, width] and a box on a canvas [height, width], both ways.

    Coordinates run from -1 to 1 over the canvas, x to the right and y downwards; pixel i of N has its centre at (2 i + 1) / N - 1, so
    edges, not centres of corner pixels, are at -1 and 1 (`align_corners=False`). A box has a centre c and a size s = exp(log_size), the
    fraction of the canvas that it covers along each axis. A point u of the window is the point c + s u of the canvas.

        look:  canvas → window    window(u) = canvas(c + s u)
        draw:  window → canvas    canvas(x) = window((x - c) / s)

    Between pixels, values are interpolated linearly; beyond the edges they are 0. Both are a product of the image with one hat matrix
    for each axis. Differentiable in image, centre and log size; at a pixel's centre the derivative by the place is one-sided.

    Jaderberg, Simonyan, Zisserman, Kavukcuoglu 2015, "Spatial transformer networks"; Eslami et al. 2016, "Attend, infer, repeat".

    Args:
        canvas: Height and width of the canvas, pixels.
        window: Height and width of the window, pixels; not more than the canvas's.

    Raises:
        ValueError: If a size is no positive whole number, or the window is larger than the canvas.
    """

    canvas: tuple[int, int]
    window: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("canvas", "window"):
            size = getattr(self, name)
            if not isinstance(size, tuple) or len(size) != 2:
                raise ValueError(f"{name}={size!r} was given; (height, width) in pixels was expected.")
            for each in size:
                as_size(each, name)
        if self.window[0] > self.canvas[0] or self.window[1] > self.canvas[1]:
            raise ValueError(
                f"The window {self.window} is larger than the canvas {self.canvas}: it would look beyond its edges everywhere."
            )

    def look(self, canvas: Tensor, centre: Tensor, log_size: Tensor) -> Tensor:
        """What the window shows of the canvas.

        Args:
            canvas: Images [*batch, height, width].
            centre: Centres of the boxes, (x, y), [*batch, 2].
            log_size: Logarithms of their sizes, [*batch].

        Returns:
            Windows [*batch, height, width].

        Raises:
            ValueError: If a shape does not fit, or a box is not finite, or vanishes, or explodes.
        """
        self._check(canvas, self.canvas, centre, log_size, "canvas")
        size = log_size.exp().unsqueeze(-1)  # [*batch, 1]
        places = [
            centre[..., axis].unsqueeze(-1) + size * _centres(pixels, centre)  # [*batch, pixels]
            for axis, pixels in ((1, self.window[0]), (0, self.window[1]))
        ]
        return _resampled(canvas, places)

    def draw(self, window: Tensor, centre: Tensor, log_size: Tensor) -> Tensor:
        """The window's image in its box on an empty canvas.

        Args:
            window: Images [*batch, height, width].
            centre: Centres of the boxes, (x, y), [*batch, 2].
            log_size: Logarithms of their sizes, [*batch].

        Returns:
            Canvases [*batch, height, width].

        Raises:
            ValueError: If a shape does not fit, or a box is not finite, or vanishes, or explodes.
        """
        self._check(window, self.window, centre, log_size, "window")
        shrink = (-log_size).exp().unsqueeze(-1)  # [*batch, 1]
        places = [
            (_centres(pixels, centre) - centre[..., axis].unsqueeze(-1)) * shrink  # [*batch, pixels]
            for axis, pixels in ((1, self.canvas[0]), (0, self.canvas[1]))
        ]
        return _resampled(window, places)

    def box(self, centre: Tensor, log_size: Tensor) -> Tensor:
        """Edges of the boxes in pixels of the canvas, from its left and upper edge.

        Args:
            centre: Centres of the boxes, (x, y), [*batch, 2].
            log_size: Logarithms of their sizes, [*batch].

        Returns:
            Left, top, right, bottom, [*batch, 4].
        """
        size = log_size.exp().unsqueeze(-1)
        pixels = centre.new_tensor([self.canvas[1], self.canvas[0]])
        return torch.cat([(centre - size + 1) * pixels / 2, (centre + size + 1) * pixels / 2], -1)

    def _check(self, image: Tensor, expected: tuple[int, int], centre: Tensor, log_size: Tensor, name: str) -> None:
        batch = image.shape[:-2]
        if image.shape[-2:] != expected or centre.shape != (*batch, 2) or log_size.shape != batch:
            raise ValueError(
                f"The {name} has shape {tuple(image.shape)}, the centres {tuple(centre.shape)} and the log sizes {tuple(log_size.shape)}; "
                f"[*batch, {expected[0]}, {expected[1]}], [*batch, 2] and [*batch] were expected. A channel is a dimension of the batch."
            )
        # One check of both: a NaN compares as false.
        if not bool((log_size.abs() <= LARGEST_LOG_SIZE).all() & centre.isfinite().all()):
            raise ValueError(
                f"A box is not finite, or its log size is beyond ±{LARGEST_LOG_SIZE:g}: it vanishes or explodes. Usual causes: a learning "
                "rate too high, or a network that starts far from the prior of where."
            )


def _centres(pixels: int, like: Tensor) -> Tensor:
    """Centres of the pixels of a side: [pixels]."""
    return (2 * torch.arange(pixels, dtype=like.dtype, device=like.device) + 1) / pixels - 1


def _resampled(image: Tensor, places: list[Tensor]) -> Tensor:
    """image at the places of rows and columns, [*batch, rows] and [*batch, columns], zero beyond its edges."""
    rows, columns = (_hats(place, pixels) for place, pixels in zip(places, image.shape[-2:], strict=True))
    return rows @ image @ columns.transpose(-1, -2)


def _hats(place: Tensor, pixels: int) -> Tensor:
    """Weights of a side's pixels in the linear interpolation at each place: [*batch, places, pixels]."""
    index = ((place + 1) * pixels - 1) / 2  # 0 at the first pixel's centre
    return (1 - (index.unsqueeze(-1) - torch.arange(pixels, dtype=place.dtype, device=place.device)).abs()).clamp_min(0)
