"""The guide to formats says what the code says."""

import re
from pathlib import Path

from robosystems.graph_api.domain.query import SUMMARY_KEY
from robosystems.graph_api.routers.databases.compression import SMALLEST_BYTES
from robosystems.graph_api.routers.databases.media_types import CSV, FORMAT_BY_TYPE, TYPE_BY_FORMAT
from robosystems.graph_api.routers.databases.negotiation import Coding
from robosystems.graph_api.routers.databases.sending import ROW_COUNT_HEADER, TRUNCATED_HEADER
from robosystems.graph_api.worker.results import BATCH_ROWS

_GUIDE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def _row(name: str) -> str:
    """Return the line of the table for a media type, as the code has it."""
    result_format = FORMAT_BY_TYPE[name]
    kind = TYPE_BY_FORMAT[result_format]
    places = [*(["headers"] if kind.suffix is not None else []), *([] if kind is CSV else ["summary"])]
    cells = (
        f"`{name}`",
        "ends with `problem`" if kind.separator is not None else "is broken off",
        ", ".join(places),
        "`LBUG_MAX_ROWS`" if result_format.is_document else "all",
        ", ".join(coding.value for coding in Coding) if kind.compressible else "none: compressed in itself",
    )
    return "| " + " | ".join(cells) + " |"


def test_the_table_of_formats_is_that_of_the_code() -> None:
    """Every format, in the order of preference."""
    table = re.search(r"<!-- generated: formats -->\n(.*?)<!-- end -->", _GUIDE, flags=re.DOTALL)
    assert table is not None
    assert table.group(1).splitlines()[2:] == [_row(name) for name in FORMAT_BY_TYPE]


def test_names_and_bounds_are_those_of_the_code() -> None:
    """What a reader of answers writes down from the guide."""
    bounds = (f"{BATCH_ROWS:,} rows", f"below {SMALLEST_BYTES:,} bytes")
    for word in (SUMMARY_KEY, ROW_COUNT_HEADER, TRUNCATED_HEADER, *bounds):
        assert word in _GUIDE
