"""Arrow columns to JSON texts, whole columns at a time.

`json_texts` turns an array of any type into an array of strings, each the JSON text of one value; `joined_rows` glues
the columns to rows. All of it runs in Arrow's kernels without the interpreter lock, except for the rare types that have
no kernel (UUID, BLOB, INTERVAL, UNION, strings with control characters).

How values look is documented in docs/types.md; `worker.rows` makes the same texts value by value for small results.
"""

import base64
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from robosystems.graph_api.worker.arrow import Array, DataType, arrow, kernels

_PLAIN_BELOW: Final = 1e10
"""From here on Arrow writes whole floats with an exponent, which makes them floats in JSON; below, like integers."""

SHORT_DIGITS: Final = 18
"""Digits up to which the engine gives decimals to Arrow without their sign."""

_BITS_BY_DIGITS: Final = ((4, 16), (9, 32))
_CONTROLS: Final = tuple(bytes((code,)) for code in range(0x20))
_MICROSECONDS: Final = 1_000_000

_encode: Final = msgspec.json.Encoder().encode


class Texts(NamedTuple):
    """JSON texts of a column: `before + strings[i] + after`, so that quotes need no pass of their own.

    Attributes:
        before: What stands before each string.
        strings: Array of strings without nulls.
        after: What stands after each string.
    """

    before: str
    strings: Array
    after: str


def json_texts(array: Array) -> Texts:
    """Return the JSON text of each value of an array.

    Raises:
        pyarrow.ArrowException: The texts together are over 2 GiB: take fewer rows.
    """
    kind = array.type
    if array.null_count == len(array):
        return Texts("", _constant("null", len(array)), "")
    for matches, make in _MAKERS:
        if matches(kind):
            texts = make(array)
            break
    else:
        texts = _one_by_one(array, _encode)
    if not isinstance(texts, Texts):
        texts = Texts("", texts, "")
    if texts.strings.null_count == 0:
        return texts
    return Texts("", kernels.fill_null(_whole(texts), "null"), "")


def json_strings(array: Array) -> Array:
    """Return the JSON text of each value of an array as a string; null stays null."""
    return _masked(_whole(json_texts(array)), array.is_valid())


def joined_rows(columns: Sequence[Texts], between: Sequence[str]) -> Array:
    """Return one string per row: `between[0] + columns[0][i] + between[1] + ... + between[-1]`."""
    parts: list[Array] = []
    before = ""
    for text, (opening, strings, closing) in zip(between, columns, strict=False):
        parts += (_text(before + text + opening), strings)
        before = closing
    return _join(*parts, _text(before + between[-1]))


def text_bytes(strings: Array) -> memoryview:
    """Return the characters of all strings of an array, one after the other, as UTF-8, without copying."""
    _, offsets, data = strings.buffers()
    if data is None:
        return memoryview(b"")
    width = 8 if arrow.types.is_large_string(strings.type) else 4
    positions = memoryview(offsets).cast("q" if width == 8 else "i")  # noqa: PLR2004 (bytes of an offset)
    return memoryview(data)[positions[strings.offset] : positions[strings.offset + len(strings)]]


# ---------------------------------------------------------------------------------------------------------------------
# Tools
# ---------------------------------------------------------------------------------------------------------------------


def _text(text: str) -> Array:
    return arrow.scalar(text, arrow.string())


def _join(*parts: Array) -> Array:
    return kernels.binary_join_element_wise(*parts, _text(""))


def _number(number: float) -> Array:
    return arrow.scalar(number, arrow.float64())


def _constant(text: str, count: int) -> Array:
    return arrow.repeat(_text(text), count)


def _whole(texts: Texts) -> Array:
    """Return the texts as one array; null where the string is null."""
    before, strings, after = texts
    return _join(_text(before), strings, _text(after)) if before or after else strings


def _one_by_one(array: Array, text: Callable[[Any], bytes]) -> Array:
    """Make each text in Python: for types without a kernel."""
    return arrow.array([None if value is None else text(value).decode() for value in array.to_pylist()], arrow.string())


