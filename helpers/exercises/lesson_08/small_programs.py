"""Programs that the exercises of lesson 08 run: they take `sample` as an argument, so that an answer can write its own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

Sample = Callable[..., Tensor]


def one_mean(sample: Sample, x: Tensor) -> Tensor:
    """A mean, and data around it."""
    z = sample("z", Normal(x.new_tensor(0.5), 2.0))
    sample("x", Normal(z, 0.7), obs=x)
    return 3 * z


def two_levels(sample: Sample, x: Tensor) -> Tensor:
    """A scale, a vector that depends on it, and data: distributions differ in every site."""
    a = sample("a", Normal(x.new_tensor(-1.0), 0.5))
    b = sample("b", Normal(a + x.new_tensor([0.0, 1.0, 2.0]), 1.5))
    c = sample("c", Normal(b.sum(), 0.3))
    sample("x", Independent(Normal(c * a, 1.1 + x * 0), 1), obs=x)
    return b + c


def branching(sample: Sample, x: Tensor) -> Tensor:
    """One choice decides how many more there are."""
    k = sample("k", Bernoulli(x.new_tensor(0.3)))
    loc = k
    if k.item() > 0.5:
        loc = loc + sample("extra", Normal(k - 2, 1.2)) * sample("factor", Normal(k, 0.4))
    sample("x", Normal(loc, 0.9), obs=x)
    return loc + 1


def counting(sample: Sample, x: Tensor) -> Tensor:
    """Trials until the first success: names are made at run time."""
    n = 0
    while n < 6 and sample(f"stop {n}", Bernoulli(x.new_tensor(0.4))).item() < 0.5:
        n += 1
    sample("x", Normal(x.new_tensor(float(n)), 1.3), obs=x)
    return x.new_tensor(float(n))


def twice_observed(sample: Sample, x: Tensor) -> Tensor:
    """Two observed sites: one before the latent one and one behind."""
    sample("before", Normal(x.new_tensor(1.0), 3.0), obs=x.mean())
    z = sample("z", Normal(x.mean(), 1.7))
    after = sample("after", Normal(2 * z, 0.8), obs=x)
    return z * z + after
