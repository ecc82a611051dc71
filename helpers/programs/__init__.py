"""Models as programs: a language of five words, handlers that give it meaning, and engines that infer."""

from helpers.programs.elbo import ProgramElbo
from helpers.programs.enumeration import Executions, enumerate_executions
from helpers.programs.handlers import block, condition, do, replay, trace, uncondition
from helpers.programs.importance import WeightedTraces, importance_sampling
from helpers.programs.metropolis import SingleSiteMetropolis
from helpers.programs.modifiers import mask, scale, scope, seed
from helpers.programs.parameters import Parameters
from helpers.programs.particle_filter import particle_filtering
from helpers.programs.plates import plate
from helpers.programs.prediction import predict, stacked
from helpers.programs.primitives import factor, module, param, sample
from helpers.programs.rewards import downstream_cost, every_cost
from helpers.programs.traces import Trace

__all__ = [
    "Executions",
    "Parameters",
    "ProgramElbo",
    "SingleSiteMetropolis",
    "Trace",
    "WeightedTraces",
    "block",
    "condition",
    "do",
    "downstream_cost",
    "enumerate_executions",
    "every_cost",
    "factor",
    "importance_sampling",
    "mask",
    "module",
    "param",
    "particle_filtering",
    "plate",
    "predict",
    "replay",
    "sample",
    "scale",
    "scope",
    "seed",
    "stacked",
    "trace",
    "uncondition",
]
