"""`python -m helpers.reproduce NAME`: see `--help`."""

from __future__ import annotations

import argparse
import importlib
import sys

from helpers.reproduce.cell import Experiment
from helpers.reproduce.options import parse
from helpers.reproduce.rows import table
from helpers.reproduce.runner import run

EXPERIMENTS = {
    "vae": "VAE 784-400-50 on grey MNIST: the Pyro tutorial's test ELBO",
    "iwae": "VAE, IWAE-5 and IWAE-50 on dynamically binarised MNIST: Burda et al. 2016",
    "nvil": "sigmoid belief networks of 200 bits: Mnih, Gregor 2014, Grathwohl et al. 2018; every estimator raced",
    "ssvae": "semi-supervised VAE on MNIST, 100 to 3,000 labels: Pyro talk and tutorial, Kingma et al. 2014",
    "dmm": "deep Markov model on JSB chorales: Krishnan et al. 2017, Pyro's example; on synthetic ones, beside their entropy floor",
    "priors": "FashionMNIST: three priors by three guides, and a mixture guide by each of its gradients; our own comparison",
}


def experiment_called(name: str) -> Experiment:
    """The experiment of a name. Its module is imported now, so that `--help` needs no torch.

    Args:
        name: A key of `EXPERIMENTS`.

    Returns:
        The module's `EXPERIMENT`.
    """
    return importlib.import_module(f"helpers.reproduce.{name}").EXPERIMENT


def main(arguments: list[str]) -> int:
    """Run an experiment and print its rows.

    Args:
        arguments: As typed, without the program's name.

    Returns:
        The exit status.
    """

    def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
        experiment_called(name).add_arguments(parser)

    name, options = parse(arguments, EXPERIMENTS, add_arguments)
    rows = run(experiment_called(name), options)
    print()
    print(table(rows))
    for row in rows:
        if not options.smoke and row.published is not None:
            print(
                f"{row.name}: {'reached' if row.reached() else 'not reached'} (published {row.published}, ours {row.mean:.2f})"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
