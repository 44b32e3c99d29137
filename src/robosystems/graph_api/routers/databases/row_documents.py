"""What the OpenAPI document says about rows in each format."""

from typing import Any, Final

from robosystems.graph_api.models.query import NDJSON_EXAMPLE
from robosystems.graph_api.routers.databases.media_types import ARROW, CSV, EVENT_STREAM, NDJSON, PARQUET, MediaType
from robosystems.graph_api.routers.databases.sending import ROW_COUNT_HEADER, TRUNCATED_HEADER


def _stream(kind: MediaType, description: str, **more: str) -> dict[str, Any]:
    """Return the entry of one format in `content`."""
    return {
        kind.name: {"schema": {"type": "string", "contentMediaType": kind.name, "description": description, **more}}
    }


ROW_CONTENT: Final[dict[str, Any]] = {
    **_stream(
        NDJSON,
        "An object per row and line, keyed by column. The last line has one member: "
        "`summary` (what the JSON answer holds beside `data`) or `problem` (as an error answer).",
    ),
    **_stream(
        ARROW, "An Arrow IPC stream; its last batch has no rows, and the summary in its metadata.", format="binary"
    ),
    **_stream(CSV, "A header, then a record per row."),
    **_stream(PARQUET, "A Parquet file; the summary is in its metadata.", format="binary"),
    **_stream(
        EVENT_STREAM,
        "Events `rows`, each with an array of objects, then one `summary` or `problem`, as the last line of NDJSON.",
    ),
}
"""All formats but JSON, which has a model."""
ROW_CONTENT[NDJSON.name]["example"] = NDJSON_EXAMPLE

ROW_HEADERS: Final[dict[str, Any]] = {
    ROW_COUNT_HEADER: {
        "description": "Rows that the answer holds; of CSV and Parquet.",
        "schema": {"type": "integer", "minimum": 0},
    },
    TRUNCATED_HEADER: {
        "description": "Whether `max_rows` cut the result; of CSV and Parquet.",
        "schema": {"type": "boolean"},
    },
}
"""Headers that only some formats have."""
