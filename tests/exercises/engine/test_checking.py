"""What a script prints when standard output cannot encode a check mark, as on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from helpers.exercises import check, hint, progress, solution, solutions_of
from helpers.exercises.registry import find
check("01.1", find("01.1").solution)
check("01.1", find("01.1").misconceptions[0].answer)
hint("01.1"), solution("01.1"), progress()
"""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_script_prints_in_every_encoding(encoding):
    root = Path(__file__).parents[3]
    environment = dict(os.environ, PYTHONIOENCODING=encoding, PYTHONPATH=str(root))
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr.decode(encoding)
    printed = done.stdout.decode(encoding)
    assert ("✓" if encoding == "utf-8" else "? Passed") in printed
    for words in ("Passed · 01.1", "Not yet · 01.1", "Hint 1 of 3", "Solution · 01.1", "Progress"):
        assert words.replace("·", "?" if encoding == "ascii" else "·") in printed
