"""Logical column types: values that print as the engine spells them.

::

    ColumnType = ScalarType | DecimalType | ListType | ArrayType | StructType | MapType | UnionType | OpaqueType

Every value is legal by construction: a constructor raises `InvalidSchemaError` where the engine would refuse the type.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from robosystems.graph_api.domain.errors import InvalidSchemaError

MAX_TYPE_DEPTH: Final = 8
"""Levels of nesting that a column type may have; a scalar has one."""

MAX_FIELDS: Final = 100
"""Fields that one STRUCT or UNION may have."""

MAX_ARRAY_LENGTH: Final = 65_536
"""Elements that an ARRAY may have."""

MAX_DECIMAL_PRECISION: Final = 38
"""Digits of the widest DECIMAL."""

FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
"""Legal names of STRUCT and UNION fields."""


class ScalarKind(StrEnum):
    """Types without parts; the value is the engine's spelling."""

    BOOL = "BOOL"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    INT128 = "INT128"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    JSON = "JSON"
    BLOB = "BLOB"
    UUID = "UUID"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_SEC = "TIMESTAMP_SEC"
    TIMESTAMP_MS = "TIMESTAMP_MS"
    TIMESTAMP_NS = "TIMESTAMP_NS"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"
    INTERVAL = "INTERVAL"
    SERIAL = "SERIAL"


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A type without parts."""

    kind: ScalarKind

    def __str__(self) -> str:
        return self.kind.value


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact number with `precision` digits, `scale` of them after the point."""

    precision: int = 18
    scale: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.precision <= MAX_DECIMAL_PRECISION:
            raise InvalidSchemaError(f"the precision of DECIMAL is {self.precision}: use 1 to {MAX_DECIMAL_PRECISION}.")
        if not 0 <= self.scale <= self.precision:
            raise InvalidSchemaError(f"the scale of DECIMAL is {self.scale}: use 0 to its precision, {self.precision}.")

    def __str__(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of any length."""

    element: "ColumnType"

    def __post_init__(self) -> None:
        _check_part(self.element)

    def __str__(self) -> str:
        return f"{self.element}[]"


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of exactly `length` elements, for example an embedding."""

    element: "ColumnType"
    length: int

    def __post_init__(self) -> None:
        _check_part(self.element)
        if not 1 <= self.length <= MAX_ARRAY_LENGTH:
            raise InvalidSchemaError(f"the length of an ARRAY is {self.length}: use 1 to {MAX_ARRAY_LENGTH}.")

    def __str__(self) -> str:
        return f"{self.element}[{self.length}]"


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a STRUCT or UNION."""

    name: str
    type: "ColumnType"

    def __post_init__(self) -> None:
        _check_part(self.type)
        if FIELD_NAME.fullmatch(self.name) is None:
            raise InvalidSchemaError(
                f"the field name {self.name[:80]!r} is not legal: use 1 to 128 letters, digits or '_', "
                "not beginning with a digit."
            )

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True, slots=True)
class StructType:
    """A fixed set of named values."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        _check_fields(self.fields, "STRUCT")

    def __str__(self) -> str:
        return f"STRUCT({', '.join(map(str, self.fields))})"


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several named values."""

    members: tuple[Field, ...]

    def __post_init__(self) -> None:
        _check_fields(self.members, "UNION")

    def __str__(self) -> str:
        return f"UNION({', '.join(map(str, self.members))})"


@dataclass(frozen=True, slots=True)
class MapType:
    """Keys with values; keys are scalars or decimals."""

    key: "ScalarType | DecimalType"
    value: "ColumnType"

    def __post_init__(self) -> None:
        _check_part(self.key)
        _check_part(self.value)

    def __str__(self) -> str:
        return f"MAP({self.key}, {self.value})"


@dataclass(frozen=True, slots=True)
class OpaqueType:
    """A type that an existing table has but that cannot be declared here; `spelling` is the engine's."""

    spelling: str

    def __str__(self) -> str:
        return self.spelling


ColumnType = ScalarType | DecimalType | ListType | ArrayType | StructType | MapType | UnionType | OpaqueType

_SERIAL: Final = ScalarType(ScalarKind.SERIAL)


def parts_of(column_type: ColumnType) -> tuple[ColumnType, ...]:
    """Return the types that a list, array, struct or map is made of, the key of a map too; of others none."""
    match column_type:
        case ListType(element) | ArrayType(element):
            return (element,)
        case StructType(fields):
            return tuple(field.type for field in fields)
        case MapType(key, value):
            return (key, value)
        case _:
            return ()


def holds(column_type: ColumnType, matches: Callable[[ColumnType], bool]) -> bool:
    """Return whether a type, or one that `parts_of` finds inside of it, matches."""
    return matches(column_type) or any(holds(part, matches) for part in parts_of(column_type))


def depth_of(column_type: ColumnType) -> int:
    """Count the levels of nesting; a scalar has one."""
    match column_type:
        case ListType(element) | ArrayType(element):
            return 1 + depth_of(element)
        case StructType(fields) | UnionType(fields):
            return 1 + max(depth_of(field.type) for field in fields)
        case MapType(_, value):
            return 1 + depth_of(value)
        case _:
            return 1


def _check_part(part: ColumnType) -> None:
    if part == _SERIAL:
        raise InvalidSchemaError("SERIAL is the type of a whole column; inside another type use INT64.")


def _check_fields(fields: Sequence[Field], name: str) -> None:
    if not 1 <= len(fields) <= MAX_FIELDS:
        raise InvalidSchemaError(f"a {name} has {len(fields)} fields: use 1 to {MAX_FIELDS}.")
    seen: set[str] = set()
    for field in fields:
        if field.name.lower() in seen:
            raise InvalidSchemaError(f"the field {field.name!r} occurs twice in a {name} (case does not distinguish).")
        seen.add(field.name.lower())
