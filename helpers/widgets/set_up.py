"""Is everything working? What lesson 00 asks first: kernel, versions, device, data, widgets."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import ipywidgets
import torch

from helpers import settings
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST

PROJECT = "latent-variable-workbook"
SHOWN = ("torch", "torchvision", "pyro-ppl", "jupyterlab", "ipywidgets")
WAITING = "waiting for the page to answer; where this line stays as it is, reload the page, then run this cell again"
STILL = "asleep: no kernel stands behind this page, so explorers show still pictures"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `fine` is False where something has to be mended; `words` then end with the remedy."""

    name: str
    words: str
    fine: bool = True

    def __str__(self) -> str:
        return f"{'ok' if self.fine else '!!':4}{self.name:10}{self.words}"


def check_set_up() -> Heartbeat:
    """Print what is found, one line each, then ask the page for a sign of life: the last line, in a notebook, is its answer.

    Never raises: what goes wrong becomes a line with its remedy.
    """
    for name, look in {"kernel": kernel, "versions": versions, "device": device, "data": data}.items():
        try:
            finding = look()
        except Exception as problem:  # the report must not end at its first bad line
            finding = Finding(name, f"could not be checked: {type(problem).__name__}: {problem}", False)
        print(finding, flush=True)
    return Heartbeat()


def kernel() -> Finding:
    """The Python that runs this, and what it may use."""
    system = f"{platform.system()} {platform.machine()}"
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} of them for torch"
    return Finding("kernel", f"Python {platform.python_version()} on {system}, {cores}")


def versions() -> Finding:
    """The versions of what lessons see most, and everything that the project asks for and this kernel lacks."""
    try:
        asked_for = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return Finding("versions", f"{PROJECT} is not installed in this kernel: start it with `make lab`", False)
    wrong = []
    for line in asked_for:
        if "extra ==" in line:
            continue
        name, least = re.match(r"([A-Za-z0-9._-]+)(?:>=([0-9.]+))?", line).groups()
        found = version_of(name)
        if found is None or numbers(found) < numbers(least or "0"):
            wrong.append(f"{name} {least or ''} is asked for, {found or 'none'} is here")
    if wrong:
        return Finding("versions", f"{'; '.join(wrong)}: close JupyterLab and start it with `make lab`", False)
    return Finding("versions", ", ".join(f"{name} {version_of(name)}" for name in SHOWN))


def version_of(name: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """2.13.0+cpu → (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def device() -> Finding:
    """The device lessons compute on, tried out: a matrix product there must agree with the CPU's."""
    chosen = settings.device()
    a = torch.linspace(-1, 1, 256 * 256).reshape(256, 256)
    here = (a.to(chosen) @ a.to(chosen)).cpu()
    # The first products start up a GPU, or a CPU's threads: the quickest of a few is what lessons will see.
    took = min(1000 * _seconds_of_a_product(a.to(chosen)) for _ in range(5))
    if not torch.allclose(here, a @ a, rtol=1e-3, atol=1e-2):
        return Finding("device", f"{chosen} multiplies wrongly: set WORKBOOK_DEVICE=cpu and restart", False)
    return Finding("device", f"{chosen}, a 256 × 256 matrix product in {took:.1f} ms")


def _seconds_of_a_product(a: torch.Tensor) -> float:
    start = time.perf_counter()
    (a @ a).cpu()
    return time.perf_counter() - start


def data() -> Finding:
    """Whether MNIST is at hand, read and verified. No download."""
    try:
        for file in MANIFEST["mnist"].values():
            store.read(file, network=False)
    except store.DataUnavailable:
        return Finding("data", "no MNIST yet: lessons fetch it once (12 MB), else use the packaged digits")
    where = "the user cache folder" if settings.data_dir() == settings.cache_dir() else "the folder WORKBOOK_DATA"
    return Finding("data", f"MNIST found in {where}, checksums right")


class Heartbeat:
    """The last line of the report: a widget that asks the page to answer.

    Two numbers are linked in the page alone, 1 and 0: the page makes them equal and sends the second one back. When it arrives
    in the kernel, messages have gone both ways, and the line says so. (Not after how long: under Run All, the kernel listens only
    when it has run the other cells.)
    """

    def __init__(self) -> None:
        self.finding = Finding("widgets", WAITING, False)
        self.view = ipywidgets.HTML(_line(self.finding))
        self.view.add_class("heartbeat")
        self.asked, self.answer = ipywidgets.IntText(1), ipywidgets.IntText(0)
        self.answer.observe(self._answered, names="value")
        self.link = ipywidgets.jsdlink((self.asked, "value"), (self.answer, "value"))

    def _answered(self, _: Any) -> None:
        self.finding = Finding("widgets", "alive: the page has answered")
        self.view.value = _line(self.finding)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = Finding("widgets", STILL)
        return {**self.view._repr_mimebundle_(), "text/html": _line(still), "text/plain": str(still)}


def _line(finding: Finding) -> str:
    return f'<pre style="margin:0 0 0 5px;line-height:1.3;white-space:pre-wrap">{finding}</pre>'
