"""Training: `fit`, its history and checkpoints, weights on disk, schedules, initialisation."""

from helpers.training.averages import average_terms
from helpers.training.checkpoint import load_checkpoint
from helpers.training.fitting import fit
from helpers.training.history import History, NonFiniteError, Record
from helpers.training.initialisation import initialise, initialise_layers
from helpers.training.schedule import LinearWeight, Scheduler, up_then_down
from helpers.training.step import Step
from helpers.training.weights import (
    check_state_dict,
    load_half_precision,
    load_weights,
    save_half_precision,
    save_weights,
)

__all__ = [
    "History",
    "LinearWeight",
    "NonFiniteError",
    "Record",
    "Scheduler",
    "Step",
    "average_terms",
    "check_state_dict",
    "fit",
    "initialise",
    "initialise_layers",
    "load_checkpoint",
    "load_half_precision",
    "load_weights",
    "save_half_precision",
    "save_weights",
    "up_then_down",
]
