"""Schema documents: what is accepted, what is refused and how the error names the place."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    RESERVED_COLUMNS,
    Column,
    ColumnType,
    DecimalType,
    DefaultFunction,
    DefaultValue,
    Endpoint,
    GraphSchema,
    Multiplicity,
    NodeTable,
    OpaqueDefault,
    OpaqueType,
    RelationshipTable,
    ScalarKind,
    ScalarType,
    SchemaLimits,
    TableKind,
    check_default,
    check_schema,
    parse_schema_document,
    parse_type,
    restore_schema_document,
)

ROOT = Path(__file__).parents[3]
STRING = ScalarType(ScalarKind.STRING)

Document = dict[str, Any]


def _document() -> Document:
    return {
        "tables": [
            {
                "name": "Person",
                "kind": "node",
                "description": "Somebody.",
                "columns": [
                    {"name": "id", "type": "STRING", "primary_key": True},
                    {"name": "age", "type": "INT32", "default": 0},
                ],
            },
            {
                "name": "KNOWS",
                "kind": "relationship",
                "endpoints": [{"from": "Person", "to": "Person"}],
                "multiplicity": "many_to_one",
                "columns": [{"name": "since", "type": "DATE", "default": {"function": "current_date"}}],
            },
        ]
    }


# --- property: any legal schema survives the document -----------------------------------------------------------------

_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,15}", fullmatch=True)
_column_names = _names.filter(lambda name: name.lower() not in RESERVED_COLUMNS)
_descriptions = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)
_moments = st.datetimes().map(lambda moment: moment.isoformat(sep=" "))
_values: dict[str, st.SearchStrategy[DefaultValue]] = {
    "BOOL": st.booleans(),
    "INT8": st.integers(-(2**7), 2**7 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
    "INT128": st.integers(-(2**127), 2**127 - 1),
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False),
    "STRING": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    "DATE": st.dates().map(lambda day: day.isoformat()) | st.just(DefaultFunction.CURRENT_DATE),
    "TIMESTAMP": _moments | st.just(DefaultFunction.CURRENT_TIMESTAMP),
    "UUID": st.uuids().map(str) | st.just(DefaultFunction.RANDOM_UUID),
    "DECIMAL(10, 2)": st.decimals(-99_999_999, 99_999_999, places=2).map(lambda number: f"{number:.2f}"),
}
_plain = st.sampled_from(["INT64[]", "STRUCT(a INT64, b STRING)", "MAP(STRING, DATE)", "BLOB", "INTERVAL", "FLOAT[3]"])


@st.composite
def _columns(draw: st.DrawFn) -> tuple[Column, ...]:
    columns: list[Column] = []
    for name in draw(st.lists(_column_names, max_size=4, unique_by=str.lower)):
        if draw(st.booleans()):
            columns.append(Column(name, parse_type(draw(_plain)), draw(_descriptions)))
        else:
            spelling = draw(st.sampled_from(sorted(_values)))
            default = draw(st.none() | _values[spelling])
            columns.append(Column(name, parse_type(spelling), draw(_descriptions), default))
    return tuple(columns)


@st.composite
def schemas(draw: st.DrawFn) -> GraphSchema:
    """Make any legal schema with one to three node tables and up to three relationship tables."""
    names = draw(st.lists(_names, min_size=1, max_size=6, unique_by=str.lower))
    split = draw(st.integers(1, min(3, len(names))))
    nodes: list[NodeTable] = []
    for name in names[:split]:
        others = draw(_columns())
        key = draw(_column_names.filter(lambda k, o=others: k.lower() not in {c.name.lower() for c in o}))
        kind = draw(st.sampled_from(["STRING", "INT64", "SERIAL", "UUID"]))
        nodes.append(NodeTable(name, (Column(key, parse_type(kind)), *others), key, draw(_descriptions)))
    ends = st.sampled_from([table.name for table in nodes])
    pairs = st.lists(st.builds(Endpoint, ends, ends), min_size=1, max_size=3, unique=True).map(tuple)
    bounds = st.none() | st.sampled_from(list(Multiplicity))
    relationships = [
        RelationshipTable(name, draw(pairs), draw(_columns()), draw(bounds), draw(_descriptions))
        for name in names[split:]
    ]
    return GraphSchema(tuple(nodes), tuple(relationships))


@given(schemas())
def test_the_document_of_any_schema_declares_the_same_schema(schema: GraphSchema) -> None:
    """What one graph's schema request returns creates an equal graph, through JSON text."""
    check_schema(schema)
    document = json.loads(json.dumps(schema.to_document({table.name: 3 for table in schema.tables})))
    assert parse_schema_document(document) == schema
    assert restore_schema_document(document) == schema


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["node", "STRING"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tables", "name", "kind", "columns", "type", "endpoints", "x"]), inner)
    ),
    max_leaves=12,
)


