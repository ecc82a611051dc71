"""Is everything working? The plain report: kernel, versions, device, data. It needs neither ipywidgets nor a notebook.

`python -m helpers.set_up` prints it. In lesson 00, `helpers.widgets.set_up.check_set_up` adds a line about widgets.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from helpers import settings

if TYPE_CHECKING:  # imported inside functions, so that the report can also say that torch is missing
    import torch

PROJECT = "latent-variable-workbook"
SHOWN = ("torch", "torchvision", "pyro-ppl", "jupyterlab", "ipywidgets")


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


def print_report() -> None:
    """Print the findings, one line each, each as soon as it is known."""
    for finding in findings():
        print(finding, flush=True)


def findings() -> Iterator[Finding]:
    """Run the checks one after another. A check that raises becomes a finding too.

    Yields:
        Findings of `kernel`, `versions`, `device` and `data`.
    """
    checks: dict[str, Callable[[], Finding]] = {"kernel": kernel, "versions": versions, "device": device, "data": data}
    for name, check in checks.items():
        try:
            finding = check()
        except Exception as problem:  # the report must not end at its first bad line
            finding = Finding(name, f"could not be checked: {type(problem).__name__}: {problem}", False)
        yield finding


def kernel() -> Finding:
    """Check the Python that runs this, and the number of cores and threads."""
    import torch

    system = f"{platform.system()} {platform.machine()}"
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} of them for torch"
    return Finding("kernel", f"Python {platform.python_version()} on {system}, {cores}")


def versions() -> Finding:
    """Check that the installed packages are those the project requires, and name the most visible versions."""
    try:
        requirements = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return Finding("versions", f"{PROJECT} is not installed in this kernel: start it with `make lab`", False)
    wrong = []
    for line in requirements:
        requirement = re.match(r"([A-Za-z0-9._-]+)(?:>=([0-9.]+))?", line)
        if "extra ==" in line or requirement is None:
            continue
        name, minimum = requirement.groups()
        found = installed_version(name)
        if found is None or release_numbers(found) < release_numbers(minimum or "0"):
            wrong.append(f"{name} {minimum or ''} is asked for, {found or 'none'} is here")
    if wrong:
        return Finding("versions", f"{'; '.join(wrong)}: close JupyterLab and start it with `make lab`", False)
    return Finding("versions", ", ".join(f"{name} {installed_version(name)}" for name in SHOWN))


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
    """Check the device that lessons compute on: a matrix product there must agree with the CPU's."""
    import torch

    chosen = settings.device()
    a = torch.linspace(-1, 1, 256 * 256).reshape(256, 256)
    product = (a.to(chosen) @ a.to(chosen)).cpu()
    # The first products start up a GPU, or a CPU's threads: the fastest of a few is what lessons will see.
    milliseconds = min(1000 * _seconds_of_a_product(a.to(chosen)) for _ in range(5))
    if not torch.allclose(product, a @ a, rtol=1e-3, atol=1e-2):
        return Finding("device", f"{chosen} multiplies wrongly: set WORKBOOK_DEVICE=cpu and restart", False)
    return Finding("device", f"{chosen}, a 256 × 256 matrix product in {milliseconds:.1f} ms")


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
