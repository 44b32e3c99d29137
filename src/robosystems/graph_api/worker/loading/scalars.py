"""Strict conversion of Arrow arrays without parts: a value arrives exactly as it was, or not at all.

Each converter takes an array of any type and returns one of the transport type, or raises `ConversionError`. An empty
array of an unsuitable type is an error too, so that a file can be refused before its first row is read.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import msgspec

from robosystems.graph_api.domain.schema import DecimalType, ScalarKind
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.durations import microseconds_of
from robosystems.graph_api.worker.loading.transport import PLAIN

_types = arrow.types


class ConversionError(Exception):
    """A value, or the type of a whole array, does not fit the column.

    Args:
        reason: What is wrong, as the end of a sentence that begins with the value; None if the column type says it all.
    """

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "")
        self.reason = reason


_INT128_LIMIT: Final = 2**127
_EXACT_CHARACTERS: Final = 38
"""Up to this length, a text without an exponent has no more decimal places than Arrow reads."""

_PLAIN_SCALE: Final = 6
"""Up to this scale, Arrow never spells a decimal with an exponent."""

_CANONICAL_UUID: Final = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_ZONED: Final = r"\d\d:\d\d.*([Zz]|[+-]\d\d(:?\d\d)?)$"
_SURPLUS_ZEROS: Final = r"(\.\d{6})0+(\D|$)"
_WHOLE_WITH_ZEROS: Final = r"^\+?([0-9-][0-9]*)(\.0*)?$"
_INTERVAL: Final = (
    r"(?i)^\s*(\d+\s*(us|microseconds?|ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|mons?|months?"
    r"|years?)\s*)*(\d{1,2}:\d{2}:\d{2}(\.\d{1,6})?)?\s*$"
)
_NEGATIVE: Final = "is negative, which INTERVAL cannot be here"
_ISO_DURATION: Final = r"^\s*-?P"
_INFINITE: Final = r"(?i)^\s*[+-]?inf(inity)?\s*$"


def to_bool(array: Array) -> Array:
    """Truth values, or their spellings true, false, 1 and 0."""
    if _types.is_boolean(array.type):
        return array
    if _types.is_string(array.type):
        return kernels.cast(array, arrow.bool_())
    raise _unsuitable(array)


def to_integer(array: Array, kind: ScalarKind) -> Array:
    """Whole numbers in the range of the type; a fraction is an error."""
    wanted = PLAIN[kind]
    source = array.type
    if source == wanted:
        return array
    if _types.is_string(source):
        try:
            return kernels.cast(array, wanted)
        except arrow.ArrowInvalid:
            # Writers that know no null among whole numbers write 1.0 for 1.
            return kernels.cast(kernels.replace_substring_regex(array, _WHOLE_WITH_ZEROS, r"\1"), wanted)
    if _types.is_floating(source):
        return kernels.cast(_at_least_float(array), wanted)
    if _types.is_integer(source) or _types.is_decimal(source):
        return kernels.cast(array, wanted)
    raise _unsuitable(array)


def to_int128(array: Array) -> Array:
    """Whole numbers of 128 bits, as digits."""
    source = array.type
    if _types.is_integer(source):
        return kernels.cast(array, arrow.string())
    if _types.is_floating(source):
        return kernels.cast(kernels.cast(_at_least_float(array), arrow.int64()), arrow.string())
    if not (_types.is_string(source) or _types.is_decimal(source)):
        raise _unsuitable(array)
    wide = kernels.cast(array, arrow.decimal256(39, 0))
    bounds = kernels.min_max(wide).as_py()
    if bounds["min"] is not None and not -_INT128_LIMIT <= bounds["min"] <= bounds["max"] < _INT128_LIMIT:
        raise ConversionError
    return kernels.cast(wide, arrow.string())


def to_float(array: Array, kind: ScalarKind) -> Array:
    """Numbers; one that is too large, or a whole number that would change, is an error."""
    wanted = PLAIN[kind]
    source = array.type
    if source == wanted:
        return array
    if _types.is_string(source):
        result = kernels.cast(array, wanted)
        expected = kernels.match_substring_regex(array, _INFINITE)
    elif _types.is_floating(source):
        array = _at_least_float(array)
        result = kernels.cast(array, wanted)
        expected = kernels.is_inf(array)
    elif _types.is_integer(source) or _types.is_decimal(source):
        return kernels.cast(array, wanted)
    else:
        raise _unsuitable(array)
    if kernels.any(kernels.and_not(kernels.is_inf(result), expected)).as_py():
        raise ConversionError("is out of the range")
    return result


def to_decimal(array: Array, column_type: DecimalType) -> Array:
    """Exact numbers as digits, for the engine to cast; digits that the scale would cut off are an error.

    A binary fraction counts as the shortest decimal that stands for it, which is what it prints as.
    """
    wanted = arrow.decimal128(column_type.precision, column_type.scale)
    source = array.type
    if _types.is_floating(source):
        array = kernels.cast(_at_least_float(array), arrow.string())
    elif _types.is_integer(source):
        array = kernels.cast(array, arrow.string())
    elif not (_types.is_string(source) or _types.is_decimal(source)):
        raise _unsuitable(array)
    if not _types.is_decimal(source):
        _check_decimal_places(array, column_type.scale)
    return decimal_digits(kernels.cast(array, wanted))


def _check_decimal_places(array: Array, scale: int) -> None:
    """Refuse texts with more decimal places than the column; Arrow silently cuts off what lies beyond the 38th."""
    long = kernels.greater(kernels.utf8_length(array), _EXACT_CHARACTERS)
    unsafe = kernels.or_(long, kernels.match_substring(array, "e", ignore_case=True))
    if not kernels.any(unsafe).as_py():
        return
    for text in array.filter(unsafe).to_pylist():
        try:
            _, digits, exponent = Decimal(text).as_tuple()
        except InvalidOperation:
            continue  # Arrow says what is wrong with it.
        if isinstance(exponent, int):
            zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
            if any(digits) and -(exponent + zeros) > scale:
                raise ConversionError


def decimal_digits(array: Array) -> Array:
    """Spell decimals without an exponent."""
    scale = array.type.scale
    if scale <= _PLAIN_SCALE:
        return kernels.cast(array, arrow.string())
    narrow = isinstance(array.type, arrow.Decimal128Type)
    unscaled = arrow.Array.from_buffers(
        arrow.decimal128(38, 0) if narrow else arrow.decimal256(76, 0),
        len(array),
        array.buffers(),
        offset=array.offset,
    )
    digits = kernels.cast(unscaled, arrow.string())
    sign = kernels.if_else(kernels.starts_with(digits, "-"), "-", "")
    digits = kernels.utf8_lpad(kernels.utf8_ltrim(digits, "-"), scale + 1, "0")
    before = kernels.utf8_slice_codeunits(digits, 0, -scale)
    after = kernels.utf8_slice_codeunits(digits, -scale)
    return kernels.binary_join_element_wise(kernels.binary_join_element_wise(sign, before, ""), after, ".")


def to_string(array: Array) -> Array:
    """Text; other values without parts as they print."""
    source = array.type
    if _types.is_string(source):
        return array
    if _types.is_decimal(source):
        if source.bit_width < 128:  # noqa: PLR2004 - the narrow decimals of Arrow
            array = kernels.cast(array, arrow.decimal128(source.precision, source.scale))
        return decimal_digits(array)
    if _types.is_floating(source):
        return kernels.cast(_at_least_float(array), arrow.string())
    if _types.is_binary(source) or _types.is_integer(source) or _types.is_temporal(source) or _types.is_boolean(source):
        if _types.is_duration(source):
            raise _unsuitable(array)
        return kernels.cast(array, arrow.string())
    raise _unsuitable(array)


def to_json(array: Array) -> Array:
    """Text that is JSON."""
    if not _types.is_string(array.type):
        raise _unsuitable(array)
    decode = msgspec.json.Decoder(msgspec.Raw).decode
    _each(array, decode)
    return array


def to_blob(array: Array) -> Array:
    """Bytes; text is base64."""
    source = array.type
    if _types.is_binary(source):
        return array
    if _types.is_fixed_size_binary(source):
        return kernels.cast(array, arrow.binary())
    if _types.is_string(source):
        decode = msgspec.json.Decoder(bytes).decode
        return arrow.array(_each(array, lambda text: decode(msgspec.json.encode(text))), arrow.binary())
    raise _unsuitable(array)


def to_uuid(array: Array) -> Array:
    """UUIDs in their canonical spelling, or 16 bytes."""
    source = array.type
    if _types.is_fixed_size_binary(source) and source.byte_width == 16:  # noqa: PLR2004 - bytes of a UUID
        return arrow.array(_each(array, _uuid_text), arrow.string())
    if not _types.is_string(source):
        raise _unsuitable(array)
    return kernels.utf8_lower(_matching(array, _CANONICAL_UUID))


def to_interval(array: Array) -> Array:
    """Durations; as text in ISO 8601 or in the engine's spelling: `P3DT2H`, `3 days 2 hours`."""
    source = array.type
    if _types.is_duration(source):
        micros = kernels.cast(kernels.cast(array, arrow.duration("us")), arrow.int64())
        if kernels.any(kernels.less(micros, 0)).as_py():
            raise ConversionError(_NEGATIVE)
        return kernels.binary_join_element_wise(kernels.cast(micros, arrow.string()), "us", " ")
    if not _types.is_string(source):
        raise _unsuitable(array)
    if kernels.any(kernels.match_substring_regex(array, _ISO_DURATION)).as_py():
        array = arrow.array(_each(array, _engine_interval), arrow.string())
    return kernels.utf8_trim_whitespace(_matching(_matching(array, _INTERVAL), r"\S"))


