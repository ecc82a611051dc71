"""A few measured values in rows, with their standard errors: `bars` start at zero, `dots` stand on a free axis."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, QUIET, new_figure, workbook_style
from helpers.plots.words import as_number, number, number_with_error, plain

ROW = 40  # CSS pixels a row


def bars(
    values: Mapping[str, float],
    xlabel: str,
    *,
    errors: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
    width: float = 760,
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Horizontal bars from zero, the first name on top, each with `value ± standard error` printed at its end.

    For quantities with a meaningful zero: a variance, an error rate, seconds. For bounds in nats use `dots`.

    Args:
        values: Name → value, in the unit that `xlabel` names.
        xlabel: Label of the horizontal axis: quantity and unit.
        errors: Name → standard error, for some or all of the values; None: no errors.
        references: Name → position of a dashed vertical line; None: no lines.
        width: Width in CSS pixels. The height follows from the number of rows.
        alt: Alt text; None: a text made from the values.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there are no values, a value is NaN or infinite, an error is negative, or an error's name is unknown.
    """
    values, errors, references = _checked(values, errors, references)
    with workbook_style():
        figure, axes = _rows(values, xlabel, width)
        axes.barh(range(len(values)), list(values.values()), height=0.62, color=COLORS[0], zorder=2)
        axes.axvline(0, color=QUIET, linewidth=1)
        _whiskers(axes, values, errors, INK)
        _references(axes, references)
        _print_values(axes, values, errors)
    return Picture(figure, alt or _alt("Bar chart", xlabel, values, errors, references), caption)


def dots(
    values: Mapping[str, float],
    xlabel: str,
    *,
    errors: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
    width: float = 760,
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """One dot a row, with a whisker of one standard error to each side, on an axis that need not contain zero.

    For bounds and likelihoods: bars from zero hide the difference between −101 and −99 nats, and bars from −102 exaggerate it.

    Args:
        values: Name → value, in the unit that `xlabel` names.
        xlabel: Label of the horizontal axis: quantity and unit.
        errors: Name → standard error, for some or all of the values; None: no errors.
        references: Name → position of a dashed vertical line; None: no lines.
        width: Width in CSS pixels. The height follows from the number of rows.
        alt: Alt text; None: a text made from the values.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there are no values, a value is NaN or infinite, an error is negative, or an error's name is unknown.
    """
    values, errors, references = _checked(values, errors, references)
    with workbook_style():
        figure, axes = _rows(values, xlabel, width)
        axes.plot(
            list(values.values()),
            range(len(values)),
            linestyle="none",
            marker="o",
            markersize=9,
            color=COLORS[0],
            zorder=3,
        )
        _whiskers(axes, values, errors, COLORS[0])
        _references(axes, references)
        axes.margins(x=0.08)
        _print_values(axes, values, errors)
    return Picture(figure, alt or _alt("Dot chart", xlabel, values, errors, references), caption)


def _checked(
    values: Mapping[str, float], errors: Mapping[str, float] | None, references: Mapping[str, float] | None
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    if not values:
        raise ValueError("values is empty; give {name: value}.")
    numbers = {name: as_number(value, f"value of {name!r}") for name, value in values.items()}
    spreads = {name: as_number(value, f"error of {name!r}") for name, value in (errors or {}).items()}
    unknown = sorted(set(spreads) - set(numbers))
    if unknown:
        raise ValueError(f"errors names {unknown}, but the values are {sorted(numbers)}.")
    for name, spread in spreads.items():
        if spread < 0:
            raise ValueError(f"the error of {name!r} is {spread:.4g}; a standard error is not negative.")
    lines = {name: as_number(value, f"reference {name!r}") for name, value in (references or {}).items()}
    return numbers, spreads, lines


def _rows(values: Mapping[str, float], xlabel: str, width: float) -> tuple[Figure, Axes]:
    figure = new_figure(width, 110 + ROW * len(values))
    axes = figure.add_subplot(xlabel=xlabel)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.4, -0.6)  # the first row on top
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _whiskers(axes: Axes, values: Mapping[str, float], errors: Mapping[str, float], color: str) -> None:
    rows = {name: row for row, name in enumerate(values)}
    if errors:
        axes.errorbar([values[name] for name in errors], [rows[name] for name in errors], xerr=list(errors.values()),
                      linestyle="none", color=color, capsize=5, elinewidth=1.8, capthick=1.8, zorder=4)  # fmt: skip


def _references(axes: Axes, references: Mapping[str, float]) -> None:
    for name, value in references.items():
        axes.axvline(value, color=QUIET, linewidth=1.2, linestyle=(0, (7, 4)), zorder=1)
        axes.annotate(name, (value, 1), (0, 3), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                      ha="center", va="bottom", color=QUIET)  # fmt: skip


def _print_values(axes: Axes, values: Mapping[str, float], errors: Mapping[str, float]) -> None:
    """Write the values in a column right of the axes, so that no bar, whisker or reference line crosses the digits."""
    for row, (name, value) in enumerate(values.items()):
        axes.annotate(number_with_error(value, errors.get(name)), (1, row), (8, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip


def _alt(
    kind: str,
    xlabel: str,
    values: Mapping[str, float],
    errors: Mapping[str, float],
    references: Mapping[str, float],
) -> str:
    words = [f"{kind} of {plain(xlabel)}."]
    words += [f"{plain(name)}: {number_with_error(value, errors.get(name))}." for name, value in values.items()]
    words += [f"Reference {plain(name)}: {number(value)}." for name, value in references.items()]
    return " ".join(words)
