"""`make update`: a new version of the lessons, with the answers that were given in the old one.

An old version is a folder that holds lessons_src/ and notebooks/, and is only read. Without git it is the folder in which the learner
has worked so far (`make update FROM=../old`), beside a new download. With git, it is a copy that is made before `git merge`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers.exercises.exercise import STUB_LINE
from helpers.exercises.lessons.merging import Cells, merged
from helpers.exercises.lessons.pair import Pair, UnreadableLesson, lessons, pairs
from helpers.exercises.lessons.reconciling import both
from helpers.exercises.lessons.record import Print, parsed_record, print_of, prints
from helpers.exercises.lessons.writing import Refused


def carry(old_root: Path, root: Path) -> tuple[list[str], list[str]]:
    """Put the answers and other changes of an old folder into the lessons of a new one.

    Cells are matched by the exercise they check, else by their contents. If the learner and the new version changed the same cell,
    the answer to an exercise is the learner's, any other cell the new version's, and the learner's stands below it as text.

    Args:
        old_root: Folder with the answers. It is not changed.
        root: Folder of the new version. A lesson of it that was changed already is left alone.

    Returns:
        What was done, and what could not be done, in sentences.
    """
    done, problems = [], []
    for old in pairs(old_root):
        try:
            base = _base(old)
            cells = _cells(old, base)
            edited = _edited(cells, base)
            if not edited:
                continue
            new = _successor(old, root)
            if new is None:
                problems.append(f"{old.name} is no longer a lesson; your copy stays in {old_root}")
                continue
            done += _carry(old, cells, edited, base, new)
        except (UnreadableLesson, Refused, OSError) as problem:
            problems.append(str(problem))
    return done, problems


def pull(root: Path) -> tuple[list[str], Path | None]:
    """Fetch the new version by git, after a copy of every lesson file was made.

    Args:
        root: Folder of the project, a clone.

    Returns:
        What was done, in sentences; and the folder of the copies, or None if there is nothing new.

    Raises:
        Refused: If there is no git, no upstream, no network, or if git cannot merge. Then every file is as it was.
    """
    git = _Git(root)
    git("rev-parse", "--abbrev-ref", "@{upstream}", or_say="This folder is no clone that follows another one")
    git("fetch", "--quiet", or_say="The new version could not be fetched")
    if git("rev-parse", "HEAD") == git("rev-parse", "@{upstream}"):
        return ["There is nothing new."], None
    git(
        "merge-base",
        "--is-ancestor",
        "HEAD",
        "@{upstream}",
        or_say="This clone has commits of its own, which git would have to merge",
    )
    copies = root / "notebooks" / f"kept-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    files = [path for pair in pairs(root) for path in (pair.text, pair.notebook, pair.record) if path.is_file()]
    for path in files:
        copy = copies / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
        if path.suffix == ".json" and (committed := _committed(root, path)) is not None:
            copy.write_text(
                committed, encoding="utf-8"
            )  # what the lesson said, whatever `make lessons` has noted since
    listed = git(
        "diff", "--name-only", "--relative", "-z", "HEAD", "--", *(path.relative_to(root).as_posix() for path in files)
    )
    changed = [name for name in listed.split("\0") if name]
    before = {name: (root / name).read_bytes() for name in changed}
    try:
        if changed:
            git("checkout", "--quiet", "HEAD", "--", *changed)
        git("merge", "--ff-only", "--quiet", "@{upstream}", or_say="git could not take the new version")
    except Refused:
        for name in changed:
            (root / name).write_bytes(before[name])
        shutil.rmtree(copies)  # it was made just now, and everything in it is back in its place
        raise
    return [f"The new version is here. Your lessons as they were: {copies.relative_to(root).as_posix()}/"], copies


def carry_by_new_code(copies: Path, root: Path) -> int:
    """Call `carry` of the version that has just been fetched.

    Args:
        copies: Folder of the old lessons.
        root: Folder of the project.

    Returns:
        The exit status: 0 if everything was carried over.
    """
    command = [sys.executable, "-m", "helpers.exercises.lessons", "carry", str(copies)]
    return subprocess.run(command, cwd=root, check=False).returncode


class _Git:
    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *arguments: str, or_say: str = "git failed") -> str:
        remedy = (
            "Every file is as it was. Download or clone the new version into a folder of its own, and there: "
            "make update FROM=THIS_FOLDER"
        )
        try:
            done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        except OSError:
            raise Refused(f"There is no git here. {remedy}") from None
        if done.returncode != 0:
            words = f": {done.stderr.strip()}" if done.stderr.strip() else "."
            raise Refused(f"{or_say}{words}\n{remedy}")
        return done.stdout.strip("\n")


def _base(old: Pair) -> tuple[Print, ...] | None:
    """What the lesson said before it was edited: the record as committed, or without git as it lies there."""
    committed = _committed(old.root, old.record)
    return old.read_record() if committed is None else parsed_record(committed)


def _committed(root: Path, path: Path) -> str | None:
    """A file as git has it, or None."""
    command = ["git", "show", f"HEAD:./{path.relative_to(root).as_posix()}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError:  # no git
        return None
    return done.stdout if done.returncode == 0 else None


def _cells(old: Pair, base: Sequence[Print] | None) -> Cells:
    """The cells of the old lesson, with the changes of text and notebook."""
    if not old.text.is_file():
        return old.read_notebook().cells
    if not old.notebook.is_file():
        return old.read_text().cells
    return both(old, old.read_text(), old.read_notebook(), base)[0]


def _edited(cells: Cells, base: Sequence[Print] | None) -> Cells:
    """The cells that the learner changed or added. Without a base, the answers to exercises alone can be told."""
    if base is None:
        return [cell for cell in cells if print_of(cell).exercise and STUB_LINE not in cell.source]
    known = {print.hash for print in base}
    return [cell for cell in cells if print_of(cell).hash not in known and cell.source.strip()]


def _successor(old: Pair, root: Path) -> Pair | None:
    """The new version of a lesson: of the same name, else of the same number."""
    texts = [path.stem for path in lessons(root / "lessons_src", ".py")]
    name = next((name for name in texts if name == old.name), None) or next(
        (n for n in texts if n[:2] == old.name[:2]), None
    )
    return None if name is None else Pair(root, name)


def _carry(old: Pair, cells: Cells, edited: Cells, base: Sequence[Print] | None, new: Pair) -> list[str]:
    import nbformat

    text = new.read_text()
    result = list(text.cells)
    if base is not None:  # what both changed is the lesson's; the answers follow, and the rest is put below
        result = list(merged(base, cells, text.cells, settle=lambda _, of_lesson: of_lesson))
    answers = {print_of(cell).exercise: cell for cell in edited if print_of(cell).exercise}
    for place, cell in enumerate(result):
        answer = answers.get(print_of(cell).exercise)
        if answer is not None:
            result[place] = nbformat.from_dict({**cell, "source": answer.source})
    result = _with_the_rest_below(result, cells, edited)
    together = nbformat.v4.new_notebook(cells=result, metadata=text.metadata)
    if new.notebook.is_file() and prints(new.read_notebook()) == prints(together) == prints(text):
        return []
    for version in [text, *([new.read_notebook()] if new.notebook.is_file() else [])]:
        if prints(version) not in (new.read_record(), prints(together)):
            raise Refused(
                f"{new.name} of the new version was changed already, and is left as it is; your old one stays in {old.root}"
            )
    new.write_text(together)
    new.write_notebook(together, old.read_notebook() if old.notebook.is_file() else None)
    said = [f"{new.name}: {len(edited)} changed cell(s) carried over"]
    tasks = {print.exercise: print.hash for print in base or ()}
    changed = {print.exercise for print in prints(text) if tasks.get(print.exercise, print.hash) != print.hash}
    said += [
        f"    the task of exercise {id} has changed too: compare your answer with it"
        for id in sorted(answers.keys() & changed)
    ]
    return said


def _with_the_rest_below(result: Cells, cells: Cells, edited: Cells) -> Cells:
    """Add what the learner wrote and the merged lesson does not hold, as text below the cell that it followed."""
    result = list(result)
    for cell in edited:
        if any(cell.source == kept.source for kept in result):
            continue
        before = [print_of(other).key for other in cells[: cells.index(cell)]]
        keys = [print_of(kept).key for kept in result]
        place = max((keys.index(key) + 1 for key in before if key in keys), default=len(result))
        while place < len(result) and "kept" in result[place].metadata.get("tags", []):
            place += 1
        result.insert(min(place + 1, len(result)), _kept(cell))
    return result


def _kept(cell: Any) -> Any:
    import nbformat

    source = cell.source if cell.cell_type == "markdown" else f"````python\n{cell.source}\n````"
    metadata = {"slideshow": {"slide_type": "skip"}, "tags": ["kept"]}
    return nbformat.v4.new_markdown_cell(f"**Kept from your copy of this lesson:**\n\n{source}", metadata=metadata)
