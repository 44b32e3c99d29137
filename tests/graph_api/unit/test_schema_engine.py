"""Schemas on the real engine: what is declared is created, and what is created is read back equal."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import ladybug
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.backends.lbug.ddl import compile_ddl
from robosystems.graph_api.backends.lbug.introspection import (
    SHOW_TABLES,
    connections_statement,
    schema_from_catalog,
    table_info_statement,
    tables_in,
)
from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.graph import SchemaType
from robosystems.graph_api.domain.schema import (
    RESERVED_COLUMNS,
    Column,
    DefaultFunction,
    Endpoint,
    GraphSchema,
    Multiplicity,
    NodeTable,
    OpaqueDefault,
    OpaqueType,
    RelationshipTable,
    ScalarKind,
    ScalarType,
    TableKind,
    parse_schema_document,
    parse_type,
    restore_schema_document,
)
from robosystems.graph_api.schemas import builtin_schema

ROOT = Path(__file__).parents[3]
STRING = ScalarType(ScalarKind.STRING)
KEY = Column("identifier", STRING)

Run = Callable[[str], list[list[object]]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open an empty database and return a function that runs one statement in it."""
    with (
        ladybug.Database(tmp_path / "graph.lbug", buffer_pool_size=256 << 20, max_db_size=16 << 30) as database,
        ladybug.Connection(database) as connection,
    ):

        def execute(statement: str) -> list[list[object]]:
            result = connection.execute(statement)
            assert isinstance(result, ladybug.QueryResult), "more than one statement"
            return [list(row) for row in result]

        yield execute


def create(run: Run, schema: GraphSchema) -> None:
    """Create all tables of a schema."""
    for statement in compile_ddl(schema):
        run(statement)


def introspect(run: Run) -> GraphSchema:
    """Read the schema of the open database."""
    tables = run(SHOW_TABLES)
    named = tables_in(tables)
    return schema_from_catalog(
        tables,
        {name: run(table_info_statement(name)) for name, _, _ in named},
        {name: run(connections_statement(name)) for name, kind, _ in named if kind is TableKind.RELATIONSHIP},
    )


def untold(schema: GraphSchema) -> GraphSchema:
    """Return a schema without what the engine cannot tell."""
    return GraphSchema(
        tuple(replace(t, columns=tuple(replace(c, description="") for c in t.columns)) for t in schema.nodes),
        tuple(
            replace(t, columns=tuple(replace(c, description="") for c in t.columns), multiplicity=None)
            for t in schema.relationships
        ),
    )


def one_table(*columns: Column) -> GraphSchema:
    """Make a schema of one node table."""
    return GraphSchema((NodeTable("T", (KEY, *columns), "identifier"),))


@pytest.mark.parametrize(
    ("schema_type", "repository_name"),
    [(SchemaType.ENTITY, None), (SchemaType.SHARED, None), (SchemaType.SHARED, "sec"), (SchemaType.CUSTOM, None)],
)
def test_a_builtin_schema_is_created_and_read_back(
    run: Run, schema_type: SchemaType, repository_name: str | None
) -> None:
    """The catalog tells the same tables; with the declared document the schema is complete again."""
    schema = builtin_schema(schema_type, repository_name)
    create(run, schema)
    found = introspect(run)
    assert found == untold(schema)
    assert found.described_by(schema) == schema


def test_the_schema_of_the_sec_example_is_created_and_read_back(run: Run) -> None:
    """The example's document makes exactly its tables."""
    schema = parse_schema_document(json.loads((ROOT / "examples/sec/schema.json").read_text("utf-8")))
    create(run, schema)
    assert introspect(run).described_by(schema) == schema


_SPELLINGS = [kind.value for kind in ScalarKind] + [
    "DECIMAL(1, 0)",
    "DECIMAL(18, 3)",
    "DECIMAL(38, 38)",
    "INT64[]",
    "STRING[][]",
    "FLOAT[384]",
    "INT64[2][]",
    "DECIMAL(10, 2)[]",
    "STRUCT(a INT64, b STRING)",
    "STRUCT(from INT64, order DATE, null STRUCT(STRUCT UUID[]))",
    "STRUCT(a INT64)[]",
    "MAP(STRING, INT64[])",
    "MAP(DECIMAL(10, 2), STRUCT(a BLOB))",
    "UNION(a INT64, from STRING)",
    "UNION(a INT64)[3]",
    "INT64[][][][][][][]",
]


