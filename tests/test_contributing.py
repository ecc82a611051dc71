"""What CONTRIBUTING says is true: its table of rooms, its commands, its paths."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_floors import ROOMS

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A floor may be fixed before its room is built.
ROOM_PATHS = {f"helpers/{room}{ending}" for floor in ROOMS for room in floor for ending in ("/", ".py")}
PLACEHOLDERS = ("NN", "NAME", "a/b.py", "a/test_b.py")  # files that are still to be written, or stand for any


def test_the_table_of_rooms_is_that_of_the_floors_test():
    table = {
        int(floor): set(re.findall(r"`helpers/(\w+)(?:/|\.py)`", rooms))
        for floor, rooms in re.findall(r"^\| (\d) \| (.+) \|$", CONTRIBUTING, re.MULTILINE)
    }
    assert table == {len(ROOMS) - depth: set(rooms) for depth, rooms in enumerate(ROOMS)}


def test_its_paths_lead_somewhere():
    folders = r"helpers|tests|lessons_src|notebooks|slides|\.ci"
    named = set(re.findall(rf"(?:^|[`\s])((?:{folders})/[\w./-]+)", CONTRIBUTING, re.MULTILINE)) - ROOM_PATHS
    paths = {path for path in named if "/build/" not in path and not any(word in path for word in PLACEHOLDERS)}
    assert len(paths) > 10
    assert not {path for path in paths if not (ROOT / path).exists()}


def test_its_make_commands_are_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"`make ([a-z-]+)`", CONTRIBUTING))
    assert {"test", "check", "lessons"} <= commands
    assert not {command for command in commands if not re.search(rf"^{command}:", makefile, re.MULTILINE)}
