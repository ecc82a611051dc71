"""Where a call of an answer stands: in its own code, in a library, in an import or compilation, or in clean-up."""

from __future__ import annotations

import ast
import dis
import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ENGINE = str(Path(__file__).parent)
STDLIB = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sys.base_prefix + "/lib/python"})
INSTALLED = ("site-packages", "dist-packages")
COMPILERS = ("_dynamo", "_inductor", "_functorch/_aot_autograd", "fx/experimental", "jit")  # folders of torch
ENTERING_OR_LEAVING = {"__enter__", "__exit__", "__aenter__", "__aexit__", "__del__"}
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)

Frames = list[FrameType]  # from the innermost outwards


def inside(call: Callable[[], Any]) -> Any:
    """Call the answer. The frame of this function marks where the answer begins: only code inside it is ever interrupted.

    Args:
        call: The function, without arguments.

    Returns:
        What it returns.
    """
    return call()


def frames_inside(frame: FrameType | None) -> Frames | None:
    """The frames of the running answer.

    Args:
        frame: The innermost frame.

    Returns:
        Frames from the innermost outwards, without the engine's own; None if the answer is not running.
    """
    found: Frames = []
    while frame is not None:
        if frame.f_code is inside.__code__:
            return found
        if not frame.f_code.co_filename.startswith(ENGINE):
            found.append(frame)
        frame = frame.f_back
    return None


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs code of the learner.

    Args:
        frame: Any frame.

    Returns:
        False for installed packages, the standard library and the engine.
    """
    return is_own_file(frame.f_code.co_filename)


def is_own_file(file: str) -> bool:
    """Whether a file holds code of the learner.

    Args:
        file: Name of the file, as code objects have it.

    Returns:
        False for installed packages, the standard library, the engine, and what torch compiles.
    """
    return not (
        file.startswith((ENGINE, "<frozen", *STDLIB))
        or any(name in file for name in INSTALLED)
        or "torchinductor" in file
    )


def is_loading(frames: Frames) -> bool:
    """Whether the answer waits for an import, or for torch to compile something. Neither survives an interruption.

    Args:
        frames: The running answer, from `frames_inside`.

    Returns:
        True during an import, or if a frame of torch's compilers is inside the answer's innermost own frame.
    """
    if any(frame.f_code.co_filename.startswith("<frozen importlib") for frame in frames):
        return True
    for frame in frames:
        if is_own(frame):
            return False
        file = frame.f_code.co_filename.replace("\\", "/")
        if any(f"/torch/{folder}/" in file for folder in COMPILERS):
            return True
    return False


def is_cleaning_up(frames: Frames) -> bool:
    """Whether the answer enters or leaves a context, runs a `finally`, or handles an exception that it raises again.

    Args:
        frames: The running answer, from `frames_inside`.

    Returns:
        True if an interruption could leave something open.
    """
    return any(
        frame.f_code.co_name in ENTERING_OR_LEAVING
        or (is_own(frame) and frame.f_lineno in _lines_of_clean_up(frame.f_code))
        for frame in frames
    )


def is_swallowed(frames: Frames) -> bool:
    """Whether the answer stands in a `try` that swallows whatever is raised in it.

    Args:
        frames: The running answer, from `frames_inside`.

    Returns:
        True if there is a bare `except`, or one of BaseException, that does not raise again.
    """
    return any(is_own(frame) and frame.f_lineno in _swallowing_lines(frame.f_code) for frame in frames)


def jumps_back(frame: FrameType) -> bool:
    """Whether a frame is about to begin another round of a loop.

    An exception that a signal raises there belongs, for Python before 3.13, to the instruction before the loop: if the loop is the
    first thing in a `try`, its `finally` does not run.

    Args:
        frame: A frame of the answer.

    Returns:
        True at a jump backwards.
    """
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and dis.opname[code[frame.f_lasti]].startswith("JUMP_BACKWARD")


def loop_around(frame: FrameType) -> ast.While | ast.For | None:
    """The outermost loop around the line that a frame runs.

    Args:
        frame: A frame of the answer.

    Returns:
        The loop, a `while` loop before a `for` loop; None if there is none, or no source.
    """
    around = [
        node
        for node in _nodes(frame.f_code)
        if isinstance(node, (ast.While, ast.For)) and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
    ]
    return min(around, key=lambda node: (isinstance(node, ast.For), node.lineno), default=None)


@lru_cache(maxsize=256)
def _lines_of_clean_up(code: CodeType) -> frozenset[int]:
    lines: set[int] = set()
    for node in _nodes(code):
        if isinstance(node, (ast.With, ast.AsyncWith)):  # its own line runs once more on the way out
            lines |= set(range(node.lineno, max(node.body[0].lineno, node.lineno + 1)))
        elif isinstance(node, (ast.Try, ast.TryStar)):
            if node.finalbody:
                lines |= {node.lineno} | _span(node.finalbody)
            for handler in node.handlers:
                if any(isinstance(inner, ast.Raise) for inner in ast.walk(handler)):
                    lines |= _span(handler.body)
        for block in _blocks(node):  # `lock.acquire()` before `try`: between the two nothing may come
            for before, after in zip(block, block[1:], strict=False):
                if isinstance(after, ast.Try) and after.finalbody and isinstance(before, SIMPLE):
                    lines |= _span([before])
    if not lines:  # perhaps without source: the bytecode still says where contexts are entered
        line = None
        for step in dis.get_instructions(code):
            line = step.positions.lineno if step.positions and step.positions.lineno else line
            if line and step.opname in ("BEFORE_WITH", "LOAD_SPECIAL", "WITH_EXCEPT_START"):
                lines.add(line)
    return frozenset(lines)


@lru_cache(maxsize=256)
def _swallowing_lines(code: CodeType) -> frozenset[int]:
    lines: set[int] = set()
    for node in _nodes(code):
        if isinstance(node, ast.Try) and any(
            (handler.type is None or "BaseException" in ast.unparse(handler.type))
            and not any(isinstance(inner, ast.Raise) for inner in ast.walk(handler))
            for handler in node.handlers
        ):
            lines |= _span(node.body)
    return frozenset(lines)


def _span(statements: list[ast.stmt]) -> set[int]:
    return set(range(statements[0].lineno, (statements[-1].end_lineno or statements[-1].lineno) + 1))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


@lru_cache(maxsize=64)
def _nodes(code: CodeType) -> tuple[ast.AST, ...]:
    """Nodes of the function to which a piece of code belongs, with line numbers of its file; () without source."""
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return ()
    inner = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        and min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) <= code.co_firstlineno
        and (node.end_lineno or node.lineno) >= code.co_firstlineno
    ]
    innermost = max(inner, key=lambda node: node.lineno, default=None)
    return tuple(ast.walk(innermost)) if innermost is not None else ()
