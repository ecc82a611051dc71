"""The exercises of lesson 02, the variational autoencoder.

Beside what they are given, the solutions use `math`, `torch`, `nn` of `torch` and `Normal` of `torch.distributions`; the lesson imports
these four. Images are [..., channels, height, width]; where greys are allowed they lie in [0, 1], both ends included."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_02.floor_and_excess import FLOOR
from helpers.exercises.lesson_02.gaussian_head import GAUSSIAN_HEAD
from helpers.exercises.lesson_02.log_aggregate import LOG_AGGREGATE
from helpers.exercises.lesson_02.log_joint import LOG_JOINT
from helpers.exercises.lesson_02.rate import RATE
from helpers.exercises.lesson_02.sample_and_rate import SAMPLE_AND_RATE
from helpers.exercises.lesson_02.training_step import TRAINING_STEP

EXERCISES: tuple[Exercise, ...] = (LOG_JOINT, SAMPLE_AND_RATE, RATE, LOG_AGGREGATE, FLOOR, GAUSSIAN_HEAD, TRAINING_STEP)
