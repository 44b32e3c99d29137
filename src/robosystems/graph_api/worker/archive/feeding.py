"""How archived values get into the engine: as which columns of a Parquet file, and by which expression over these.

Most go the way of loads (`worker.loading.convert`). The rest are types that loads refuse, and that are put together
here from parts of which the engine loses nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from robosystems.graph_api.backends.lbug.ddl import compile_type
from robosystems.graph_api.domain.cypher import CypherText, Identifier, StringLiteral, compose
from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    ListType,
    ScalarKind,
    ScalarType,
    UnionType,
)
from robosystems.graph_api.worker.archive.columns import TAG, archive_type, is_list_of_decimals
from robosystems.graph_api.worker.arrow import Array, DataType, arrow, kernels
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.convert import check_lengths, to_transport
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import needs_cast, transport_type
from robosystems.graph_api.worker.nested_arrays import with_elements

_INTERVAL: Final = re.compile(
    r"(?:(?P<years>-?\d{1,9}) years?)? ?(?:(?P<months>-?\d{1,9}) months?)? ?(?:(?P<days>-?\d{1,9}) days?)? ?"
    r"(?:(?P<sign>-?)(?P<hours>\d{1,10}):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Feed:
    """One column of the file that the engine reads.

    Attributes:
        type: Its type.
        make: Makes its values of the archived ones; raises `ConversionError` if they do not fit.
    """

    type: DataType
    make: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class FedColumn:
    """A column of an archive on its way into a table.

    Attributes:
        name: In the part.
        type: In the table.
        feeds: What the file holds of it, in columns named `<prefix>_<number>`.
        prefix: Of these names.
    """

    name: str
    type: ColumnType
    feeds: Sequence[Feed]
    prefix: str

    @property
    def arrow_type(self) -> DataType:
        """Type in the part."""
        return archive_type(self.type)

    @property
    def names(self) -> list[str]:
        """Names of its columns in the file."""
        return [f"{self.prefix}_{number}" for number in range(len(self.feeds))]

    @property
    def expression(self) -> CypherText:
        """What makes a value of the table of those in the file."""
        first = Identifier(self.names[0])
        match self.type:
            case UnionType():
                return self._union(self.type)
            case ScalarType(ScalarKind.INTERVAL):
                months, days, micros = map(Identifier, self.names)
                return compose(
                    "to_months({months}) + to_days({days}) + to_microseconds({micros})",
                    months=months,
                    days=days,
                    micros=micros,
                )
            case _ if is_list_of_decimals(self.type):
                return _cast_elements(compose("{value}", value=first), self.type, 0)
            case ScalarType(ScalarKind.SERIAL):
                return compose("{value}", value=first)
            case _:
                return statements.from_file(first.name, self.type if needs_cast(self.type) else None)

    def _union(self, column_type: UnionType) -> CypherText:
        tag, *values = map(Identifier, self.names)
        cases = compose("ELSE NULL")
        written = compile_type(column_type)
        for member, value in reversed(list(zip(column_type.members, values, strict=True))):
            cases = compose(
                "WHEN {tag} = {name} THEN CAST(union_value({member} := {value}) AS {type}) {rest}",
                tag=tag,
                name=StringLiteral(member.name),
                member=Identifier(member.name),
                value=value,
                type=written,
                rest=cases,
            )
        return compose("CASE {cases} END", cases=cases)


def fed_column(name: str, column_type: ColumnType, prefix: str) -> FedColumn:
    """Return how values of a column get into the engine."""
    return FedColumn(name, column_type, _feeds(column_type), prefix)


def _feeds(column_type: ColumnType) -> list[Feed]:
    match column_type:
        case UnionType(members):
            tags = Feed(arrow.string(), partial(_field, name=TAG))
            return [tags, *(Feed(archive_type(each.type), partial(_field, name=each.name)) for each in members)]
        case ScalarType(ScalarKind.INTERVAL):
            return [Feed(arrow.int64(), partial(_interval_part, part=part)) for part in (_months, _days, _microseconds)]
        case _ if is_list_of_decimals(column_type):
            return [Feed(_with_texts(column_type), partial(_texts_of_decimals, column_type=column_type))]
        case _:
            return [Feed(transport_type(column_type), partial(to_transport, column_type=column_type))]


def _field(array: Array, name: str) -> Array:
    return kernels.struct_field(array, name)


# -- decimals in lists ------------------------------------------------------------------------------------------------


def _cast_elements(value: CypherText, column_type: ColumnType, depth: int) -> CypherText:
    """Cast the texts in a list one by one: a cast of the whole list crashes the engine."""
    match column_type:
        case ListType(element) | ArrayType(element):
            each = Identifier(f"x{depth}")
            inner = _cast_elements(compose("{each}", each=each), element, depth + 1)
            return compose("list_transform({value}, {each} -> {inner})", value=value, each=each, inner=inner)
        case _:
            return compose("CAST({value} AS {type})", value=value, type=compile_type(column_type))


def _with_texts(column_type: ColumnType) -> DataType:
    match column_type:
        case ListType(element) | ArrayType(element):
            return arrow.list_(_with_texts(element))
        case _:
            return arrow.string()


def _texts_of_decimals(array: Array, column_type: ColumnType) -> Array:
    match column_type:
        case ArrayType(_, length):
            check_lengths(array, length)
        case _:
            pass
    match column_type:
        case ListType(element) | ArrayType(element):
            return with_elements(array, partial(_texts_of_decimals, column_type=element))
        case _:
            return to_transport(array, column_type)


# -- intervals --------------------------------------------------------------------------------------------------------


def _interval_part(array: Array, part: Callable[[re.Match[str]], int]) -> Array:
    try:
        return arrow.array([None if text is None else part(_parsed(text)) for text in array.to_pylist()], arrow.int64())
    except OverflowError as error:
        raise ConversionError("is out of range") from error


def _parsed(text: str) -> re.Match[str]:
    found = _INTERVAL.fullmatch(text) if text else None
    if found is None:
        raise ConversionError("is no interval")
    return found


def _number(found: re.Match[str], name: str) -> int:
    return int(found[name] or 0)


def _months(found: re.Match[str]) -> int:
    return 12 * _number(found, "years") + _number(found, "months")


def _days(found: re.Match[str]) -> int:
    return _number(found, "days")


def _microseconds(found: re.Match[str]) -> int:
    seconds = 3600 * _number(found, "hours") + 60 * _number(found, "minutes") + _number(found, "seconds")
    total = 1_000_000 * seconds + int((found["fraction"] or "").ljust(6, "0"))
    return -total if found["sign"] else total
