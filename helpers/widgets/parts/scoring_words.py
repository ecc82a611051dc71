"""A call of `log_prob` in words: its code, its caption and its alt text."""

from __future__ import annotations

import math

from helpers.networks import Shape
from helpers.widgets.parts.scoring import A_SAMPLE, Scoring
from helpers.widgets.parts.words import counted


def q_code(ndims: int) -> str:
    """The line of code that makes q.

    Args:
        ndims: Batch dimensions that become the event.

    Returns:
        The code.
    """
    return f"q = Independent(Normal(loc, 1), {ndims})" if ndims else "q = Normal(loc, 1)"


def values_of(loc: Shape) -> str:
    """The first values of loc.

    Args:
        loc: Shape of loc.

    Returns:
        Three values or fewer, and dots if there are more.
    """
    return {0: "0", 1: "0, 0.5, 1"}.get(len(loc), "0, 0.5, 1, …")


def caption(done: Scoring) -> str:
    """How many numbers log_prob returns and what each is made of, or what kind of error it is.

    Args:
        done: The call.

    Returns:
        The caption, which warns of a silent broadcast.
    """
    if done.value is None:
        if done.q is None:
            return f"An error: n cannot exceed the number of batch dimensions ({len(done.base_shape)})."
        return "An error, raised by log_prob: hold the two shapes in it against each other, from the right."
    shape, num_batch = tuple(done.value.shape), len(done.q.batch_shape)
    wanted = tuple(done.q.batch_shape + done.q.event_shape)
    stretched = done.x_shape[max(0, len(done.x_shape) - len(wanted)) :] != wanted
    numbers, cells = math.prod(shape), math.prod(done.x_shape)
    words = f"log_prob returns {list(shape)}: {counted(numbers, 'number')}"
    if done.q.event_shape:
        summed = math.prod(done.q.event_shape)
        words += ", each the sum over" if numbers > 1 else ", the sum over"
        words += f" the {summed} cells of {'an' if numbers > 1 else 'the'} event (thick frame)."
    elif stretched:
        under, distributions = numbers // cells, math.prod(done.q.batch_shape)
        words += f", from the {counted(cells, 'cell')} of x: {'each' if cells > 1 else 'it'} is scored under "
        words += f"{'all' if under == distributions else f'{under} of the'} {distributions} distributions."
    else:
        words += ", one for each cell of x." if numbers > 1 else "."
    if stretched:
        full = shape + tuple(done.q.event_shape)
        what = f"x {list(done.x_shape)} was" if full == wanted else f"x {list(done.x_shape)} and q {list(wanted)} were"
        words += f" No error, yet {what} stretched to {list(full)}. Did you want that?"
    elif len(shape) > num_batch > 0:
        words += " The sample dimensions come first, then the batch."
    return words


def alt_text(done: Scoring, ndims: int, sample_shape: Shape, x: Shape | str) -> str:
    """The call, its shapes and its first values, or its error.

    Args:
        done: The call.
        ndims: As given to `try_log_prob`.
        sample_shape: As given to `try_log_prob`.
        x: As given to `try_log_prob`.

    Returns:
        The alt text.
    """
    words = f"{q_code(ndims)} with loc of shape {list(done.base_shape)} and values {values_of(done.base_shape)}"
    if done.q is None:
        return f"{words} raises {done.error}"
    words += f" has batch shape {list(done.q.batch_shape)} and event shape {list(done.q.event_shape)}. "
    words += f"x, drawn with sample_shape {sample_shape}, " if x == A_SAMPLE else "x, which is zeros and not drawn, "
    words += f"has shape {list(done.x_shape)}. "
    if done.value is None:
        return f"{words}log_prob raises {done.error}"
    first = ", ".join(f"{number:.2f}" for number in done.value.flatten()[:4].tolist())
    if done.value.numel() == 1:
        return f"{words}log_prob(x) has shape {list(done.value.shape)}; it is {first}."
    return f"{words}log_prob(x) has shape {list(done.value.shape)}; it begins with {first}."
