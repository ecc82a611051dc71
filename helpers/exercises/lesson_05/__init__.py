"""The exercises of lesson 05, richer priors and posteriors.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities are in nats."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_05.affine_coupling import COUPLING
from helpers.exercises.lesson_05.free_bits_rate import FREE_BITS
from helpers.exercises.lesson_05.log_normaliser import LOG_NORMALISER
from helpers.exercises.lesson_05.mixture_surrogate import MIXTURE
from helpers.exercises.lesson_05.split_rate import SPLIT_RATE
from helpers.exercises.lesson_05.vamp_log_prob import VAMP

EXERCISES: tuple[Exercise, ...] = (LOG_NORMALISER, SPLIT_RATE, FREE_BITS, VAMP, MIXTURE, COUPLING)
