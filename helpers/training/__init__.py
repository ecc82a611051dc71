"""Training: `fit`, its history and checkpoints, weights on disk, schedules, initialisation."""

from helpers.training.averages import score
from helpers.training.checkpoint import load_checkpoint
from helpers.training.fitting import fit
from helpers.training.history import History, NonFiniteError, Record
from helpers.training.initialisation import initialise, initialise_layers
from helpers.training.schedule import LinearWeight, up_then_down
from helpers.training.weights import check_fit, load_weights, save_weights

__all__ = [
    "History",
    "LinearWeight",
    "NonFiniteError",
    "Record",
    "check_fit",
    "fit",
    "initialise",
    "initialise_layers",
    "load_checkpoint",
    "load_weights",
    "save_weights",
    "score",
    "up_then_down",
]
