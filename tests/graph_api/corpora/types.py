"""Every type of the engine, by an example: what it looks like in each format, and how it gets in.

`docs/types.md` has its tables from here; `tests/graph_api/test_types.py` runs each row against a server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

GRAPH: Final = (
    "CREATE NODE TABLE City(name STRING, area DOUBLE, PRIMARY KEY(name))",
    "CREATE NODE TABLE Ticket(number SERIAL, PRIMARY KEY(number))",
    "CREATE REL TABLE Road(FROM City TO City, km INT64)",
)
"""Tables of the graph that the examples are taken from."""

ROWS: Final = (
    "CREATE (:City {name: 'A', area: 1.5})-[:Road {km: 7}]->(:City {name: 'B'})",
    "CREATE (:Ticket)",
)
"""Its nodes and relationships."""


@dataclass(frozen=True, slots=True)
class TypeExample:
    """One row of the tables.

    Attributes:
        type: The type, as the engine spells it.
        expression: Cypher that gives the example; what follows RETURN.
        json: The example as JSON.
        arrow: Its type in Arrow, as pyarrow spells it.
        csv: The example as a field of CSV; None if it is the JSON text.
        match: What stands before RETURN.
        parameter: JSON text with which it is sent; None if it cannot be.
        bound_as: Type that the engine gives to this parameter.
        exactly: Parameter for `CAST($x AS type)`, where `bound_as` is not the type.
        in_files: Whether a load fills columns of this type, from NDJSON with the JSON of the example.
    """

    type: str
    expression: str
    json: str
    arrow: str
    csv: str | None = None
    match: str = ""
    parameter: str | None = None
    bound_as: str = ""
    exactly: str | None = None
    in_files: bool = True

    @property
    def query(self) -> str:
        """The statement that gives the example as column `x`."""
        return f"{self.match} RETURN {self.expression} AS x".strip()

    @property
    def csv_field(self) -> str:
        """The example as a field of CSV."""
        return self.json if self.csv is None else self.csv


def typed(name: str, value: str) -> str:
    """Return the JSON text of a typed parameter, given that of its value."""
    return f'{{"$type": "{name}", "value": {value}}}'


def _integers() -> Iterator[TypeExample]:
    for bits in (8, 16, 32, 64):
        most = 2 ** (bits - 1) - 1
        name = f"INT{bits}"
        exactly = None if bits == 64 else "7"
        sent = str(most) if exactly is None else "7"
        bound_as = "INT64" if exactly is None else "INT8"
        yield TypeExample(
            name,
            f"CAST({sent} AS {name})",
            sent,
            name.lower(),
            parameter=typed(name, sent),
            bound_as=bound_as,
            exactly=None if bound_as == name else exactly,
        )
    for bits in (8, 16, 32):
        name = f"UINT{bits}"
        yield TypeExample(
            name, f"CAST(7 AS {name})", "7", name.lower(), parameter=typed(name, "7"), bound_as="INT8", exactly="7"
        )


def _whole_numbers() -> Iterator[TypeExample]:
    large, huge = str(2**64 - 1), str(10**37)
    yield from _integers()
    yield TypeExample(
        "UINT64",
        f"CAST('{large}' AS UINT64)",
        large,
        "uint64",
        parameter=typed("UINT64", large),
        bound_as="DECIMAL(20, 0)",
        exactly=f'"{large}"',
    )
    yield TypeExample(
        "INT128",
        f"CAST('{huge}' AS INT128)",
        huge,
        "decimal128(38, 0)",
        parameter=typed("INT128", f'"{huge}"'),
        bound_as="DECIMAL(38, 0)",
        exactly=f'"{huge}"',
    )
    yield TypeExample("SERIAL", "t.number", "0", "int64", match="MATCH (t:Ticket)", in_files=False)


def _moments() -> Iterator[TypeExample]:
    text = "2020-01-02T03:04:05.125000"
    cases = (
        ("TIMESTAMP", text, "timestamp[us]"),
        ("TIMESTAMP_TZ", f"{text}Z", "timestamp[us, tz=UTC]"),
        ("TIMESTAMP_NS", f"{text}000", "timestamp[ns]"),
        ("TIMESTAMP_MS", text, "timestamp[ms]"),
        ("TIMESTAMP_SEC", "2020-01-02T03:04:05", "timestamp[s]"),
    )
    for name, shown, arrow in cases:
        yield TypeExample(
            name,
            f"CAST('{shown.replace('T', ' ')}' AS {name})",
            f'"{shown}"',
            arrow,
            csv=shown,
            parameter=typed(name, f'"{shown}"'),
            bound_as="TIMESTAMP",
            exactly=None if name == "TIMESTAMP" else f'"{shown.replace("T", " ")}"',
        )


def _scalars() -> Iterator[TypeExample]:
    uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    yield TypeExample("BOOL", "true", "true", "bool", parameter="true", bound_as="BOOL")
    yield from _whole_numbers()
    yield TypeExample("DOUBLE", "2.0", "2.0", "double", parameter="2.0", bound_as="DOUBLE")
    for value, cast in (("NaN", "NaN"), ("Infinity", "inf"), ("-Infinity", "-inf")):
        yield TypeExample(
            "DOUBLE",
            f"CAST('{cast}' AS DOUBLE)",
            f'"{value}"',
            "double",
            csv=value,
            parameter=typed("DOUBLE", f'"{value}"'),
            bound_as="DOUBLE",
        )
    yield TypeExample(
        "FLOAT",
        "CAST(0.5 AS FLOAT)",
        "0.5",
        "float",
        parameter=typed("FLOAT", "0.5"),
        bound_as="DOUBLE",
        exactly="0.5",
    )
    yield TypeExample(
        "DECIMAL(18, 3)",
        "CAST('-1.5' AS DECIMAL(18, 3))",
        '"-1.500"',
        "decimal128(18, 3)",
        csv="-1.500",
        parameter=typed("DECIMAL(18, 3)", '"-1.5"'),
        bound_as="DECIMAL(18, 3)",
    )
    yield TypeExample(
        "DECIMAL(18, 0)",
        "CAST('15' AS DECIMAL(18, 0))",
        "15",
        "decimal128(18, 0)",
        parameter=typed("DECIMAL(18, 0)", "15"),
        bound_as="DECIMAL(18, 0)",
    )
    yield TypeExample("STRING", "'a\"b'", '"a\\"b"', "string", csv='"a""b"', parameter='"a\\"b"', bound_as="STRING")
    yield TypeExample(
        "UUID",
        f"UUID('{uuid}')",
        f'"{uuid}"',
        "extension<arrow.uuid>",
        csv=uuid,
        parameter=typed("UUID", f'"{uuid}"'),
        bound_as="UUID",
    )
    yield TypeExample(
        "BLOB",
        "BLOB('\\\\xAA\\\\xBB')",
        '"qrs="',
        "binary",
        csv='"qrs="',
        parameter=typed("BLOB", '"qrs="'),
        bound_as="BLOB",
    )
    yield TypeExample(
        "DATE",
        "date('2020-01-02')",
        '"2020-01-02"',
        "date32[day]",
        csv="2020-01-02",
        parameter=typed("DATE", '"2020-01-02"'),
        bound_as="DATE",
    )
    yield from _moments()
    yield TypeExample(
        "INTERVAL",
        "interval('3 days 2 hours')",
        '"P3DT7200S"',
        "duration[us]",
        csv="P3DT7200S",
        parameter=typed("INTERVAL", '"P3DT2H"'),
        bound_as="INTERVAL",
    )


def _made_of_others() -> Iterator[TypeExample]:
    yield TypeExample(
        "INT64[]",
        "[1, NULL]",
        "[1,null]",
        "list<l: int64>",
        csv='"[1,null]"',
        parameter="[1, null]",
        bound_as="INT64[]",
    )
    yield TypeExample(
        "FLOAT[2]",
        "CAST([0.5, 1.5] AS FLOAT[2])",
        "[0.5,1.5]",
        "fixed_size_list<l: float>[2]",
        csv='"[0.5,1.5]"',
        parameter=typed("FLOAT[2]", "[0.5, 1.5]"),
        bound_as="DOUBLE[]",
        exactly="[0.5, 1.5]",
    )
    yield TypeExample(
        "STRUCT(a DATE, b STRING)",
        "{a: date('2020-01-02'), b: 'x'}",
        '{"a":"2020-01-02","b":"x"}',
        "struct<a: date32[day], b: string>",
        csv='"{""a"":""2020-01-02"",""b"":""x""}"',
        parameter=typed("STRUCT(a DATE, b STRING)", '{"a": "2020-01-02", "b": "x"}'),
        bound_as="STRUCT(a DATE, b STRING)",
    )
    yield TypeExample(
        "MAP(STRING, INT64)",
        "map(['k'], [7])",
        '{"k":7}',
        "map<string, int64>",
        csv='"{""k"":7}"',
        parameter=typed("MAP(STRING, INT64)", '{"k": 7}'),
        bound_as="MAP(STRING, INT64)",
    )
    yield TypeExample(
        "MAP(DATE, INT64)",
        "map([date('2020-01-02')], [7])",
        '[["2020-01-02",7]]',
        "map<date32[day], int64>",
        csv='"[[""2020-01-02"",7]]"',
        parameter=typed("MAP(DATE, INT64)", '[["2020-01-02", 7]]'),
        bound_as="MAP(DATE, INT64)",
    )
    yield TypeExample(
        "UNION(a INT64, b STRING)",
        "CAST('x' AS UNION(a INT64, b STRING))",
        '"x"',
        "dense_union<a: int64=0, b: string=1>",
        csv='"""x"""',
        parameter='"x"',
        bound_as="STRING",
        exactly='"x"',
        in_files=False,
    )


def _of_the_graph() -> Iterator[TypeExample]:
    node = '{"_id":"0:0","_label":"City","name":"A","area":1.5}'
    other = '{"_id":"0:1","_label":"City","name":"B","area":null}'
    road = '{"_id":"2:0","_label":"Road","_src":"0:0","_dst":"0:1","km":7}'
    path = f'{{"_nodes":[{node},{other}],"_rels":[{road}]}}'
    nodes = "struct<_id: string, _label: string, name: string, area: double>"
    roads = "struct<_id: string, _label: string, _src: string, _dst: string, km: int64>"
    match = "MATCH p = (a:City)-[r:Road]->(:City)"
    cases = (
        ("NODE", "a", node, nodes),
        ("REL", "r", road, roads),
        ("RECURSIVE_REL", "p", path, f"struct<_nodes: list<l: {nodes}>, _rels: list<l: {roads}>>"),
    )
    for name, expression, json, arrow in cases:
        quoted = '"' + json.replace('"', '""') + '"'
        yield TypeExample(name, expression, json, arrow, csv=quoted, match=match, in_files=False)
    yield TypeExample("INTERNAL_ID", "id(a)", '"0:0"', "string", csv="0:0", match=match, in_files=False)


EXAMPLES: Final = (*_scalars(), *_made_of_others(), *_of_the_graph())
"""All rows, in the order of the document."""


def tables() -> str:
    """Return the two tables of `docs/types.md`."""
    out = ["| type | JSON | CSV | Arrow |", "|---|---|---|---|"]
    out += [
        f"| {_code(row.type)} | {_code(row.json)} | {_code(row.csv_field)} | {_code(row.arrow)} |" for row in EXAMPLES
    ]
    ways_in = ["| type | parameter `$x` | bound as | exactly this type | load |", "|---|---|---|---|---|"]
    for row in EXAMPLES:
        parameter = "not sent" if row.parameter is None else _code(row.parameter)
        exactly = "" if row.exactly is None else f"{_code(f'CAST($x AS {row.type})')} and {_code(row.exactly)}"
        load = "yes" if row.in_files else "no"
        bound_as = _code(row.bound_as) if row.bound_as else ""
        ways_in.append(f"| {_code(row.type)} | {parameter} | {bound_as} | {exactly} | {load} |")
    return "\n".join(["### As results", "", *out, "", "### As parameters and in loads", "", *ways_in])


def _code(text: str) -> str:
    shown = text.replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
