"""Encoders and decoders of any image size: recipes from which a conditional builds its network.

A recipe is a small frozen dataclass with one method,

    build(input_shape, output_shape) -> nn.Module that maps [*batch, *input_shape] to [*batch, *output_shape]

for any number of leading batch dimensions. A conditional knows both shapes, so a lesson only chooses the architecture:
`BernoulliConditional((50,), (1, 28, 28), FeedForward((400,)))`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from helpers.networks.sizes import as_size, check_layers, layer_sizes

Shape = tuple[int, ...]


def as_shape(size: int | Shape) -> Shape:
    """A shape, given as a shape or as the size of a vector.

    Args:
        size: Shape, or an int n for the shape (n,).

    Returns:
        The shape as a tuple of ints.

    Raises:
        ValueError: If it is neither an integer nor a sequence of integers, or a size is negative.
    """
    if isinstance(size, tuple | list):
        return tuple(as_size(each, f"a size of the shape {tuple(size)!r}", 0) for each in size)
    return (as_size(size, "the size of a vector", 0),)


def built(network: NetworkRecipe | nn.Module, input_shape: Shape, output_shape: Shape, caller: str) -> nn.Module:
    """The network of a recipe, or a network as it is.

    Args:
        network: A recipe, or a module [*batch, *input_shape] → [*batch, *output_shape].
        input_shape: Shape of one input, without batch dimensions.
        output_shape: Shape of one output, without batch dimensions.
        caller: Name of the class that was given the network, for the message.

    Returns:
        The module.

    Raises:
        ValueError: If `network` is neither a recipe nor a module.
    """
    if isinstance(network, nn.Module):
        return network
    if isinstance(network, type) or not isinstance(network, NetworkRecipe):
        given = f"the class {network.__name__}" if isinstance(network, type) else f"a {type(network).__name__}"
        cause = "Write the class with its arguments, in parentheses." if isinstance(network, type) else ""
        raise ValueError(
            f"{caller} was given {given} as its network; expected a recipe such as FeedForward((400,)), or an nn.Module. {cause}".rstrip()
        )
    return network.build(input_shape, output_shape)


@runtime_checkable
class NetworkRecipe(Protocol):
    """Builds a network from the shape of its input and the shape of its output."""

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        """A new network with freshly initialised weights.

        Args:
            input_shape: Shape of one input, without batch dimensions.
            output_shape: Shape of one output, without batch dimensions.

        Returns:
            A module that maps [*batch, *input_shape] → [*batch, *output_shape], for any number of batch dimensions.
        """
        ...


@dataclass(frozen=True)
class FeedForward(NetworkRecipe):
    """Fully connected layers: flatten, then (linear, activation, dropout) per hidden size, then linear, then unflatten.

    Args:
        hidden: Sizes of the hidden layers; `()` is a single linear map.
        activation: Class of the nonlinearity after each hidden layer.
        dropout: Probability of dropping a hidden unit in training mode; 0 adds no dropout layers.

    Raises:
        ValueError: If a size is below 1, `activation` is not a class or a function, or `dropout` is not in [0, 1).
    """

    hidden: tuple[int, ...] = (400,)
    activation: Callable[[], nn.Module] = nn.Softplus
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_sizes(self.hidden, "FeedForward", "hidden"))
        check_layers(self.activation, self.dropout, "FeedForward")

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        sizes = [math.prod(input_shape), *self.hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(fan_in, fan_out), self.activation(), *_dropout(self.dropout)]
        layers.append(nn.Linear(sizes[-1], math.prod(output_shape)))
        return _Reshaped(nn.Sequential(*layers), input_shape, (math.prod(input_shape),), output_shape)


@dataclass(frozen=True)
class ConvolutionalEncoder(NetworkRecipe):
    """3×3 convolutions of stride 2, then one linear layer. For inputs [*batch, channels, height, width] of any size.

    `build` raises ValueError if the input shape is not [channels, height, width].

    Args:
        channels: Output channels of each convolution; each halves height and width (rounded up, so that 1×1 still works).
        activation: Class of the nonlinearity after each convolution.
        dropout: Probability of dropping an activation in training mode; 0 adds no dropout layers.

    Raises:
        ValueError: If a size is below 1, `activation` is not a class or a function, or `dropout` is not in [0, 1).
    """

    channels: tuple[int, ...] = (32, 64)
    activation: Callable[[], nn.Module] = nn.ReLU
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", layer_sizes(self.channels, "ConvolutionalEncoder", "channels"))
        check_layers(self.activation, self.dropout, "ConvolutionalEncoder")

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        image_channels, height, width = image_shape(input_shape, "ConvolutionalEncoder reads")
        sizes = [image_channels, *self.channels]
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), self.activation(), *_dropout(self.dropout)]
            height, width = _half(height), _half(width)
        layers += [nn.Flatten(), nn.Linear(sizes[-1] * height * width, math.prod(output_shape))]
        return _Reshaped(nn.Sequential(*layers), input_shape, input_shape, output_shape)


@dataclass(frozen=True)
class ConvolutionalDecoder(NetworkRecipe):
    """One linear layer, then 3×3 transposed convolutions of stride 2: the mirror image of `ConvolutionalEncoder`.

    For outputs [*batch, ..., height, width] of any size; the dimensions before height and width become channels.
    `build` raises ValueError if the output shape has fewer than three dimensions.

    Args:
        channels: As in the encoder, from the image inwards: `(32, 64)` starts from 64 small maps.
        activation: Class of the nonlinearity before each transposed convolution.
        dropout: Probability of dropping an activation in training mode; 0 adds no dropout layers.

    Raises:
        ValueError: If a size is below 1, `activation` is not a class or a function, or `dropout` is not in [0, 1).
    """

    channels: tuple[int, ...] = (32, 64)
    activation: Callable[[], nn.Module] = nn.ReLU
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", layer_sizes(self.channels, "ConvolutionalDecoder", "channels"))
        check_layers(self.activation, self.dropout, "ConvolutionalDecoder")

    def build(self, input_shape: Shape, output_shape: Shape) -> nn.Module:
        if len(output_shape) < 3:
            raise ValueError(
                f"ConvolutionalDecoder writes images [channels, height, width], but the output shape is "
                f"{tuple(output_shape)}. Use FeedForward for outcomes that are not images."
            )
        *leading, height, width = output_shape
        heights, widths = [height], [width]
        for _ in self.channels:
            heights.append(_half(heights[-1]))
            widths.append(_half(widths[-1]))
        sizes = [math.prod(leading), *self.channels]

        smallest = (sizes[-1], heights[-1], widths[-1])
        layers: list[nn.Module] = [nn.Linear(math.prod(input_shape), math.prod(smallest)), nn.Unflatten(-1, smallest)]
        for level in range(len(self.channels), 0, -1):
            # A transposed convolution gives 2 h - 1 rows, or 2 h with output padding: the one that matches the encoder's map.
            padding = (heights[level - 1] + 1) % 2, (widths[level - 1] + 1) % 2
            layers += [self.activation(), *_dropout(self.dropout)]
            layers.append(nn.ConvTranspose2d(sizes[level], sizes[level - 1], 3, 2, padding=1, output_padding=padding))
        return _Reshaped(nn.Sequential(*layers), input_shape, (math.prod(input_shape),), output_shape)


class _Reshaped(nn.Module):
    """Applies a network of one batch dimension to inputs with any number of batch dimensions."""

    def __init__(self, network: nn.Sequential, input_shape: Shape, inner_shape: Shape, output_shape: Shape) -> None:
        super().__init__()
        self.network = network
        self.input_shape, self.inner_shape, self.output_shape = (
            tuple(input_shape),
            tuple(inner_shape),
            tuple(output_shape),
        )

    def forward(self, x: Tensor) -> Tensor:
        batch_shape = x.shape[: x.dim() - len(self.input_shape)]
        out = self.network(x.reshape(batch_shape.numel(), *self.inner_shape))  # [batch, ...]
        return out.reshape((*batch_shape, *self.output_shape))


def _dropout(probability: float) -> list[nn.Module]:
    return [nn.Dropout(probability)] if probability > 0 else []


def _half(size: int) -> int:
    return (size + 1) // 2


def image_shape(shape: Shape, caller: str) -> Shape:
    """Check that a shape is that of an image.

    Args:
        shape: Shape to check.
        caller: Beginning of the error message: recipe and verb, such as "ConvolutionalEncoder reads".

    Returns:
        The shape, unchanged.

    Raises:
        ValueError: If the shape is not [channels, height, width].
    """
    if len(shape) != 3:
        raise ValueError(f"{caller} images [channels, height, width], but the given shape is {tuple(shape)}.")
    return shape


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars.

    Args:
        module: Any module.

    Returns:
        The total size of all parameters that require a gradient.
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_multiply_adds(network: nn.Module, input_shape: Shape) -> int:
    """Multiply-adds of one forward pass for one input, counted by running it. Linear and convolutional layers only.

    Args:
        network: Module [batch, *input_shape] → any tensor, with at least one parameter.
        input_shape: Shape of one input, without batch dimensions.

    Returns:
        The number of multiply-adds.
    """
    total = 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += layer.weight.numel()
        elif isinstance(layer, nn.Conv2d):
            total += layer.weight.numel() * output.shape[-2] * output.shape[-1]
        elif isinstance(layer, nn.ConvTranspose2d):
            total += layer.weight.numel() * inputs[0].shape[-2] * inputs[0].shape[-1]

    hooks = [layer.register_forward_hook(add) for layer in network.modules()]
    try:
        example = next(network.parameters())
        with torch.no_grad():
            network(example.new_zeros(1, *input_shape))
    finally:
        for hook in hooks:
            hook.remove()
    return total
