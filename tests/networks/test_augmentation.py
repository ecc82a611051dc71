"""Networks that perturb their input: noise by its covariance, warps by maps computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.networks import FeedForward, NoisyInput, WarpedInput
from helpers.networks.augmentation import warp


def test_noise_is_on_the_input_in_training_mode_only():
    torch.manual_seed(0)
    network = NoisyInput(FeedForward(()), 0.5).build((3,), (2,))
    linear, x = network[1].network[0], torch.randn(3).expand(20_000, 3)
    covariance = network(x).T.cov()  # of W (x + e): 0.25 W W'
    torch.testing.assert_close(covariance, 0.25 * linear.weight @ linear.weight.T, atol=0.01, rtol=0.05)
    network.eval()
    torch.testing.assert_close(network(x), linear(x), atol=0, rtol=0)
    with pytest.raises(ValueError, match="0 or more"):
        NoisyInput(FeedForward(()), -1.0).build((3,), (2,))


def warped(images, angle=0.0, scale=1.0, shear=0.0, shift=(0.0, 0.0)):
    count = len(images)
    numbers = (torch.full((count,), value, dtype=images.dtype) for value in (angle, scale, shear))
    return warp(images, *numbers, torch.tensor(shift, dtype=images.dtype).expand(count, 2))


def test_warp_by_a_quarter_turn_a_pixel_and_a_half():
    images = torch.rand(3, 2, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(warped(images), images)
    # The cosine of a quarter turn is 0: the map is [[0, -1], [1, 0]] for any scale.
    torch.testing.assert_close(warped(images, angle=math.pi / 2, scale=1.0), images.rot90(1, (-2, -1)))
    beside = warped(images, shift=(2 / 6, 0.0))  # one pixel of six, on a side of length 2
    torch.testing.assert_close(beside[..., :-1], images[..., 1:])
    assert (beside[..., -1] == 0).all()
    below = warped(images, shift=(0.0, -2 / 6))
    torch.testing.assert_close(below[..., 1:, :], images[..., :-1, :])
    half = warped(torch.ones(1, 1, 8, 8), scale=2.0)  # the output shows twice the range of coordinates
    assert (half[..., 2:6, 2:6] == 1).all() and half.sum() == 16
    column = torch.zeros(1, 1, 5, 5)
    column[..., 2] = 1
    slanted = warped(column, shear=1.0)[0, 0]
    torch.testing.assert_close(slanted, torch.eye(5).flip(0))


def test_each_image_has_a_map_of_its_own_in_training_mode_only():
    torch.manual_seed(0)
    network = WarpedInput(FeedForward(())).build((1, 8, 8), (2,))
    seen = []
    network[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.rand(1, 8, 8)
    for x in (image, image.expand(4, 1, 8, 8), image.expand(2, 3, 1, 8, 8)):
        assert network(x).shape == (*x.shape[:-3], 2)
        assert seen[-1].shape == x.shape
        rows = seen[-1].reshape(-1, 64)
        assert len(rows.unique(dim=0)) == len(rows)
        assert not torch.equal(rows[0], image.flatten())
    network.eval()
    network(image)
    assert torch.equal(seen[-1], image)


def centres(amounts: dict[str, float], x: int, y: int) -> torch.Tensor:
    """Where a soft spot at (x, y) from the middle of 33 by 33 is seen after random maps of one kind: [2, draws]."""
    torch.manual_seed(0)
    place = torch.arange(33.0) - 16
    image = (-((place - x) ** 2 + (place[:, None] - y) ** 2) / 4).exp()[None]
    network = WarpedInput(
        FeedForward(()), **{"max_rotation": 0, "max_scaling": 0, "max_shear": 0, "max_translation": 0} | amounts
    ).build((1, 33, 33), (1,))
    seen = network[0](image.expand(5000, 1, 33, 33))[:, 0]
    return torch.stack([(seen.sum(1) * place).sum(-1), (seen.sum(2) * place).sum(-1)]) / seen.sum((1, 2))


def is_uniform(values: torch.Tensor, most: float) -> bool:
    """Whether values are uniform on [-most, most], up to the error of 5,000 draws."""
    return (
        values.abs().max() <= 1.01 * most
        and abs(values.std() - most / math.sqrt(3)) < 0.05 * most
        and values.mean().abs() < 0.05 * most
    )


def test_amounts_are_uniform_up_to_what_was_asked():
    x, y = centres({"max_translation": 2 / 33}, 0, 0)
    assert is_uniform(x, 2) and is_uniform(y, 2)
    assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 5 / math.sqrt(5000)
    x, y = centres({"max_rotation": 30}, 6, 0)
    assert is_uniform(torch.atan2(y, x), math.radians(30))
    torch.testing.assert_close(x.hypot(y), torch.full_like(x, 6), atol=0.01, rtol=0)
    x, y = centres({"max_shear": 0.5}, 0, 6)  # output(x, y) = input(x + shear y, y)
    assert is_uniform(x / 6, 0.5) and (y - 6).abs().max() < 1e-3
    x, y = centres({"max_scaling": 0.2}, 5, 0)
    assert is_uniform(5 / x - 1, 0.2) and y.abs().max() < 1e-3


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({"max_rotation": -1}, "rotation=-1"),
        ({"max_translation": -0.1}, "0 or more"),
        ({"max_shear": -1.0}, "shear"),
        ({"max_scaling": 1.0}, "less than 1"),
    ],
)
def test_amounts_that_make_no_sense(amounts, words):
    with pytest.raises(ValueError, match=words):
        WarpedInput(FeedForward(()), **amounts).build((1, 8, 8), (2,))


def test_only_images_are_warped():
    with pytest.raises(ValueError, match=r"WarpedInput reads images \[channels, height, width\]"):
        WarpedInput(FeedForward(())).build((50,), (2,))
