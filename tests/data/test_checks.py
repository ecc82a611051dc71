"""Images that cannot be right are refused, with the shape given, the shape expected and the usual cause."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest
import torch

from helpers.data import checks
from helpers.data.checks import check_finite, check_images, check_integer, check_name, describe, is_binary, value_range
from helpers.data.images import Split

GOOD = torch.rand(5, 1, 8, 8)


def test_good_images_pass():
    check_images(GOOD)
    check_images(torch.zeros(1, 3, 5, 7))


def with_one(value: float) -> torch.Tensor:
    images = GOOD.clone()
    images[3, 0, 4, 5] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[:, 0], r"\[5, 8, 8\].*channel is missing.*unsqueeze\(1\)"),
        (GOOD.flatten(1), r"\[5, 64\].*expected float32 \[N, C, H, W\].*view"),
        (GOOD[:0], r"\[0, 1, 8, 8\].*no pixel"),
        (torch.rand(5, 8, 8, 3), r"C is 1, 3 or 4.*permute\(0, 3, 1, 2\)"),
        (torch.rand(5, 2, 8, 8), r"\[5, 2, 8, 8\].*C is 1, 3 or 4"),
        ((GOOD * 255).byte(), "uint8.*divide by 255 and convert to float32"),
        (GOOD * 255, r"in \[0, 1\].*divide by 255"),
        (GOOD.double(), r"float64.*images.float\(\)"),
        (GOOD * 2 - 1, "standardised"),
        (with_one(math.nan), "from nan to nan.*NaN pixels"),
        (with_one(math.inf), "infinite"),
    ],
)
def test_what_cannot_be_right_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        check_images(images)
    with pytest.raises(ValueError, match=message):
        Split(images)


@pytest.mark.parametrize(
    "labels", [torch.arange(4), torch.arange(5).float(), torch.eye(5).long(), torch.arange(5).to(torch.int32)]
)
def test_labels_must_be_one_class_number_an_image(labels):
    with pytest.raises(ValueError, match=r"for 5 images; expected int64 \[5\].*argmax"):
        Split(GOOD, labels)


@pytest.mark.parametrize("value", [2, 3, 10**20])
def test_integers_of_the_minimum_or_more_pass(value):
    check_integer(value, "steps", "steps to a beat", minimum=2)


@pytest.mark.parametrize("value", [1, -3, 2.0, "3", True, None])
def test_other_values_than_integers_of_the_minimum_are_refused(value):
    with pytest.raises(ValueError) as error:
        check_integer(value, "steps", "steps to a beat", minimum=2)
    assert str(error.value) == f"Got steps={value!r}; expected steps to a beat, an integer of 2 or more."


def test_a_name_that_is_none_of_them_is_refused_with_the_nearest():
    check_name("jsb", ("jsb", "synthetic"), "chorales")
    with pytest.raises(ValueError) as error:
        check_name("Synthetics", ("jsb", "synthetic"), "chorales")
    assert str(error.value) == "Got chorales 'Synthetics'; expected one of jsb, synthetic. Did you mean 'synthetic'?"
    with pytest.raises(ValueError, match="expected one of jsb.$"):
        check_name(3, ["jsb"], "chorales")


def test_the_range_of_values_is_nan_if_any_value_is():
    assert value_range(torch.tensor([2, -1, 5])) == (-1, 5)
    assert all(math.isnan(value) for value in value_range(torch.tensor([0.0, math.nan, 1.0])))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(bad):
    assert check_finite(torch.tensor([0.5, -2.0]), "rolls") == (-2.0, 0.5)
    with pytest.raises(
        ValueError, match=r"Got rolls of shape \[2\] .*; expected finite values\. Usually a division by zero"
    ):
        check_finite(torch.tensor([0.0, bad]), "rolls")


@pytest.mark.parametrize(
    ("values", "binary"),
    [([0.0, 1.0], True), ([True, False], True), ([0.0, 0.5], False), ([-1, 1], False), ([0.0, math.nan], False)],
)
def test_binary_means_zeros_and_ones_only(values, binary):
    assert is_binary(torch.tensor(values)) is binary


def test_a_description_has_name_shape_and_dtype():
    assert describe(torch.zeros(2, 3, dtype=torch.int64), "labels") == "labels of shape [2, 3] and dtype int64"


def test_every_error_of_the_data_sets_says_what_was_given_and_what_was_expected():
    folder = Path(checks.__file__).parent
    raised = [
        ast.unparse(node.exc)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and node.exc is not None and "ValueError" in ast.unparse(node.exc)
    ]
    assert len(raised) > 40
    assert [sentence for sentence in raised if "Got " not in sentence or "expected" not in sentence] == []
