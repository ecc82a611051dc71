"""What only a fresh process can tell: the time that `import helpers` takes, and the peak memory of an epoch."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.report import Row, Side

IMPORT = """
import time, torch
start = time.perf_counter()
import {modules}
print(1000 * (time.perf_counter() - start))
"""
ROOMS = "helpers.data, helpers.distributions, helpers.estimators, helpers.models, helpers.training, helpers.evaluation"

EPOCH = """
import resource, sys
from helpers.models import Elbo
from helpers.reproduce.vae import BATCH, build
from helpers.data import Batches
from helpers.training import fit
from tests.benchmarks.mnist import resident_images
images, name = resident_images()
fit(Elbo(*build()), Batches(images, batch_size=BATCH), epochs=1, progress=False)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, name)
"""


def import_time(repeats: int = 7) -> Row:
    light, rooms = [], []
    for _ in range(repeats):
        light.append(float(_run(IMPORT.format(modules="helpers"))))
        rooms.append(float(_run(IMPORT.format(modules=ROOMS))))
    note = Side("for information: with helpers.data to helpers.evaluation, floors 1 to 4", rooms, "ms")
    return Row("5. Import, after `import torch`", [Side("import helpers", light, "ms"), note], light, "ms", most=50)


def peak_memory() -> Row:
    peak, name = _run(EPOCH).split(maxsplit=1)
    side = Side(f"process that loads {name} and trains an epoch, all included", [float(peak)], "GB")
    return Row("6. Peak resident memory of a VAE epoch", [side], side.values, "GB", most=1.0)


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
