"""Data sets as resident tensors, batches of them, and the only import of torchvision."""

from helpers.data.batches import Batches, binarise_by_threshold, binarise_dynamically
from helpers.data.download.torchvision_import import import_torchvision
from helpers.data.images import load_images
from helpers.data.labels import split_labelled
from helpers.data.music.audio import audio_to_wav, roll_to_audio
from helpers.data.music.chorales import ChoraleData, Chorales, load_chorales, rolls_from_pitches
from helpers.data.music.harmony import HarmonyModel, HarmonySample
from helpers.data.music.midi import midi_to_roll, roll_to_midi
from helpers.data.one_kind import OneKindBatches
from helpers.data.semi_supervised import SemiSupervisedBatch, SemiSupervisedBatches
from helpers.data.sequences import SequenceBatch, SequenceBatches, check_sequences

__all__ = [
    "Batches",
    "ChoraleData",
    "Chorales",
    "HarmonyModel",
    "HarmonySample",
    "OneKindBatches",
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
