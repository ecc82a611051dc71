"""Finding a data file by its contents, in a folder that is laid out otherwise than torchvision's."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers.data.download.contents import GZIP, unzipped, verified, what_is
from helpers.data.download.manifest import MANIFEST, DataFile

MOST_ENTRIES = 5_000  # of the folders that are searched, so that a home folder costs no more than a moment
MOST_READ = 12  # files that are unzipped or summed
_DEPTH = 4
_MOST_HINTS = 3
_NAMES = {Path(file.path).name.removesuffix(".gz") for parts in MANIFEST.values() for file in parts.values()}


@dataclass
class Found:
    """What a search came to.

    Attributes:
        contents: Contents of the file, verified, or None if none was right.
        path: Where they were found.
        hints: Sentences on files that look like the one searched for by their names, and are something else.
    """

    contents: bytearray | None = None
    path: Path | None = None
    hints: list[str] = field(default_factory=list)


def search(root: Path, file: DataFile, known: set[Path]) -> Found:
    """Look for a data file under a folder by its size and checksum, whatever its name and place.

    Args:
        root: Folder to search, four folders deep.
        file: The file, from the manifest.
        known: Paths that have been tried already.

    Returns:
        The contents if they were found, and what else lies there.
    """
    if root.is_file():
        return Found(hints=[f"{root} is a file; a folder was expected."])
    candidates = [(_is_like(path.name, file), path, size) for path, size in _files(root) if path not in known]
    candidates.sort(key=lambda candidate: (-candidate[0], len(candidate[1].parts), str(candidate[1])))
    result, num_read = Found(), 0
    for likeness, path, size in candidates:
        try:
            with open(path, "rb") as opened:
                head = opened.read(2000)
            is_possible = (head.startswith(GZIP) and size <= 1.01 * file.size + 1000) or size == file.size
            is_possible |= b"\r\n" in head and file.size < size < 1.2 * file.size
            if is_possible and num_read < MOST_READ:
                num_read += 1
                raw = bytearray(path.read_bytes())  # writable, as torch likes the memory behind its tensors
                contents, fault = verified(raw, file)
                if fault is None:
                    return Found(contents, path)
                if likeness and len(result.hints) < _MOST_HINTS:
                    result.hints.append(f"{path} is {fault}.")
            elif likeness and len(result.hints) < _MOST_HINTS:
                contents, is_whole = unzipped(bytearray(head), 10_000)
                identity = what_is(head, contents, is_whole or head.startswith(GZIP))
                words = identity.removeprefix("this ") or "is something else"
                result.hints.append(f"{path}, of {size:,} bytes, {words}.")
        except OSError as error:
            if likeness:
                result.hints.append(f"{path} cannot be read ({error.strerror}).")
    return result


def _is_like(name: str, file: DataFile) -> bool:
    """Whether a name resembles the file's: "train-images.idx3-ubyte" and "train_images (1).gz" are like "train-images-idx3-ubyte".

    A name that is another data file's, "binarized_mnist_train.amat" where the test part is searched for, is not.
    """
    if name.removesuffix(".gz") in _NAMES - {Path(file.path).name.removesuffix(".gz")}:
        return False
    wanted, given = (re.sub(r"[^a-z0-9]+", "-", text.lower()) for text in (Path(file.path).name, name))
    return given.startswith("-".join(wanted.split("-")[:2]))


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    """Regular files under `root` with their sizes, folders near it first; hidden ones are left out. The depth ends loops of links."""
    folders, num_entries = deque([(root, 0)]), 0
    while folders:
        folder, depth = folders.popleft()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    num_entries += 1
                    if num_entries > MOST_ENTRIES:
                        return
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if depth < _DEPTH:
                            folders.append((Path(entry.path), depth + 1))
                    elif entry.is_file():
                        yield Path(entry.path), entry.stat().st_size
        except OSError:  # a folder that may not be read, or that has gone
            continue
