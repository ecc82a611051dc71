"""A training step of a sigmoid belief network, 200 bits, linear, batch 256: what each gradient estimator adds to a plain score function."""

from __future__ import annotations

import torch
from torch import nn

from helpers.data import Batches
from helpers.estimators import (
    Arm,
    CentredReward,
    ControlVariateChain,
    DisArm,
    GradientEstimator,
    GumbelSoftmax,
    LearnedBaseline,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Rebar,
    Relax,
    ResidualRelax,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    StraightThrough,
    Vimco,
)
from helpers.models import Elbo, sigmoid_belief_network
from helpers.networks import FeedForward
from helpers.training import fit
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.report import Row, Side, ratios

BITS, IMAGE, BATCH, STEPS = 200, (1, 28, 28), 256, 40


def rows(rounds: int) -> list[Row]:
    torch.manual_seed(0)
    images = torch.randint(2, (STEPS * BATCH, *IMAGE)).float()  # what the pixels are makes no difference to the time
    batches, few = Batches(images, batch_size=BATCH), Batches(images[:BATCH], batch_size=BATCH)
    print(
        f"Sigmoid belief network, {BITS} bits, linear, batch {BATCH}, float32, {torch.get_num_threads()} threads; {rounds} rounds of "
        f"{STEPS} steps by `fit`, interleaved; median (lowest to highest)\n",
        flush=True,
    )
    objectives = {name: _objective(*estimator) for name, estimator in _estimators().items()}
    steps = {name: 1 if name.startswith("LocalEnumeration") else STEPS for name in objectives}
    tasks = {
        name: lambda objective=objective, data=few if steps[name] == 1 else batches: fit(
            objective, data, epochs=1, progress=False
        )
        for name, objective in objectives.items()
    }
    for task in tasks.values():  # the first call is slow
        task()
    milliseconds = {
        name: [1000 * seconds / steps[name] for seconds in values]
        for name, values in interleaved(tasks, rounds).items()
    }

    def side(name: str) -> Side:
        return Side(name, milliseconds[name], "ms a step")

    plain, scaled, plain4, others4 = (milliseconds[name] for name in (PLAIN, SCALED, PLAIN4, LEAVE_ONE_OUT))
    named = {PLAIN, SCALED, CRITIC, BASELINE, PLAIN4, LEAVE_ONE_OUT}
    return [
        Row(
            "7. Score-function step, rewards centred and scaled, against plain",
            [side(PLAIN), side(SCALED), *(_informing(side(name)) for name in (CRITIC, BASELINE))],
            ratios(scaled, plain),
            most=1.15,
        ),
        Row(
            "8. Leave-one-out at four samples, against the plain score function at four",
            [side(PLAIN4), side(LEAVE_ONE_OUT)],
            ratios(others4, plain4),
            most=1.3,
        ),
        Row("9. The other estimators, for information", [side(name) for name in tasks if name not in named], []),
    ]


def _estimators() -> dict[str, tuple[GradientEstimator, int]]:
    """By name, with the evaluations of f per image and step."""

    def smooth() -> nn.Module:
        return FeedForward((100,), nn.Tanh).build((BITS,), (1,))

    centred_and_scaled = ControlVariateChain(CentredReward(), ScaledReward())
    return {
        PLAIN: (ScoreFunction(), 1),
        SCALED: (ScoreFunction(centred_and_scaled), 1),
        CRITIC: (ScoreFunction(SelfCritic()), 2),
        BASELINE: (ScoreFunction(LearnedBaseline(IMAGE, FeedForward((100,), nn.Tanh))), 1),
        PLAIN4: (ScoreFunction(), 4),
        LEAVE_ONE_OUT: (LeaveOneOut(), 4),
        "Vimco, 4 evaluations": (Vimco(), 4),
        "Arm, 4 evaluations": (Arm(), 4),
        "DisArm, 4 evaluations": (DisArm(), 4),
        "MuProp, 4 evaluations": (MuProp(), 4),
        "Rebar, 3 evaluations": (Rebar(), 3),
        "Relax, network of 100 units, 3 evaluations": (Relax(smooth()), 3),
        "ResidualRelax, network of 100 units, 3 evaluations": (ResidualRelax(smooth()), 3),
        "StraightThrough, 4 evaluations": (StraightThrough(), 4),
        "GumbelSoftmax, 4 evaluations": (GumbelSoftmax(), 4),
        f"LocalEnumeration, {1 + BITS} evaluations": (LocalEnumeration(), 1 + BITS),
    }


PLAIN, SCALED = "ScoreFunction, 1 evaluation of f", "ScoreFunction(CentredReward, ScaledReward), 1 evaluation"
CRITIC, BASELINE = (
    "ScoreFunction(SelfCritic), 2 evaluations",
    "ScoreFunction(LearnedBaseline of 100 units), 1 evaluation",
)
PLAIN4, LEAVE_ONE_OUT = "ScoreFunction, 4 evaluations", "LeaveOneOut, 4 evaluations"


def _objective(estimator: GradientEstimator, evaluations: int) -> Elbo:
    return Elbo(*sigmoid_belief_network((BITS,), IMAGE), estimator, evaluations)


def _informing(side: Side) -> Side:
    return Side(f"for information: {side.name}", side.values, side.unit)
