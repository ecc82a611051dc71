"""The leaves that an argument was computed from: what its gradients are taken with respect to."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def leaves_of(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The tensors with respect to which gradients on an argument are taken.

    An argument that is a leaf is its own. If a case computed it, as log-probabilities from logits, it is what it was computed from:
    two answers that differ only in how they treat log-probabilities that do not sum to one are then the same.

    Args:
        name: Name of the argument in sentences.
        tensor: The argument, which requires gradients.

    Yields:
        Name and leaf; the argument's own name if there is one leaf, else the name with a number.
    """
    found: list[Tensor] = []
    seen = set()
    waiting = [tensor.grad_fn] if tensor.grad_fn is not None else []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor):
            found.append(leaf)
        waiting += [parent for parent, _ in node.next_functions]
    found = found or [tensor]
    for number, leaf in enumerate(found):
        yield (name if len(found) == 1 else f"{name} ({number + 1})"), leaf
