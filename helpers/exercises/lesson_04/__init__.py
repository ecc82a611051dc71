"""The exercises of lesson 04, the estimator laboratory.

Beside what they are given, the solutions use `torch`; the lesson imports it. f is what an estimator scores, in nats where it is a
log weight; bits are 0 and 1, and 1 with probability sigmoid(logit)."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_04.disarm_gradient import DISARM
from helpers.exercises.lesson_04.gaussian_variances import GAUSSIAN
from helpers.exercises.lesson_04.leave_one_out_surrogate import LEAVE_ONE_OUT
from helpers.exercises.lesson_04.local_gradient import LOCAL
from helpers.exercises.lesson_04.relaxed_pair import RELAXED_PAIR
from helpers.exercises.lesson_04.straight_through_bias import STRAIGHT_THROUGH
from helpers.exercises.lesson_04.vimco_signals import VIMCO

EXERCISES: tuple[Exercise, ...] = (LEAVE_ONE_OUT, VIMCO, DISARM, LOCAL, STRAIGHT_THROUGH, GAUSSIAN, RELAXED_PAIR)
