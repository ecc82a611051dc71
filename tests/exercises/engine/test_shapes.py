"""What a wrong shape shows, and how shapes are written."""

from __future__ import annotations

import pytest
import torch

from helpers.exercises.engine.shapes import align_names, describe_shape, explain_shape, named_sizes

SIZES = {"batch": 4, "latent": 3}


def ones(*size: int) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("names", "ndim", "aligned"),
    [
        (("batch", "latent"), 2, ("batch", "latent")),
        (("batch", "latent"), 3, None),
        (("*batch", "latent"), 3, ("", "", "latent")),
        (("...", "latent"), 1, ("latent",)),
        (("...", "channels", "height"), 1, None),
        ((), 0, ()),
        ((("batch",), ("latent",)), 2, None),  # names of two outputs, not of one
        (None, 2, None),
    ],
)
def test_names_are_aligned_with_dimensions(names, ndim, aligned):
    assert align_names(names, ndim) == aligned


def test_sizes_are_read_off_the_arguments():
    arguments = {"loc": ones(4, 3), "image": ones(4, 1, 5), "floor": 0.3}
    dimensions = {"loc": ("batch", "latent"), "image": ("...", "width"), "floor": (), "return": ("batch",)}
    assert named_sizes(arguments, dimensions) == {"batch": 4, "latent": 3, "width": 5}


def test_a_shape_whose_sizes_are_ambiguous_is_not_named():
    assert describe_shape((4, 3), None, SIZES) == "[4, 3], that is [batch, latent]"
    assert describe_shape((4, 3), None, {"batch": 4, "latent": 4, "hidden": 3}) == "[4, 3]"


WANT = ones(4, 3)


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (WANT[:, :, None], "A dimension of size 1 is left over"),
        (WANT.T, "in another order"),
        (ones(4, 3, 7), "The dimension of size 7 is still there"),
        (WANT.mean(1), "You averaged over `latent` (size 3) too"),
        (WANT.sum(1), "You summed over `latent` (size 3) too"),
        (WANT[:, :, None] + torch.tensor([-1.0, 0.0, 1.0, 0.0, 0.0]), "was left unaveraged: average over it, `dim=-1`"),
        (WANT[:, :, None].expand(4, 3, 7), "The values are right, and repeated along the dimension"),
        (WANT[:, 0], "That is the first along `latent` (size 3) alone"),
        (WANT[:, 0] + 1, "The dimension `latent` (size 3) is gone; it should stay."),
        (WANT.argmax(1), "The dimension `latent` (size 3) is gone; it should stay."),
        (WANT.T + 1, "The sizes are those asked for, in another order."),
        (WANT.T, "The values are right and the dimensions in another order"),
        (ones(4, 8), ""),
    ],
)
def test_a_shape_is_explained(got, words):
    sentence = explain_shape(got, WANT, ("batch", "latent"), SIZES)
    assert words in sentence and bool(words) == bool(sentence)


def test_a_missing_dimension_of_size_one():
    assert "A dimension of size 1 is missing" in explain_shape(ones(4), ones(4, 1), ("batch", "one"), SIZES)
