"""Rows as CSV (RFC 4180, UTF-8): a header, then a record per row.

Null is an empty field, an empty text is `""`: texts and bytes are always quoted, everything else never, so the two
cannot be mixed up. Lists, structs and the like are quoted JSON. What a value looks like is otherwise the same as in
JSON, without the quotes.
"""

from collections.abc import Iterator
from typing import Any, Final

from robosystems.graph_api.worker.arrow import Array, DataType, arrow, kernels
from robosystems.graph_api.worker.columns import Texts, is_internal_id, json_strings, text_bytes
from robosystems.graph_api.worker.json_rows import texts_of_batches
from robosystems.graph_api.worker.results import Figures, Piece, Rows, Shape, batches_of

_LINE_END: Final = "\r\n"
_SPECIAL: Final = frozenset('",\r\n')
_QUOTE: Final = b'"'

_types: Final[Any] = arrow.types


def csv_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    """Yield a CSV file; of a result without columns nothing.

    Raises:
        StatementError: A column has no counterpart in Arrow, through which the rows go.
        PayloadTooLargeError: A single row is over 2 GiB.
    """
    if not shape.columns:
        return
    yield (",".join(map(_name, shape.columns)) + _LINE_END).encode()
    between = ["", *([","] * (len(shape.columns) - 1)), _LINE_END]
    yield from texts_of_batches(batches_of(result, figures.rows), between, csv_texts)


def csv_texts(array: Array) -> Texts:
    """Return the CSV field of each value of an array; as `columns.json_texts`."""
    if array.null_count == len(array):
        return Texts("", arrow.repeat(arrow.scalar("", arrow.string()), len(array)), "")
    if _types.is_string(array.type) or _types.is_large_string(array.type):
        return _quoted(array)
    texts = json_strings(array)
    if _is_nested(array.type):
        return _quoted(texts)
    if _QUOTE in bytes(text_bytes(texts)):
        texts = kernels.utf8_trim(texts, characters='"')
    if _types.is_binary(array.type):
        return _quoted(texts)
    return Texts("", kernels.fill_null(texts, ""), "")


def _quoted(strings: Array) -> Texts:
    """Return texts in quotes, those inside doubled; null stays without."""
    if _QUOTE in bytes(text_bytes(strings)):
        strings = kernels.replace_substring(strings, '"', '""')
    if strings.null_count == 0:
        return Texts('"', strings, '"')
    quote = arrow.scalar('"', strings.type)
    quoted = kernels.binary_join_element_wise(quote, strings, quote, arrow.scalar("", strings.type))
    return Texts("", kernels.fill_null(quoted, ""), "")


def _name(name: str) -> str:
    """Return a name for the header: in quotes if it needs them."""
    if name and not _SPECIAL.intersection(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _is_nested(kind: DataType) -> bool:
    if _types.is_struct(kind):
        return not is_internal_id(kind)
    return bool(_types.is_nested(kind))
