"""Exercise 02.7: one step that trains both networks."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, random_greys
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.training_step_slips import SLIPS


def training_step(x, eps, encoder, decoder, learning_rate):
    """One step of gradient ascent on the ELBO, in nats per image, for the smallest VAE there is.

    Encoder: loc, raw = the halves of x @ encoder.T; scale = softplus(raw); z = loc + scale eps.
    Decoder: the pixels' logits are z @ decoder.T. ELBO: log p(x | z) - KL(q || N(0, I)), the KL in
    closed form; its mean over the batch is climbed. x: pixels in [0, 1], [batch, pixels]; eps:
    [batch, latent], encoder: [2 · latent, pixels], decoder: [pixels, latent]
    → the new encoder, the new decoder; the given ones stay as they are.
    """
    with torch.enable_grad():
        phi, theta = (weight.detach().clone().requires_grad_() for weight in (encoder, decoder))
        loc, raw = (x @ phi.T).chunk(2, dim=-1)
        scale = torch.nn.functional.softplus(raw)
        z = loc + scale * eps  # the gradient of phi passes through here
        logits = z @ theta.T
        distortion = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        rate = (0.5 * (scale**2 + loc**2 - 1) - scale.log()).sum(-1)
        loss = (distortion + rate).mean()
        for_phi, for_theta = torch.autograd.grad(loss, (phi, theta))
    return encoder - learning_rate * for_phi, decoder - learning_rate * for_theta


def _step_inputs(
    generator: Generator, batch: int, pixels: int, latent: int, learning_rate: float = 0.1, scale: float = 0.5
) -> dict[str, Tensor | float]:
    return {
        "x": random_greys(generator, batch, pixels),
        "eps": normal(generator, batch, latent),
        "encoder": normal(generator, 2 * latent, pixels, scale=scale),
        "decoder": normal(generator, pixels, latent, scale=scale),
        "learning_rate": learning_rate,
    }


def _step_with(
    distortion_weight=1.0,
    rate_weight=1.0,
    direction=-1.0,
    reduce=lambda terms: terms.mean(),
    cut=lambda z: z,
    of_scale=torch.nn.functional.softplus,
    rate=lambda loc, scale: 0.5 * (scale**2 + loc**2 - 1) - scale.log(),
    over_pixels=lambda terms: terms.sum(-1),
    noise=lambda eps: eps,
    sizes=(1.0, 1.0),
    halves=lambda made: made.chunk(2, dim=-1),
):
    """A wrong answer: the step with one of these parts changed."""

    def answer(x, eps, encoder, decoder, learning_rate):
        with torch.enable_grad():
            phi, theta = (weight.detach().clone().requires_grad_() for weight in (encoder, decoder))
            loc, raw = halves(x @ phi.T)
            scale = of_scale(raw)
            logits = cut(loc + scale * noise(eps)) @ theta.T
            distortion = over_pixels(torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none"))
            loss = reduce(distortion_weight * distortion + rate_weight * rate(loc, scale).sum(-1))
            found = torch.autograd.grad(loss, (phi, theta), allow_unused=True, materialize_grads=True)
        return tuple(
            weight.detach() + direction * learning_rate * size * gradient
            for weight, gradient, size in zip((encoder, decoder), found, sizes, strict=True)
        )

    return answer


def _decoder_first(x, eps, encoder, decoder, learning_rate):
    """A wrong answer: the encoder's gradient is taken at the new decoder."""
    _, after = training_step(x, eps, encoder, decoder, learning_rate)
    return training_step(x, eps, encoder, after, learning_rate)[0], after


def _encoder_first(x, eps, encoder, decoder, learning_rate):
    """A wrong answer: the decoder's gradient is taken at the new encoder."""
    after, _ = training_step(x, eps, encoder, decoder, learning_rate)
    return after, training_step(x, eps, after, decoder, learning_rate)[1]


