"""The exercises of lesson 07, the deep Markov model.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities and bounds are in nats."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_07.bound_per_step import PER_STEP
from helpers.exercises.lesson_07.forward_log_marginal import FORWARD
from helpers.exercises.lesson_07.gated_mean import GATED
from helpers.exercises.lesson_07.importance_sampled import IMPORTANCE
from helpers.exercises.lesson_07.particle_step import PARTICLES
from helpers.exercises.lesson_07.reverse_each import REVERSED

EXERCISES: tuple[Exercise, ...] = (GATED, PER_STEP, REVERSED, IMPORTANCE, PARTICLES, FORWARD)