def _quoted(strings: Array) -> Texts:
    return Texts('"', strings, '"')


def _any(mask: Array) -> bool:
    return bool(kernels.any(mask, min_count=0).as_py())


# ---------------------------------------------------------------------------------------------------------------------
# Plain values
# ---------------------------------------------------------------------------------------------------------------------


def _integers(array: Array) -> Array:
    return array.cast(arrow.string())


def _floats(array: Array) -> Array:
    doubles = array.cast(arrow.float64())
    texts = doubles.cast(arrow.string())
    whole = kernels.and_(
        kernels.equal(kernels.floor(doubles), doubles), kernels.less(kernels.abs(doubles), _number(_PLAIN_BELOW))
    )
    if _any(whole):
        texts = kernels.if_else(whole, _join(texts, _text(".0")), texts)
    finite = kernels.is_finite(doubles)
    if not bool(kernels.all(finite, min_count=0).as_py()):
        above = kernels.if_else(kernels.greater(doubles, _number(0.0)), _text('"Infinity"'), _text('"-Infinity"'))
        special = kernels.if_else(kernels.is_nan(doubles), _text('"NaN"'), above)
        texts = kernels.if_else(finite, texts, special)
    return texts


def _strings(array: Array) -> Array | Texts:
    content = bytes(text_bytes(array))
    if any(code in content for code in _CONTROLS):
        return _one_by_one(array, _encode)
    if b"\\" in content:
        array = kernels.replace_substring(array, "\\", "\\\\")
    if b'"' in content:
        array = kernels.replace_substring(array, '"', '\\"')
    return _quoted(array)


def _decimals(array: Array) -> Array | Texts:
    scale = array.type.scale
    if array.type.precision <= SHORT_DIGITS:
        array = with_sign(array)
    texts = array.cast(arrow.string())
    if b"E" in bytes(text_bytes(texts)):
        plain = [None if value is None else format(value, "f") for value in array.to_pylist()]
        texts = arrow.array(plain, arrow.string())
    return texts if scale == 0 else _quoted(texts)


def with_sign(array: Array) -> Array:
    """Restore the sign of short decimals.

    The engine keeps up to 4, 9 and 18 digits in 16, 32 and 64 bits, and puts these into Arrow's 128 bits without
    extending the sign. The low 64 bits are right, or become so by extending it from there.
    """
    kind = array.type
    buffer = array.buffers()[1]
    words = arrow.Array.from_buffers(arrow.int64(), 2 * (array.offset + len(array)), [None, buffer])
    pairs = arrow.FixedSizeListArray.from_arrays(words, 2).slice(array.offset)
    digits = kernels.list_element(pairs, 0)
    bits = next((bits for most, bits in _BITS_BY_DIGITS if kind.precision <= most), None)
    if bits is not None:
        wrapped = kernels.greater_equal(digits, arrow.scalar(1 << (bits - 1), arrow.int64()))
        digits = kernels.if_else(wrapped, kernels.subtract(digits, arrow.scalar(1 << bits, arrow.int64())), digits)
    digits = _masked(digits, array.is_valid())
    if kind.scale == 0:
        return digits
    unit = arrow.scalar(Decimal(1).scaleb(-kind.scale), arrow.decimal128(kind.scale + 1, kind.scale))
    return kernels.multiply(digits.cast(arrow.decimal128(SHORT_DIGITS + 1, 0)), unit)


def _dates(array: Array) -> Texts:
    return _quoted(array.cast(arrow.string()))


