"""The exercises of lesson 06, the semi-supervised VAE.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities and bounds are in nats."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_06.compare_over_splits import SPLITS
from helpers.exercises.lesson_06.hidden_of_every_class import HIDDEN
from helpers.exercises.lesson_06.noise_of_a_guess import NOISE
from helpers.exercises.lesson_06.semi_supervised_objective import OBJECTIVE
from helpers.exercises.lesson_06.unlabelled_bound import UNLABELLED
from helpers.exercises.lesson_06.what_the_guess_costs import COST

EXERCISES: tuple[Exercise, ...] = (UNLABELLED, NOISE, HIDDEN, OBJECTIVE, COST, SPLITS)
