"""Checks of what training and evaluation are called with, and the sentences they raise: "Got WHAT; expected WHAT. CAUSE." """

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset, IterableDataset

from helpers.data import Batches, SemiSupervisedBatches, SequenceBatches
from helpers.estimators import Estimate, GradientEstimator
from helpers.models import AmortizedGuide, DeepMarkovModel, LatentVariableModel, SequenceGuide

_OF_BATCHES = "expected an iterable of batches, such as Batches(images, batch_size=256)"


def named(value: object) -> str:
    """Name what was given, for a message: "the class Elbo", "a function", "a tensor of shape [3, 4]", "a Batches".

    Args:
        value: What was given.

    Returns:
        A few words, without its contents.
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"a function, {getattr(value, '__name__', 'without a name')},"
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)} and dtype {str(value.dtype).removeprefix('torch.')}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    size = f" of {len(value)}" if isinstance(value, list | tuple | dict) else ""
    return f"{article} {type(value).__name__}{size}"


def check_objective(objective: object) -> None:
    """Check that an objective is a module that can map a batch to an `Estimate`.

    Args:
        objective: What was given.

    Raises:
        ValueError: If it is a class, a function, a model, an estimator, batches, or anything else that is no objective.
    """
    expected = "expected an objective, a module that maps a batch to an Estimate, such as Elbo(model, guide)"
    if isinstance(objective, type):
        cause = "Usually the parentheses are missing: an instance is needed."
    elif isinstance(objective, LatentVariableModel | DeepMarkovModel | AmortizedGuide):
        cause = "Usually the model or the guide alone: an objective holds both."
    elif isinstance(objective, GradientEstimator):
        cause = "Usually the estimator alone: Elbo(model, guide, estimator) is an objective."
    elif isinstance(objective, nn.modules.loss._Loss):
        cause = (
            "A loss compares predictions with targets: write a module whose forward(batch) returns Estimate.of(-loss)."
        )
    elif isinstance(objective, nn.Module):
        return
    elif isinstance(objective, Optimizer | Batches | SequenceBatches | SemiSupervisedBatches | Tensor):
        cause = "Usually the arguments are in another order: the objective comes first, then the batches."
    elif callable(objective):
        cause = "Usually a loss: write a module whose forward(batch) returns Estimate.of(-loss), so that its parameters are found."
    else:
        cause = "Usually the arguments are in another order: the objective comes first."
    raise ValueError(f"Got {named(objective)} as objective; {expected}. {cause}")


def check_batches(batches: object, name: str, passes: int) -> None:
    """Check that batches can be iterated over, as often as they have to be.

    Args:
        batches: What was given.
        name: Name of the argument, for the message.
        passes: How often they are iterated over.

    Raises:
        ValueError: If it is a tensor, a data set, a generator for several passes, empty, or not iterable.
    """
    given = f"Got {named(batches)} as {name}"
    if isinstance(batches, type):
        raise ValueError(f"{given}; {_OF_BATCHES}. Usually the parentheses are missing: an instance is needed.")
    if hasattr(batches, "__array__"):
        raise ValueError(
            f"{given}; {_OF_BATCHES}. Iterating over a tensor or an array gives single items, not batches."
        )
    if isinstance(batches, Dataset) and not isinstance(batches, IterableDataset):
        raise ValueError(f"{given}; {_OF_BATCHES}. Usually a data set of single items: DataLoader(...) makes batches.")
    if isinstance(batches, nn.Module):
        raise ValueError(
            f"{given}; {_OF_BATCHES}. Usually the arguments are in another order: objective, then batches."
        )
    if isinstance(batches, str | bytes | dict) or not (
        isinstance(batches, Iterable) or hasattr(batches, "__getitem__")
    ):
        raise ValueError(
            f"{given}; {_OF_BATCHES}. Usually a data set: make batches of the tensors inside, such as data.train.images."
        )
    if isinstance(batches, Iterator) and passes > 1:
        raise ValueError(
            f"{given}, which can be used only once, for {passes} epochs; {_OF_BATCHES}. There is no batch left after the first "
            "epoch: keep the batches in a list, or write a class with __iter__."
        )
    if isinstance(batches, Sized) and len(batches) == 0:
        raise ValueError(f"{given}, which holds no batch; {_OF_BATCHES}. Usually a selection that matched nothing.")


def check_module(module: object, kind: type[nn.Module], name: str, example: str) -> None:
    """Check that an argument is an instance of a kind of module.

    Args:
        module: What was given.
        kind: Class that is expected.
        name: Name of the argument, for the message.
        example: How such a module is made.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(module, kind):
        return
    cause = "Usually the arguments are in another order."
    if isinstance(module, type):
        cause = "Usually the parentheses are missing: an instance is needed."
    elif isinstance(module, nn.Module) and hasattr(module, name):
        cause = f"Usually an objective or a model that holds it: give its .{name}."
    elif inspect.isroutine(module):
        cause = "Usually a function: a module is needed, which has an evaluation mode."
    raise ValueError(f"Got {named(module)} as {name}; expected {example}. {cause}")


