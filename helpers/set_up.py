"""Is everything working? The plain report: Python, versions, device, data. It needs neither ipywidgets nor a notebook.

`python -m helpers.set_up` prints it. In lesson 00, `helpers.widgets.set_up.check_set_up` adds a line about widgets. The first cell of
each lesson prints what `first_line` returns. Where this module is imported, torch and its like may be missing, and Python too old.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import settings

if TYPE_CHECKING:  # imported inside functions, so that the report can also say that torch is missing
    import torch

PROJECT = "latent-variable-workbook"
OLDEST_PYTHON = (3, 11)
SHOWN = ("torch", "torchvision", "pyro-ppl", "jupyterlab", "ipywidgets")
HOME = Path(__file__).resolve().parents[1]  # the checkout, or the folder into which pip has installed the package


@dataclass(frozen=True)
class Finding:
    """One line of the report. `str(finding)` is the line: ok or !!, name, message.

    Args:
        name: What was checked, such as "device".
        message: What was found; if it is not ok, the message ends with the remedy.
        ok: Whether everything is in order.
    """

    name: str
    message: str
    ok: bool = True

    def __str__(self) -> str:
        return f"{'ok' if self.ok else '!!':4}{self.name:10}{self.message}"


def first_line() -> str:
    """What the first cell of each lesson prints, without importing anything heavy.

    Returns:
        The line about Python; under it the one about versions, if something is missing or too old.
    """
    found = list(findings({"python": python}))
    if found[0].ok:
        found += [finding for finding in findings({"versions": versions}) if not finding.ok]
    return "\n".join(map(str, found))


def print_report() -> None:
    """Print the findings, one line each, each as soon as it is known."""
    for finding in findings({"python": python, "versions": versions, "device": device, "data": data}):
        print(finding, flush=True)


def findings(checks: dict[str, Callable[[], Finding]]) -> Iterator[Finding]:
    """Run checks one after another. A check that raises becomes a finding too.

    Args:
        checks: Each check by its name.

    Yields:
        The finding of each.
    """
    for name, check in checks.items():
        try:
            finding = check()
        except Exception as problem:  # the report must not end at its first bad line
            finding = Finding(name, f"could not be checked: {type(problem).__name__}: {problem}", False)
        yield finding


def python() -> Finding:
    """Check which Python runs this, and which `helpers` it uses."""
    here = f"Python {platform.python_version()} ({sys.executable}), helpers of {HOME}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", f"{here}: {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed. {remedy()}", False)
    beside = next((path for path in (Path("helpers.py"), Path("helpers")) if _is_a_learners_own(path)), None)
    if beside is not None:
        here += f". {beside.name} beside this notebook is another one: give it another name to import it"
    return Finding("python", here)


def _is_a_learners_own(path: Path) -> bool:
    """Whether a learner's own module or package of our name lies in the working folder."""
    is_module = path.is_file() or (path / "__init__.py").is_file()
    return is_module and path.resolve().parent != HOME


def versions() -> Finding:
    """Check that the installed packages are those the project requires, and name the most visible versions."""
    lines = requirements()
    if not lines:
        return Finding("versions", f"{PROJECT} is not installed in this Python. {remedy()}", False)
    missing, too_old = [], []
    for line in lines:
        requirement = re.match(r"([A-Za-z0-9._-]+)(?:>=([0-9.]+))?", line)
        if "extra ==" in line or requirement is None:
            continue
        name, minimum = requirement.groups()
        found = installed_version(name)
        if found is None:
            missing.append(name)
        elif release_numbers(found) < release_numbers(minimum or "0"):
            too_old.append(f"{name} {minimum} is asked for, {found} is here")
    if missing or too_old:
        wrong = [f"this Python lacks {', '.join(missing)}"] * bool(missing) + too_old
        return Finding("versions", f"{'; '.join(wrong)}. {remedy()}", False)
    here = {name: installed_version(name) for name in SHOWN}
    return Finding("versions", ", ".join(f"{name} {version}" for name, version in here.items() if version))


def requirements() -> list[str]:
    """The core requirements: from pyproject.toml if this is a checkout, otherwise from the installed package; else none."""
    if (HOME / "pyproject.toml").is_file():
        import tomllib  # not there in a Python that is too old

        project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == PROJECT:
            return list(project["dependencies"])
    try:
        return metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return []


def remedy() -> str:
    """Which Python should run the lessons, or how this one becomes able to, in a sentence."""
    own = [HOME / ".venv" / folder / name for folder, name in (("bin", "python"), ("Scripts", "python.exe"))]
    own = [path for path in own if path.exists() and path.parent != Path(sys.executable).parent]
    if own:
        return f"Choose the kernel {own[0]}, or close this notebook and start `make lab` in {HOME}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return "Choose a kernel of a newer Python, or close this notebook and start `make lab` in the workbook's folder"
    if (HOME / "pyproject.toml").is_file():
        return f'Run `%pip install "{HOME}"` in a cell and restart the kernel, or start `make lab` in that folder'
    return "Close this notebook and start `make lab` in the workbook's folder"


def installed_version(name: str) -> str | None:
    """Version of an installed package.

    Args:
        name: Name of the package, as pip knows it.

    Returns:
        The version, or None if the package is not installed.
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def release_numbers(version: str) -> tuple[int, ...]:
    """Release of a version as integers, which compare in the right order: "2.13.0+cpu" → (2, 13, 0).

    Args:
        version: Version of a package. A local part after "+" is ignored.

    Returns:
        The first three integers, or fewer if there are fewer.
    """
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def device() -> Finding:
    """Check the device that lessons compute on: a matrix product there must agree with the CPU's. Count cores and threads."""
    import torch

    chosen = settings.device()
    a = torch.linspace(-1, 1, 256 * 256).reshape(256, 256)
    product = (a.to(chosen) @ a.to(chosen)).cpu()
    # The first products start up a GPU, or a CPU's threads: the fastest of a few is what lessons will see.
    milliseconds = min(1000 * _seconds_of_a_product(a.to(chosen)) for _ in range(5))
    if not torch.allclose(product, a @ a, rtol=1e-3, atol=1e-2):
        return Finding("device", f"{chosen} multiplies wrongly: set WORKBOOK_DEVICE=cpu and restart", False)
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} of them for torch"
    return Finding("device", f"{chosen}, a 256 × 256 matrix product in {milliseconds:.1f} ms; {cores}")


def _seconds_of_a_product(a: torch.Tensor) -> float:
    start = time.perf_counter()
    (a @ a).cpu()
    return time.perf_counter() - start


def data() -> Finding:
    """Check whether MNIST is on disk, read and verified. Nothing is downloaded."""
    from helpers.data.download import store
    from helpers.data.download.manifest import MANIFEST

    try:
        for file in MANIFEST["mnist"].values():
            store.read(file, network=False)
    except store.DataUnavailable:
        return Finding("data", "no MNIST yet: lessons fetch it once (12 MB), else use the packaged digits")
    try:
        is_cache = settings.data_dir() == settings.cache_dir()
    except settings.NoHomeFolder:  # then the data folder is WORKBOOK_DATA's
        is_cache = False
    folder = "the user cache folder" if is_cache else "the folder WORKBOOK_DATA"
    return Finding("data", f"MNIST found in {folder}, checksums right")


if __name__ == "__main__":
    print_report()
