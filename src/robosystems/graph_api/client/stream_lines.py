"""Reading an NDJSON answer: rows, and as the last line a summary or a problem."""

from typing import Any, Final, cast

import msgspec

from robosystems.graph_api.client.exceptions import IncompleteStreamError, error_from_problem

NDJSON: Final = "application/x-ndjson"

_LEAST_SUMMARY: Final = frozenset({"columns", "types", "row_count"})
_decode_lines: Final = msgspec.json.Decoder().decode_lines


class LineDecoder:
    """Reads one NDJSON answer.

    A row may look like a terminal record (a query with one column named `summary`); only the last line is one, so a
    line that could be is held back until the next line or the end tells.
    """

    def __init__(self) -> None:
        self.summary: dict[str, Any] | None = None
        """The terminal record; None until the stream has ended well."""
        self.row_count = 0
        """Rows that were given out."""
        self._rest = b""
        self._held: dict[str, Any] | None = None

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        """Return the rows that are certain after one more piece.

        Raises:
            IncompleteStreamError: A line is not JSON.
        """
        cut = piece.rfind(b"\n") + 1
        if not cut:
            self._rest += piece
            return []
        rows = self._decoded(self._rest + piece[:cut])
        self._rest = piece[cut:]
        if self._held is not None:
            rows.insert(0, self._held)
            self._held = None
        if rows and _could_be_terminal(rows[-1]):
            self._held = rows.pop()
        self.row_count += len(rows)
        return rows

    def finish(self) -> None:
        """Read the last line as the terminal record.

        Raises:
            GraphApiError: The stream ended with a problem.
            IncompleteStreamError: There was no terminal record: rows may be missing.
        """
        last = self._held or {}
        problem = last.get("problem")
        if not self._rest and problem is not None and "code" in problem:
            raise error_from_problem(problem, int(problem.get("status", 500)))
        summary = last.get("summary")
        if self._rest or summary is None or not summary.keys() >= _LEAST_SUMMARY:
            raise IncompleteStreamError(
                f"The stream ended after {self.row_count:,} rows without its summary: rows may be missing; repeat the "
                "query."
            )
        if summary["row_count"] != self.row_count:
            raise IncompleteStreamError(
                f"The stream says that it has {summary['row_count']:,} rows, but {self.row_count:,} arrived: repeat "
                "the query."
            )
        self.summary = summary

    def _decoded(self, lines: bytes) -> list[dict[str, Any]]:
        """Return the documents of whole lines."""
        try:
            return cast("list[dict[str, Any]]", _decode_lines(lines))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IncompleteStreamError(
                f"The stream was damaged on its way, after {self.row_count:,} rows ({error}): repeat the query."
            ) from error


def _could_be_terminal(document: dict[str, Any]) -> bool:
    """Return whether a line has the form of a terminal record."""
    return len(document) == 1 and isinstance(document.get("summary", document.get("problem")), dict)