@given(_json | _json.map(lambda value: {"tables": [value]}))
def test_any_json_is_a_schema_or_a_schema_error(value: object) -> None:
    """Nothing that a client can send raises anything else."""
    for parse in (parse_schema_document, restore_schema_document):
        try:
            place: object = parse(value) and "schema"
        except InvalidSchemaError as error:
            place = error.context["path"]
        assert isinstance(place, str)


# --- examples ---------------------------------------------------------------------------------------------------------


def test_a_document_becomes_tables_in_order() -> None:
    """The fields of the document arrive in the model."""
    schema = parse_schema_document(_document())
    assert [table.name for table in schema.tables] == ["Person", "KNOWS"]
    assert schema.nodes[0].primary_key == "id"
    assert schema.nodes[0].kind is TableKind.NODE
    assert schema.relationships[0] == RelationshipTable(
        "KNOWS",
        (Endpoint("Person", "Person"),),
        (Column("since", ScalarType(ScalarKind.DATE), "", DefaultFunction.CURRENT_DATE),),
        Multiplicity.MANY_TO_ONE,
    )


def test_upper_case_names_are_nodes_if_declared_so() -> None:
    """Node or relationship is declared, never guessed from the spelling of the name."""
    document = _document()
    document["tables"][0]["name"] = "PERSON_HAS_NAME"
    document["tables"][1] |= {"name": "knows", "endpoints": [{"from": "PERSON_HAS_NAME", "to": "PERSON_HAS_NAME"}]}
    schema = parse_schema_document(document)
    assert [table.name for table in schema.nodes] == ["PERSON_HAS_NAME"]
    assert [table.name for table in schema.relationships] == ["knows"]


def test_what_the_service_adds_to_a_document_is_ignored() -> None:
    """The answer of a schema request can be sent as it is."""
    document: Document = _document() | {"graph_id": "kg1", "schema_type": "custom", "repository_name": None}
    document["tables"][0]["row_count"] = 7
    assert parse_schema_document(document) == parse_schema_document(_document())


def test_a_relationship_may_stand_before_its_nodes() -> None:
    """The order of tables in the document does not matter."""
    document = _document()
    cast("list[object]", document["tables"]).reverse()
    assert parse_schema_document(document) == parse_schema_document(_document())


