"""The stack of handlers around a statement, and how a statement passes through it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Self

from helpers.programs.site import Site


class Handler:
    """Base class: sees each site of the programs that run inside it, before the value is set and afterwards.

        handler(program, ...)          a program that runs inside the handler
        with handler(...): ...         the same for a block of statements

    The innermost handler sees a site first in `process`, and last in `finish`. The stack of handlers is as before when the block
    ends, by an exception too.

    Args:
        program: The function that `handler(...)` calls; None for a handler that is only used by `with`.
    """

    def __init__(self, program: Callable[..., Any] | None = None) -> None:
        if program is not None and not callable(program):
            raise ValueError(
                f"{type(self).__name__} was given a {type(program).__name__} as its program; a function was expected. "
                "Usually its result: leave out the parentheses after the program's name."
            )
        self.program = program
        self._token: Token[tuple[Handler, ...]] | None = None

    def __enter__(self) -> Self:
        stack = _STACK.get()
        if self in stack:
            raise ValueError(
                f"One {type(self).__name__} handler was entered inside itself. Make a second one: a handler keeps what belongs to one run. "
                "Usual cause: a program that calls itself through its own handler."
            )
        self._token = _STACK.set((*stack, self))
        return self

    def __exit__(self, *error: object) -> None:
        assert self._token is not None
        _STACK.reset(self._token)
        self._token = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if self.program is None:
            raise ValueError(
                f"This {type(self).__name__} handler has no program to call: {type(self).__name__}(program, ...) has one, and "
                f"`with {type(self).__name__}(...):` needs none."
            )
        with self:
            return self.program(*arguments, **keywords)

    def process(self, site: Site) -> None:
        """Read or change a site before its value is set; subclasses define this or `finish`.

        Args:
            site: The site, changed in place.
        """

    def finish(self, site: Site) -> None:
        """Read or change a site once its value is set.

        Args:
            site: The site, changed in place.
        """


# A context variable rather than a global: threads and tasks do not see each other's handlers.
_STACK: ContextVar[tuple[Handler, ...]] = ContextVar("handlers", default=())


def handlers() -> tuple[Handler, ...]:
    """The handlers around the present statement.

    Returns:
        The stack, outermost first.
    """
    return _STACK.get()


def without(handler: Handler) -> None:
    """Take one handler off the stack, wherever it stands; does nothing if it is not there.

    Args:
        handler: The handler.
    """
    stack = _STACK.get()
    if handler in stack:
        _STACK.set(tuple(each for each in stack if each is not handler))


def send(site: Site) -> Site:
    """Show a site to the handlers, innermost first; set its value if none of them did; show it to them again, outermost first.

    Args:
        site: The site, changed in place.

    Returns:
        `site`, with a value.
    """
    stack = _STACK.get()
    outermost = 0
    for position in range(len(stack) - 1, -1, -1):
        stack[position].process(site)
        if site.hidden:
            outermost = position
            break
    if site.value is None and site.draws is not None:
        site.value = site.draws(site)
    for handler in stack[outermost:]:
        handler.finish(site)
    return site
