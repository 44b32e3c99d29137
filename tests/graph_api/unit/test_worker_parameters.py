"""Parameters: what the engine would take wrongly is settled or refused, by name."""

from typing import Any

import msgspec
import pytest

from robosystems.graph_api.domain.errors import InvalidParameterError
from robosystems.graph_api.worker.parameters import MAX_DEPTH, decode_parameters


def _decode(value: object) -> Any:
    return decode_parameters(msgspec.json.encode({"p": value}), {"p"})["p"]


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(2**63), 2**63 - 1, 1.5, "", "\0", [], [[]], {}, [1, None], [None, [1], []], {"a": {"b": [1.5]}}],
)
def test_plain_values_pass_unchanged(value: object) -> None:
    """What the engine takes as it is, is left as it is."""
    assert _decode(value) == value


def test_only_used_parameters_are_bound() -> None:
    """Unused parameters are no error, but the engine never sees them."""
    assert decode_parameters(b'{"a": 1, "b": 2}', {"b"}) == {"b": 2}
    assert decode_parameters(b'{"a": 1}', frozenset()) == {}
    assert decode_parameters(b"{}", frozenset()) == {}


def test_missing_parameter_is_named() -> None:
    """A parameter that was forgotten is an error, not null."""
    with pytest.raises(InvalidParameterError, match=r"\$name.*given: nmae"):
        decode_parameters(b'{"nmae": 1}', {"name"})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b"1", "object"),
        (b'{"p": NaN}', "NaN"),
        (b'{"p": Infinity}', "JSON"),
        (b'{"p": 1e999}', "JSON"),
        (b'{"p": "\\ud800"}', "JSON"),
        (b'{"p": "\xff"}', "UTF-8"),
        (b'{"p": ' + b"[" * 100_000, "deep"),
        (b'{"p": 9223372036854775808}', "64 bits"),
        (b'{"p": -9223372036854775809}', "64 bits"),
        (b'{"p": [1, 9223372036854775808]}', "64 bits"),
        (b'{"p": [{"q": [9223372036854775808]}]}', r"p\.q.*64 bits"),
        (b'{"p": [1.5, 9223372036854775808]}', "64 bits"),
        (b'{"p": [1, "x"]}', "mixes integer and text"),
        (b'{"p": [true, 1]}', "mixes boolean and integer"),
        (b'{"p": [{"a": 1}, {"a": "x"}]}', r"p\.a mixes integer and text"),
        (b'{"p": [[1], {"a": 1}]}', "mixes list and object"),
        (b'{"p": [9007199254740993, 0.5]}', "rounded"),
        (b'{"p": [[1], null]}', "p holds null behind a list or object"),
        (b'{"p": [null, {"a": 1}, null]}', "null behind"),
        (b'{"p": [{"a": [null, [1]]}, {"a": [[1], null]}]}', r"p\.a holds null"),
    ],
)
def test_bad_parameters_say_what_is_wrong(document: bytes, reason: str) -> None:
    """Each kind of bad parameter is refused before the engine, with the reason and the name."""
    with pytest.raises(InvalidParameterError, match=reason):
        decode_parameters(document, {"p"})


def test_huge_integers_are_refused_quickly() -> None:
    """An integer with very many digits is refused without being written out."""
    with pytest.raises(InvalidParameterError) as caught:
        decode_parameters(b'{"p": 1' + b"0" * 4000 + b"}", {"p"})
    assert len(caught.value.detail) < 500


def test_depth_is_bounded() -> None:
    """Values may lie so deep in one another, and no deeper."""
    document = b'{"p": ' + b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH + b"}"
    decode_parameters(document, {"p"})
    with pytest.raises(InvalidParameterError, match="deeper"):
        decode_parameters(document.replace(b"1", b"[[1]]"), {"p"})


def test_rows_get_the_same_keys_in_the_same_order() -> None:
    """The engine assigns by position: missing keys become null, others are brought into one order."""
    rows = _decode([None, {"a": 1, "b": "x"}, {"b": "y"}, {"c": 2.5, "a": 3}])
    assert rows == [
        None,
        {"a": 1, "b": "x", "c": None},
        {"a": None, "b": "y", "c": None},
        {"a": 3, "b": None, "c": 2.5},
    ]
    assert {tuple(row) for row in rows if row is not None} == {("a", "b", "c")}


def test_nested_rows_are_settled_across_all_rows() -> None:
    """Objects inside objects, and inside lists of different rows, have one type too."""
    rows = _decode([{"n": {"x": 1}, "l": [{"y": 1}]}, {"n": {"z": 2}, "l": [{"w": 2}, {"y": 3}]}])
    assert rows == [
        {"n": {"x": 1, "z": None}, "l": [{"y": 1, "w": None}]},
        {"n": {"x": None, "z": 2}, "l": [{"y": None, "w": 2}, {"y": 3, "w": None}]},
    ]


def test_integers_among_floats_become_floats() -> None:
    """A list of numbers has one type in the engine."""
    values = _decode([1, 2.5, None])
    assert values == [1.0, 2.5, None]
    assert [type(value) for value in values] == [float, float, type(None)]


def test_an_object_is_never_taken_for_a_map() -> None:
    """The binding makes a MAP of an object with lists under `key` and `value`, unless they come in another order."""
    assert list(_decode({"key": [1], "value": ["a"]}).items()) == [("value", ["a"]), ("key", [1])]
    assert [list(row) for row in _decode([{"key": [1], "value": [2]}, {"key": None}])] == [["value", "key"]] * 2
    assert list(_decode({"key": 1, "value": 2})) == ["key", "value"]
