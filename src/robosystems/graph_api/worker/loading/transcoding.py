"""Turning a text file of another encoding into UTF-8, as a stream."""

import codecs
from pathlib import Path
from typing import Final

from robosystems.graph_api.domain.errors import DiskFullError, InvalidRequestError, LoadError
from robosystems.graph_api.domain.load import LoadPhase
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import DISK_FULL

ENCODINGS: Final = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "ascii",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-5",
    "iso-8859-7",
    "iso-8859-9",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "cp437",
    "cp850",
    "koi8-r",
    "mac-roman",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gb18030",
    "big5",
)
"""Encodings that are taken, each under any of its names, for example latin-1."""

_PIECE_BYTES: Final = 1 << 20
_KNOWN: Final = frozenset(codecs.lookup(name).name for name in ENCODINGS)
_UTF8: Final = frozenset({"utf-8", "utf-8-sig"})


def in_utf8(path: Path, encoding: str, temporary: Path, progress: Progress) -> Path:
    """Return the file itself if it is UTF-8 already, else a copy in UTF-8 in the temporary directory.

    Raises:
        InvalidRequestError: The encoding is not known.
        LoadError: The file is not of this encoding; the line is named.
        DiskFullError: No room.
    """
    name = _checked(encoding)
    if name in _UTF8:
        return path
    copy = temporary / "text"
    decoder = codecs.getincrementaldecoder(name)(errors="strict")
    line = 1
    try:
        with path.open("rb") as source, copy.open("wb") as written:
            while True:
                progress.at(LoadPhase.CONVERTING)
                piece = source.read(_PIECE_BYTES)
                pending = decoder.getstate()[0]
                try:
                    text = decoder.decode(piece, final=not piece)
                except UnicodeError as error:
                    raise _broken(error, name, pending + piece, line) from error
                line += text.count("\n")
                written.write(text.encode())
                if not piece:
                    return copy
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFullError("The disk is full: the file could not be converted. Nothing was loaded.") from error
        raise


def _checked(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name if encoding.isascii() and "\0" not in encoding else ""
    except LookupError:
        name = ""
    if name not in _KNOWN | _UTF8:
        raise InvalidRequestError(f"encoding {encoding[:40]!r} is not known: use one of {', '.join(ENCODINGS)}.")
    return name


def _broken(error: UnicodeError, name: str, piece: bytes, line: int) -> LoadError:
    """Return the error for bytes that are no text; the line is that of the first of them."""
    reason = "it is cut off or damaged"
    if isinstance(error, UnicodeDecodeError):
        good = piece[: error.start].decode(name, "ignore")
        line += good.count("\n")
        reason = f"byte 0x{error.object[error.start]:02x}: {error.reason}"
    return LoadError(
        f"Line {line}: the file is not {name}: {reason}. Nothing was loaded.", reason="encoding", line=line
    )
