"""Engines (lesson 08): one program, four engines; the error of each against the number of executions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import fmean

from helpers.experiments.engine_errors import ENGINES, PROBLEMS, SIZES, Errors, Problem, engine_errors
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, LINESTYLES, MARKERS
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure, name_ends
from helpers.widgets.parts.words import signed

WIDTH, HEIGHT = 720, 380  # CSS pixels
LEAST, MOST = 1e-4, 30.0  # of the error, in the picture
ASKED = {"log p(x)": lambda errors: errors.log_marginal, "a posterior mean": lambda errors: errors.mean}
Results = dict[str, tuple[Problem, dict[str, dict[int, Errors]]]]


def engines(repeats: int = 10) -> Explorer:
    """Choose program, question and number of executions. The engines run once, when the explorer is made.

    Args:
        repeats: Repetitions of the engines that draw.

    Returns:
        The explorer.
    """
    results = {name: (problem := make(), engine_errors(problem, repeats)) for name, make in PROBLEMS.items()}
    return Explorer(
        "engines",
        partial(engines_picture, results),
        {
            "program": Choice("program", tuple(PROBLEMS), next(iter(PROBLEMS))),
            "asked": Choice("asked", tuple(ASKED), "log p(x)"),
            "doublings": Slider("doublings of one execution", 0, len(SIZES) - 1, 1, 4),
        },
        stills=({}, {"program": list(PROBLEMS)[1], "asked": "a posterior mean"}),
    )


def typical_error(errors: Errors, exact: float, of: Callable[[Errors], tuple[float, ...]]) -> float | None:
    """Root of the mean squared error over repetitions; of two bounds, the larger error.

    Args:
        errors: Results of an engine at one size.
        exact: The exact answer.
        of: Which results.

    Returns:
        The error; None if the engine has no such result.
    """
    found = of(errors)
    if not found:
        return None
    if len(errors.mean) == 1:  # enumeration draws nothing
        return max(abs(value - exact) for value in found)
    return math.sqrt(fmean((value - exact) ** 2 for value in found))


def engines_picture(results: Results, *, program: str, asked: str, doublings: int) -> Picture:
    """Typical error of each engine against the number of executions, both logarithmic, with the errors at one number in words.

    Args:
        results: By program: the problem, and results by engine and size.
        program: A program's name.
        asked: "log p(x)" or "a posterior mean".
        doublings: Logarithm, to the base 2, of the number whose errors are said.

    Returns:
        The picture.
    """
    problem, found = results[program]
    exact = problem.log_marginal if asked == "log p(x)" else problem.mean
    size = SIZES[doublings]
    curves = {}
    for name in ENGINES:
        errors = {n: typical_error(each, exact, ASKED[asked]) for n, each in found[name].items()}
        curves[name] = {n: error for n, error in errors.items() if error is not None}
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        panel = Panel(axes, (60, 62, 440, 262), (0, len(SIZES) - 1), (LEAST, MOST), log_y=True)
        panel.frame(
            {n: str(each) for n, each in enumerate(SIZES)},
            {10.0**n: f"{10.0**n:g}" for n in range(-4, 2)},
            "executions (of the particle filter: particles)",
            f"error of {asked}{', nats' if asked == 'log p(x)' else ''}",
        )
        panel.plot([doublings, doublings], [LEAST, MOST], color=INK, linestyle=(0, (2, 2)), linewidth=1.2)
        ends = []
        for number, name in enumerate(ENGINES):
            curve = curves[name]
            if not curve:
                continue
            color, line, marker = COLORS[number], LINESTYLES[number], MARKERS[number]
            panel.plot(
                [SIZES.index(n) for n in curve],
                list(curve.values()),
                color=color,
                linestyle=line,
                marker=marker,
                linewidth=1.8,
            )
            ends.append((float(panel.y(list(curve.values())[-1])), name, {"color": color}))
        name_ends(axes, 512, ends, 20, (62, 330))
    said = ", ".join(f"{name} {_error(curve[size])}" for name, curve in curves.items() if curve)
    truth = f"{problem.words} = {exact:.4f}" if asked != "log p(x)" else f"log p(x) = {signed(exact, 4)}"
    alt = f"Typical error of {asked} for the program “{program}”, whose exact {truth}, by engine. With {size} executions: {said}."
    none = "" if curves["Metropolis-Hastings"] else " Metropolis-Hastings gives no log p(x)."
    return Picture(figure, alt, f"Exact: {truth}. With {size}: {said}.{none}")


def _error(value: float) -> str:
    return "below 0.0001" if value < LEAST else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"
