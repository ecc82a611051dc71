"""What a file holds, decided by its contents: a whole data file, whatever its name, or what lies there instead, in words."""

from __future__ import annotations

import hashlib
import zlib

from helpers.data.download.manifest import MANIFEST, DataFile

GZIP = b"\x1f\x8b"
_PIECE = 1 << 18
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6)) + (b"(dp", b"(lp", b"ccopy_reg")
_BEGINNINGS = (  # longer ones before those that they begin with
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it points to (git lfs pull fetches that)"),
    (b"PK\x03\x04", "a zip archive, or a NumPy or torch file: unpack it"),
    (b"\xfd7zXZ", "an xz archive: unpack it"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"BZh", "a bzip2 file: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG image"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet table"),
    (b"<?xml", "an XML page, usually a server's error message"),
    *((beginning, "a pickle, which could run code and is not read") for beginning in _PICKLES),
)


def verified(raw: bytearray, file: DataFile) -> tuple[bytearray, str | None]:
    """Check a file against the manifest. It may be zipped by gzip, also twice, and a text may have the line ends of Windows.

    Args:
        raw: The file as it is on disk.
        file: What it should be.

    Returns:
        The contents, unzipped, and what is wrong with them in words, None if they are right.
    """
    contents, is_whole = unzipped(raw, file.size)
    found = hashlib.sha256(contents).hexdigest()
    if found == file.sha256:
        return contents, None
    if b"\r\n" in contents[:4096]:
        with_unix_ends = contents.replace(b"\r\n", b"\n")
        if hashlib.sha256(with_unix_ends).hexdigest() == file.sha256:
            return with_unix_ends, None
    size = len(contents)
    fault = "truncated" if size < file.size else "altered"
    identity = what_is(raw, contents, is_whole, found)
    return contents, (
        f"{fault}: its contents should be {file.size:,} bytes with sha256 {file.sha256}, but are {size:,} bytes with sha256 {found}"
        + (f" ({identity})" if identity else "")
    )


def unzipped(raw: bytearray, size: int) -> tuple[bytearray, bool]:
    """Unzip as far as a gzip file goes, all of its members, but not far beyond `size`. Other files are returned as they are.

    Args:
        raw: The file as it is on disk.
        size: Bytes that are expected, unzipped.

    Returns:
        The contents, at most one byte more than `size` if they were zipped, and whether the zipped file is whole.
    """
    is_whole = True
    for _ in range(2):  # a browser or a script may have zipped what was zipped
        if not raw.startswith(GZIP):
            break
        raw, is_whole = _gunzip(raw, size)
    return raw, is_whole


def _gunzip(raw: bytearray, size: int) -> tuple[bytearray, bool]:
    contents, position = bytearray(), 0
    while raw.startswith(GZIP, position):  # a member
        unzip = zlib.decompressobj(wbits=31)
        try:
            while not unzip.eof and position < len(raw):
                piece = raw[position : position + _PIECE]
                contents += unzip.decompress(piece, size + 1 - len(contents))
                position += len(piece) - len(unzip.unused_data)
                if len(contents) > size:
                    return contents, True
        except zlib.error:
            return contents, False
        if not unzip.eof:
            return contents, False
        while position < len(raw) and raw[position] == 0:  # padding, as tapes and some servers add it
            position += 1
    return contents, True


def what_is(raw: bytes | bytearray, contents: bytes | bytearray, is_whole: bool = True, sha256: str = "") -> str:
    """Say what a file is, if it can be told.

    Args:
        raw: The file as it is on disk, or its beginning.
        contents: The same, unzipped as far as it goes.
        is_whole: Whether unzipping came to its end.
        sha256: Checksum of the contents, unzipped, by which other files of the manifest are known.

    Returns:
        A few words; "" if nothing is known.
    """
    for parts in MANIFEST.values():
        for file in parts.values():
            if file.sha256 == sha256:
                return f"this is {file.path.partition('/')[0]}'s {file.path.rpartition('/')[2]}"
    if not raw:
        return "this is an empty file"
    if raw.startswith(GZIP) and not is_whole:
        return f"this is a gzip file that is damaged or cut off after {len(raw):,} bytes"
    head = bytes(contents[:2000])
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "this is a web page (HTML)"
    for beginning, words in _BEGINNINGS:
        if head.startswith(beginning):
            return f"this is {words}"
    if head[:3] == b"\0\0\x08" and len(head) > 4 and 1 <= head[3] <= 4 and len(head) >= 4 + 4 * head[3]:
        shape = [int.from_bytes(head[4 + 4 * i : 8 + 4 * i], "big") for i in range(head[3])]
        return f"this is an IDX file of shape {shape}"
    if text.startswith((b"{", b"[")):
        return "this is JSON of other contents or spacing"
    return ""
