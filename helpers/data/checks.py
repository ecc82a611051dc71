"""Checks that data sets, batches and music share, and the sentences they raise: "Got WHAT; expected WHAT. CAUSE." """

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral

import torch

NOTHING_MATCHED = "Usually a selection that matched nothing."
CHANNELS_LAST = "Usually the channels come last: images.permute(0, 3, 1, 2) puts them first."
GREYS = "Usually these are grey levels from 0 to 255: divide by 255 and convert to float32."
MISSING_VALUES = "Usually a division by zero in the preprocessing, or missing values."


def check_images(images: torch.Tensor, name: str = "images") -> None:
    """Check that images are float32 [N, C, H, W], channels first, finite, in [0, 1], with N of 1 or more.

    C is 1 (grey), 3 (colour) or 4 (colour and transparency).

    Args:
        images: Tensor to check.
        name: Name for the message.

    Raises:
        ValueError: If the images are anything else. The message says what was given, what was expected, and the usual cause.
    """
    check_is_tensor(images, name, "a tensor float32 [N, C, H, W] with values in [0, 1]")
    given = describe(images, name)
    expected = "expected float32 [N, C, H, W] with values in [0, 1]"
    if images.dim() == 3:
        raise ValueError(f"Got {given}; {expected}. Usually the channel is missing: images.unsqueeze(1) adds it.")
    if images.dim() != 4:
        raise ValueError(f"Got {given}; {expected}. Usually they are flattened: images.view(-1, C, H, W) undoes it.")
    if images.numel() == 0:
        raise ValueError(f"Got {given}, which holds no pixel; {expected}. {NOTHING_MATCHED}")
    if images.shape[1] not in (1, 3, 4):
        raise ValueError(f"Got {given}; {expected}, where C is 1, 3 or 4. {CHANNELS_LAST}")
    if images.dtype != torch.float32:
        cause = "Usually NumPy made float64 of them: images.float() converts." if images.is_floating_point() else GREYS
        raise ValueError(f"Got {given}; {expected}. {cause}")
    low, high = value_range(images)
    if not (low >= 0 and high <= 1):
        raise ValueError(f"Got {given} with {between(low, high)}; {expected}. {range_cause(low, high)}")


def check_is_tensor(value: object, name: str, expected: str) -> None:
    """Check that an argument is a tensor.

    Args:
        value: Argument to check.
        name: Its name, for the message.
        expected: What it should be, such as "a tensor float32 [N, C, H, W]".

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(value, torch.Tensor):
        return
    cause = "Usually a data set: give the tensor inside, such as data.train.images."
    if hasattr(value, "__array__") or isinstance(value, list | tuple):
        cause = "Usually an array or a list: torch.as_tensor(...) converts."
    raise ValueError(f"Got {name} as {type(value).__name__}; expected {expected}. {cause}")


def check_integer(value: object, name: str, meaning: str, minimum: int = 1, cause: str = "") -> int:
    """Check that an argument is an integer (no bool, no float) of at least `minimum`. NumPy's integers are integers.

    Args:
        value: Argument to check.
        name: Its name, for the message.
        meaning: What it counts, with its unit, such as "the items of a batch".
        minimum: Smallest value allowed.
        cause: Last sentence of the message, if there is a usual cause.

    Returns:
        The integer, as Python's own.

    Raises:
        ValueError: If it is not such an integer.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"Got {name}={_shown(value)}; expected {meaning}, an integer of {minimum} or more. {cause}".rstrip()
        )
    return int(value)


def check_name(given: object, names: Iterable[str], kind: str) -> None:
    """Check that a name is one of several, and suggest the nearest one if it is not.

    Args:
        given: Name to check.
        names: Names that are allowed.
        kind: What they name, such as "data set".

    Raises:
        ValueError: If it is none of them.
    """
    names = list(names)
    if given not in names:
        near = difflib.get_close_matches(str(given).lower().replace("-", "_"), names, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"Got {kind} {given!r}; expected one of {', '.join(names)}.{hint}")


