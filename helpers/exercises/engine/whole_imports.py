"""`whole_imports`: no half-imported package stays behind an answer that was interrupted or failed while it imported something."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def whole_imports() -> Iterator[None]:
    """Context in which an answer runs. If it ends in an exception, imports that were cut in half are undone.

    Python itself forgets the module whose import failed, but keeps those inside it that were complete. The next import of the
    package finds these, and does not tie them to the package again: "module 'sympy' has no attribute 'core'".

    Raises:
        BaseException: What the body raises, after the repair.
    """
    before = set(sys.modules)
    try:
        yield
    except BaseException:
        _mend(set(sys.modules) - before)
        raise


def _mend(new: set[str]) -> None:
    for name in sorted(new):  # a package before its modules
        module, (parent, _, child) = sys.modules.get(name), name.rpartition(".")
        if module is None or not parent:
            continue
        if parent not in sys.modules:
            del sys.modules[name]
        elif not hasattr(sys.modules[parent], child):
            setattr(sys.modules[parent], child, module)
