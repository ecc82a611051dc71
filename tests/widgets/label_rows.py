"""Result rows as a reproduction of lesson 06 writes them, with made-up accuracies."""

from __future__ import annotations

from helpers.reproduce.rows import Row, Run


def row(name: str, accuracies: dict[int, float], published: float | None = 0.5, epochs: int = 20) -> Row:
    made = Row(name, "", "test accuracy", published, None, True, "", "", "")
    for split, accuracy in accuracies.items():
        curve = {"test": [[5, accuracy / 2], [epochs, accuracy]]}
        made.with_run(Run(split, accuracy, None, epochs, 1, 1.0, curve))
    return made


ROWS = [
    row("ssvae-baseline-100", {0: 0.74, 1: 0.78, 2: 0.79}, 0.771),
    row("ssvae-classifier-loss-100", {0: 0.94, 1: 0.955, 2: 0.961}, 0.932, epochs=30),
    row("ssvae-classifier-loss-3000", {0: 0.975}, 0.958),
    row("ssvae-m1m2-100", {1: 0.967, 2: 0.969}, 0.9667),
    row("ssvae-sampled-20", {0: 0.31}, None),  # of a smoke run, without a published value
    row("ssvae-pyro-baseline-100", {0: 0.74, 1: 0.75}, 0.771),
    row("ssvae-pyro-classifier-loss-100", {1: 0.93, 2: 0.91}, 0.932),
    row("vae", {0: 0.9}),
    row("ssvae-other-100", {0: 0.9}),
    row("ssvae-m1m2-600", {}),
]
