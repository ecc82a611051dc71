"""Messages (lesson 08): one execution of a program, message by message, through a stack of handlers."""

from __future__ import annotations

from functools import cache

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from helpers.experiments.message_steps import LINE, PROGRAM, STACKS, Message, handler_names
from helpers.experiments.message_steps import messages as steps_of
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, readable
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.panel import bare_figure
from helpers.widgets.parts.words import signed

WIDTH, HEIGHT = 790, 400  # CSS pixels
HERE, VALUE = COLORS[1], COLORS[0]
_steps = cache(steps_of)


def messages() -> Explorer:
    """Step through the messages of a program of three sites; choose the handlers around it."""
    longest = max(len(_steps(stack)) for stack in STACKS)
    return Explorer(
        "messages",
        messages_picture,
        {
            "handlers": Choice("handlers, outermost first", tuple(STACKS), "trace, condition (wet = 1)"),
            "step": Slider("step", 1, longest, 1, 1),
        },
        stills=({"step": 8}, {"step": longest}),
    )


def messages_picture(*, handlers: str, step: int) -> Picture:
    """Left above the program, with the statement at hand; below it the trace. Right the stack and the message on its way through it.

    Args:
        handlers: A key of `STACKS`.
        step: Number of the message, from 1; beyond the last one, the last.

    Returns:
        The picture.
    """
    steps = _steps(handlers)
    step = min(step, len(steps))
    message = steps[step - 1]
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_program(axes, message)
        _draw_trace(axes, message)
        _draw_stack(axes, handler_names(handlers), message)
        _draw_message(axes, message)
    rows = "; ".join(
        f"{name} = {value}{' observed' if observed else ''}, log-probability {signed(log_prob, 2)}"
        for name, (value, observed, log_prob) in message.rows.items()
    )
    value = "no value" if message.value is None else f"value {message.value}"
    alt = (
        f"Step {step} of {len(steps)}. The site {message.site}, on its way {message.way}, is at {message.at}: {message.said}. It has "
        f"{value}, probability {message.probability:.2f} of a one, and is {'observed' if message.observed else 'not observed'}. "
        f"The trace holds {rows or 'nothing'}."
    )
    return Picture(figure, alt, _caption(message, step, len(steps)))


def _caption(message: Message, step: int, last: int) -> str:
    if message.at == "the draw":
        return f"Step {step} of {last}. Nobody has set a value: it is drawn."
    at = message.at[0].upper() + message.at[1:]
    end = f" The log joint is {signed(sum(row[2] for row in message.rows.values()), 2)}." if step == last else ""
    return f"Step {step} of {last}. {at} {message.said}.{end}"


def _draw_program(axes: Axes, message: Message) -> None:
    axes.text(14, HEIGHT - 24, "program", fontsize=12, color=QUIET, va="center_baseline")
    for number, line in enumerate(PROGRAM.split("\n")):
        y = HEIGHT - 54 - 26 * number
        here = number == LINE[message.site]
        color, weight = (readable(HERE), "bold") if here else (INK, "normal")
        axes.text(20, y, line, family="monospace", fontsize=10, color=color, weight=weight, va="center_baseline")
        if here:
            axes.text(6, y, "▸", fontsize=12, color=readable(HERE), va="center_baseline")


def _draw_trace(axes: Axes, message: Message) -> None:
    top = 196
    axes.text(14, top, "trace", fontsize=12, color=QUIET, va="center_baseline")
    columns = (22, 92, 160, 258)
    for x, head in zip(columns, ("site", "value", "", "log prob, as it counts"), strict=True):
        axes.text(x, top - 30, head, fontsize=11, color=QUIET, va="center_baseline")
    for number, (name, (value, observed, log_prob)) in enumerate(message.rows.items()):
        y = top - 58 - 26 * number
        for x, words in zip(
            columns, (name, str(value), "observed" if observed else "", signed(log_prob, 2)), strict=True
        ):
            axes.text(x, y, words, fontsize=12, va="center_baseline")
    y = top - 58 - 26 * 3
    total = sum(row[2] for row in message.rows.values())
    axes.plot([22, 400], [y + 16, y + 16], color=QUIET, linewidth=0.8)
    axes.text(22, y - 2, "log joint so far", fontsize=12, va="center_baseline")
    axes.text(258, y - 2, signed(total, 2), fontsize=12, va="center_baseline")


def _draw_stack(axes: Axes, names: list[str], message: Message) -> None:
    places = ["the draw", *names, "the program"]
    axes.text(490, HEIGHT - 24, "handlers, outermost on top", fontsize=12, color=QUIET, va="center_baseline")
    for number, name in enumerate(places):
        y = HEIGHT - 70 - 40 * number
        here = name == message.at
        box = FancyBboxPatch(
            (506, y - 13),
            140,
            26,
            boxstyle="round,pad=2",
            facecolor="white",
            edgecolor=readable(HERE) if here else QUIET,
            linewidth=2.4 if here else 1.0,
            linestyle="--" if name in ("the draw", "the program") else "-",
        )
        axes.add_patch(box)
        axes.text(576, y, name, ha="center", va="center_baseline", fontsize=12, color=readable(HERE) if here else INK)
        if here:
            arrow = "↑ going out" if message.way == "out" else "↓ coming back"
            axes.text(664, y, arrow, fontsize=11, color=readable(HERE), va="center_baseline")


def _draw_message(axes: Axes, message: Message) -> None:
    axes.text(490, 134, "message", fontsize=12, color=QUIET, va="center_baseline")
    value = "none yet" if message.value is None else str(message.value)
    rows = (
        ("name", message.site),
        ("distribution", f"Bernoulli({message.probability:.2f})"),
        ("value", value),
        ("observed", "yes" if message.observed else "no"),
        ("weight", f"{message.weight:.0f}"),
    )
    for number, (name, words) in enumerate(rows):
        y = 108 - 22 * number
        axes.text(506, y, name, fontsize=11, color=QUIET, va="center_baseline")
        color = readable(VALUE) if name == "value" and message.value is not None else INK
        axes.text(606, y, words, fontsize=12, color=color, va="center_baseline")
