"""Plates: independent members of a data set, all of them or a subsample."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from helpers.estimators.draws import draw_uniform
from helpers.programs.site import Frame, Site, described, place_of_caller
from helpers.programs.stack import Handler, handlers, send, without


class plate(Handler):
    """N members that are independent given what is outside, and of which B may stand for all.

        with plate("data", N, subsample_size=B) as index: ...   sites have a batch dimension of size B
        for i in plate("data", N): ...                          one member after the other

    The log-probability of each site inside counts N/B times, so that a subsample's is an unbiased estimate of the whole's. A site
    inside `with` whose distribution has no such dimension is expanded to it: its members are drawn independently.

    Args:
        name: Name of the plate. Model and guide that use one name take the same members.
        size: Number of members, N.
        subsample_size: Number of members at hand, B. None: all, or as many as `subsample` has.
        subsample: Which members, integers [B]. None: B drawn without replacement.
        dim: Batch dimension of the members, below 0. None: the rightmost one that no plate around this one has.

    Raises:
        ValueError: If a size or the dimension is impossible, when a dimension is taken, or when a site's batch shape disagrees.
    """

    def __init__(
        self,
        name: str,
        size: int,
        subsample_size: int | None = None,
        *,
        subsample: Tensor | None = None,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.size, self.subsample = name, size, subsample
        self.place = place_of_caller(1)
        count = subsample_size if subsample is None else len(subsample)
        self.count = size if count is None else count
        self.dim = dim
        self._frames: list[Frame] = []
        if type(size) is not int or type(self.count) is not int or not 0 < self.count <= size:
            raise ValueError(
                f"{self} takes {self.count!r} of {size!r} members; whole numbers with 0 < subsample_size <= size were expected."
            )
        if subsample is not None and subsample_size not in (None, len(subsample)):
            raise ValueError(
                f"{self} got subsample_size={subsample_size} and a subsample of {len(subsample)}: give one of them."
            )
        if dim is not None and (type(dim) is not int or dim >= 0):
            raise ValueError(f"{self} got dim={dim!r}: batch dimensions are counted from the right, -1, -2, ...")

    def __str__(self) -> str:
        return f"plate {self.name!r} ({described(self.place)})"

    def __enter__(self) -> Tensor:  # type: ignore[override]  # the members, which a program indexes its data with
        around = {
            frame.dim: handler
            for handler in handlers()
            if isinstance(handler, plate)
            for frame in handler._frames
            if frame.dim is not None
        }
        dim = self.dim
        if dim is None:
            dim = next(free for free in range(-1, -len(around) - 2, -1) if free not in around)
        elif dim in around:
            raise ValueError(f"{self} and {around[dim]} both occupy dimension {dim}. Leave out dim, or give another.")
        index = self._members()
        super().__enter__()
        self._frames.append(Frame(self.name, self.size, self.count, dim))
        return index

    def __exit__(self, *error: object) -> None:
        self._frames.pop()
        super().__exit__(*error)

    def __iter__(self) -> Iterator[int]:
        members = self._members().tolist()
        for member in members:
            if not handlers():  # nobody sees the sites
                yield member
                continue
            one = _Member(Frame(self.name, self.size, self.count, None, member))
            one.__enter__()
            try:
                yield member
            finally:
                # An exception in the loop's body closes this generator later, when the stack is already another one.
                without(one)

    def process(self, site: Site) -> None:
        if site.kind == "sample":
            frame = self._frames[-1]
            self._expand(site, frame)
            _count(site, frame)

    def _members(self) -> Tensor:
        def drawn(_: Site) -> Tensor:
            if self.subsample is not None:
                return self.subsample
            if self.count == self.size:
                return torch.arange(self.size)
            return draw_uniform(torch.Size([self.size]), torch.empty(())).argsort()[: self.count]

        site = Site("subsample", self.name, place=self.place, draws=drawn)
        index: Tensor = send(site).value
        if len(index) != self.count:
            raise ValueError(
                f"{self} takes {self.count} members, and this execution already has a plate of that name with {len(index)}. One name is "
                "one set of members: give the same subsample_size, or another name."
            )
        return index

    def _expand(self, site: Site, frame: Frame) -> None:
        distribution, dim = site.distribution, frame.dim
        assert distribution is not None and dim is not None
        batch_shape = distribution.batch_shape
        there = batch_shape[dim] if len(batch_shape) >= -dim else 1
        if there == frame.count:
            return
        if there != 1:
            raise ValueError(
                f"{self} has {frame.count} members in dimension {dim}, and the distribution of site {site.name!r} ({site.where}) has "
                f"{there} there: batch_shape {list(batch_shape)}. Usual causes: an outcome's dimension that Independent(..., 1) should "
                "declare, or data that were not indexed with the plate's members."
            )
        shape = [1] * (-dim - len(batch_shape)) + list(batch_shape)
        shape[dim] = frame.count
        site.distribution = distribution.expand(torch.Size(shape))


class _Member(Handler):
    """One turn of a `for` loop over a plate."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.frame = frame

    def process(self, site: Site) -> None:
        if site.kind == "sample":
            _count(site, self.frame)


def _count(site: Site, frame: Frame) -> None:
    site.plates = (frame, *site.plates)
    if frame.count != frame.size:
        site.scale = site.scale * (frame.size / frame.count)
