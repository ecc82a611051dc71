"""Data sets as resident tensors, batches of them, and the only door to torchvision."""

from helpers.data.audio import audio_to_wav, roll_to_audio
from helpers.data.batches import Batches, binarise_by_threshold, binarise_dynamically
from helpers.data.chorales import ChoraleData, Chorales, load_chorales, rolls_from_pitches
from helpers.data.harmony import HarmonyModel, HarmonySample
from helpers.data.images import load_images
from helpers.data.labels import split_labelled
from helpers.data.midi import midi_to_roll, roll_to_midi
from helpers.data.semi_supervised import SemiSupervisedBatch, SemiSupervisedBatches
from helpers.data.sequences import SequenceBatch, SequenceBatches, check_sequences
from helpers.data.vision_door import import_torchvision

__all__ = [
    "Batches",
    "ChoraleData",
    "Chorales",
    "HarmonyModel",
    "HarmonySample",
    "SemiSupervisedBatch",
    "SemiSupervisedBatches",
    "SequenceBatch",
    "SequenceBatches",
    "audio_to_wav",
    "binarise_by_threshold",
    "binarise_dynamically",
    "check_sequences",
    "import_torchvision",
    "load_chorales",
    "load_images",
    "midi_to_roll",
    "roll_to_audio",
    "roll_to_midi",
    "rolls_from_pitches",
    "split_labelled",
]
