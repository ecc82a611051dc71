"""Right answers whose first call imports something, each in a process that has imported nothing of it yet.

Run as a program, it is such a process: `python tests/exercises/fresh_process.py NAME`. The last line that it prints is "whole" if the
answer passed and torch is as it was. With several names, it imports torch and the exercises once and forks for each name: that is as
fresh for what answers import (sympy, torch._dynamo), and costs half the time.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
BURN = "while True: pass"

# Before the solution runs: what makes torch import something at its first use.
FIRST_USES = {
    "plain": "pass",
    "MultivariateNormal": "torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))",
    "jacrev": "torch.func.jacrev(lambda x: x**2)(torch.ones(3))",
    "vmap of grad": "torch.func.vmap(torch.func.grad(lambda x: (x**2).sum()))(torch.ones(3, 2))",
    "kl_divergence": "d = torch.distributions; d.kl_divergence(d.Beta(torch.ones(2), 2.0), d.Beta(torch.ones(2), 1.0))",
    "sympy": "__import__('sympy').symbols('x')",
    "dynamo": "__import__('torch._dynamo')",
    "jvp": "torch.func.jvp(torch.sin, (torch.ones(2),), (torch.ones(2),))",
    "gradcheck": "torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.ones(2))",
    "scipy": "__import__('sklearn.mixture')",
}
HEAVY = ("MultivariateNormal", "jacrev", "sympy", "dynamo")  # they import most

WHOLE = """
import sympy, torch
assert sympy.core.Symbol("x") + 1 != 0
torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).sample()
torch.func.jacrev(lambda x: x**2)(torch.ones(3))
"""


@contextlib.contextmanager
def busy_machine(processes: int = 4) -> Iterator[None]:
    """Processes that compute without end, beside what is tried."""
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(processes)]
    try:
        yield
    finally:
        for one in burning:
            one.kill()
            one.wait()


def names(first_uses: tuple[str, ...] = tuple(FIRST_USES)) -> list[str]:
    """Every exercise with every first use, as "01.2 jacrev quick"; "slow" computes ten times what the solution does."""
    from helpers.exercises import registry

    every = [exercise.id for lesson in registry.lessons() for exercise in registry.exercises_of(lesson)]
    return [f"{id}/{use}/{pace}" for use in first_uses for id in every for pace in ("quick", "slow")]


def try_in_fresh_process(name: str) -> tuple[str, float, str]:
    """Run one of `names` in a process of its own: its name, seconds, and what it says, "whole" if all is well."""
    began = time.monotonic()
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, __file__, name], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return name, time.monotonic() - began, lines[-1] if lines else f"ended with {done.returncode}"


def try_all(chosen: list[str], at_once: int = 4) -> list[tuple[str, float, str]]:
    """Run some of `names`, each in a process of its own, beside four busy ones."""
    with busy_machine(), ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(try_in_fresh_process, chosen))


def try_in_forks(chosen: list[str]) -> list[tuple[str, str]]:
    """Run some of `names`, each in a fork of a process that has imported torch only, beside four busy processes."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    with busy_machine():
        parents = [
            subprocess.Popen(
                [sys.executable, __file__, *part],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
            )
            for part in (chosen[n::4] for n in range(4))
        ]
        printed = "".join(parent.communicate(timeout=600)[0] for parent in parents)
    said = dict(line.split(": ", 1) for line in printed.splitlines() if line.partition(": ")[0] in chosen)
    return [(name, said.get(name, printed[-500:])) for name in chosen]


def fork_for_each(chosen: list[str]) -> None:
    """Judge each answer in a fork, one after the other, and print a line for each."""
    import traceback

    import torch  # noqa: F401

    from helpers.exercises import registry
    from helpers.exercises.engine import judge  # noqa: F401

    for name in chosen:
        registry.find(name.partition("/")[0])
    assert not {"sympy", "torch._dynamo"} & sys.modules.keys(), "not fresh"
    for name in chosen:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                print(f"{name}: ", end="")
                main(name)
            except BaseException:
                traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


def main(name: str) -> None:
    """Judge one answer and see whether torch is whole afterwards."""
    import functools

    import torch

    from helpers.exercises import registry
    from helpers.exercises.engine.judge import judge
    from helpers.exercises.engine.torch_modes import TorchModes

    id, use, pace = name.split("/")
    exercise = registry.find(id)

    @functools.wraps(exercise.solution)
    def answer(*arguments, **named):
        exec(FIRST_USES[use], {"torch": torch})
        if pace == "slow":
            for _ in range(9):
                exercise.solution(*arguments, **named)
        return exercise.solution(*arguments, **named)

    before = vars(TorchModes())
    verdict = judge(exercise, answer)
    assert vars(TorchModes()) == before, "a mode of torch is open"
    half = [
        key for key, module in sys.modules.items() if getattr(getattr(module, "__spec__", None), "_initializing", False)
    ]
    assert not [key for key in half if key != "__main__"], f"half imported: {half}"
    exec(WHOLE, {})
    print("whole" if verdict.passed else f"refused: {verdict.sentence}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        fork_for_each(sys.argv[1:])
    else:
        main(sys.argv[1])
