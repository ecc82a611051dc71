"""q(z | x, y): a conditional on an image and its label, whose image half is computed once for all labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_shape
from helpers.distributions.conditionals import Conditional
from helpers.networks.recipes import FeedForward, NetworkRecipe

Shape = tuple[int, ...]


class StyleConditional(nn.Module):
    """q(z | x, y) = above(a(A x + B y)): a first layer in two halves, one that reads the image and one that reads the label.

    It is the first layer of a network that reads image and label side by side, [A B] [x, y]. Taken apart, A x costs one product for
    each image, however many labels are tried with it; with ten classes and images of 784 pixels that is nine tenths of the network.

    image_shape: shape of one x.
    num_classes: labels are one-hot vectors of this size.
    above: a conditional that reads the hidden layer, a vector: `GaussianConditional((500,), (50,), FeedForward(()))`.
    image_half: recipe of A, linear by default; a convolutional encoder, say, for large images.
    activation: a, class of the nonlinearity.
    """

    def __init__(
        self,
        image_shape: int | Shape,
        num_classes: int,
        above: Conditional,
        image_half: NetworkRecipe | None = None,
        activation: Callable[[], nn.Module] = nn.Softplus,
    ) -> None:
        super().__init__()
        self.image_shape: Shape = (image_shape,) if isinstance(image_shape, int) else tuple(image_shape)
        if num_classes < 2:
            raise ValueError(f"Labels need 2 classes or more, and num_classes={num_classes} was given.")
        if len(above.input_shape) != 1:
            raise ValueError(
                f"`above` reads the hidden layer, a vector, and was built for inputs of shape {above.input_shape}."
            )
        self.num_classes = num_classes
        self.image_half = (FeedForward(()) if image_half is None else image_half).build(
            self.image_shape, above.input_shape
        )
        self.label_half = nn.Linear(num_classes, above.input_shape[0], bias=False)  # the image half has the bias
        self.activation = activation()
        self.above = above

    @property
    def event_shape(self) -> Shape:
        """Shape of one z."""
        return self.above.event_shape

    def forward(self, x: Tensor, y: Tensor) -> Distribution:
        """x: [*batch, *image], y: [..., *batch, classes], one-hot → q(z | x, y) with batch_shape [..., *batch]."""
        batch = check_shape(x, self.image_shape, "The image", "StyleConditional")
        labels = check_shape(y, (self.num_classes,), "The one-hot label", "StyleConditional")
        if labels[len(labels) - len(batch) :] != batch:
            raise ValueError(
                f"The images have the batch shape {tuple(batch)} and the labels {tuple(labels)}: the labels' must be [..., *batch], "
                "one label or several for each image."
            )
        return self.above(self.activation(self.image_half(x) + self.label_half(y)))


def side_by_side(y: Tensor, z: Tensor, latent_dims: int) -> Tensor:
    """[y, z] as one vector: y [*batch, classes], z [..., *batch, *latent] → [..., *batch, classes + size of latent].

    latent_dims: number of z's dimensions that are no batch dimensions.
    """
    flat = z.flatten(-latent_dims) if latent_dims else z.unsqueeze(-1)
    return torch.cat((y.expand(*flat.shape[:-1], y.shape[-1]), flat), -1)
