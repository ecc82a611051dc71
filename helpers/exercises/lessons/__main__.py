"""`python -m helpers.exercises.lessons COMMAND`, which the Makefile calls in the project's folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.exercises.lessons.pair import UnreadableLesson, ask_for_notebook_tools
from helpers.exercises.lessons.reconciling import reconcile
from helpers.exercises.lessons.updating import carry, carry_by_new_code, pull
from helpers.exercises.lessons.writing import Refused, accept, clean, write

COMMANDS = {
    "write": "bring notebooks/ up to date with lessons_src/ (make lessons)",
    "reconcile": "put the changes of a lesson's text and notebook into both (make reconcile)",
    "update": "fetch a new version by git, and carry the answers over (make update)",
    "carry": "carry the answers of another folder over (make update FROM=FOLDER)",
    "accept": "for authors: what text and notebook both hold is the lesson",
    "clean": "for authors: take outputs and stray metadata out of the notebooks",
}


def main(arguments: list[str] | None = None, root: Path | None = None) -> int:
    """Command line.

    Args:
        arguments: Command-line arguments. None: those of the process.
        root: Folder that holds lessons_src/ and notebooks/. None: the current one.

    Returns:
        The exit status: 0 if everything was done.
    """
    parser = argparse.ArgumentParser(prog="python -m helpers.exercises.lessons")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if name == "carry":
            command.add_argument("old", type=Path, help="the folder with the answers, which is only read")
    options = parser.parse_args(arguments)
    ask_for_notebook_tools("make lessons")
    root = Path.cwd() if root is None else root
    problems: list[str] = []
    try:
        if options.command == "reconcile":
            done, problems = reconcile(root)
        elif options.command == "carry":
            done, problems = _carried(options.old.expanduser(), root)
        elif options.command == "update":
            done, copies = pull(root)
            _say(done)
            return 0 if copies is None else carry_by_new_code(copies, root)
        else:
            done = {"write": write, "accept": accept, "clean": clean}[options.command](root)
    except (Refused, UnreadableLesson) as problem:
        done, problems = [], [str(problem)]
    _say(done)
    for problem in problems:
        print(f"*** {problem}", file=sys.stderr)
    return 1 if problems else 0


def _carried(old: Path, root: Path) -> tuple[list[str], list[str]]:
    if not (old / "notebooks").is_dir() or old.resolve() == root.resolve():
        return [], [
            f"{old} is not the folder of an older version: one with notebooks/ in it, and not this one, is expected."
        ]
    done, problems = carry(old.resolve(), root)
    return done or ([] if problems else ["No answers to carry over were found."]), problems


def _say(sentences: list[str]) -> None:
    for sentence in sentences:
        print(sentence if sentence.startswith(" ") else f"==> {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
