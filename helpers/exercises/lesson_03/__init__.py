"""The exercises of lesson 03, NVIL and control variates.

Beside what they are given, the solutions use `torch` and `Bernoulli` of `torch.distributions`; the lesson imports both."""

from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_03.categorical_posterior import CATEGORICAL_POSTERIOR
from helpers.exercises.lesson_03.centre_by_past import CENTRE
from helpers.exercises.lesson_03.downstream_rewards import DOWNSTREAM
from helpers.exercises.lesson_03.learned_baseline_losses import LEARNED_BASELINE
from helpers.exercises.lesson_03.optimal_baseline import OPTIMAL_BASELINE
from helpers.exercises.lesson_03.score_function_surrogate import SURROGATE

EXERCISES: tuple[Exercise, ...] = (
    CATEGORICAL_POSTERIOR,
    SURROGATE,
    OPTIMAL_BASELINE,
    CENTRE,
    LEARNED_BASELINE,
    DOWNSTREAM,
)
