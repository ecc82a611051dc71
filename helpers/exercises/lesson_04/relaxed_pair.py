"""Exercise 04.7: two noises behind one bit."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf, uniform
from helpers.exercises.exercise import Exercise, Misconception


def relaxed_pair(logits, u, v):
    """z, whose sign is the bit b, and z', drawn anew given b: REBAR asks its control variate at both.

    z = logit + log u - log(1 - u), b = 1[z > 0]. z' is the same function of v', where v' is v
    squeezed into the part of (0, 1) in which u makes this b. logits: [batch, bits];
    u, v: uniform draws in (0, 1), [samples, batch, bits]
    → z, z', with their gradients on the logits: [samples, batch, bits] each.
    """
    z = logits + u.log() - (-u).log1p()
    above = (
        torch.nn.functional.softplus(logits + v.log()) - (-v).log1p()
    )  # z' where b = 1: log(1 + v e^logit) - log(1 - v)
    below = v.log() - torch.nn.functional.softplus((-v).log1p() - logits)  # z' where b = 0
    return z, torch.where(z > 0, above, below)


def _noise(
    generator: Generator, samples: int, batch: int, bits: int, scale: float = 1.5, loc: float = 0.0
) -> dict[str, Tensor]:
    return {
        "logits": normal_leaf(generator, batch, bits, scale=scale, loc=loc),
        "u": 0.001 + 0.998 * uniform(generator, samples, batch, bits),
        "v": 0.001 + 0.998 * uniform(generator, samples, batch, bits),
    }


def _both(u, v):
    return u.log() - (-u).log1p(), v.log() - (-v).log1p()


def _squeezed(p, b, v):
    """v squeezed into the part of (0, 1) above 1 - p where b = 1, below it where b = 0."""
    return torch.where(b, (1 - p) + p * v, (1 - p) * v)


def _logit(v):
    return v.log() - (-v).log1p()


def _with_squeezed(squeeze, noise=_logit):
    """A wrong answer: z is right, z' is made of squeeze(p, b, v)."""

    def answer(logits, u, v):
        z = logits + _logit(u)
        return z, logits + noise(squeeze(logits.sigmoid(), z > 0, v))

    return answer