def _engine_interval(text: str) -> str:
    """Spell an ISO 8601 duration as the engine reads it; other texts stay."""
    stripped = text.strip()
    if not stripped.startswith(("P", "-P")):
        return text
    micros = microseconds_of(stripped)
    if micros is None:
        raise ConversionError("is not made of weeks, days, hours, minutes and seconds")
    if micros < 0:
        raise ConversionError(_NEGATIVE)
    return f"{micros}us"


def to_date(array: Array) -> Array:
    """Days; a time of day other than midnight is an error."""
    source = array.type
    if not (_types.is_date(source) or _types.is_timestamp(source) or _types.is_string(source)):
        raise _unsuitable(array)
    days = kernels.cast(array, arrow.date32())
    if _types.is_timestamp(source):
        instants = kernels.cast(array, arrow.timestamp(source.unit))
        if not kernels.all(
            kernels.equal(kernels.cast(days, arrow.timestamp(source.unit)), instants), min_count=0
        ).as_py():
            raise ConversionError("has a time of day")
    return days


def to_timestamp(array: Array, kind: ScalarKind) -> Array:
    """Instants in UTC with the resolution of the type; finer digits are an error."""
    if kind is ScalarKind.TIMESTAMP_NS:
        return kernels.cast(_whole_microseconds(_instants(array, "ns")), arrow.string())
    unit = {ScalarKind.TIMESTAMP_SEC: "s", ScalarKind.TIMESTAMP_MS: "ms"}.get(kind, "us")
    return kernels.cast(_instants(array, unit), arrow.timestamp("us"))


