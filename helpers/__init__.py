"""Distributions, models, gradient estimators and training loops behind the lessons.

Import what you need from the rooms: `helpers.data`, `helpers.distributions`, `helpers.estimators`, `helpers.models`,
`helpers.training`, `helpers.evaluation`, `helpers.plots`. Importing `helpers` alone loads none of them, so it stays light.
"""

__version__ = "0.1.0"
