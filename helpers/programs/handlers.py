"""Handlers of values: record, replay, observe, set, hide. They compose: each is a program again.

    trace(program).get_trace(x)                    what one execution did
    condition(program, data={"x": x})              observe
    replay(program, earlier)                       take the values of an earlier execution
    do(program, data={"z": z})                     set a value from outside: an intervention
    block(program, hide=["z"])                     keep sites from the handlers further out
    uncondition(program)                           draw what was observed

Lower case, as in Pyro: they are used as functions of a program. Each may also be entered by `with`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from helpers.programs.site import Site
from helpers.programs.stack import Handler
from helpers.programs.traces import Trace

Program = Callable[..., Any]

MAX_SITES = 10_000


class trace(Handler):
    """Record every site of an execution.

    Args:
        program: The program.
        max_sites: Most sites that an execution may have.

    Attributes:
        trace: The record of the latest execution.

    Raises:
        ValueError: While the program runs: if a name stands twice, or if there are more than `max_sites` sites.
    """

    def __init__(self, program: Program | None = None, *, max_sites: int = MAX_SITES) -> None:
        super().__init__(program)
        self.max_sites = max_sites
        self.trace = Trace()

    def __enter__(self) -> trace:
        super().__enter__()
        self.trace = Trace()
        return self

    def get_trace(self, *arguments: Any, **keywords: Any) -> Trace:
        """Run the program.

        Args:
            arguments: Of the program.
            keywords: Of the program.

        Returns:
            The record, with what the program returned as `returned`.
        """
        returned = self(*arguments, **keywords)
        self.trace.returned = returned
        return self.trace

    def process(self, site: Site) -> None:
        if site.kind == "subsample" and site.value is None and site.name in self.trace:
            site.value = self.trace[site.name].value

    def finish(self, site: Site) -> None:
        sites = self.trace.sites
        earlier = sites.get(site.name)
        if earlier is not None:
            if site.kind == earlier.kind != "sample":
                return
            raise ValueError(
                f"Two sites of one execution are named {site.name!r}: {earlier.where} and {site.where}. A name is one random choice: in a "
                'loop or a recursion make names at run time, such as f"z_{t}".'
            )
        if len(sites) >= self.max_sites:
            raise ValueError(
                f"This execution has more than {self.max_sites:,} sites, the last {site.name!r} ({site.where}). Usual cause: a loop or a "
                "recursion that never ends, or ends too rarely; otherwise raise max_sites."
            )
        sites[site.name] = site


class replay(Handler):
    """Latent sites take the values of an earlier execution; sites that it did not have are drawn.

    Gradients flow through the values. Observed sites keep their data.

    Args:
        program: The program.
        trace: The earlier execution, or values by name.
    """

    def __init__(self, program: Program | None = None, trace: Trace | Mapping[str, Tensor] | None = None) -> None:
        super().__init__(program)
        if isinstance(trace, Trace):
            trace = {name: site.value for name, site in trace.sites.items() if site.latent or site.kind == "subsample"}
        self.values = _as_values(trace, "replay", "an earlier Trace, or values by name")

    def process(self, site: Site) -> None:
        if site.kind in ("sample", "subsample") and not site.observed and site.name in self.values:
            site.value = self.values[site.name]


class condition(Handler):
    """Sites named in `data` are observed.

    Args:
        program: The program.
        data: Observations by name, [*batch, *event].

    Raises:
        ValueError: When the program has ended without a site of one of the names.
    """

    def __init__(self, program: Program | None = None, data: Mapping[str, Tensor] | None = None) -> None:
        super().__init__(program)
        self.data = _as_values(data, type(self).__name__, 'a dict such as {"x": x}')
        self._seen: dict[str, bool] = {}

    def __enter__(self) -> condition:
        super().__enter__()
        self._seen = {}
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        missing = [name for name in self.data if name not in self._seen]
        if missing and not any(error):
            raise ValueError(
                f"{type(self).__name__} names {', '.join(map(repr, missing))}, and this execution had no such site. Its sites: "
                f"{', '.join(map(repr, self._seen)) or 'none'}. Usual causes: a misspelt name, or a site that only some executions have."
            )

    def process(self, site: Site) -> None:
        if site.kind == "sample":
            self._seen[site.name] = True
            if site.name in self.data:
                self.set(site)

    def set(self, site: Site) -> None:
        """Set the value of a site that is named in `data`.

        Args:
            site: The site, changed in place.
        """
        site.value, site.observed = self.data[site.name], True


class do(condition):
    """Sites named in `data` are set from outside: what follows sees the value, and the site's own log-probability does not count.

    p(y | do(z)) differs from p(y | z) where z has causes of its own: conditioning changes what is believed about them.

    Args:
        program: The program.
        data: Values by name, [*batch, *event].

    Raises:
        ValueError: When the program has ended without a site of one of the names.
    """

    def set(self, site: Site) -> None:
        super().set(site)
        site.mask = False


class block(Handler):
    """Keep sites from the handlers further out, which then neither see nor change them.

    Args:
        program: The program.
        hide: Names of the sites that are hidden. None: all.
        expose: Names of the sites that are not. Give one of the two.

    Raises:
        ValueError: If both are given.
    """

    def __init__(
        self,
        program: Program | None = None,
        *,
        hide: Collection[str] | None = None,
        expose: Collection[str] | None = None,
    ) -> None:
        super().__init__(program)
        if hide is not None and expose is not None:
            raise ValueError(
                "block was given hide and expose; expected one of them: whatever is not hidden is exposed."
            )
        self.hide, self.expose = _as_names(hide, "hide"), _as_names(expose, "expose")

    def process(self, site: Site) -> None:
        hidden = site.name in self.hide if self.hide is not None else site.name not in (self.expose or ())
        site.hidden = site.hidden or hidden


class uncondition(Handler):
    """Observed sites are drawn as if they were latent: predictions in place of data. Interventions of `do` and factors stay.

    Args:
        program: The program.
    """

    def process(self, site: Site) -> None:
        if site.kind == "sample" and site.observed and site.mask is not False and site.distribution is not None:
            if site.distribution.event_shape == torch.Size([0]):
                return
            site.value, site.observed = None, False


def _as_values(given: object, handler: str, expected: str) -> dict[str, Tensor]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{handler} was given a {type(given).__name__}; expected {expected}.")
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{handler} was given a {type(value).__name__} for {name!r}; a tensor was expected: torch.as_tensor(...)."
            )
    return dict(given)


def _as_names(given: Collection[str] | None, argument: str) -> frozenset[str] | None:
    if isinstance(given, str):
        raise ValueError(f"block was given {argument}={given!r}; a list of names was expected: {argument}=[{given!r}].")
    return None if given is None else frozenset(given)
