"""Does the core install beside a torch that is there already, and leave all of it as it is? `python -m tests.full.beside_torch`

pip is asked what it would do (a dry run, with its report) in environments that hold the metadata of a practitioner's or of a hosted
notebook's packages, and not the gigabytes behind them. Nothing that is there may be installed again, and nothing of JupyterLab may come.
Needs the package index, for the metadata of what is missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEVER = (
    "torch",
    "torchvision",
    "numpy",
    "ipywidgets",
    "jupyter",
    "notebook",
    "nvidia",
    "cuda",
    "triton",
    "nbval",
    "jupytext",
)

# What is there, by name and version. The rest, such as the packages that these need, is left to pip.
THERE = {
    "a practitioner's environment, torch 2.11": {
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.3.5",
        "ipywidgets": "8.1.8",
        "matplotlib": "3.10.8",
        "scikit-learn": "1.8.0",
        "jupyterlab": "4.5.0",
    },
    "a hosted notebook, torch 2.9 of a CUDA build and ipywidgets 7.7": {
        "torch": "2.9.0+cu126",
        "torchvision": "0.24.0+cu126",
        "numpy": "2.0.2",
        "ipywidgets": "7.7.1",
        "matplotlib": "3.10.0",
        "scikit-learn": "1.6.1",
        "safetensors": "0.7.0",
        "filelock": "3.20.0",
        "platformdirs": "4.5.0",
        "tqdm": "4.67.1",
        "notebook": "6.5.7",
    },
    "an older environment that still has NumPy 1": {
        "torch": "2.9.1",
        "torchvision": "0.24.1",
        "numpy": "1.26.4",
        "ipywidgets": "8.0.0",
        "matplotlib": "3.8.4",
        "scikit-learn": "1.4.2",
    },
}  # fmt: skip


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="workbook-beside-torch-") as folder:
        project = copied_to(Path(folder) / "project")
        for number, (name, there) in enumerate(THERE.items()):
            python = environment(Path(folder) / str(number), there)
            installed = would_install(python, project)
            wrong = [package for package in installed if package.startswith(NEVER) or package in there]
            print(
                f"{name}: pip would install {', '.join(f'{n} {v}' for n, v in sorted(installed.items()))}", flush=True
            )
            if wrong or "latent-variable-workbook" not in installed:
                failed += 1
                print(f"*** it would change or add {', '.join(wrong) or 'not even the workbook'}", flush=True)
        # The script can see red: an environment whose torch is older than the core admits must be changed.
        python = environment(
            Path(folder) / "too-old", {**THERE["an older environment that still has NumPy 1"], "torch": "2.8.0"}
        )
        if "torch" not in would_install(python, project):
            failed += 1
            print("*** torch 2.8 was left alone, so this script would notice nothing", flush=True)
    print("==> passed" if not failed else f"*** {failed} failed")
    return int(failed > 0)


def copied_to(folder: Path) -> Path:
    """Copy what pip reads of the project, since a build leaves files beside what it builds; the copy."""
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def environment(folder: Path, there: dict[str, str]) -> Path:
    """Make an environment that holds the metadata of packages, and none of their code; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    asked = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    )
    for name, version in there.items():
        info = Path(asked.stdout.strip()) / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
        (info / "RECORD").write_text("", encoding="utf-8")
    return python


def would_install(python: Path, project: Path) -> dict[str, str]:
    """What pip would install for the project's core, as versions by name."""
    report = python.parents[1] / "report.json"
    command = [python, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*command, "--report", report, project], check=True)
    entries = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"] for entry in entries}


if __name__ == "__main__":
    sys.exit(main())
