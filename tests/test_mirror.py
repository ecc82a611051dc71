"""Every module of the package has a test: tests/a/test_b.py for helpers/a/b.py, or what the two tables below say instead.

A module that is split, moved or added needs a line here only if no test of its name stands at its place; the message of the failing test
names the candidates. Left out: `__init__` and `__main__`, and exercises, which tests/exercises/ runs all alike.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from helpers.reproduce.__main__ import EXPERIMENTS

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "helpers"

# Test file, which must import each of these modules by itself, or a name of it from the package that exports it.
TESTED_IN = {
    "data/music/test_harmony.py": ["data/music/voicings"],
    "data/download/test_store.py": ["data/download/contents"],
    "distributions/test_densities.py": ["distributions/conditionals", "distributions/priors"],
    "distributions/test_flows.py": ["distributions/flow", "distributions/flow_conditionals", "networks/autoregressive"],
    "distributions/test_sigmoid_belief.py": ["distributions/layered", "models/sigmoid_belief/network"],
    "estimators/harness/test_exact.py": ["estimators/harness/every_outcome", "estimators/harness/moments"],
    "estimators/test_doors.py": ["estimators/parts/doors"],
    "estimators/test_biased.py": [
        "estimators/gumbel_softmax",
        "estimators/parts/discrete",
        "estimators/straight_through",
    ],
    "estimators/test_control_variates.py": ["estimators/score_function"],
    "estimators/test_doubly_reparameterised.py": ["estimators/sticking_the_landing"],
    "estimators/test_rebar_relax.py": [
        "estimators/parts/conditional_reparameterisation",
        "estimators/parts/off_support",
        "estimators/rebar",
        "estimators/relax",
    ],
    "evaluation/test_bound.py": ["evaluation/classification", "evaluation/measured"],
    "exercises/engine/test_diagnosis.py": ["exercises/engine/judge"],
    "exercises/engine/test_progress.py": ["exercises/registry"],
    "exercises/engine/test_transformations.py": [
        "exercises/engine/argument_changes",
        "exercises/engine/solution_edits",
        "exercises/engine/solution_source",
        "exercises/engine/whole_edits",
    ],
    "exercises/lessons/test_writing.py": ["exercises/lessons/pair"],
    "exercises/test_every_exercise.py": ["exercises/exercise"],
    "exercises/test_solutions_notebooks.py": ["exercises/solutions"],
    "models/semi_supervised/test_semi_supervised.py": [
        "distributions/style_conditional",
        "models/semi_supervised/elbo",
        "models/semi_supervised/model",
    ],
    "models/sequences/test_bad_input.py": ["distributions/gated_transition"],
    "models/sequences/test_deep_markov.py": [
        "models/sequences/elbo",
        "models/sequences/guide",
        "models/sequences/recurrent_guide",
    ],
    "models/sequences/test_kalman.py": ["evaluation/particle_filter", "models/sequences/linear_gaussian"],
    "networks/test_recurrence.py": ["networks/packed_steps"],
    "plots/test_charts.py": [
        "plots/bar_chart",
        "plots/histogram_plot",
        "plots/line_chart",
        "plots/placement",
        "plots/style",
    ],
    "plots/test_image_grid.py": ["plots/images", "plots/mosaic_plot"],
    "plots/test_latent_plots.py": ["plots/manifold", "plots/scatter", "plots/tsne"],
    "programs/test_against_pyro.py": ["experiments/two_languages"],
    "programs/test_elbo.py": ["programs/bound", "programs/costs", "programs/integrand"],
    "programs/test_handlers.py": ["programs/stack"],
    "programs/test_primitives.py": ["programs/site"],
    "programs/test_rewards.py": ["experiments/pyro_gradient"],
    "reproduce/test_iwae.py": ["reproduce/muon"],
    "reproduce/test_nvil.py": ["reproduce/estimator_race", "reproduce/racers"],
    "reproduce/test_priors.py": ["reproduce/fashion_cell", "reproduce/mixture_gradients"],
    "reproduce/test_runner.py": ["reproduce/cell"],
    "reproduce/test_smoke.py": ["reproduce/vae"],
    "reproduce/test_ssvae.py": ["reproduce/ssvae_cell", "reproduce/ssvae_published", "reproduce/ssvae_settings"],
    "training/test_failures.py": ["training/history"],
    "training/test_files.py": ["training/checkpoint"],
    "widgets/test_gradient_cloud.py": ["experiments/control_variate_cloud"],
}

# A module with a test, which must import each of these parts: whatever tests the module runs them.
PARTS_OF = {
    "exercises/lessons/merging": ["exercises/lessons/record"],
    "data/music/chorales": ["data/music/pitches"],
    "data/music/midi": ["data/music/midi_tracks"],
    "data/music/harmony": [
        "data/music/harmony_arguments",
        "data/music/phrases",
        "data/music/progressions",
        "data/music/voice_leading",
    ],
    "distributions/conditionals": ["distributions/checks"],
    "evaluation/bound": ["evaluation/module_mode"],
    "experiments/variance": ["experiments/binary_target"],
    "widgets/shapes": ["widgets/parts/scoring_words"],
    "exercises/engine/diagnosis": ["exercises/engine/wrong_gradients", "exercises/engine/wrong_results"],
    "exercises/engine/judge": [
        "exercises/engine/comparison",
        "exercises/engine/static_checks",
        "exercises/engine/stop_words",
        "exercises/engine/trial",
        "exercises/engine/verdict",
    ],
    "exercises/engine/run": ["exercises/engine/whole_imports"],
    "exercises/engine/time_limit": ["exercises/engine/answer_clock", "exercises/engine/answer_frames"],
    "exercises/engine/trial": ["exercises/engine/run"],
    "models/sequences/recurrent_guide": ["models/sequences/sampling_path"],
}


@cache
def imports(path: Path) -> frozenset[str]:
    """Every name that a file imports, in functions too, absolute: `from a.b import c` is a.b.c."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def dotted(module: str) -> str:
    return "helpers." + module.replace("/", ".")