@pytest.mark.parametrize("spelling", _SPELLINGS)
def test_every_type_is_created_and_read_back_in_its_canonical_spelling(run: Run, spelling: str) -> None:
    """Nodes and relationships both; the engine prints a type as `str` does."""
    column = Column("value", parse_type(spelling))
    assert str(column.type) == spelling
    schema = one_table(column)
    schema = schema.extended_by(GraphSchema((), (RelationshipTable("R", (Endpoint("T", "T"),), (column,)),)))
    create(run, schema)
    assert introspect(run) == schema
    assert run(table_info_statement("T"))[1][2] == spelling


@pytest.mark.parametrize(
    ("spelling", "literal", "given"),
    [
        ("INT64[]", "[1, 2]", [1, 2]),
        ("FLOAT[2]", "[0.5, 1.5]", [0.5, 1.5]),
        ("STRUCT(from INT64, order STRING)", "{`from`: 1, `order`: 'x'}", {"from": 1, "order": "x"}),
        ("MAP(STRING, INT64)", "map(['a'], [1])", {"a": 1}),
        ("JSON", "'{\"a\": 1}'", '{"a": 1}'),
        ("INT128", "5", 5),
    ],
)
def test_values_of_nested_types_can_be_stored_and_read(run: Run, spelling: str, literal: str, given: object) -> None:
    """A type that can be declared can also be used."""
    create(run, one_table(Column("value", parse_type(spelling))))
    run("CREATE (:T {identifier: '1', value: " + literal + "})")
    assert run("MATCH (t:T) RETURN t.value") == [[given]]


@pytest.mark.parametrize(
    "spelling", ["SERIAL", "INT64", "UUID", "DATE", "TIMESTAMP_TZ", "DECIMAL(10, 2)", "BLOB", "DOUBLE"]
)
def test_every_scalar_that_may_be_a_key_is_one(run: Run, spelling: str) -> None:
    """The engine makes an index of it and reports it as the key."""
    schema = GraphSchema((NodeTable("K", (Column("before", STRING), Column("key", parse_type(spelling))), "key"),))
    create(run, schema)
    assert introspect(run) == schema


def test_a_serial_key_counts_up(run: Run) -> None:
    """New nodes need no key, and rows that give one don't move the counter."""
    create(run, GraphSchema((NodeTable("S", (Column("id", ScalarType(ScalarKind.SERIAL)),), "id"),)))
    run("CREATE (:S), (:S)")
    assert run("MATCH (s:S) RETURN s.id ORDER BY s.id") == [[0], [1]]


