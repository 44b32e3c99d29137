"""Column types: spelling, parsing, bounds."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    StructType,
    UnionType,
    parse_catalog_type,
    parse_type,
)
from robosystems.graph_api.domain.schema.types import MAX_TYPE_DEPTH, depth_of

INT64 = ScalarType(ScalarKind.INT64)
STRING = ScalarType(ScalarKind.STRING)

decimals = st.integers(1, 38).flatmap(lambda p: st.builds(DecimalType, st.just(p), st.integers(0, p)))
leaves = (
    st.builds(ScalarType, st.sampled_from([kind for kind in ScalarKind if kind is not ScalarKind.SERIAL])) | decimals
)
field_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,11}", fullmatch=True)


def _fields(types: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[tuple[Field, ...]]:
    fields = st.lists(st.builds(Field, field_names, types), min_size=1, max_size=4, unique_by=lambda f: f.name.lower())
    return fields.map(tuple)


def _nested(types: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    return (
        st.builds(ListType, types)
        | st.builds(ArrayType, types, st.integers(1, 9))
        | st.builds(StructType, _fields(types))
        | st.builds(UnionType, _fields(types))
        | st.builds(MapType, leaves, types)
    )


nested_types = st.recursive(leaves, _nested, max_leaves=6)


@given(nested_types)
def test_the_spelling_of_any_type_parses_to_the_same_type(column_type: ColumnType) -> None:
    """`parse_type` inverts `str`."""
    assume(depth_of(column_type) <= MAX_TYPE_DEPTH)
    assert parse_type(str(column_type)) == column_type
    assert parse_catalog_type(str(column_type)) == column_type


@given(st.text(alphabet="INT64STRUCMAP()[],` 0123456789ab_é\0\n", max_size=60))
def test_any_text_is_a_type_or_a_schema_error(text: str) -> None:
    """Hostile spellings never raise anything else."""
    try:
        parsed = parse_type(text)
    except InvalidSchemaError:
        assert parse_catalog_type(text) == OpaqueType(text)
    else:
        assert parse_type(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int64[]", ListType(INT64)),
        ("FLOAT[384]", ArrayType(ScalarType(ScalarKind.FLOAT), 384)),
        ("INT64[2][]", ListType(ArrayType(INT64, 2))),
        ("DECIMAL", DecimalType(18, 3)),
        ("numeric(10,2)", DecimalType(10, 2)),
        ("Boolean", ScalarType(ScalarKind.BOOL)),
        ("MAP( STRING , INT64[] )", MapType(STRING, ListType(INT64))),
        ("struct(`from` INT64,b string)", StructType((Field("from", INT64), Field("b", STRING)))),
        (" UNION(a INT64)[] ", ListType(UnionType((Field("a", INT64),)))),
    ],
)
def test_spellings_that_people_write_are_understood(text: str, expected: ColumnType) -> None:
    """Case, spaces, aliases and backticks do not matter."""
    assert parse_type(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("VARCHAR", "use STRING"),
        ("INTEGER", "use INT32 or INT64"),
        ("UINT128", r"use DECIMAL\(38, 0\)"),
        ("INTERNAL_ID", "not a known type"),
        ("", "ends too early"),
        ("INT64 x", "'x' at character 7"),
        ("INT64[0]", "1 to 65536"),
        ("INT64[99999999999999999999]", "not expected"),
        ("INT64[", "ends too early"),
        ("DECIMAL(39, 2)", "precision of DECIMAL is 39"),
        ("DECIMAL(5, 6)", "scale of DECIMAL is 6"),
        ("DECIMAL(5)", "should be ','"),
        ("STRUCT()", "not expected"),
        ("STRUCT(a INT64, A STRING)", "'A' occurs twice"),
        ("STRUCT(`a b` INT64)", "'a b' is not legal"),
        ("STRUCT(a INT64", "ends too early"),
        ("MAP(INT64[], STRING)", "key of a MAP"),
        ("SERIAL[]", "inside another type use INT64"),
        ("MAP(STRING, SERIAL)", "inside another type use INT64"),
        ("INT64" + "[]" * 8, "deeper than 8"),
        ("STRUCT(a " * 9 + "INT64" + ")" * 9, "deeper than 8"),
        ("STRUCT(a " * 400 + "INT64", "deeper than 8"),
        ("INT64" + "[]" * 2_000, "4005 characters"),
        ("INT64; DROP TABLE T", "';' at character 6"),
        ("`INT64`", "not expected"),
    ],
)
def test_what_cannot_be_declared_is_refused_with_what_to_do(text: str, said: str) -> None:
    """The message names the place or the replacement."""
    with pytest.raises(InvalidSchemaError, match=said):
        parse_type(text)


def test_a_type_of_eight_levels_is_accepted() -> None:
    """The bound itself is still legal."""
    assert str(parse_type("INT64" + "[]" * 7)) == "INT64" + "[]" * 7


def test_a_catalog_type_that_is_unknown_keeps_its_spelling() -> None:
    """A graph made by foreign DDL can still be described."""
    assert str(parse_catalog_type("SOME_NEW_TYPE(3)")) == "SOME_NEW_TYPE(3)"
