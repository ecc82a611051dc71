"""q(z | x, y) given an image and a label, with the product of weights and image computed once for all labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_shape
from helpers.distributions.network_conditional import Conditional, check_conditional
from helpers.networks.recipes import FeedForward, NetworkRecipe, Shape, as_shape
from helpers.networks.sizes import as_size


class StyleConditional(nn.Module):
    """q(z | x, y) = above(a(A x + B y)): the first layer is a sum of a map of the image and a map of the label.

    This equals the first layer [A B] [x, y] of a network that reads the concatenation of image and label. Computed as a sum, A x costs
    one product per image for any number of labels. With ten classes and images of 784 pixels, A x is nine tenths of the network's cost.

    Args:
        image_shape: Shape of one x; an int is the size of a vector.
        num_classes: Size of the one-hot labels, 2 or more.
        above: Conditional that reads the hidden layer, a vector, such as `GaussianConditional((500,), (50,), FeedForward(()))`.
        image_half: Recipe of A, such as a convolutional encoder; None: a linear map.
        activation: a, class of the nonlinearity.

    Raises:
        ValueError: If there are fewer than 2 classes, or `above` does not read vectors.
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
        self.image_shape = as_shape(image_shape)
        num_classes = as_size(num_classes, "num_classes", 0)
        check_conditional(above, type(self).__name__, "`above`")
        if num_classes < 2:
            raise ValueError(f"Labels need 2 classes or more, and num_classes={num_classes} was given.")
        if len(above.input_shape) != 1:
            raise ValueError(
                f"`above` must read vectors, the hidden layer, but its input shape is {above.input_shape}."
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
        """The distribution of z given images and labels.

        Args:
            x: Images, [*batch, *image].
            y: One-hot labels, [..., *batch, classes]: one label or several per image.

        Returns:
            q(z | x, y) with batch_shape [..., *batch].

        Raises:
            ValueError: If the shapes do not fit.
        """
        batch = check_shape(x, self.image_shape, "the image", "StyleConditional")
        labels = check_shape(y, (self.num_classes,), "the one-hot label", "StyleConditional")
        if labels[len(labels) - len(batch) :] != batch:
            raise ValueError(
                f"The images have the batch shape {tuple(batch)} and the labels {tuple(labels)}; that of the labels must be "
                "[..., *batch], with one label or several for each image."
            )
        return self.above(self.activation(self.image_half(x) + self.label_half(y)))


def side_by_side(y: Tensor, z: Tensor, latent_dims: int) -> Tensor:
    """Concatenate y and z to one vector.

    Args:
        y: Labels, [*batch, classes].
        z: [..., *batch, *latent].
        latent_dims: Number of latent dimensions of z.

    Returns:
        [y, z], [..., *batch, classes + size of latent].
    """
    flat = z.flatten(-latent_dims) if latent_dims else z.unsqueeze(-1)
    return torch.cat((y.expand(*flat.shape[:-1], y.shape[-1]), flat), -1)