def _whole_microseconds(moments: Array) -> Array:
    try:
        return kernels.cast(moments, arrow.timestamp("us"))
    except arrow.ArrowInvalid:
        raise ConversionError("is finer than a microsecond, which the engine would cut off") from None


def _instants(array: Array, unit: str) -> Array:
    """Return timestamps without zone; local times with an offset become UTC."""
    source = array.type
    wanted = arrow.timestamp(unit)
    if _types.is_timestamp(source):
        return kernels.cast(kernels.cast(array, arrow.timestamp(source.unit)), wanted)
    if _types.is_date(source):
        return kernels.cast(array, wanted)
    if not _types.is_string(source):
        raise _unsuitable(array)
    if unit != "ns":
        # As the service shows them: with six or nine digits, the last of them zeros.
        spelled = kernels.replace_substring_regex(array, _SURPLUS_ZEROS, r"\1\2")
        return kernels.cast(_moments(spelled, "us"), wanted)
    return _moments(array, unit)


def _moments(array: Array, unit: str) -> Array:
    """Read texts as timestamps of a unit, which they must not be finer than."""
    wanted = arrow.timestamp(unit)
    zoned = kernels.match_substring_regex(array, _ZONED)
    if not kernels.any(zoned).as_py():
        return kernels.cast(array, wanted)
    nothing = arrow.scalar(None, arrow.string())
    with_zone = kernels.cast(kernels.if_else(zoned, array, nothing), arrow.timestamp(unit, "UTC"))
    without = kernels.cast(kernels.if_else(zoned, nothing, array), wanted)
    return kernels.coalesce(kernels.cast(with_zone, wanted), without)


def _uuid_text(raw: bytes) -> str:
    return str(UUID(bytes=raw))


def _matching(array: Array, pattern: str) -> Array:
    """Return the array if all its texts match."""
    if not kernels.all(kernels.match_substring_regex(array, pattern), min_count=0).as_py():
        raise ConversionError
    return array


def _each(array: Array, convert: Callable[[Any], object]) -> list[object]:
    """Convert value by value."""
    try:
        return [None if value is None else convert(value) for value in array.to_pylist()]
    except (msgspec.DecodeError, ValueError) as error:
        raise ConversionError from error


def _at_least_float(array: Array) -> Array:
    """Widen half floats, of which Arrow converts little."""
    return kernels.cast(array, arrow.float32()) if _types.is_float16(array.type) else array


def _unsuitable(array: Array) -> ConversionError:
    return ConversionError(f"is of type {array.type}")