RELAXED_PAIR = Exercise(
    id="04.7",
    title="Two noises behind one bit",
    minutes=10,
    difficulty=3,
    statement=r"A bit is the sign of logistic noise: $z = \phi + \log u - \log(1 - u)$ with $u$ uniform on $(0, 1)$, and $b = 1[z > 0]$, "
    r"which is the same as $u > 1 - p$, where $p = \mathrm{sigmoid}(\phi)$. Draw a second $z'$ *given* $b$ from $v$: squeeze $v$ into the "
    r"part of "
    r"$(0, 1)$ in which $u$ makes this $b$, $v' = (1 - p) + p\,v$ if $b = 1$ and $v' = (1 - p)\,v$ if $b = 0$, and put $v'$ in place "
    r"of $u$. "
    r"Return $z$ and $z'$. Gradients on the logits must flow through both, also through $p$.",
    solution=relaxed_pair,
    why="z and z' have the same law given b, so E[c(z)] = E[c(z')]: REBAR may add one and take the other away. Their slopes on φ differ, "
    "since the "
    "cut at 1 − p moves with φ. The solution has p and v' worked out, so that nothing cancels where a bit is all but decided.",
    cases={
        "three samples of two, four bits": lambda g: _noise(g, 3, 2, 4),
        "one sample, one datum, one bit": lambda g: _noise(g, 1, 1, 1),
        "bits that are nearly always 1": lambda g: _noise(g, 4, 3, 2, scale=0.5, loc=4.0),
        "bits that are nearly always 0": lambda g: _noise(g, 4, 3, 2, scale=0.5, loc=-4.0),
        "all sizes alike": lambda g: _noise(g, 3, 3, 3, scale=3.0),
        "fair coins": lambda g: {
            **_noise(g, 5, 1, 3),
            "logits": torch.zeros(1, 3, dtype=torch.float64, requires_grad=True),
        },
        "two hundred bits": lambda g: _noise(g, 2, 2, 200),
    },
    dimensions={
        "logits": ("batch", "bits"),
        "u": ("samples", "batch", "bits"),
        "v": ("samples", "batch", "bits"),
        "return": (("samples", "batch", "bits"), ("samples", "batch", "bits")),
    },  # fmt: skip
    returns=("z", "z'"),
    hints=(
        "z first: a logit plus the logit of u. Then b from its sign. Where must a uniform number lie to make this b again?",
        "v' = (1 − p) + p v where b = 1, (1 − p) v where b = 0;   z' = φ + log v' − log(1 − v').",
        "p = logits.sigmoid();   z = logits + torch.logit(u);   then `torch.where(z > 0, ..., ...)` for v'.",
    ),
    misconceptions=(
        Misconception(
            "drawn without regard to the bit",
            lambda logits, u, v: (logits + _logit(u), logits + _logit(v)),
            "Your z is right. Your z' is a fresh draw of the same noise: it may have the other sign. Squeeze v into the part of (0, 1) "
            "that makes this b.",
        ),
        Misconception(
            "the parts exchanged",
            _with_squeezed(lambda p, b, v: torch.where(b, p * v, p + (1 - p) * v)),
            "Your z is right. Your z' is squeezed below p where b = 1. The bit is 1 where u lies above 1 − p.",
        ),
        Misconception(
            "the parts of the other bit",
            _with_squeezed(lambda p, b, v: _squeezed(p, ~b, v)),
            "Your z is right, and z' is what the *other* bit would give: it has the opposite sign. Where b = 1, v goes above 1 − p.",
        ),
        Misconception(
            "cut at p",
            _with_squeezed(lambda p, b, v: torch.where(b, p + (1 - p) * v, p * v)),
            "Your z is right. You cut (0, 1) at p; the bit is 1 where u > 1 − p, so the cut is at 1 − p.",
        ),
        Misconception(
            "the cut held fixed",
            _with_squeezed(lambda p, b, v: _squeezed(p.detach(), b, v)),
            "The values are right, and the gradient through p is missing: the cut at 1 − p moves with the logit, and z' with it. That "
            "is what makes the three terms with c vanish on average.",
        ),
        Misconception(
            "the second noise detached",
            lambda logits, u, v: (relaxed_pair(logits, u, v)[0], relaxed_pair(logits, u, v)[1].detach()),
            "The values are right, and z' has no gradient: REBAR differentiates its control variate there too.",
        ),
        Misconception(
            "the first noise detached",
            lambda logits, u, v: (relaxed_pair(logits, u, v)[0].detach(), relaxed_pair(logits, u, v)[1]),
            "The values are right, and z has no gradient. Detach nothing: the bit is a comparison, which has none anyway.",
        ),
        Misconception(
            "no logit in the second",
            lambda logits, u, v: (
                logits + _logit(u),
                _logit(_squeezed(logits.sigmoid(), logits + _logit(u) > 0, v)),
            ),
            "Your z is right. Your z' is the noise alone: add the logit, as in z.",
        ),
        Misconception(
            "no logit in the first",
            lambda logits, u, v: (_logit(u), relaxed_pair(logits, u, v)[1]),
            "Your z is the noise alone. Add the logit: the bit is 1 with probability sigmoid(logit).",
        ),
        Misconception(
            "the noise upside down",
            lambda logits, u, v: (logits - _logit(u), logits - _logit(v)),
            "You subtract the logit of the uniform number. It is log u − log(1 − u), added.",
        ),
        Misconception(
            "relaxed bits",
            lambda logits, u, v: tuple(value.sigmoid() for value in relaxed_pair(logits, u, v)),
            "You return sigmoid(z) and sigmoid(z'), the relaxed bits at temperature 1. Asked are z and z' themselves.",
        ),
        Misconception(
            "the bits",
            lambda logits, u, v: tuple((value > 0).to(u) for value in relaxed_pair(logits, u, v)),
            "You return the bits. Asked are the noisy logits behind them, z and z'.",
        ),
        Misconception(
            "the same noise twice",
            lambda logits, u, v: (logits + _logit(u), logits + _logit(u)),
            "Your z' is z again. It is drawn anew, from v: without that its terms take nothing away.",
        ),
        Misconception(
            "b from v",
            lambda logits, u, v: (
                logits + _logit(u),
                logits + _logit(_squeezed(logits.sigmoid(), logits + _logit(v) > 0, v)),
            ),
            "Your z is right. In z' the bit is that of v; it must be that of z, so that both have the same sign.",
        ),
        Misconception(
            "b by the other end",
            lambda logits, u, v: (
                logits + _logit(u),
                logits + _logit(_squeezed(logits.sigmoid(), u > logits.sigmoid(), v)),
            ),
            "Your z is right. For z' you take b = 1[u > p]; it must be the bit of z, which is 1 where u > 1 − p.",
        ),
        Misconception(
            "b from a fair coin",
            lambda logits, u, v: (
                logits + _logit(u),
                logits + _logit(_squeezed(logits.sigmoid(), u > 0.5, v)),
            ),
            "Your z is right. For z' you take b = 1[u > ½]: the bit is 1 where u > 1 − p, with probability p.",
        ),
        Misconception(
            "the result squeezed, not the noise",
            lambda logits, u, v: (
                logits + _logit(u),
                torch.where(logits + _logit(u) > 0, (logits + _logit(v)).abs(), -(logits + _logit(v)).abs()),
            ),
            "Your z is right. You give a fresh draw the sign of z. That has the sign, and not the law, of z given b: squeeze v before "
            "the logit.",
        ),
    ),
)