def _timestamps(array: Array) -> Texts:
    """Write `2020-01-02T03:04:05`, with six (or, for nanoseconds, nine) digits where there is a fraction."""
    unit = "ns" if array.type.unit == "ns" else "us"
    zone = "" if array.type.tz is None else "Z"
    # Through integers: a cast that knows the zone would read the time zone database.
    moments = array.cast(arrow.int64()).cast(arrow.timestamp(array.type.unit)).cast(arrow.timestamp(unit))
    seconds = moments.cast(arrow.timestamp("s"), safe=False)
    fraction = kernels.not_equal(moments, seconds.cast(arrow.timestamp(unit)))
    short = seconds.cast(arrow.string())
    texts = kernels.if_else(fraction, moments.cast(arrow.string()), short) if _any(fraction) else short
    return Texts('"', kernels.replace_substring(texts, " ", "T", max_replacements=1), f'{zone}"')


def _durations(array: Array) -> Array:
    micros = array.cast(arrow.duration("us")).cast(arrow.int64())
    return _one_by_one(micros, lambda value: f'"{iso_duration(value)}"'.encode())


def iso_duration(microseconds: int) -> str:
    """Write a duration as ISO 8601 in days and seconds: `P32DT10800S`, `-P1DT0.5S`; a month has 30 days."""
    sign, left = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    days, left = divmod(left, 86_400 * _MICROSECONDS)
    seconds, fraction = divmod(left, _MICROSECONDS)
    digits = f".{fraction:06}".rstrip("0") if fraction else ""
    time = f"T{seconds}{digits}S" if seconds or fraction or not days else ""
    return f"{sign}P{f'{days}D' if days else ''}{time}"


def _blobs(array: Array) -> Array:
    return _one_by_one(array, lambda value: b'"' + base64.b64encode(value) + b'"')


def _uuids(array: Array) -> Array:
    return _one_by_one(array.storage, _uuid_text)


def _uuid_text(value: bytes) -> bytes:
    digits = value.hex()
    return f'"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"'.encode()


# ---------------------------------------------------------------------------------------------------------------------
# Values made of others
# ---------------------------------------------------------------------------------------------------------------------


def _lists(array: Array) -> Array:
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    inner = _whole(json_texts(array.values.slice(first, last - first)))
    return _bracketed(offsets, first, inner, array.is_valid())


def _fixed_lists(array: Array) -> Array:
    size = array.type.list_size
    inner = _whole(json_texts(array.values.slice(array.offset * size, len(array) * size)))
    offsets = arrow.array(range(0, (len(array) + 1) * size, size), arrow.int32()) if size else None
    if offsets is None:
        return _masked(_constant("[]", len(array)), array.is_valid())
    return _bracketed(offsets, 0, inner, array.is_valid())


def _bracketed(offsets: Array, first: int, inner: Array, valid: Array) -> Array:
    """Glue texts of elements to texts of lists; `offsets` begin at `first`."""
    if first:
        offsets = kernels.subtract(offsets, arrow.scalar(first, offsets.type))
    lists = arrow.ListArray.from_arrays(offsets.cast(arrow.int32()), inner)
    return _masked(_join(_text("["), kernels.binary_join(lists, ","), _text("]")), valid)


def _masked(texts: Array, valid: Array) -> Array:
    if bool(kernels.all(valid).as_py()):
        return texts
    return kernels.if_else(valid, texts, arrow.scalar(None, texts.type))


