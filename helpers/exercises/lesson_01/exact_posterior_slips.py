"""Further wrong answers to exercise 01.3: noise or the identity in the wrong place, other matrices, other means."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _right(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1]).to(weight) + weight.T @ weight / noise**2
    return torch.linalg.solve(precision, ((x - bias) @ weight / noise**2).T).T, precision


def _solved(precision, pull):
    """A wrong answer: the mean that solves precision @ mean = pull, functions of I, WᵀW, noise, and of Wᵀ(x − b), noise."""

    def answer(x, weight, bias, noise):
        matrix = precision(torch.eye(weight.shape[1]).to(weight), weight.T @ weight, noise)
        return torch.linalg.solve(matrix, pull((x - bias) @ weight, noise).T).T, matrix

    return answer


def _with_matrix(matrix):
    """A wrong answer with the right mean and this matrix, a function of the precision, weight and noise."""

    def answer(x, weight, bias, noise):
        loc, precision = _right(x, weight, bias, noise)
        return loc, matrix(precision, weight, noise)

    return answer


def _with_mean(mean):
    """A wrong answer with the right precision and this mean, a function of the precision and of its right-hand side, [batch, "
    "latent]."""

    def answer(x, weight, bias, noise):
        _, precision = _right(x, weight, bias, noise)
        return mean(precision, (x - bias) @ weight / noise**2), precision

    return answer


SLIPS = (
    Misconception(
        "a precision for every row",
        lambda x, weight, bias, noise: (
            _right(x, weight, bias, noise)[0],
            _right(x, weight, bias, noise)[1].repeat(len(x), 1, 1),
        ),
        "Both results are right, but you repeat the precision for every row of x, [batch, latent, latent]. All rows share "
        "one: return "
        "it once, [latent, latent].",
    ),
    Misconception(
        "weight times its transpose",
        _with_matrix(lambda precision, weight, noise: torch.eye(len(weight)).to(weight) + weight @ weight.T / noise**2),
        "Your mean is right. Your matrix has W Wᵀ, which is [observed, observed]. The precision of z is I + WᵀW / σ², "
        "[latent, latent].",
    ),
    Misconception(
        "the identity divided too",
        _solved(lambda eye, square, noise: (eye + square) / noise**2, lambda pull, noise: pull / noise**2),
        "You divide the identity by noise² as well. The prior's precision is I, whatever the noise: only WᵀW is divided.",
    ),
    Misconception(
        "multiplies by noise squared",
        _solved(lambda eye, square, noise: eye + square * noise**2, lambda pull, noise: pull * noise**2),
        "You multiply by noise², where the formulas divide: the more noise, the less x says about z.",
    ),
    Misconception(
        "noise left out of the precision",
        _solved(lambda eye, square, noise: eye + square, lambda pull, noise: pull / noise**2),
        "WᵀW is not divided by noise² in your precision: the likelihood's part is WᵀW / σ².",
    ),
    Misconception(
        "noise left out",
        _solved(lambda eye, square, noise: eye + square + 0 * noise, lambda pull, noise: pull),
        "Your answer does not use noise, as if it were 1. Divide WᵀW and Wᵀ(x − b) by noise².",
    ),
    Misconception(
        "precision times the noise's variance",
        _with_matrix(lambda precision, weight, noise: precision * noise**2),
        "Your mean is right. Your matrix is σ² I + WᵀW, the precision times noise². Divide it by noise².",
    ),
    Misconception(
        "multiplies in place of solving",
        _with_mean(lambda precision, pull: pull @ precision),
        "Your precision is right. For the mean you multiply Wᵀ(x − b) / σ² by the precision; multiply by its inverse, that "
        "is, solve.",
    ),
    Misconception(
        "right-hand sides as rows",
        _with_mean(lambda precision, pull: torch.linalg.solve(precision, pull)),
        "`torch.linalg.solve` takes its right-hand sides as columns, [latent, batch]. Transpose before and after: "
        "`solve(precision, pull.T).T`.",
    ),
    Misconception(
        "least squares for the mean",
        _with_mean(
            lambda precision, pull: (
                pull @ torch.linalg.pinv(precision - torch.eye(len(precision)).to(precision), hermitian=True)
            )
        ),
        "Your precision is right. Your mean is the least-squares fit, which leaves the prior out: solve with your precision, "
        "the identity included.",
    ),
    Misconception(
        "the diagonal alone",
        _with_matrix(lambda precision, weight, noise: precision.diagonal().diag_embed()),
        "Your mean is right. Your matrix has only the precision's diagonal. The latents depend on each other given x: keep "
        "the rest.",
    ),
    Misconception(
        "the diagonal as a vector",
        _with_matrix(lambda precision, weight, noise: precision.diagonal().clone()),
        "Your mean is right. You return the precision's diagonal; return the whole matrix, [latent, latent].",
    ),
    Misconception(
        "ones for the identity",
        _solved(lambda eye, square, noise: 1 + square / noise**2, lambda pull, noise: pull / noise**2),
        "You add 1 to every entry of WᵀW / σ². The prior adds the identity, 1 on the diagonal alone: `torch.eye`.",
    ),
    Misconception(
        "noise not squared in the mean",
        lambda x, weight, bias, noise: (
            _right(x, weight, bias, noise)[0] * noise,
            _right(x, weight, bias, noise)[1],
        ),
        "Your precision is right. In the mean you divide Wᵀ(x − b) by noise; divide it by noise².",
    ),
    Misconception(
        "bias added",
        lambda x, weight, bias, noise: _right(x, weight, -bias, noise),
        "You use x + bias. z explains how x differs from the bias: x − bias.",
    ),
    Misconception(
        "the Cholesky factor",
        _with_matrix(lambda precision, weight, noise: torch.linalg.cholesky(precision)),
        "Your mean is right. Your matrix is the Cholesky factor L of the precision L Lᵀ; return the precision.",
    ),
)
