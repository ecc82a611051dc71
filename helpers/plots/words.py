"""Input of every figure, as checked arrays; and numbers and lists as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def as_array(values: Any, name: str) -> np.ndarray:
    """Values as a float64 array, after a check that all are finite.

    Args:
        values: A tensor of any device and dtype, with or without gradient, an array, or a number or nested sequence of numbers.
        name: Name of the values in error messages.

    Returns:
        float64, in the shape of `values`.

    Raises:
        ValueError: If there are no values, they have no regular shape, or a value is NaN or infinite.
    """
    if isinstance(values, torch.Tensor):
        array = values.detach().cpu().to(torch.float64).numpy()  # to the CPU before float64, which MPS lacks
    else:
        if isinstance(values, Sequence) and any(isinstance(value, torch.Tensor) for value in values):
            values = [value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value for value in values]
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must be numbers in a regular shape; got {type(values).__name__}: {error}."
            ) from None
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {list(array.shape)}): there is nothing to draw.")
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f" at index {first[0] if len(first) == 1 else first}" if first else ""
        raise ValueError(
            f"{name} holds {int(bad.sum())} NaN or infinite value(s), the first{where}. "
            "Usual cause: a diverged run, or the logarithm of zero."
        )
    return array


def as_number(value: Any, name: str) -> float:
    """One finite number as a float.

    Args:
        value: A number, or a tensor, array or sequence with one element.
        name: Name of the value in error messages.

    Returns:
        The number.

    Raises:
        ValueError: If there is not exactly one element, or it is NaN or infinite.
    """
    array = as_array(value, name)
    if array.size != 1:
        raise ValueError(f"{name} has shape {list(array.shape)}; expected one number. Usual cause: a missing mean().")
    return array.item()


def with_minus(text: str) -> str:
    """The text with a minus sign (U+2212) for every hyphen.

    Args:
        text: Formatted numbers, such as "-1.5 ± 1e-9".

    Returns:
        The text to show, such as "−1.5 ± 1e−9".
    """
    return text.replace("-", "−")


def number(value: float, digits: int = 4) -> str:
    """A number as text, with a real minus sign: -101.26 → "−101.3".

    Args:
        value: The number.
        digits: Significant digits.

    Returns:
        The text; without an exponent for magnitudes from 1e-4 to 1e7.
    """
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{value:.0f}"
    return with_minus(text)


def number_with_error(value: float, error: float | None) -> str:
    """A number and its standard error as text: "−101.26 ± 0.12".

    Args:
        value: The number.
        error: Its standard error, 0 or more; None: the value alone.

    Returns:
        The text, with the error to two significant digits and the value to as many decimals.
    """
    if error is None:
        return number(value)
    if error == 0:
        return f"{number(value)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if decimals > 6:
        return with_minus(f"{value:.3g} ± {error:.1e}")
    return with_minus(f"{value:.{decimals}f} ± {error:.{decimals}f}")


def listed(words: Sequence[str], most: int = 12) -> str:
    """Words in one line, separated by commas.

    Args:
        words: The words.
        most: Number of words after which the list is cut; the text then ends in "and N more".

    Returns:
        The text; empty if there are no words.
    """
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def plain(label: str) -> str:
    """A label without TeX, for alt text: "$z_1$ (nats)" → "z1 (nats)".

    Args:
        label: Label with TeX.

    Returns:
        The label without dollar signs, backslashes, braces, underscores and carets.
    """
    for mark in ("$", "\\", "{", "}", "_", "^"):
        label = label.replace(mark, "")
    return label
