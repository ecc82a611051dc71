"""The lessons with the oldest ipywidgets that the project admits: `python -m tests.full.older_widgets [NN ...]`.

The environment is made for this: it sees the packages of the Python that runs it, and has the older ipywidgets in front of them. It lies
in a temporary folder and is deleted at the end. pip needs the package index, for two small wheels.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    oldest = lower_bound("ipywidgets")
    with tempfile.TemporaryDirectory(prefix="workbook-older-widgets-") as folder:
        # ipython_genutils: the only package that ipywidgets 7 imports and version 8 does not ask for.
        python = environment(Path(folder), f"ipywidgets=={oldest}", "ipython_genutils")
        print(f"==> explorers and cards with ipywidgets {oldest}", flush=True)
        tests = run(
            python,
            "-m",
            "pytest",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "tests/widgets/parts",
            "tests/widgets/test_set_up.py",
        )
        print(f"==> lessons with ipywidgets {oldest}", flush=True)
        lessons = run(python, "-m", "tests.full.run_lessons", *sys.argv[1:])
    print("==> passed" if tests == lessons == 0 else "*** failed, for the reason above")
    return int(tests != 0 or lessons != 0)


def lower_bound(name: str) -> str:
    """The oldest version of a core dependency that pyproject.toml admits."""
    core = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (line,) = [line for line in core if line.startswith(f"{name}>=")]
    return line.partition(">=")[2]


def environment(folder: Path, *requirements: str) -> Path:
    """Make an environment of other versions in front of the packages of this Python.

    Args:
        folder: An empty folder.
        *requirements: What pip installs, and nothing that these ask for.

    Returns:
        The environment's Python.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (own,) = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    # Lines of a .pth file stand behind the environment's own packages on sys.path.
    (Path(own) / "behind.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()), encoding="utf-8")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run(
        [python, "-m", "pip", "install", *quiet, "--no-deps", "--ignore-installed", *requirements], check=True
    )
    return python


def run(python: Path, *arguments: str) -> int:
    """Run the environment's Python in the project's folder; the exit status."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([python, *arguments], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