def _maps(array: Array) -> Array:
    """Write an object if the keys are strings, else a list of pairs."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    keys, items = (_whole(json_texts(part.slice(first, last - first))) for part in (array.keys, array.items))
    if arrow.types.is_string(array.type.key_type):
        entries, opening, closing = _join(keys, _text(":"), items), "{", "}"
    else:
        entries, opening, closing = _join(_text("["), keys, _text(","), items, _text("]")), "[", "]"
    offsets = kernels.subtract(offsets, arrow.scalar(first, offsets.type)).cast(arrow.int32())
    glued = kernels.binary_join(arrow.ListArray.from_arrays(offsets, entries), ",")
    return _masked(_join(_text(opening), glued, _text(closing)), array.is_valid())


_ID_FIELDS: Final = ("offset", "table")
_RENAMED: Final = {
    "_ID": "_id",
    "_LABEL": "_label",
    "_SRC": "_src",
    "_DST": "_dst",
    "_NODES": "_nodes",
    "_RELS": "_rels",
}


def _structs(array: Array) -> Array | Texts:
    names = [field.name for field in array.type]
    children = [array.field(position) for position in range(len(names))]
    valid = array.is_valid()
    if is_internal_id(array.type):
        return Texts('"', internal_id_texts(array), '"')
    if not names:
        return _masked(_constant("{}", len(array)), valid)
    texts = [json_texts(child) for child in children]
    order = graph_order(names)
    between = object_parts([graph_name(names[position], names) for position in order])
    return _masked(joined_rows([texts[position] for position in order], between), valid)


def internal_id_texts(array: Array) -> Array:
    """Return internal ids as `table:offset`."""
    offset, table = (array.field(position).cast(arrow.string()) for position in range(len(_ID_FIELDS)))
    return _masked(_join(table, _text(":"), offset), array.is_valid())


def is_internal_id(kind: DataType) -> bool:
    """Whether a struct is the engine's internal id: it has no type of its own in Arrow."""
    return (
        kind.num_fields == len(_ID_FIELDS)
        and tuple(field.name for field in kind) == _ID_FIELDS
        and all(arrow.types.is_int64(field.type) for field in kind)
    )


def graph_name(name: str, names: Sequence[str]) -> str:
    """Return the public name of a field of a node, relationship or path; others keep theirs."""
    return _RENAMED.get(name, name) if _is_graph_value(names) else name


def graph_order(names: Sequence[str]) -> list[int]:
    """Return the positions of fields in the order in which they are written: of a graph value, id and label first."""
    if not _is_graph_value(names):
        return list(range(len(names)))
    first = {"_ID": 0, "_LABEL": 1, "_SRC": 2, "_DST": 3}
    return sorted(range(len(names)), key=lambda position: first.get(names[position], 4))


def _is_graph_value(names: Sequence[str]) -> bool:
    return ("_ID" in names and "_LABEL" in names) or list(names) == ["_NODES", "_RELS"]


def object_parts(names: Sequence[str]) -> list[str]:
    """Return what stands around the values of an object with these keys."""
    keys = [_encode(name).decode() for name in names]
    return ["{" + keys[0] + ":", *(f",{key}:" for key in keys[1:]), "}"]


def _unions(array: Array) -> Array:
    """Write the value alone. Unions are rare and have no kernel: one slice of one value at a time."""
    texts: list[str | None] = []
    for position, code in enumerate(array.type_codes.to_pylist()):
        offset = array.offsets[position].as_py()
        child = array.field(code).slice(offset, 1)
        texts.append(_whole(json_texts(child))[0].as_py())
    return arrow.array(texts, arrow.string())


def is_uuid(kind: DataType) -> bool:
    """Whether this is Arrow's extension type for UUID."""
    return isinstance(kind, arrow.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def _is_boolean_or_integer(kind: DataType) -> bool:
    return bool(arrow.types.is_integer(kind) or arrow.types.is_boolean(kind))


def _is_strings(kind: DataType) -> bool:
    return bool(arrow.types.is_string(kind) or arrow.types.is_large_string(kind))


_MAKERS: Final[tuple[tuple[Callable[[DataType], bool], Callable[[Array], Any]], ...]] = (
    (_is_boolean_or_integer, _integers),
    (_is_strings, _strings),
    (arrow.types.is_floating, _floats),
    (arrow.types.is_date, _dates),
    (arrow.types.is_timestamp, _timestamps),
    (arrow.types.is_decimal, _decimals),
    (is_uuid, _uuids),
    (arrow.types.is_struct, _structs),
    (arrow.types.is_map, _maps),
    (arrow.types.is_fixed_size_list, _fixed_lists),
    (arrow.types.is_list, _lists),
    (arrow.types.is_duration, _durations),
    (arrow.types.is_binary, _blobs),
    (arrow.types.is_union, _unions),
)
