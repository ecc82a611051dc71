"""The exercises of lesson 01, amortized inference.

Beside what they are given, the solutions use `math`, `torch` and `Normal` of `torch.distributions`, all imported by the lesson."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_01.elbo_estimate import ELBO
from helpers.exercises.lesson_01.exact_posterior import EXACT_POSTERIOR
from helpers.exercises.lesson_01.gaps import GAPS
from helpers.exercises.lesson_01.kl_to_standard_normal import KL
from helpers.exercises.lesson_01.whole_from_minibatch import MINIBATCH

EXERCISES: tuple[Exercise, ...] = (KL, MINIBATCH, EXACT_POSTERIOR, ELBO, GAPS)