@pytest.mark.parametrize(
    ("spelling", "default"),
    [
        ("STRING", 'it\'s \\ "quoted"\n\t`x` é 😀 // /* */ $p'),
        ("STRING", ""),
        ("STRING", "\\n \\u0041 \\x41"),
        ("STRING", "null"),
        ("STRING", "\x01\x1f\x7f\u2028"),
        ("JSON", '{"a": "b\\"c"}'),
        ("BOOL", False),
        ("INT8", -128),
        ("INT64", -(2**63)),
        ("UINT64", 2**64 - 1),
        ("INT128", -(2**127)),
        ("DOUBLE", 1e300),
        ("DOUBLE", 5e-324),
        ("DOUBLE", -0.1),
        ("DOUBLE", 3.0),
        ("FLOAT", 0.5),
        ("DECIMAL(38, 10)", "12345678901234567890.0123456789"),
        ("DECIMAL(18, 2)", "-12.50"),
        ("DATE", "2024-02-29"),
        ("DATE", "0001-01-01"),
        ("TIMESTAMP", "2024-12-31 23:59:59.123456"),
        ("TIMESTAMP_NS", "2024-12-31 23:59:59.123456"),
        ("TIMESTAMP_MS", "2024-12-31 23:59:59.123000"),
        ("TIMESTAMP_SEC", "2024-12-31 23:59:59"),
        ("TIMESTAMP_TZ", "2024-12-31 23:59:59+02:00"),
        ("UUID", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("DATE", DefaultFunction.CURRENT_DATE),
        ("TIMESTAMP", DefaultFunction.CURRENT_TIMESTAMP),
        ("UUID", DefaultFunction.RANDOM_UUID),
    ],
    ids=lambda value: re.sub(r"[^ -~]", "?", repr(value)),
)
def test_a_default_reaches_new_rows_and_is_read_back(run: Run, spelling: str, default: str) -> None:
    """The engine keeps every digit and character of it."""
    schema = one_table(Column("value", parse_type(spelling), default=default))
    create(run, schema)
    assert introspect(run) == schema
    run("CREATE (:T {identifier: '1'})")
    if isinstance(default, DefaultFunction):
        assert run("MATCH (t:T) WHERE t.value IS NOT NULL RETURN count(*)") == [[1]]
    elif spelling in {"STRING", "JSON"}:
        assert run("MATCH (t:T) RETURN t.value") == [[default]]
    elif spelling.startswith("DECIMAL"):
        assert str(run("MATCH (t:T) RETURN t.value")[0][0]) == default
    elif spelling.startswith(("INT", "UINT", "DOUBLE", "FLOAT")):
        assert run("MATCH (t:T) RETURN t.value") == [[default]]


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(default=_text | _text.map(lambda text: f"'{text}\\"), number=st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survive_as_defaults(run: Run, default: str, number: float) -> None:
    """Whatever a tenant writes there stays data."""
    columns = (
        Column("text", STRING, default=default),
        Column("number", ScalarType(ScalarKind.DOUBLE), default=number),
    )
    create(run, one_table(*columns))
    try:
        assert introspect(run) == one_table(*columns)
        run("CREATE (:T {identifier: '1'})")
        assert run("MATCH (t:T) RETURN t.text, t.number") == [[default, number]]
    finally:
        run("DROP TABLE T")


def test_names_that_are_keywords_are_quoted(run: Run) -> None:
    """Tables, columns, keys and endpoints may be called like parts of the language."""
    names = ["MATCH", "Order", "Group", "Transaction", "Table", "Union", "From", "To", "Primary", "Key", "Default"]
    nodes = tuple(NodeTable(name, (Column(name, STRING), Column("select", STRING)), name, name) for name in names)
    pairs = tuple(Endpoint(name, "To") for name in names)
    columns = (Column("from", STRING), Column("to", STRING), Column("MANY_ONE", STRING))
    schema = GraphSchema(nodes, (RelationshipTable("REL", pairs, columns, Multiplicity.MANY_TO_ONE, "Keywords."),))
    create(run, schema)
    assert introspect(run).described_by(schema) == schema


def test_comments_hold_any_description(run: Run) -> None:
    """Quotes, backslashes and comment marks in a description stay text."""
    description = r"It's a \"test\" \' \n; DROP TABLE T; // é /* $x {name} {{"
    schema = GraphSchema((replace(one_table().nodes[0], description=description),))
    create(run, schema)
    assert introspect(run) == schema


def test_a_relationship_table_may_connect_several_pairs(run: Run) -> None:
    """All pairs are created and read back in their order."""
    nodes = tuple(NodeTable(name, (KEY,), "identifier") for name in "ABC")
    pairs = (Endpoint("C", "A"), Endpoint("A", "B"), Endpoint("B", "B"))
    schema = GraphSchema(nodes, (RelationshipTable("R", pairs, (Column("weight", parse_type("DOUBLE")),)),))
    create(run, schema)
    assert introspect(run) == schema


@pytest.mark.parametrize(
    ("multiplicity", "refused"),
    [
        (None, []),
        (Multiplicity.MANY_TO_MANY, []),
        (Multiplicity.MANY_TO_ONE, ["fan out"]),
        (Multiplicity.ONE_TO_MANY, ["fan in"]),
        (Multiplicity.ONE_TO_ONE, ["fan out", "fan in"]),
    ],
    ids=str,
)
def test_the_engine_enforces_the_multiplicity(run: Run, multiplicity: Multiplicity | None, refused: list[str]) -> None:
    """`many_to_one` bounds what leaves a start node, `one_to_many` what reaches an end node."""
    create(
        run,
        one_table().extended_by(GraphSchema((), (RelationshipTable("R", (Endpoint("T", "T"),), (), multiplicity),))),
    )
    run("UNWIND range(1, 6) AS i CREATE (:T {identifier: cast(i AS STRING)})")
    pairs = {"first": ("1", "2"), "fan out": ("1", "3"), "fan in": ("4", "2")}
    wrong: dict[str, str] = {}
    for name, (source, target) in pairs.items():
        try:
            run(f"MATCH (a:T {{identifier: '{source}'}}), (b:T {{identifier: '{target}'}}) CREATE (a)-[:R]->(b)")
        except RuntimeError as error:
            wrong[name] = str(error)
    assert list(wrong) == refused
    assert all("multiplicity" in message for message in wrong.values())


@pytest.mark.parametrize("name", ["x STRING); DROP TABLE T; //", "x` INT64, `y", "a b", "é", "x'", "{name}", "--"])
def test_a_name_is_never_more_than_a_name(run: Run, name: str) -> None:
    """Names that slipped past the checks are quoted: they are created as they are."""
    schema = one_table(Column(name, STRING))
    create(run, schema)
    assert introspect(run) == schema


@pytest.mark.parametrize(
    "column",
    [
        Column("x", OpaqueType("INT64, y INT64")),
        Column("x", ScalarType(ScalarKind.INT64), default=OpaqueDefault("1), (2")),
    ],
    ids=["type", "default"],
)
def test_what_is_opaque_is_not_compiled(column: Column) -> None:
    """Text of the engine never becomes part of a statement."""
    with pytest.raises(InvalidSchemaError, match="cannot be declared"):
        compile_ddl(one_table(column))


def test_an_addition_may_connect_tables_that_exist(run: Run) -> None:
    """New relationship tables can use old node tables."""
    create(run, one_table())
    addition = GraphSchema((), (RelationshipTable("R", (Endpoint("T", "T"),)),))
    create(run, addition)
    assert introspect(run) == one_table().extended_by(addition)


def test_tables_of_foreign_ddl_are_described(run: Run) -> None:
    """Names, types and defaults that no document can declare don't break the description of a graph."""
    columns = "`a b` STRING, é STRING, x INT64 DEFAULT 1 + 2, y INT64 DEFAULT 1.7"
    run("CREATE NODE TABLE `odd table`(" + columns + ", PRIMARY KEY(`a b`))")
    run("CREATE NODE TABLE T(k STRING, v UINT128, w STRUCT(é INT64), z STRING DEFAULT lower('A'), PRIMARY KEY(k))")
    run("CREATE REL TABLE R(FROM `odd table` TO T MANY_ONE, FROM T TO T, v INTERNAL_ID)")
    odd, plain = introspect(run).nodes
    assert (odd.name, odd.primary_key) == ("odd table", "a b")
    assert [column.default for column in odd.columns] == [None, None, OpaqueDefault("1 + 2"), OpaqueDefault("1.7")]
    assert plain.columns[1].type == OpaqueType("UINT128")
    assert plain.columns[2].type == OpaqueType("STRUCT(é INT64)")
    assert isinstance(plain.columns[3].default, OpaqueDefault)
    assert introspect(run).relationships[0].columns[0].type == OpaqueType("INTERNAL_ID")
    assert restore_schema_document(introspect(run).to_document()) == introspect(run)


def test_the_catalog_is_read_in_the_order_of_creation(run: Run) -> None:
    """The engine lists tables in no order; the ids restore it."""
    schema = GraphSchema(tuple(NodeTable(name, (KEY,), "identifier") for name in "ZAQMBXC"))
    create(run, schema)
    assert introspect(run) == schema


@pytest.mark.parametrize("name", sorted(RESERVED_COLUMNS))
def test_reserved_columns_are_unusable_in_the_engine(run: Run, name: str) -> None:
    """Each reserved name is refused by the engine, or a value written to it does not come back."""
    refusal = ""
    try:
        run("CREATE NODE TABLE T(identifier STRING, `" + name + "` INT64, PRIMARY KEY(identifier))")
        run("CREATE (:T {identifier: '1', `" + name + "`: 77})")
        assert run("MATCH (t:T) RETURN t.`" + name + "`") != [[77]]
    except RuntimeError as error:
        refusal = str(error)
    assert "reserved" in refusal or name == "rowid"


@pytest.mark.parametrize("aggregate", ["sum", "avg", "min", "max", "count"])
def test_aggregates_of_decimals_are_refused_by_the_engine(run: Run, aggregate: str) -> None:
    """When this fails, the engine has learned it: simplify the section on money in docs/schemas.md."""
    create(run, builtin_schema(SchemaType.ENTITY))
    with pytest.raises(RuntimeError, match="did not receive correct arguments"):
        run("MATCH (l:LineItem) RETURN " + aggregate + "(l.debit_amount)")


def test_the_documented_ways_to_add_up_money_work(run: Run) -> None:
    """The statements of docs/schemas.md give the exact sum, beyond 18 digits too."""
    create(run, builtin_schema(SchemaType.ENTITY))
    amount = "CAST('99999999999999.9999' AS DECIMAL(18, 4))"
    run("UNWIND range(1, 1000) AS i CREATE (:LineItem {identifier: CAST(i AS STRING), debit_amount: " + amount + "})")
    text = (ROOT / "docs/schemas.md").read_text("utf-8")
    block = text.split("```cypher\n")[1].split("```")[0]
    exact, scaled, approximate = (line for line in block.splitlines() if line.startswith("MATCH"))
    assert str(run(exact)[0][0]) == "99999999999999999.9000"
    assert str(run(scaled)[0][0]) == "999999999999999999000"
    assert run(approximate)[0][0] == pytest.approx(1e17)