def doors(module: str) -> set[str]:
    """The absolute names by which a file can import something of a module: its own, and what packages above it export of it."""
    found = {dotted(module)}
    folder = (PACKAGE / module).parent
    while folder != TESTS.parent:
        package = ".".join(folder.relative_to(TESTS.parent).parts)
        for name in imports(folder / "__init__.py"):
            if name.startswith(dotted(module) + "."):
                found.add(f"{package}.{name.rpartition('.')[2]}")
        folder = folder.parent
    return found


def uses(path: Path, module: str) -> bool:
    """Whether a file imports a module; a test that imports EXPERIMENTS runs each of them."""
    names = imports(path)
    if "helpers.reproduce.__main__.EXPERIMENTS" in names and module in {f"reproduce/{name}" for name in EXPERIMENTS}:
        return True
    return any(name == door or name.startswith(door + ".") for name in names for door in doors(module))


def is_exercise(path: Path) -> bool:
    return any(part.startswith("lesson_") for part in path.parts)


EVERY_MODULE = [
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem not in ("__init__", "__main__")
]
MODULES = [module for module in EVERY_MODULE if not is_exercise(Path(module))]
TEST_OF = {module: test for test, modules in TESTED_IN.items() for module in modules}
WHOLE_OF = {part: module for module, parts in PARTS_OF.items() for part in parts}


def mirror(module: str) -> Path:
    folder, _, name = module.rpartition("/")
    return TESTS / folder / f"test_{name}.py"


def has_a_test(module: str) -> bool:
    """By its own name, by the first table, or as a part, of a part perhaps, of a module that has one."""
    seen = set()
    while module in WHOLE_OF and module not in seen:
        seen.add(module)
        module = WHOLE_OF[module]
    return mirror(module).exists() or module in TEST_OF or is_exercise(Path(module))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_test(module: str):
    if not has_a_test(module):
        tests = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py") if uses(path, module)]
        users = [user for user in EVERY_MODULE if user != module and uses(PACKAGE / f"{user}.py", module)]
        pytest.fail(
            f"helpers/{module}.py has no test. Write {mirror(module).relative_to(TESTS.parent)}, or add the module to TESTED_IN "
            f"(tests that import it: {', '.join(sorted(tests)) or 'none'}) or to PARTS_OF (modules that do: {', '.join(users) or 'none'})."
        )


@pytest.mark.parametrize(("module", "test"), TEST_OF.items())
def test_a_test_of_the_table_imports_its_module(module: str, test: str):
    assert module in MODULES, "there is no such module"
    assert (TESTS / test).exists(), "there is no such test"
    assert uses(TESTS / test, module)


@pytest.mark.parametrize(("part", "module"), WHOLE_OF.items())
def test_a_module_of_the_table_imports_its_part(part: str, module: str):
    assert part in MODULES and module in EVERY_MODULE, "there is no such module"
    assert uses(PACKAGE / f"{module}.py", part)


def test_the_tables_hold_exceptions_only():
    assert not [module for module in {**TEST_OF, **WHOLE_OF} if mirror(module).exists()], (
        "these have a test of their own name"
    )
    assert not TEST_OF.keys() & WHOLE_OF.keys(), "these stand in both tables"
    assert len(TEST_OF) == sum(map(len, TESTED_IN.values())), "a module stands twice in TESTED_IN"
    assert len(WHOLE_OF) == sum(map(len, PARTS_OF.values())), "a module stands twice in PARTS_OF"
