"""The set-up files agree with each other, and the installation survives what happens to installations.

Nothing here installs anything: a shell script plays Python, and notes what the Makefile asks of it.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import helpers
from helpers import settings

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
CORE, EXTRAS = PROJECT["dependencies"], PROJECT["optional-dependencies"]
ASKED_FOR = [Requirement(line) for line in [*CORE, *EXTRAS["lab"], *EXTRAS["test"]]]
PIN_LINES = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]
PINS = {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in PIN_LINES}


# --- pyproject.toml, constraints.txt, environment.yml ---


def test_the_core_is_what_the_package_imports_and_the_extra_lab_what_it_does_not():
    core, lab = ({Requirement(line).name for line in lines} for lines in (CORE, EXTRAS["lab"]))
    assert lab == {"jupyterlab", "nbval", "jupytext"} and not core & lab
    assert not {name for name in core if "jupyter" in name or name.startswith("nb")}


def test_the_core_asks_for_no_upper_bound_and_for_what_hosted_notebooks_have():
    bounds = {Requirement(line).name: Requirement(line).specifier for line in CORE}
    assert all({clause.operator for clause in specifier} == {">="} for specifier in bounds.values())
    hosted = {"torch": "2.9.0", "torchvision": "0.24.0", "numpy": "2.0.2", "matplotlib": "3.10.0"}
    hosted |= {"ipywidgets": "7.7.1", "scikit-learn": "1.6.1", "tqdm": "4.67.1"}
    for name, version in hosted.items():
        assert version in bounds[name], f"pip would replace {name} {version}, which is there"


def test_nothing_but_a_command_needs_the_extra_lab():
    program = (
        "import pkgutil, sys\n"
        "for name in ('jupyterlab', 'nbval', 'jupytext', 'nbformat', 'nbconvert', 'nbclient', 'jupyter_server'): sys.modules[name] = None\n"
        "import helpers\n"
        "for found in pkgutil.walk_packages(helpers.__path__, 'helpers.'): '__main__' in found.name or __import__(found.name)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["slides.build", "helpers.exercises.solutions"])
def test_a_command_that_needs_the_extra_lab_says_so(module: str):
    program = (
        "import importlib.util, runpy, sys\n"
        "lab = ('nbformat', 'nbconvert', 'nbclient', 'jupytext')\n"
        "class Without:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.split('.')[0] in lab: raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without)\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name in lab else real(name, package)\n"
        f"sys.argv = [{module!r}]\n"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("*** ") and "Traceback" not in done.stderr
    assert "nbformat" in done.stderr and "extra `lab`" in done.stderr


def test_environment_has_no_list_of_dependencies_of_its_own():
    conda = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
    (nested,) = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    python, pip = conda
    assert pip == "pip"
    assert nested == {"pip": ["--constraint constraints.txt", "--editable .[lab,test]"]}
    assert PROJECT["requires-python"] == ">=" + python.removeprefix("python=")
    assert ENVIRONMENT["name"] == PROJECT["name"]


def test_the_oldest_python_is_the_same_everywhere():
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    asked = re.findall(r"sys\.version_info < \((\d+), (\d+)\)", (ROOT / ".ci/install").read_text(encoding="utf-8"))
    assert {".".join(pair) for pair in asked} == {oldest}
    assert f"(Python {oldest})" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_pins_are_plain_versions_torch_first():
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in PIN_LINES)
    assert PIN_LINES[:2] == ["torch==2.13.0", "torchvision==0.28.0"]
    assert len(PINS) == len(PIN_LINES)
    assert not [name for name in PINS if name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.parametrize("requirement", ASKED_FOR, ids=str)
def test_every_dependency_has_a_pin_that_it_allows(requirement: Requirement):
    assert canonicalize_name(requirement.name) in PINS, f"{requirement.name} has no pin in constraints.txt"
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_what_is_installed_is_what_is_pinned():
    installed = {name: Version(distribution(name).version).public for name in PINS if is_installed(name)}
    assert len(installed) > 50  # the rest is for other platforms
    wrong = {name: version for name, version in installed.items() if version != PINS[name].public}
    assert not wrong, "bring .venv up to date (make test), or constraints.txt"


def is_installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False


def needed() -> set[str]:
    """The names of everything that the project needs here, directly or through another package, extras followed."""
    seen: set[tuple[str, str]] = set()
    todo = [(requirement, "") for requirement in ASKED_FOR]
    while todo:
        requirement, extra_of_asker = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra_of_asker}):
            continue
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                if is_installed(requirement.name):
                    todo += [(Requirement(line), extra) for line in distribution(requirement.name).requires or []]
    return {name for name, _ in seen}


def test_pins_cover_what_is_needed_and_nothing_else():
    of_one_platform = ("nvidia", "cuda", "triton", "colorama", "pywinpty", "appnope")
    assert not {name for name in needed() - PINS.keys() if not name.startswith(of_one_platform)}, "no pin for these"
    on_ci = sys.platform == "linux" and sys.version_info[:2] == (3, 11)  # elsewhere, some pins are for CI alone
    assert not {name for name in PINS.keys() - needed() if on_ci or is_installed(name)}, "nothing needs these pins"


def test_every_file_of_the_package_is_shipped_with_it():
    patterns = ["*.py", *PYPROJECT["tool"]["setuptools"]["package-data"]["*"]]
    files = [path for path in (ROOT / "helpers").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    left_out = [str(path) for path in files if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
    assert not left_out, "add its ending to package-data in pyproject.toml"


def test_only_one_module_knows_torchvision():
    importers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "helpers").rglob("*.py")
        if re.search(r"^\s*(import|from) torchvision", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert set(importers) <= {"helpers/data/download/torchvision_import.py"}


# --- the top of the repository, and the files that say what it is ---

AT_THE_TOP = {
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
}


@pytest.mark.repository
def test_the_top_holds_these_files_folders_and_dot_files():
    listed = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        if shutil.which("git")
        else None
    )
    if listed is None or listed.returncode != 0 or not listed.stdout:
        pytest.skip("not a git checkout")
    files = {name for name in listed.stdout.split("\0") if name and "/" not in name and not name.startswith(".")}
    assert files <= AT_THE_TOP, "one more file at the top is one more thing that a reader looks at first"
    assert all((ROOT / name).is_file() for name in AT_THE_TOP)


def test_citation_says_what_pyproject_says():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["title"] == PROJECT["name"]
    assert citation["version"] == helpers.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_changelog_starts_with_what_is_unreleased_and_knows_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert versions[0] == "Unreleased" and helpers.__version__ in versions
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_hooks_before_a_commit_are_local_and_run_what_ci_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"], (
        "a hook from elsewhere needs a network and has a version of its own"
    )
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith((".venv/bin/python -m ", "make ")), "the pinned versions are in .venv"
    of_ci = set(
        re.findall(
            r'^ *part ".*?" \.venv/bin/python -m (?!tests\.full)(\w+)', (ROOT / ".ci/run").read_text(), re.MULTILINE
        )
    )
    entries = " ".join(hook["entry"] for hook in hooks["repos"][0]["hooks"])
    assert of_ci and all(f"-m {tool}" in entries for tool in of_ci)


# --- the Makefile and .ci/install ---

FAKE_PYTHON = """\
#!/bin/sh
# Plays Python: is what the folder's files "version" and "venv" say, and does to pip what the file "pip" says.
echo "$*" >>calls
echo "WORKBOOK_DATA=${WORKBOOK_DATA-}" >>calls
case "$*" in
  *'print("%d.%d"'*) cat version ;;
  *"sys.exit(sys.version_info"*) [ "$(cat version)" != 3.9 ] ;;
  *"import ensurepip, venv"*) [ -e venv ] ;;
  *"-m venv .venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"-m pip install"*) . ./pip ;;
