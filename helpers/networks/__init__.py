"""Networks: recipes for encoders and decoders, random input transformations, autoregressive and recurrent networks."""

from helpers.networks.augmentation import NoisyInput, RandomAffine, WarpedInput
from helpers.networks.autoregressive import AutoregressiveNetwork
from helpers.networks.packed_steps import PackedSteps
from helpers.networks.recipes import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    FeedForward,
    NetworkRecipe,
    Shape,
    as_shape,
    count_multiply_adds,
    count_parameters,
)
from helpers.networks.recurrence import Recurrence
from helpers.networks.sizes import as_size
from helpers.networks.spatial_transformer import SpatialTransformer

__all__ = [
    "AutoregressiveNetwork",
    "ConvolutionalDecoder",
    "ConvolutionalEncoder",
    "FeedForward",
    "NetworkRecipe",
    "NoisyInput",
    "PackedSteps",
    "RandomAffine",
    "Recurrence",
    "Shape",
    "SpatialTransformer",
    "WarpedInput",
    "as_shape",
    "as_size",
    "count_multiply_adds",
    "count_parameters",
]
