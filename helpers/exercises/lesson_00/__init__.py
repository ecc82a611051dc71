"""The exercise of lesson 00, to practise on: the log-likelihood of images, one number per image."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_00.log_prob_of_images import LOG_PROB

EXERCISES: tuple[Exercise, ...] = (LOG_PROB,)
