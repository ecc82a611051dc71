"""Judges the answers that were never judged: `python -m tests.exercises.first_try.judge_once OUT.json LESSON...`.

Writes what each heard. "heard" is filled in by a reader who knows the slip: named, general or misleading.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from helpers.exercises import registry
from helpers.exercises.engine.judge import judge
from tests.exercises.first_try.tries import TRIES

if __name__ == "__main__":
    out, *lessons = sys.argv[1:]
    for lesson in lessons:
        importlib.import_module(f"tests.exercises.first_try.lesson_{lesson}")
    found = {}
    for one in TRIES:
        verdict = judge(registry.find(one.exercise), one.answer)
        heard = {(True, False): "refused", (False, True): "passed", (True, True): "passed"}.get(
            (one.is_right, verdict.passed), ""
        )
        found[one.key] = {
            "about": one.about,
            "heard": heard,
            "sentence": verdict.sentence,
            "facts": [": ".join(fact) for fact in verdict.facts],
            "misconception": verdict.misconception,
        }
    Path(out).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(found)} answers judged")