def _set(*steps: str | int, value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = value

    return change


def _drop(*steps: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for step in steps[:-1]:
            place = place[step]
        del place[steps[-1]]

    return change


_AGE = ("tables", 0, "columns", 1)


_MISTAKES: list[tuple[Callable[[Document], None], str]] = [
    (_drop("tables"), "tables"),
    (_set("tables", value={}), "tables"),
    (_set("nodes", value=[]), "schema.nodes"),
    (_set("tables", 0, value="Person"), "tables[0]"),
    (_drop("tables", 0, "kind"), "tables[0].kind"),
    (_set("tables", 0, "kind", value="NODE"), "tables[0].kind"),
    (_set("tables", 0, "kind", value=["node"]), "tables[0].kind"),
    (_drop("tables", 0, "name"), "tables[0].name"),
    (_set("tables", 0, "name", value="a b"), "tables[0].name"),
    (_set("tables", 0, "name", value="x`) ; DROP TABLE y"), "tables[0].name"),
    (_set("tables", 0, "name", value="Person\n"), "tables[0].name"),
    (_set("tables", 0, "name", value="Pärson"), "tables[0].name"),
    (_set("tables", 0, "name", value="P" * 129), "tables[0].name"),
    (_set("tables", 1, "name", value="pERSON"), "tables[1].name"),
    (_set("tables", 0, "comment", value="x"), "tables[0].comment"),
    (_set("tables", 0, "endpoints", value=[]), "tables[0].endpoints"),
    (_set("tables", 0, "description", value=None), "tables[0].description"),
    (_set("tables", 0, "description", value="two\nlines"), "tables[0].description"),
    (_set("tables", 0, "description", value="null \0"), "tables[0].description"),
    (_set("tables", 0, "description", value="half \ud800"), "tables[0].description"),
    (_set("tables", 0, "description", value="x" * 1_001), "tables[0].description"),
    (_set("tables", 0, "columns", value=None), "tables[0].columns"),
    (_set("tables", 0, "columns", value=[]), "tables[0].columns"),
    (_set(*_AGE, value=None), "tables[0].columns[1]"),
    (_drop(*_AGE, "type"), "tables[0].columns[1].type"),
    (_set(*_AGE, "type", value="VARCHAR(10)"), "tables[0].columns[1].type"),
    (_set(*_AGE, "type", value=7), "tables[0].columns[1].type"),
    (_set(*_AGE, "name", value="ID"), "tables[0].columns[1].name"),
    (_set(*_AGE, "name", value="_Label"), "tables[0].columns[1].name"),
    (_set(*_AGE, "name", value="RowId"), "tables[0].columns[1].name"),
    (_set(*_AGE, "name", value=""), "tables[0].columns[1].name"),
    (_set(*_AGE, "nullable", value=True), "tables[0].columns[1].nullable"),
    (_set(*_AGE, "primary_key", value=True), "tables[0].columns[1].primary_key"),
    (_set(*_AGE, "primary_key", value="yes"), "tables[0].columns[1].primary_key"),
    (_set(*_AGE, "default", value="7"), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value=True), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value=2**31), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value=10**5_000), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value=[1]), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value={"function": "current_date"}), "tables[0].columns[1].default"),
    (_set(*_AGE, "default", value={"function": "sleep"}), "tables[0].columns[1].default.function"),
    (_set(*_AGE, "default", value={"expression": "1 + 2"}), "tables[0].columns[1].default"),
    (_drop("tables", 0, "columns", 0, "primary_key"), "tables[0].columns"),
    (_set("tables", 0, "columns", 0, "type", value="BOOL"), "tables[0].columns[0].type"),
    (_set("tables", 0, "columns", 0, "type", value="INT64[]"), "tables[0].columns[0].type"),
    (_set("tables", 0, "columns", 0, "default", value="x"), "tables[0].columns[0].default"),
    (_drop("tables", 1, "endpoints"), "tables[1].endpoints"),
    (_set("tables", 1, "endpoints", value=[]), "tables[1].endpoints"),
    (_set("tables", 1, "endpoints", 0, "to", value="Nobody"), "tables[1].endpoints[0].to"),
    (_set("tables", 1, "endpoints", 0, "from", value="person"), "tables[1].endpoints[0].from"),
    (_set("tables", 1, "endpoints", 0, "from", value="KNOWS"), "tables[1].endpoints[0].from"),
    (_set("tables", 1, "endpoints", 0, "via", value="x"), "tables[1].endpoints[0].via"),
    (_set("tables", 1, "endpoints", value=[{"from": "Person", "to": "Person"}] * 2), "tables[1].endpoints[1]"),
    (_set("tables", 1, "multiplicity", value="one"), "tables[1].multiplicity"),
    (_set("tables", 1, "columns", 0, "primary_key", value=True), "tables[1].columns[0].primary_key"),
]


@pytest.mark.parametrize(
    ("change", "path"), _MISTAKES, ids=[f"{number}-{path}" for number, (_, path) in enumerate(_MISTAKES)]
)
def test_an_error_names_the_path(change: Callable[[Document], None], path: str) -> None:
    """Each mistake is refused where it stands."""
    document = _document()
    change(document)
    with pytest.raises(InvalidSchemaError) as caught:
        parse_schema_document(document)
    assert caught.value.context["path"] == path
    assert caught.value.detail.startswith(f"{path}: ")
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        (SchemaLimits(node_tables=1), "tables"),
        (SchemaLimits(relationship_tables=0), "tables"),
        (SchemaLimits(columns=1), "tables[0].columns"),
        (SchemaLimits(endpoints=1), "tables[1].endpoints"),
    ],
)
def test_sizes_are_bounded(limits: SchemaLimits, path: str) -> None:
    """Too many tables, columns or endpoint pairs are refused."""
    document = _document()
    extra = {"name": "Other", "kind": "node", "columns": [{"name": "id", "type": "INT64", "primary_key": True}]}
    document["tables"].append(extra)
    document["tables"][1]["endpoints"] = [{"from": "Person", "to": end} for end in ("Person", "Other")]
    parse_schema_document(document)
    with pytest.raises(InvalidSchemaError) as caught:
        parse_schema_document(document, limits=limits)
    assert caught.value.context["path"] == path


