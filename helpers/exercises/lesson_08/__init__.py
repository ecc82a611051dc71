"""The exercises of lesson 08, models as programs.

Programs take `sample` as an argument, so that an answer can write its own; sites are named by strings. Beside what they are given, the
solutions use `torch` and `math`; the lesson imports both. Log-probabilities and weights are in nats."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_08.acceptance import ACCEPTANCE
from helpers.exercises.lesson_08.importance_weight import IMPORTANCE_WEIGHT
from helpers.exercises.lesson_08.log_prior_and_likelihood import LOG_JOINT
from helpers.exercises.lesson_08.plate_scale import PLATE_SCALE
from helpers.exercises.lesson_08.replayed import REPLAYED
from helpers.exercises.lesson_08.surrogate_of_traces import SURROGATE

EXERCISES: tuple[Exercise, ...] = (LOG_JOINT, REPLAYED, SURROGATE, PLATE_SCALE, IMPORTANCE_WEIGHT, ACCEPTANCE)