def check_guide(guide: object) -> None:
    """Check that a guide is a module, and neither an objective nor a model.

    Args:
        guide: What was given.

    Raises:
        ValueError: If it is anything else.
    """
    example = "a module x → q(z | x), such as AmortizedGuide(conditional)"
    if isinstance(guide, LatentVariableModel | DeepMarkovModel):
        raise ValueError(
            f"Got {named(guide)} as guide; expected {example}. Usually the arguments are in another order: the model comes first."
        )
    if isinstance(guide, nn.Module) and hasattr(guide, "guide") and hasattr(guide, "model"):
        raise ValueError(f"Got {named(guide)} as guide; expected {example}. Usually an objective: give its .guide.")
    check_module(guide, nn.Module, "guide", example)


def check_tensor(value: object, name: str, shape: str, least: int = 1) -> None:
    """Check that an argument is a tensor of at least `least` items.

    Args:
        value: What was given.
        name: Name of the argument, for the message.
        shape: Shape that is expected, such as "[images, *outcome]".
        least: Smallest number of items.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(value, Tensor):
        cause = "Usually a data set or batches: give the tensor inside, such as data.test.images."
        if hasattr(value, "__array__") or isinstance(value, list):
            cause = "Usually an array or a list: torch.as_tensor(...) converts."
        raise ValueError(f"Got {named(value)} as {name}; expected a tensor {shape}. {cause}")
    if value.dim() == 0 or len(value) < least:
        raise ValueError(
            f"Got {named(value)} as {name}; expected {shape} with {least} or more of them. Usually a selection that matched nothing."
        )


def check_sequence_arguments(model: object, guide: object, x: object, lengths: object) -> None:
    """Check the arguments that every measurement of a deep Markov model takes.

    Args:
        model: p(x, z).
        guide: q(z | x).
        x: Sequences.
        lengths: Time steps of each.

    Raises:
        ValueError: If one is of another kind.
    """
    check_module(model, DeepMarkovModel, "model", "a DeepMarkovModel, as from deep_markov_model(...)")
    if not (isinstance(guide, nn.Module) and hasattr(guide, "features")):  # somebody's own guide need not inherit
        check_module(guide, SequenceGuide, "guide", "a guide of sequences, as from deep_markov_model(...)")
    check_tensor(x, "x", "[sequences, num_steps, *outcome]")
    check_tensor(lengths, "lengths", "int64 [sequences]")


def called(objective: nn.Module, batch: Any) -> Estimate:
    """Call an objective, and check what it returns.

    Args:
        objective: Module that maps a batch to an `Estimate`.
        batch: Batch.

    Returns:
        The estimate.

    Raises:
        ValueError: If it returns no `Estimate`, or if it fails and the batch has another dtype or device than its parameters.
    """
    with explained(objective, batch):
        estimate = objective(batch)
    if isinstance(estimate, Estimate):
        return estimate
    cause = "Usually a loss or a bound as a tensor: return Estimate.of(bound), one value per item."
    if estimate is None:
        cause = "Usually forward has no return statement."
    raise ValueError(f"Got {named(estimate)} from {type(objective).__name__}; expected an Estimate. {cause}")


@contextmanager
def explained(module: nn.Module, batch: Any) -> Iterator[None]:
    """Context manager: explain a failed call if the batch has another dtype or device than the module's parameters, the usual cause.

    Args:
        module: Module that is called.
        batch: What it is called with, a tensor or a tuple of tensors.

    Yields:
        None.

    Raises:
        ValueError: If torch raises a RuntimeError inside, and dtype or device differ.
    """
    try:
        yield
    except RuntimeError as error:
        _explain_mismatch(module, batch, error)
        raise


def _explain_mismatch(module: nn.Module, batch: Any, error: RuntimeError) -> None:
    parameter = next((p for p in module.parameters() if p.is_floating_point()), None)
    tensors = [batch] if isinstance(batch, Tensor) else list(batch) if isinstance(batch, list | tuple) else []
    for tensor in tensors:
        if parameter is None or not isinstance(tensor, Tensor):
            continue
        own = f"{str(parameter.dtype).removeprefix('torch.')} on {parameter.device}"
        given = f"Got {named(tensor)} on {tensor.device} for parameters of {own}"
        if tensor.device != parameter.device:
            raise ValueError(
                f"{given}; expected one device. Usually the model was moved and the data was not: images.to(device) moves them."
            ) from error
        if tensor.is_floating_point() and tensor.dtype != parameter.dtype and not torch.is_autocast_enabled():
            raise ValueError(
                f"{given}; expected one dtype. Usually data of half or double precision: images.float() converts them."
            ) from error
