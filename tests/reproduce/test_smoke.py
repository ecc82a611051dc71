"""`python -m helpers.reproduce NAME --smoke` runs whole, on packaged data, and keeps nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.reproduce.__main__ import EXPERIMENTS
from helpers.reproduce.mixture_gradients import GRADIENTS
from helpers.reproduce.priors import GUIDES, PRIORS
from helpers.reproduce.racers import RACERS
from helpers.reproduce.ssvae import VARIANTS

PACKAGE = Path(__file__).parents[2] / "helpers"


def fingerprints(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All experiments at once, each in a copy of the package, with a row and weights that must stay as they are."""
    processes = {}
    for name in EXPERIMENTS:
        place = tmp_path_factory.mktemp(name)
        shutil.copytree(PACKAGE, place / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
        for kind, suffix in (("results", "json"), ("weights", "safetensors")):
            folder = place / "helpers" / "reproduce" / kind
            folder.mkdir(exist_ok=True)
            for row in ("vae", "iwae-1", "iwae-5", "iwae-50", "sbn-200-disarm", "race-disarm"):
                (folder / f"{row}.{suffix}").write_text("kept")
        before = fingerprints(place)
        scratch = tmp_path_factory.mktemp(f"{name}-scratch")
        environment = {**os.environ, "WORKBOOK_SMOKE": "1", "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.reproduce", name, "--smoke"],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes[name] = (process, place, before)
    finished = {}
    for name, (process, place, before) in processes.items():
        out, err = process.communicate(timeout=240)
        finished[name] = (process.returncode, out, err, before, fingerprints(place))
    return finished


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_runs_whole_and_keeps_nothing(outcomes, name):
    code, out, err, before, after = outcomes[name]
    assert code == 0, err
    assert "| system | metric | published | ours | seeds |" in out
    assert "reached" not in out  # a few steps on digits claim nothing
    assert after == before


def test_each_row_of_the_experiment_is_in_its_table(outcomes):
    assert outcomes["vae"][1].count("\n| VAE 784-400-50") == 1
    for system in ("| VAE (IWAE-1),", "| IWAE-5,", "| IWAE-50,"):
        assert outcomes["iwae"][1].count(f"\n{system}") == 1
    for system in ("200 bits, linear, DisArm,", "200 bits, linear, LeaveOneOut,", "200-200 bits, linear,"):
        assert outcomes["nvil"][1].count(f"\n| SBN {system}") == 2  # held-out bound and train bound
    assert outcomes["nvil"][1].count("\n| race: ") == len(RACERS)
    for guide in GUIDES.values():
        assert outcomes["priors"][1].count(f" prior, {guide} guide,") == len(PRIORS)
    assert outcomes["priors"][1].count(": mixture guide, standard normal prior,") == len(GRADIENTS)
    assert outcomes["ssvae"][1].count("\n| SS-VAE, 20 labels, ") == len(VARIANTS)
