"""Finding, verifying and fetching data files."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from helpers import settings
from helpers.data.download.contents import verified
from helpers.data.download.lookup import search
from helpers.data.download.manifest import DataFile
from helpers.data.download.torchvision_import import import_torchvision
from helpers.files import atomic_write

STALL_SECONDS = 30.0  # time that a download may make no progress
_REMEDY = "Connect to the network, or set WORKBOOK_DATA to a folder that holds the file, under any name."


class DataUnavailable(RuntimeError):
    """Raised if a data file is neither on disk nor can be downloaded.

    Args:
        reason: Sentence that names the file and the cause.
        remedy: Sentence that says what to do.
    """

    def __init__(self, reason: str, remedy: str = _REMEDY) -> None:
        super().__init__(f"{reason} {remedy}")
        self.reason, self.remedy = reason, remedy


def read(file: DataFile, network: bool = True) -> bytearray:
    """Read the verified contents of a data file, unzipped: from disk, else downloaded and kept.

    It is looked for in the data folder, `settings.data_dir()`, then in the user's cache folder, which replaces a data folder that cannot be
    written: at its place first, then anywhere in these folders, by its size and checksum. If neither can be written, or if there is no home
    folder, a download is used but not kept. A truncated or altered file is named with the checksums expected
    and found, and downloaded again; it is replaced only by a whole, verified file, in one step. Nothing is unpickled.

    Args:
        file: The file, from the manifest.
        network: Whether it may be downloaded.

    Returns:
        The contents, writable, as torch prefers the memory of its tensors.

    Raises:
        DataUnavailable: If the file is neither on disk nor can be downloaded.
    """
    roots, missing = _roots()
    faults: list[str] = []
    hints: list[str] = []
    tried: set[Path] = set()
    for root in roots:
        contents = _read_from(root, file, faults, tried)
        if contents is not None:
            if faults:
                print(f"{' '.join(faults)} The copy in {root} is used.", flush=True)
            return contents
    for root in roots:
        result = search(root, file, tried)
        if result.contents is not None:
            if faults:
                print(f"{' '.join(faults)} The copy {result.path} is used.", flush=True)
            return result.contents
        hints += result.hints

    found = " ".join(faults) or (f"{file.path} was not found in {roots[0]}." if roots else missing)
    found = " ".join([found, *hints])
    if not network:
        raise DataUnavailable(f"{found} It was not downloaded, because the network may not be used here.")
    folder = next(filter(None, (_writable_folder(root, file) for root in roots)), None)
    errors: list[str] = []
    for url in file.urls:
        contents = _download(url, file, folder, errors)
        if contents is not None:
            if faults:
                print(f"{found} It was downloaded again.", flush=True)
            return contents
    raise DataUnavailable(f"{found} It could not be downloaded ({'; '.join(errors) or 'no address is known'}).")


def _roots() -> tuple[list[Path], str]:
    """The folders to look in, at most two, and why there is none."""
    roots: list[Path] = []
    missing = ""
    for folder in (settings.data_dir, settings.cache_dir):
        try:
            roots.append(folder())
        except settings.NoHomeFolder as error:
            missing = str(error)
    return list(dict.fromkeys(roots)), missing


def _read_from(folder: Path, file: DataFile, faults: list[str], tried: set[Path]) -> bytearray | None:
    """Contents of the zipped or the plain file in `folder`, or None. What is wrong with either is added to `faults`."""
    for path in (folder / (file.path + ".gz"), folder / file.path):
        tried.add(path)
        if not os.path.isfile(path):  # unlike Path.is_file, False also if the folder may not be searched
            continue
        try:
            raw = bytearray(path.read_bytes())  # writable, as torch likes the memory behind its tensors
        except OSError as error:
            faults.append(f"{path} cannot be read ({error.strerror}).")
            continue
        contents, fault = verified(raw, file)
        if fault is None:
            return contents
        faults.append(f"{path} is {fault}.")
    return None


def _writable_folder(root: Path, file: DataFile) -> Path | None:
    """The folder of `file` under `root`, created if it is missing, or None if nothing can be written there."""
    folder = (root / file.path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions are not enough: the medium may be read-only or full
            return folder
    except OSError:
        return None


def _download(url: str, file: DataFile, folder: Path | None, errors: list[str]) -> bytearray | None:
    """Download through torchvision into a temporary folder, verify, then move into `folder` in one step.

    So two processes that fetch the same file never share a half-written one, and the last to finish replaces a good file by an equal one.
    """
    host = urlsplit(url).netloc
    silence = _why_silent(url)
    if silence is not None:
        errors.append(f"{host}: {silence}")
        return None
    name = Path(file.path).name + (".gz" if url.endswith(".gz") else "")
    try:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder, ignore_cleanup_errors=True) as scratch:
            with _socket_timeout(max(STALL_SECONDS, settings.network_timeout())):
                import_torchvision().datasets.utils.download_url(url, scratch, name)
            part = Path(scratch) / name
            contents, fault = verified(bytearray(part.read_bytes()), file)
            if fault is None:
                _keep(part, folder)
                return contents
            fault = f"what came is {fault}"
    except (ImportError, OSError, EOFError, RuntimeError, HTTPException) as error:
        fault = _in_one_line(error)
    errors.append(f"{host}: {fault}")
    return None


def _keep(part: Path, folder: Path | None) -> None:
    try:
        if folder is None:
            raise OSError("no folder can be written")
        with atomic_write(folder / part.name) as partial:
            part.rename(partial)  # in the same folder tree, so no bytes are copied
    except OSError as error:
        print(f"{part.name} was downloaded but could not be kept ({error}): it is used from memory.", flush=True)


def _why_silent(url: str) -> str | None:
    """None if `url` answers within `settings.network_timeout()`, else the reason.

    In a thread, because a name server that does not answer blocks the caller beyond any timeout of a socket. A probe also saves an offline
    learner the import of torchvision.
    """
    limit = settings.network_timeout()
    outcome: list[str | None] = [
        f"no answer within {limit:g} seconds; WORKBOOK_TIMEOUT={2 * limit:g} would wait longer"
    ]

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=limit).close()
            outcome[0] = None
        except urllib.error.HTTPError:  # it answered; the download shows whether it has the file
            outcome[0] = None
        except Exception as error:  # an error must not escape the thread: any failure means "cannot be reached"
            if not isinstance(getattr(error, "reason", error), TimeoutError):  # that one has its sentence already
                outcome[0] = _in_one_line(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit)
    return outcome[0]


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Set the default timeout of sockets, because torchvision's downloader sets none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