def check_finite(tensor: torch.Tensor, name: str) -> tuple[float, float]:
    """Check that no value is NaN or infinite.

    Args:
        tensor: Tensor of one element or more.
        name: Name for the message.

    Returns:
        The least and the greatest value.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    low, high = value_range(tensor)
    if not (math.isfinite(low) and math.isfinite(high)):
        given = f"{describe(tensor, name)} with {between(low, high)}"
        raise ValueError(f"Got {given}; expected finite values. {MISSING_VALUES}")
    return low, high


def _shown(value: object) -> str:
    """A value on one line: its repr, cut after 80 characters."""
    line = " ".join(repr(value).split())
    return line if len(line) <= 80 else line[:80] + "..."


def value_range(tensor: torch.Tensor) -> tuple[float, float]:
    """The least and the greatest value of a tensor, in one pass; both NaN if any value is.

    Args:
        tensor: Tensor of one element or more.

    Returns:
        Least and greatest value.
    """
    low, high = tensor.aminmax()
    return low.item(), high.item()


def is_binary(tensor: torch.Tensor) -> bool:
    """Whether every value is 0 or 1.

    Args:
        tensor: Tensor of any shape and dtype.

    Returns:
        True if all are; False also if any is NaN.
    """
    return not bool(((tensor != 0) & (tensor != 1)).any())


def describe(tensor: torch.Tensor, name: str = "a tensor") -> str:
    """Describe a tensor for a message.

    Args:
        tensor: Tensor to describe.
        name: Name to begin with.

    Returns:
        Name, shape and dtype, as in "images of shape [5, 1, 8, 8] and dtype float32".
    """
    return f"{name} of shape {list(tensor.shape)} and dtype {str(tensor.dtype).removeprefix('torch.')}"


def between(low: float, high: float) -> str:
    """Say what values lie between, with as many digits as tell the ends from 0 and 1: 1.0000001 is not printed as 1.

    Args:
        low: Least value.
        high: Greatest value.

    Returns:
        Words such as "values from 0 to 1.0000001".
    """
    return f"values from {_digits(low)} to {_digits(high)}"


def _digits(value: float) -> str:
    shown = [f"{value:.{precision}g}" for precision in range(6, 18)]
    return next((text for text in shown if float(text) not in (0.0, 1.0) or float(text) == value), shown[-1])


def binary_cause(tensor: torch.Tensor, name: str) -> str:
    """The usual cause of values other than 0 and 1 where a key sounds or not.

    Args:
        tensor: The values.
        name: Name of the variable, for the remedy.

    Returns:
        A sentence.
    """
    low, high = value_range(tensor.float())
    if math.isnan(low):
        return MISSING_VALUES
    if bool(((tensor - tensor.round()).abs() < 1e-3).all()) and low > -0.5 and high < 1.5:
        return f"Usually rounding: {name}.round() undoes it."
    if low < 0:
        return f"Usually -1 marks a rest, or the values were standardised: ({name} > 0).float() if so."
    if high > 1:
        return f"Usually MIDI velocities: use ({name} > 0).float()."
    return f"Usually probabilities: torch.bernoulli({name}) draws from them."


def check_function(value: object, name: str, argument: str, example: str) -> None:
    """Check that an argument is a function or None.

    Args:
        value: What was given.
        name: Name of the argument.
        argument: What the function takes, for the message.
        example: Name of such a function.

    Raises:
        ValueError: If it cannot be called.
    """
    if value is not None and not callable(value):
        raise ValueError(
            f"Got {name}={_shown(value)}; expected a function of {argument}, such as {example}, or None. Usually its result was given."
        )


def range_cause(low: float, high: float) -> str:
    """The usual cause of pixels that are not all in [0, 1].

    Args:
        low: Least value; NaN if any is.
        high: Greatest value.

    Returns:
        A sentence.
    """
    if math.isnan(low):
        return "NaN pixels usually come from a division by zero in the preprocessing, or from missing values."
    if math.isinf(low) or math.isinf(high):
        return "Infinite pixels usually come from a division by zero, or from a logarithm, in the preprocessing."
    if low >= -0.01 and high <= 1.01:
        return "Usually rounding, of a resampling or a normalisation: images.clamp(0, 1) undoes it."
    if low >= -0.5 and high <= 1.5:
        return "Usually noise that was added, or a resampling that overshoots: images.clamp(0, 1) cuts it off."
    if low >= 0 and high <= 255:
        return GREYS
    if low >= 0 and high <= 65_535:
        return "Usually these are grey levels of 16 bits: divide by 65,535."
    if low >= -1 and high <= 1:
        return "Usually the images were scaled to [-1, 1]: (images + 1) / 2 undoes it."
    return "Usually the images were standardised: leave them in [0, 1]."