esac
"""
WRITING = "echo 'Installing collected packages: torch, latent-variable-workbook' >.venv/pip.log"

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


class Checkout:
    """A checkout of the set-up files alone, with a Python that is played."""

    def __init__(self, root: Path):
        self.root = root
        (root / ".ci").mkdir(parents=True)
        for name in ("Makefile", ".ci/install"):
            shutil.copy(ROOT / name, root / name)
        self.write("pyproject.toml", "")
        self.write("constraints.txt", "")
        self.write("version", "3.11")
        self.write("venv", "")
        self.write("pip", WRITING)
        self.write("fake-python", FAKE_PYTHON)
        (root / "fake-python").chmod(0o755)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_text(text + "\n", encoding="utf-8")

    def make(self, *arguments: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
        """`make arguments`, with the calls of this run alone in self.calls."""
        (self.root / "calls").unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            ["make", *arguments, f"PYTHON={python or self.root / 'fake-python'}"],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def called(self, words: str) -> bool:
        return any(words in call for call in self.calls)

    @property
    def complete(self) -> bool:
        return (self.root / ".venv/complete").exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a folder with spaces")


@needs_make
def test_help_lists_the_commands(checkout: Checkout):
    printed = checkout.make().stdout
    assert re.findall(r"^make (\S+) +\S", printed, re.MULTILINE)[:7] == [
        "help",
        "lab",
        "test",
        "test-thorough",
        "test-browser",
        "check",
        "lessons",
    ]
    assert not checkout.called("pip")


@needs_make
def test_a_second_run_installs_nothing(checkout: Checkout):
    first = checkout.make("test")
    assert first.returncode == 0, first.stderr
    assert checkout.called("--constraint constraints.txt --editable .[lab,test]") and checkout.called("-m pytest")
    second = checkout.make("test")
    assert checkout.called("-m pytest") and not checkout.called("pip install")
    assert "install" not in second.stdout


@needs_make
@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_of_dependencies_is_installed(name: str, checkout: Checkout):
    checkout.make("test")
    later = (checkout.root / ".venv/complete").stat().st_mtime + 1
    os.utime(checkout.root / name, (later, later))
    checkout.make("test")
    assert checkout.called("pip install") and not checkout.called("-m venv")


@needs_make
def test_a_moved_folder_is_installed_again(checkout: Checkout):
    checkout.make("test")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.make("test")
    assert checkout.called("pip install")


@needs_make
def test_a_venv_without_a_working_python_is_made_anew(checkout: Checkout):
    checkout.make("test")
    (checkout.root / ".venv/bin/python").unlink()
    again = checkout.make("test")
    assert again.returncode == 0 and checkout.called("-m venv .venv")


@needs_make
def test_an_installation_killed_while_writing_starts_over(checkout: Checkout):
    checkout.write("pip", WRITING + "; touch .venv/half-a-package; kill -9 $PPID")
    assert checkout.make("test").returncode != 0
    assert not checkout.complete and not checkout.called("-m pytest")
    checkout.write("pip", WRITING)
    again = checkout.make("test")
    assert again.returncode == 0 and "broken off" in again.stdout
    assert checkout.complete and not (checkout.root / ".venv/half-a-package").exists()


@needs_make
def test_an_installation_that_failed_while_writing_starts_over(checkout: Checkout):
    checkout.write("pip", WRITING + "; touch .venv/half-a-package; exit 1")
    assert checkout.make("test").returncode != 0
    checkout.write("pip", WRITING)
    assert checkout.make("test").returncode == 0
    assert checkout.complete and not (checkout.root / ".venv/half-a-package").exists()


@needs_make
def test_an_installation_killed_while_downloading_goes_on(checkout: Checkout):
    checkout.write("pip", "echo Downloading >.venv/pip.log; touch .venv/kept; kill -9 $PPID")
    assert checkout.make("test").returncode != 0
    assert not checkout.complete
    checkout.write("pip", WRITING)
    assert checkout.make("test").returncode == 0
    assert checkout.complete and (checkout.root / ".venv/kept").exists()


@needs_make
def test_two_installations_at_once_are_refused(checkout: Checkout):
    checkout.write(".venv/installing", str(os.getpid()))
    refused = checkout.make("test")
    assert refused.returncode != 0 and f"process {os.getpid()}" in refused.stderr
    assert not checkout.called("pip install")


@needs_make
@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("NewConnectionError: failed; No matching distribution found for torch", "index could not be reached"),
        ("ERROR: No matching distribution found for torch>=2.9", "A package has no build for"),
        ("ERROR: something else", "Its whole log: .venv/pip.log"),
    ],
)
def test_a_failed_installation_names_cause_and_remedy(log: str, sentence: str, checkout: Checkout):
    checkout.write("pip", f"echo '{log}' >.venv/pip.log; exit 1")
    failed = checkout.make("test")
    assert failed.returncode != 0 and sentence in failed.stderr
    assert not checkout.complete and not checkout.called("-m pytest")
    checkout.write("pip", WRITING)
    assert checkout.make("test").returncode == 0


@needs_make
def test_a_missing_python_is_named(checkout: Checkout):
    failed = checkout.make("lab", python="no-such-python")
    assert failed.returncode != 0 and "Python 3.11 or newer is missing (found: none)" in failed.stderr
    assert "make lab PYTHON=/path/to/python3.11" in failed.stderr
    assert not (checkout.root / ".venv").exists()


@needs_make
def test_an_old_python_is_named(checkout: Checkout):
    checkout.write("version", "3.9")
    failed = checkout.make("test")
    assert failed.returncode != 0 and "fake-python is 3.9" in failed.stderr


@needs_make
def test_a_python_without_venv_is_named(checkout: Checkout):
    (checkout.root / "venv").unlink()
    failed = checkout.make("test")
    assert failed.returncode != 0 and "sudo apt install python3-venv" in failed.stderr


@needs_make
def test_lab_opens_the_first_lesson_with_extra_arguments(checkout: Checkout):
    checkout.write("notebooks/01_b.ipynb", "")
    checkout.write("notebooks/00_a.ipynb", "")
    assert checkout.make("lab", "ARGS=--no-browser --port 8899").returncode == 0
    (call,) = [call for call in checkout.calls if "-m jupyterlab" in call]
    assert f"--ServerApp.root_dir={checkout.root} " in call  # the root, or saving could not write lessons_src/
    assert "--LabApp.default_url=/lab/tree/notebooks/00_a.ipynb" in call
    assert call.endswith("--no-browser --port 8899")
    assert ("--allow-root" in call) == (os.getuid() == 0)


@needs_make
def test_a_relative_data_folder_is_meant_from_the_root(checkout: Checkout, monkeypatch: pytest.MonkeyPatch):
    (checkout.root.parent / "shared data").mkdir()
    monkeypatch.setenv("WORKBOOK_DATA", "../shared data")
    checkout.make("test")
    assert checkout.calls[-1] == f"WORKBOOK_DATA={checkout.root.parent / 'shared data'}"


@needs_make
def test_test_runs_every_notebook_and_lessons_every_text(checkout: Checkout):
    assert "no notebooks yet" in checkout.make("test").stdout
    assert "no lessons in lessons_src/ yet" in checkout.make("lessons").stdout
    for name in ("00_a", "01_b"):
        checkout.write(f"lessons_src/{name}.py", "")
        checkout.write(f"notebooks/{name}.ipynb", "")
    checkout.make("test")
    assert checkout.called(" notebooks/00_a.ipynb notebooks/01_b.ipynb")
    checkout.make("lessons")
    assert checkout.called("-m helpers.exercises.lessons write") and not checkout.called("jupytext")


OTHERS = (
    "Untitled.ipynb",
    "01_b-Copy1.ipynb",
    "01_b .ipynb",
    "02 c.ipynb",
    "02_é.ipynb",
    "1_a.ipynb",
    "02_C.ipynb",
    "00_a.kept-12345678.ipynb",
)


@needs_make
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_lesson_is_not_run_nor_opened(name: str, checkout: Checkout):
    checkout.write(f"notebooks/{name}", "")
    checkout.write(f"lessons_src/{name.replace('.ipynb', '.py')}", "")
    assert "no notebooks yet" in checkout.make("test").stdout
    assert "no lessons in lessons_src/ yet" in checkout.make("lessons").stdout
    checkout.write("notebooks/01_b.ipynb", "")
    checkout.make("test")
    (call,) = [call for call in checkout.calls if "--nbval-lax" in call]
    assert call.endswith("--nbval-cell-timeout=120 notebooks/01_b.ipynb")
    checkout.make("lab")
    assert checkout.called("--LabApp.default_url=/lab/tree/notebooks/01_b.ipynb")


@needs_make
def test_running_the_notebooks_leaves_the_progress_of_the_learner_alone(checkout: Checkout):
    checkout.write("notebooks/01_b.ipynb", "")
    checkout.write(
        "fake-python", FAKE_PYTHON + 'case "$*" in *nbval*) echo "progress=$WORKBOOK_PROGRESS" >>calls ;; esac'
    )
    checkout.make("test", "WORKBOOK_PROGRESS=mine.json")
    assert checkout.called(f"progress={os.devnull}")


@needs_make
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("mine.json", "{root}/mine.json"),
        ("a b/c.json", "{root}/a b/c.json"),
        ("/x/y.json", "/x/y.json"),
        ("~/y.json", "~/y.json"),
    ],
)
def test_a_relative_progress_file_is_meant_from_the_root(
    given: str, meant: str, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
):
    checkout.write(
        "fake-python", FAKE_PYTHON + 'case "$*" in *jupyterlab*) echo "progress=$WORKBOOK_PROGRESS" >>calls ;; esac'
    )
    monkeypatch.setenv("WORKBOOK_PROGRESS", given)
    checkout.make("lab")
    assert f"progress={meant.format(root=checkout.root)}" in checkout.calls


@needs_make
def test_a_lesson_that_cannot_be_reconciled_does_not_keep_the_lab_closed(checkout: Checkout):
    checkout.write("notebooks/01_b.ipynb", "")
    checkout.write("fake-python", FAKE_PYTHON + 'case "$*" in *reconcile*) exit 1 ;; esac')
    assert checkout.make("lab").returncode == 0 and checkout.called("-m jupyterlab")
    assert checkout.make("reconcile").returncode != 0


@needs_make
def test_update_takes_answers_from_git_or_from_a_folder(checkout: Checkout):
    checkout.make("update")
    assert checkout.called("-m helpers.exercises.lessons update")
    checkout.make("update", "FROM=../an older one")
    assert checkout.called("-m helpers.exercises.lessons carry ../an older one")


@needs_make
def test_a_failing_test_fails_make(checkout: Checkout):
    checkout.write("fake-python", FAKE_PYTHON + 'case "$*" in *pytest*) exit 1 ;; esac')
    assert checkout.make("test").returncode != 0


# --- tests/conftest.py ---


@pytest.mark.parametrize("address", [("example.org", 80), ("192.0.2.1", 80)])
def test_tests_are_kept_off_the_network(address: tuple[str, int]):
    with pytest.raises(OSError, match="kept off the network"):
        socket.create_connection(address, timeout=1)


def test_subprocesses_are_kept_off_the_network():
    program = "import urllib.request; urllib.request.urlopen('https://example.org', timeout=5)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert process.returncode != 0 and "Connection refused" in process.stderr


def test_tests_use_no_data_folder_of_the_user():
    assert os.environ["WORKBOOK_DATA"] and "WORKBOOK_SMOKE" not in os.environ
    assert settings.data_dir() == Path(os.environ["WORKBOOK_DATA"]).expanduser().resolve()
    assert not settings.SMOKE