def test_an_addition_may_connect_tables_that_exist() -> None:
    """Endpoints are looked up in the graph too, and its names are taken."""
    existing = parse_schema_document(_document())
    likes = {"name": "LIKES", "kind": "relationship", "endpoints": [{"from": "Person", "to": "Person"}]}
    added = parse_schema_document({"tables": [likes]}, existing=existing)
    assert [table.name for table in existing.extended_by(added).tables] == ["Person", "KNOWS", "LIKES"]
    with pytest.raises(InvalidSchemaError, match="exists already"):
        parse_schema_document({"tables": [likes | {"name": "knows"}]}, existing=existing)
    with pytest.raises(InvalidSchemaError, match="at most 1"):
        parse_schema_document({"tables": [likes]}, existing=existing, limits=SchemaLimits(relationship_tables=1))


def test_a_schema_made_by_hand_is_checked_with_its_own_paths() -> None:
    """`check_schema` names node and relationship tables by their place in the schema."""
    good = parse_schema_document(_document())
    bad = replace(good.nodes[0], columns=(*good.nodes[0].columns, Column("_id", STRING)))
    with pytest.raises(InvalidSchemaError, match=r"^nodes\[0\]\.columns\[2\]\.name: "):
        check_schema(GraphSchema((bad,), good.relationships))
    with pytest.raises(InvalidSchemaError, match=r"^relationships\[0\]\.endpoints\[0\]\.from: "):
        check_schema(GraphSchema((), good.relationships))


def test_what_only_foreign_ddl_can_declare_is_shown_but_not_declared() -> None:
    """An unknown type or an expression default is in the document, and refused as input with the place."""
    column = Column("x", OpaqueType("INTERNAL_ID"), "", OpaqueDefault("1 + 2"))
    schema = GraphSchema((NodeTable("T", (Column("id", STRING), column), "id"),))
    document = cast("Document", schema.to_document())
    shown = document["tables"][0]["columns"][1]
    assert shown["type"] == "INTERNAL_ID"
    assert shown["default"] == {"expression": "1 + 2"}
    with pytest.raises(InvalidSchemaError, match=r"nodes\[0\]\.columns\[1\]\.type"):
        check_schema(schema)
    with pytest.raises(InvalidSchemaError, match=r"tables\[0\]\.columns\[1\]\.type"):
        parse_schema_document(document)
    assert restore_schema_document(document) == schema


def test_what_the_engine_cannot_tell_is_taken_from_what_was_declared() -> None:
    """Descriptions and multiplicities return; tables and columns of the live graph decide what exists."""
    declared = parse_schema_document(_document())
    bare = GraphSchema(
        (replace(declared.nodes[0], description="", columns=declared.nodes[0].columns[:1]),),
        (replace(declared.relationships[0], multiplicity=None), RelationshipTable("NEW", ())),
    )
    described = bare.described_by(declared)
    assert described.nodes[0].description == "Somebody."
    assert [column.name for column in described.nodes[0].columns] == ["id"]
    assert described.relationships[0].multiplicity is Multiplicity.MANY_TO_ONE
    assert described.relationships[1] == RelationshipTable("NEW", ())


def test_row_counts_stand_beside_the_tables_they_belong_to() -> None:
    """Only tables with a known count have one."""
    document = cast("Document", parse_schema_document(_document()).to_document({"Person": 0}))
    assert document["tables"][0]["row_count"] == 0
    assert "row_count" not in document["tables"][1]


