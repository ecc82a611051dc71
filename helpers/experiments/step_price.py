"""The processor time of a training step with each estimator of the variance laboratory, in seconds, measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent

from helpers.experiments.variance import ESTIMATORS, NAMES

BATCH, PIXELS, HIDDEN = 20, 14 * 14, 64  # size of the measured step


@dataclass(frozen=True)
class Price:
    """Processor time of one training step: fixed + per_evaluation * evaluations of f.

    Args:
        fixed: Seconds that do not depend on the number of evaluations.
        per_evaluation: Seconds per evaluation of f.
    """

    fixed: float
    per_evaluation: float

    def seconds(self, evaluations: int) -> float:
        """Time of a step.

        Args:
            evaluations: Evaluations of f per datum.

        Returns:
            Seconds.
        """
        return self.fixed + self.per_evaluation * evaluations

    @classmethod
    def through(cls, few: tuple[int, float], many: tuple[int, float]) -> Price:
        """The line through two measurements, with both parts clipped at zero.

        Args:
            few: (evaluations, seconds) of a step with few evaluations.
            many: The same with more evaluations.

        Returns:
            The price.
        """
        slope = max((many[1] - few[1]) / (many[0] - few[0]), 0.0)
        return cls(max(few[1] - slope * few[0], 0.0), slope)


def measured_prices(rounds: int = 5) -> dict[str, Price]:
    """Measure the price of a step with every estimator, from two numbers of evaluations each.

    A step: 20 images of 196 pixels through an encoder to two or four bits each, a decoder, the estimate, its gradient with respect to
    all weights, and Adam. All together take about a second on one core. The global random state stays as it is. What is measured is
    the time of the process on its processors, which other processes do not lengthen much, and not the time on the wall.

    Args:
        rounds: Steps of each kind; the fastest counts.

    Returns:
        Name of the estimator, as in `variance.NAMES` → price.

    Raises:
        ValueError: If `rounds` is below 1.
    """
    if rounds < 1:
        raise ValueError(f"A price needs one round or more; got rounds={rounds}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = (torch.rand(BATCH, PIXELS) < 0.3).float()
        steps = {}
        for name in NAMES:
            # Enumeration evaluates all outcomes: 4 of two bits, 16 of four. The others evaluate as often as they are told.
            for bits, evaluations in ((2, 4), (4, 16)) if name == "enumeration" else ((2, 6), (2, 24)):
                steps[name, evaluations] = _step(name, x, bits, evaluations)
        for step in steps.values():
            step()  # warm-up
        # In turns, so that load on the machine affects all alike.
        seconds = [{key: _seconds(step) for key, step in steps.items()} for _ in range(rounds)]
    fastest = {key: min(one[key] for one in seconds) for key in steps}
    return {
        name: Price.through(
            *[(evaluations, fastest[key]) for key in steps if key[0] == name for evaluations in key[1:]]
        )
        for name in NAMES
    }


def _step(name: str, x: Tensor, bits: int, evaluations: int) -> Callable[[], None]:
    encoder = nn.Linear(PIXELS, bits)
    decoder = nn.Sequential(nn.Linear(bits, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, PIXELS))
    estimator = ESTIMATORS[name].build()
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-4)

    def log_likelihood(z: Tensor) -> Tensor:  # defined for relaxed bits too
        return -nn.functional.binary_cross_entropy_with_logits(
            decoder(z), x.expand(len(z), -1, -1), reduction="none"
        ).sum(-1)

    def step() -> None:
        optimizer.zero_grad()
        q = Independent(Bernoulli(logits=encoder(x), validate_args=False), 1)
        estimate = estimator(log_likelihood, q, num_samples=evaluations)
        (-estimate.surrogate.mean()).backward()
        optimizer.step()

    return step


def _seconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start
