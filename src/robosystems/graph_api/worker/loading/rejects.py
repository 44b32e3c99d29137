"""Rows that are wrong: each ends the load, or is left out and written down."""

import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import msgspec

from robosystems.graph_api.backends.lbug.reject_files import MAX_FILE_BYTES, make_room, reject_path
from robosystems.graph_api.domain.errors import DiskFullError, LoadError
from robosystems.graph_api.domain.load import SHOWN_REJECTS, LoadPhase, Reject
from robosystems.graph_api.worker.loading.progress import Progress

DISK_FULL: Final = (28, 122)
"""ENOSPC and EDQUOT."""

_NOTHING_LOADED: Final = " Nothing was loaded."
_CHECKED_REJECTS: Final = 10_000

_encode: Final = msgspec.json.Encoder().encode


class RejectLog:
    """Takes the errors of wrong rows. Without a directory the first one is raised; with it they are written to a file.

    Use it as a context; the file stays only if `keep` was called.

    Args:
        progress: Asked now and then whether to go on.
        directory: Where the files of rejects lie; None for a load that fails at a wrong row.
        load_id: Name of the file.

    Attributes:
        count: Rows that were left out.
        kept: Those that are in the file.
        first: The first of them.
    """

    def __init__(self, progress: Progress, directory: Path | None = None, load_id: str = "") -> None:
        self.count = 0
        self.kept = 0
        self.first: list[Reject] = []
        self._progress = progress
        self._path = None if directory is None else reject_path(directory, load_id)
        self._file: IO[bytes] | None = None
        self._bytes = 0

    @property
    def skips(self) -> bool:
        """Whether wrong rows are left out."""
        return self._path is not None

    def add(self, error: LoadError) -> None:
        """Leave out the row that an error names.

        Raises:
            LoadError: This one, if wrong rows are not left out or it names no row.
            DiskFullError: No room for the file.
        """
        if self._path is None or "row" not in error.context:
            raise error
        self.count += 1
        if self.count % _CHECKED_REJECTS == 0:
            self._progress.at(LoadPhase.CHECKING)
        if self._bytes > MAX_FILE_BYTES:
            return
        reject = _reject(error)
        if len(self.first) < SHOWN_REJECTS:
            self.first.append(reject)
        known = {name: value for name, value in msgspec.to_builtins(reject).items() if value is not None}
        line = _encode(known) + b"\n"
        self._bytes += len(line)
        if self._bytes > MAX_FILE_BYTES:
            return
        try:
            self._opened(self._path).write(line)
        except OSError as refusal:
            raise _disk_error(refusal) from refusal
        self.kept += 1

    def keep(self) -> None:
        """Give the file its name.

        Raises:
            DiskFullError: No room for the file.
        """
        if self._file is None or self._path is None:
            return
        try:
            self._file.close()
            self._partial(self._path).rename(self._path)
        except OSError as error:
            raise _disk_error(error) from error
        self._file = None

    def forget(self) -> None:
        """Remove a file that has its name already: its load failed in the end."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            self._partial(self._path).unlink(missing_ok=True)

    def _opened(self, path: Path) -> IO[bytes]:
        if self._file is None:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            make_room(path.parent)
            self._file = os.fdopen(os.open(self._partial(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        return self._file

    def _partial(self, path: Path) -> Path:
        return path.with_suffix(".part")


def _reject(error: LoadError) -> Reject:
    context: dict[str, Any] = dict(error.context)
    return Reject(
        row=int(context["row"]),
        reason=str(context.get("reason", "refused")),
        detail=error.detail.removesuffix(_NOTHING_LOADED),
        line=context.get("line"),
        column=context.get("column"),
        value=context.get("value"),
    )


def _disk_error(error: OSError) -> Exception:
    if error.errno in DISK_FULL:
        return DiskFullError("The disk is full: the rejected rows could not be written down. Nothing was loaded.")
    return error