def test_tables_are_found_whatever_the_case_of_their_name() -> None:
    """As the engine finds them."""
    schema = parse_schema_document(_document())
    assert schema.table("knows") is schema.relationships[0]
    assert schema.table("Nobody") is None


# --- defaults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "given", "kept"),
    [
        ("DECIMAL(18, 2)", "12.5", "12.50"),
        ("DECIMAL(18, 2)", -7, "-7.00"),
        ("DECIMAL(38, 10)", "9" * 28 + "." + "9" * 10, "9" * 28 + "." + "9" * 10),
        ("DECIMAL(2, 2)", "0.25", "0.25"),
        ("DATE", "20240229", "2024-02-29"),
        ("TIMESTAMP", "2024-12-31T18:00:00", "2024-12-31 18:00:00"),
        ("TIMESTAMP_TZ", "2024-12-31T18:00:00Z", "2024-12-31 18:00:00+00:00"),
        ("UUID", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("DOUBLE", 1, 1.0),
        ("JSON", '{"a": 1}', '{"a": 1}'),
        ("INT64", -(2**63), -(2**63)),
    ],
)
def test_a_default_is_kept_in_its_canonical_form(spelling: str, given: object, kept: DefaultValue) -> None:
    """Equal values are spelt equally."""
    assert check_default(parse_type(spelling), given) == kept


@pytest.mark.parametrize(
    ("spelling", "given"),
    [
        ("DECIMAL(18, 2)", "1.234"),
        ("DECIMAL(18, 2)", "12345678901234567.00"),
        ("DECIMAL(18, 2)", "1e5"),
        ("DECIMAL(18, 2)", "NaN"),
        ("DECIMAL(18, 2)", 1.5),
        ("DECIMAL(18, 2)", "1e999999999"),
        pytest.param("DECIMAL(18, 2)", 10**5_000, id="huge-decimal"),
        pytest.param("INT64", 10**5_000, id="huge-integer"),
        ("DATE", "2024-13-01"),
        ("DATE", 20240101),
        ("TIMESTAMP", "2024-01-01 10:00:00+02:00"),
        ("TIMESTAMP_TZ", "2024-01-01 10:00:00"),
        ("UUID", "xx"),
        ("INT8", 128),
        ("INT8", -129),
        ("UINT8", -1),
        ("INT32", 1.0),
        ("BOOL", 1),
        ("DOUBLE", float("inf")),
        ("DOUBLE", 10**400),
        ("FLOAT", 1e39),
        ("STRING", 7),
        ("STRING", "nul \0"),
        ("STRING", "half \udfff"),
        ("STRING", "x" * 4_001),
        ("SERIAL", 1),
        ("INTERVAL", "3 days"),
        ("BLOB", "x"),
        ("INT64[]", "[1]"),
    ],
)
def test_a_default_that_does_not_fit_the_type_is_refused(spelling: str, given: object) -> None:
    """The engine would only notice when the first row is written."""
    with pytest.raises(InvalidSchemaError):
        check_default(parse_type(spelling), given)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**27), max_value=10**27))
def test_a_decimal_default_keeps_all_its_digits(number: object) -> None:
    """No rounding on the way, at any size that fits."""
    column_type: ColumnType = DecimalType(38, 10)
    assert check_default(column_type, f"{number:f}") == f"{number:f}".removeprefix("-" if not number else "")


# --- what ships -------------------------------------------------------------------------------------------------------


def test_the_schema_of_the_sec_example_is_legal() -> None:
    """The example can be created."""
    schema = parse_schema_document(json.loads((ROOT / "examples/sec/schema.json").read_text("utf-8")))
    assert (len(schema.nodes), len(schema.relationships)) == (6, 5)
    assert all(table.primary_key == "identifier" for table in schema.nodes)
    assert all(table.description and all(c.description for c in table.columns) for table in schema.tables)


def test_the_example_of_the_documentation_is_legal() -> None:
    """Every JSON block of docs/schemas.md that declares tables is accepted."""
    text = (ROOT / "docs/schemas.md").read_text("utf-8")
    blocks = [block.split("```", 1)[0] for block in text.split("```json\n")[1:]]
    documents = [document for document in map(json.loads, blocks) if "tables" in document]
    assert documents
    for document in documents:
        before = deepcopy(document)
        parse_schema_document(document)
        assert document == before
