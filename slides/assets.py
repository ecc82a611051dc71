"""The five files of other people that a deck carries inside: fetched once from two pinned wheels, checked at every build.

No Node, no installed package, nothing committed: pip downloads the wheels that assets.txt pins by hash, the five files are taken
out, and each must have the sum written here. They stay in slides/build/.assets, so that later builds need no network.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from slides.files import write

PINS = Path(__file__).with_name("assets.txt")


@dataclass(frozen=True)
class Asset:
    """One file: where it lies in its wheel, and the sha256 of its contents."""

    path: str
    sha256: str


_REVEAL = "sphinx_revealjs/_static/revealjs"
ASSETS = {
    "reset.css": Asset(f"{_REVEAL}/dist/reset.css", "1aa8e84c9cabcbfe4d95b19879fe48b9c2c5e6d54574cbe679bc22edb9fe12b6"),
    "reveal.css": Asset(
        f"{_REVEAL}/dist/reveal.css", "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2"
    ),
    "reveal.js": Asset(f"{_REVEAL}/dist/reveal.js", "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29"),
    "notes.js": Asset(
        f"{_REVEAL}/plugin/notes/notes.js", "df1201d19d03241a2897d39c3d38768177df1cbd4bde06327b321cb83461ae89"
    ),
    "mathjax.js": Asset(
        "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js",
        "a4354ff94fd868aea0cc6eaaa79a57fda0588646fc46ee3700a349ee0a11cbe6",
    ),
}


class AssetError(RuntimeError):
    """The files cannot be had; the message says why and what to do."""


def load_assets(folder: Path) -> dict[str, str]:
    """The texts of ASSETS by name, from `folder` where they lie there unharmed, else fetched into it.

    Raises AssetError where they cannot be fetched, or where what was fetched is not what was pinned.
    """
    if not all(is_sound(folder / name, asset) for name, asset in ASSETS.items()):
        fetch(folder)
    return {name: (folder / name).read_text(encoding="utf-8") for name in ASSETS}


def is_sound(path: Path, asset: Asset) -> bool:
    """Whether the file is there and has its sum."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == asset.sha256


def fetch(folder: Path) -> None:
    """Download the wheels of assets.txt and put the files of ASSETS into `folder`."""
    print("==> fetching reveal.js and MathJax (9 MB, once; later builds need no network)", flush=True)
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        pip += ["--no-input", "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "20"]
        answer = subprocess.run(
            [*pip, "--requirement", str(PINS), "--dest", wheels], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise AssetError(why_pip_failed(answer.stderr))
        unpack(Path(wheels), folder)


def unpack(wheels: Path, folder: Path) -> None:
    """Take the files of ASSETS out of the wheels, check them, and write them to `folder`."""
    found: dict[str, bytes] = {}
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            found |= {name: archive.read(asset.path) for name, asset in ASSETS.items() if asset.path in names}
    for name, asset in ASSETS.items():
        if name not in found:
            raise AssetError(
                f"None of the wheels in {PINS.name} holds {asset.path}: it does not fit {Path(__file__).name}."
            )
        if (sum_found := hashlib.sha256(found[name]).hexdigest()) != asset.sha256:
            raise AssetError(
                f"{asset.path} has sha256 {sum_found}, and {asset.sha256} is written in {Path(__file__).name}. "
                f"If {PINS.name} was moved to another version on purpose, write the new sum there."
            )
        write(folder / name, found[name])


def why_pip_failed(said: str) -> str:
    """The sentence for what pip said."""
    if re.search(r"HASHES|hashes are required|DO NOT MATCH", said):
        return f"A downloaded wheel is not the one that {PINS.name} pins, so it was not used. pip said:\n{said.strip()}"
    if re.search(
        r"NewConnection|NameResolution|Connection(Error|Reset|Timeout)|Timeout|ProxyError|SSLError|Network", said
    ):
        return (
            "The package index could not be reached, and the decks need reveal.js and MathJax from it, once. Check the "
            "network (behind a proxy, set HTTPS_PROXY) and repeat make slides; afterwards no build needs the network."
        )
    if re.search(r"No module named pip", said):
        return f"{sys.executable} has no pip, which fetches reveal.js and MathJax: {sys.executable} -m ensurepip"
    return f"pip could not fetch reveal.js and MathJax. It said:\n{said.strip()}"
