"""Leaving a program at a site."""

from __future__ import annotations

from collections.abc import Callable

from helpers.programs.site import Site
from helpers.programs.stack import Handler


class Stopped(BaseException):
    """Leaves a program at a site. Not an Exception, so that a program's own `except` does not stop it.

    Args:
        site: The site, with its distribution and the plates around it; its value is not set unless it is observed.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site


class StopAt(Handler):
    """Raises `Stopped` at the first site that a condition holds for, before its value is set.

    Args:
        condition: Whether to stop at a site.
    """

    def __init__(self, condition: Callable[[Site], bool]) -> None:
        super().__init__()
        self.condition = condition

    def process(self, site: Site) -> None:
        if self.condition(site):
            raise Stopped(site)
