"""The cells of the semi-supervised VAE: which images are labelled, and what each variant optimises."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from helpers.estimators import Enumeration, ScoreFunction
from helpers.models import LogLikelihood, OneKindSemiSupervisedElbo, SemiSupervisedElbo
from helpers.reproduce.cell import Sitting
from helpers.reproduce.options import Options
from helpers.reproduce.ssvae import EXPERIMENT
from helpers.reproduce.ssvae_cell import SemiSupervisedCell
from helpers.reproduce.ssvae_published import PublishedCell
from helpers.reproduce.ssvae_settings import BASELINE_STEPS, FEATURES, LABELS, PIXELS, PYRO_VARIANTS, VARIANTS


@pytest.fixture
def sitting(tmp_path: Path) -> Sitting:
    own = Namespace(labels=(), variants=(), splits=None)
    return Sitting(Options((0,), False, True, (), tmp_path / "checkpoints", tmp_path, tmp_path, own=own))


def test_a_split_decides_which_images_are_labelled(sitting):
    cell = SemiSupervisedCell(sitting, "baseline", 20)
    first, again, other = (cell.prepare(seed).batches.tensors for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])
    assert first[1].bincount().tolist() == other[1].bincount().tolist() == [2] * 10


@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant not in PYRO_VARIANTS])
def test_what_each_variant_optimises(sitting, variant):
    objective = SemiSupervisedCell(sitting, variant, 20).prepare(0).objective
    if variant == "baseline":
        assert isinstance(objective, LogLikelihood)
        return
    assert isinstance(objective, SemiSupervisedElbo)
    assert isinstance(objective.label_estimator, ScoreFunction if variant == "sampled" else Enumeration)
    recipe = FEATURES if variant == "m1m2" else PIXELS
    assert objective.classifier_weight == (0.0 if variant in ("sampled", "enumerated") else recipe.classifier_weight)
    assert objective.style_rate_weight == recipe.rate_weight


@pytest.mark.parametrize("variant", PYRO_VARIANTS)
def test_the_published_protocol_has_no_warp_no_noise_and_small_weights(sitting, variant):
    prepared = PublishedCell(sitting, variant, 20).prepare(0)
    objective = prepared.objective
    weights = torch.cat([parameter.detach().flatten() for parameter in objective.parameters()])
    assert abs(weights.std().item() / 1e-3 - 1) < 0.01 and abs(weights.mean().item()) < 1e-5
    kinds = {type(module).__name__ for module in objective.modules()}
    assert "Softplus" in kinds and not {"ReLU", "Noisy", "Warped", "Tanh"} & kinds
    assert prepared.optimizers.param_groups[0]["lr"] == 4.2e-4 and not prepared.schedulers
    if variant == "pyro-baseline":
        assert isinstance(objective, LogLikelihood)
        return
    assert isinstance(objective, OneKindSemiSupervisedElbo) and objective.style_rate_weight == 1
    assert isinstance(objective.label_estimator, ScoreFunction if variant == "pyro-sampled" else Enumeration)
    assert objective.classifier_weight == (46.0 if variant == "pyro-classifier-loss" else 0.0)


def test_cells_of_a_real_run_and_their_epochs(sitting, tmp_path):
    real = Sitting(Options((0,), False, False, (), tmp_path, tmp_path, tmp_path, own=sitting.options.own))
    cells = {cell.name: cell for cell in EXPERIMENT.cells(real)}
    assert len(cells) == len(VARIANTS) * len(LABELS)
    assert [cells[f"ssvae-baseline-{labels}"].epochs for labels in LABELS] == [2000, 333, 200, 66]
    assert BASELINE_STEPS == 2000
    assert {cells[f"ssvae-m1m2-{labels}"].epochs for labels in LABELS} == {FEATURES.epochs}
    assert [cell.name for cell in cells.values() if cell.ships] == ["ssvae-classifier-loss-600"]