TRAINING_STEP = Exercise(
    id="02.7",
    title="One step that trains both networks",
    minutes=15,
    difficulty=3,
    statement=r"Train the smallest VAE there is by one step of gradient ascent on the mean ELBO of a batch. Encoder: $\mu$ and a raw "
    r"scale, the halves "
    r"of `x @ encoder.T`; $\sigma = \mathrm{softplus}(\text{raw})$; $z = \mu + \sigma \odot \varepsilon$ with `eps` given. Decoder: logits "
    r"`z @ decoder.T`. ELBO: $\sum_d \log p(x_d \mid z)$ less the rate to $\mathcal N(0, I)$ in closed form, in nats per image. Both "
    r"gradients are taken at the given networks. Return the new encoder and the new decoder; leave the given ones as they are. Pixels "
    r"are greys: `binary_cross_entropy_with_logits` is minus their $\log p$. Copies with `.detach().clone().requires_grad_()`, a loss, its "
    r"gradient, a step.",
    solution=training_step,
    why="The loss sees the decoder once, and the encoder twice: in the rate, and through z in the distortion. One backward pass "
    "serves both networks. "
    "An optimiser does the last line for you, and `fit` the loop around it.",
    cases={
        "four images of six pixels, two latents": lambda g: _step_inputs(g, 4, 6, 2),
        "one image, one latent": lambda g: _step_inputs(g, 1, 5, 1),
        "all sizes alike": lambda g: _step_inputs(g, 3, 3, 3, learning_rate=0.03),
        "a large step": lambda g: _step_inputs(g, 5, 4, 2, learning_rate=2.0),
        "confident networks": lambda g: _step_inputs(g, 6, 8, 3, scale=2.0, learning_rate=1e-2),
        "more latents than pixels": lambda g: _step_inputs(g, 3, 2, 4),
    },
    dimensions={
        "x": ("batch", "pixels"),
        "eps": ("batch", "latent"),
        "encoder": ("2 latent", "pixels"),
        "decoder": ("pixels", "latent"),
        "return": (("2 latent", "pixels"), ("pixels", "latent")),
    },  # fmt: skip
    returns=("the new encoder", "the new decoder"),
    hints=(
        "Make copies that want a gradient. Then forwards: encoder, z, logits, loss = minus the mean ELBO. Then backwards, then the step.",
        "loss = mean over images of [Σ_d cross-entropy(logit_d, x_d) + Σ_k ½ (σ² + μ² − 1) − log σ];   new = old − learning rate · "
        "gradient of the loss.",
        "phi, theta = (weight.detach().clone().requires_grad_() for weight in (encoder, decoder))",
    ),
    misconceptions=(
        Misconception(
            "downhill on the bound",
            _step_with(direction=1.0),
            "Your step goes the wrong way: it lowers the ELBO. Climb the bound, or descend minus the bound.",
        ),
        Misconception(
            "z cut off",
            _step_with(cut=lambda z: z.detach()),
            "Your decoder is right. The encoder hears of the rate alone: z is detached, so the images teach it nothing.",
        ),
        Misconception(
            "no rate",
            _step_with(rate_weight=0.0),
            "Your decoder is right. The rate is missing from the loss: that trains a plain autoencoder with noise.",
        ),
        Misconception(
            "no distortion",
            _step_with(distortion_weight=0.0),
            "Your loss is the rate alone: the decoder does not move, and the encoder goes to the prior.",
        ),
        Misconception(
            "the rate added to the bound",
            _step_with(rate_weight=-1.0),
            "Your decoder is right. The rate has the wrong sign: the ELBO is log-likelihood *less* rate.",
        ),
        Misconception(
            "the sum over the batch",
            _step_with(reduce=lambda terms: terms.sum()),
            "You add the images up. The mean ELBO of the batch is asked: your step is as many times too long as there are images.",
        ),
        Misconception(
            "the mean over pixels",
            _step_with(over_pixels=lambda terms: terms.mean(-1)),
            "You average the distortion over pixels, and weigh the rate against a single pixel. Sum over pixels, average over images.",
        ),
        Misconception(
            "the decoder alone",
            _step_with(sizes=(0.0, 1.0)),
            "Your decoder is right, and your encoder has not moved: take its gradient too.",
        ),
        Misconception(
            "the encoder alone",
            _step_with(sizes=(1.0, 0.0)),
            "Your encoder is right, and your decoder has not moved: take its gradient too.",
        ),
        Misconception(
            "no noise",
            _step_with(noise=lambda eps: 0 * eps),
            "You decode the mean: `eps` is not used. z = μ + σ ε.",
        ),
        Misconception(
            "a log variance for the scale",
            _step_with(of_scale=lambda raw: (0.5 * raw).exp()),
            "You read the raw scale as a log variance. Here σ = softplus(raw).",
        ),
        Misconception(
            "the exponential for the scale",
            _step_with(of_scale=torch.exp),
            "You take σ = exp(raw). Here it is softplus(raw).",
        ),
        Misconception(
            "the log of the variance in the rate",
            _step_with(rate=lambda loc, scale: 0.5 * (scale**2 + loc**2 - 1) - 2 * scale.log()),
            "Your decoder is right. In the rate, log σ² comes with a factor ½: it is log σ, once.",
        ),
        Misconception(
            "the scale in place of the variance in the rate",
            _step_with(rate=lambda loc, scale: 0.5 * (scale + loc**2 - 1) - 0.5 * scale.log()),
            "Your decoder is right. In the rate you use σ where the variance σ² belongs.",
        ),
        Misconception(
            "twice the rate",
            _step_with(rate_weight=2.0),
            "Your decoder is right. The rate counts twice in your loss: Σ ½ (σ² + μ² − 1) − log σ, once.",
        ),
        Misconception(
            "scales first",
            _step_with(halves=lambda made: made.chunk(2, dim=-1)[::-1]),
            "You take the first half for the raw scales. The means come first.",
        ),
        Misconception(
            "the encoder at the new decoder",
            _decoder_first,
            "Your decoder is right. The encoder's gradient is taken after the decoder has moved: take both at the given networks, "
            "then step.",
        ),
        Misconception(
            "the decoder at the new encoder",
            _encoder_first,
            "Your encoder is right. The decoder's gradient is taken after the encoder has moved: take both at the given networks, "
            "then step.",
        ),
        Misconception(
            "half of the rate",
            _step_with(rate_weight=0.5),
            "Your decoder is right. The rate counts half in your loss: Σ ½ (σ² + μ² − 1) − log σ, once.",
        ),
        *SLIPS,
    ),
)
