"""Errors that name a row."""

from collections.abc import Mapping
from typing import Final

from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.schema import ColumnType, DecimalType, ScalarKind, ScalarType

_EXPECTED: Final[Mapping[ScalarKind, str]] = {
    ScalarKind.BOOL: "BOOL (true or false)",
    ScalarKind.UUID: "UUID (8-4-4-4-12 hexadecimal digits)",
    ScalarKind.DATE: "DATE (YYYY-MM-DD)",
    ScalarKind.TIMESTAMP: "TIMESTAMP (YYYY-MM-DD hh:mm:ss, at most microseconds)",
    ScalarKind.TIMESTAMP_TZ: "TIMESTAMP_TZ (YYYY-MM-DD hh:mm:ss+hh:mm, at most microseconds)",
    ScalarKind.TIMESTAMP_MS: "TIMESTAMP_MS (YYYY-MM-DD hh:mm:ss, at most milliseconds)",
    ScalarKind.TIMESTAMP_SEC: "TIMESTAMP_SEC (YYYY-MM-DD hh:mm:ss, whole seconds)",
    ScalarKind.TIMESTAMP_NS: "TIMESTAMP_NS (YYYY-MM-DD hh:mm:ss, years 1678 to 2262)",
    ScalarKind.INTERVAL: "INTERVAL (for example 3 days 2 hours)",
    ScalarKind.BLOB: "BLOB (base64)",
    ScalarKind.JSON: "JSON",
}


def expected(column_type: ColumnType) -> str:
    """Name a type with the spelling of its values."""
    match column_type:
        case ScalarType(kind):
            return _EXPECTED.get(kind, kind.value)
        case DecimalType(precision, scale):
            return f"{column_type} (at most {precision - scale} digits before the point and {scale} after it)"
        case _:
            return str(column_type)


def unfit_value(row: int, column: str, value: str, column_type: ColumnType, reason: str | None) -> LoadError:
    """Return the error for a value that does not fit its column.

    Args:
        row: Number of the data row, from 1.
        column: Column of the file.
        value: The value, shortened.
        column_type: What it should be.
        reason: End of the sentence that begins with the value; None if it is just no value of the type.
    """
    said = f"{reason}; the column is {expected(column_type)}" if reason else f"is not {expected(column_type)}"
    return LoadError(
        f"Row {row}, column {column!r}: {value} {said}. Nothing was loaded.",
        row=row,
        column=column,
        value=value,
        reason="unfit_value",
    )


def missing_value(row: int, column: str, what: str) -> LoadError:
    """Return the error for a null where none may be; `what` says what the column holds."""
    return LoadError(
        f"Row {row}, column {column!r}: the value is missing, but this is {what}. Nothing was loaded.",
        row=row,
        column=column,
        reason="missing_value",
    )


def wrong_row(detail: str, reason: str, column: str, value: str, **where: object) -> LoadError:
    """Return the error for a row whose value fits its column but not the other data; None in `where` is left out."""
    error = LoadError(f"{detail} Nothing was loaded.", reason=reason, column=column, value=value)
    error.context.update((name, known) for name, known in where.items() if known is not None)
    return error
