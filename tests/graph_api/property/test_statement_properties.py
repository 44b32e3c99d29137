"""Properties of reading statements that hold for every text."""

from collections.abc import Iterator, Sequence

import ladybug
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosystems.graph_api.domain.cypher import Identifier, StringLiteral, compose
from robosystems.graph_api.domain.errors import StatementForbiddenError
from robosystems.graph_api.domain.statement import Statement, StatementKind, TokenKind, check, classify, tokenize
from robosystems.graph_api.domain.statement.tokenizer import significant
from tests.graph_api.corpora import hostile_statements as hostile
from tests.graph_api.corpora.innocent_statements import INNOCENT

_PIECES = [
    *(
        "'",
        '"',
        "`",
        "\\",
        "/",
        "*",
        "/*",
        "*/",
        "//",
        "\n",
        "\r",
        " ",
        "\t",
        ".",
        "..",
        "$",
        ";",
        "(",
        ")",
        "[",
        "]",
        "{",
    ),
    *(
        "}",
        "<",
        ">",
        "=",
        "!",
        "~",
        "|",
        "&",
        "-",
        "0",
        "1.5",
        "1e5",
        "a",
        "DELETE",
        "set",
        "_",
        "é",
        "株",
        "\u00a0",
        "\u2028",
    ),
    *(
        "\u200b",
        "\ufeff",
        "\u017f",
        "\u212a",
        "\u2014",
        "\u27e9",
        "\0",
        "?",
        "#",
        "\\n",
        "\\'",
        "\\u00e9",
        "\\ud83d",
        "`a`",
        "'s'",
    ),
]
_HOSTILE_TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
_SPACES = st.sampled_from(
    [
        " ",
        "\n",
        "\t",
        "\r\n",
        "\u00a0",
        "\u2028",
        "/**/",
        "/* DELETE n; */",
        "/* ' */",
        "/****/",
        "// SET ' \n",
        "//\n",
        ' /* " */ ',
    ]
)
_WRITABLE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_CLASSIFIED = [
    *(text for _, text in hostile.forbidden_statements() if "to_json" not in text.lower() and "to_j\u017f" not in text),
    *hostile.DISGUISED_WRITES,
    *(innocent.text for innocent in INNOCENT),
]


@given(_HOSTILE_TEXTS)
def test_tokens_joined_are_the_text(text: str) -> None:
    """Nothing is lost, added or changed, whatever the text."""
    assert "".join(token.text for token in tokenize(text)) == text


@given(_HOSTILE_TEXTS)
def test_both_forms_of_the_tokenizer_agree(text: str) -> None:
    """The quick form sees what the complete form sees, and stops where that finds an error."""
    tokens = tokenize(text)
    pieces = significant(text)
    if any(token.kind is TokenKind.ERROR for token in tokens):
        assert pieces[-1] == ""
    else:
        assert pieces == [token.text for token in tokens if token.kind is not TokenKind.SPACE]


def _facts(statement: Statement) -> tuple[object, ...]:
    """Return all that must not change when only the spelling does."""
    return (
        statement.kind,
        statement.clauses,
        statement.functions,
        statement.procedures,
        statement.parameters,
        statement.identifiers,
        statement.deletes,
        statement.volatile,
    )


@given(st.sampled_from(_CLASSIFIED), st.data())
def test_spelling_changes_no_classification(text: str, data: st.DataObject) -> None:
    """Case, comments, line breaks and white space around and between the tokens make no difference."""
    pieces = [data.draw(_SPACES)]
    for token in tokenize(text):
        match token.kind:
            case TokenKind.SPACE:
                pieces.append(data.draw(_SPACES))
            case TokenKind.WORD:
                pieces.append(data.draw(st.sampled_from([token.text, token.text.swapcase(), token.text.upper()])))
            case _:
                pieces.append(token.text)
        if token.kind is not TokenKind.SPACE and data.draw(st.booleans()):
            pieces.append(data.draw(_SPACES))
    changed = "".join(pieces)
    assert _facts(classify(changed)) == _facts(classify(text))


@given(
    st.sampled_from([text for text in _CLASSIFIED if classify(text).explain is None]),
    st.sampled_from(["EXPLAIN", "PROFILE"]),
    _SPACES,
)
def test_a_prefix_changes_no_classification(text: str, prefix: str, space: str) -> None:
    """EXPLAIN and PROFILE add only themselves, wherever the lines break."""
    statement = classify(prefix + space + text)
    assert statement.explain == prefix.lower()
    expected = classify(text)
    assert (statement.kind, statement.clauses, statement.functions, statement.procedures, statement.deletes) == (
        expected.kind,
        expected.clauses,
        expected.functions,
        expected.procedures,
        expected.deletes,
    )


_EXPRESSIONS = st.recursive(
    st.sampled_from(["1", "n.set", "'DELETE n'", "$p", "true", "load.copy", "[1]"]),
    lambda inner: st.one_of(
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"[{text}, {text}]"),
        inner.map(lambda text: f"size([{text}])"),
        inner.map(lambda text: f"{{a: {text}}}"),
        inner.map(lambda text: f"CASE WHEN {text} = 1 THEN {text} ELSE 2 END"),
        inner.map(lambda text: f"list_transform([1], x -> {text})"),
        inner.map(lambda text: f"NOT {text} IN [1]"),
    ),
    max_leaves=12,
)


@given(
    _EXPRESSIONS,
    st.sampled_from(["setseed(0.5)", "getenv('HOME')", "abs(y -> y)", "`abs`(1)", "SetSeed /**/ (1)"]),
    st.data(),
)
def test_nesting_hides_no_call(expression: str, forbidden: str, data: st.DataObject) -> None:
    """A forbidden call is found at any depth, and an expression without one is read and allowed."""
    check(classify(f"MATCH (n), (load) RETURN {expression} AS x"))
    ones = [index for index, token in enumerate(expression) if token == "1"]
    place = data.draw(st.sampled_from(ones)) if ones else 0
    hidden = expression[:place] + forbidden + expression[place + 1 :] if ones else f"[{expression}, {forbidden}]"
    with pytest.raises(StatementForbiddenError):
        check(classify(f"MATCH (n), (load) RETURN {hidden} AS x"))


@given(_WRITABLE, _WRITABLE.filter(bool))
def test_no_value_and_no_name_is_an_order(value: str, name: str) -> None:
    """Text inside quotes decides nothing, unless the engine's binding would look into it."""
    text = compose("RETURN {value} AS {name}", value=StringLiteral(value), name=Identifier(name))
    statement = classify(text)
    assert (statement.kind, statement.functions, statement.parameters) == (StatementKind.READ, frozenset(), frozenset())
    if "to_json" not in text.casefold():
        check(statement)


_NAMES = st.sampled_from(
    [
        "n",
        "as",
        "set",
        "delete",
        "merge",
        "load",
        "call",
        "copy",
        "limit",
        "skip",
        "match",
        "return",
        "by",
        "detach",
        "start",
        "`DELETE`",
    ]
)
_COLUMNS = st.sampled_from(["id", "set", "delete", "load", "copy", "`create`", "call", "name"])
_GAPS = st.sampled_from([" ", " ", " ", "\n", "/**/ ", " /* DELETE n */ ", " // SET x\n", "\u00a0"])
_VALUES = st.sampled_from(["1", "'DELETE n'", '"SET"', "true", "NULL", "1.5", "3!", "[1][1]", "$p"])


@st.composite
def _queries(draw: st.DrawFn) -> Sequence[str]:
    """Make the pieces of a query whose variables and columns are named like clauses."""
    name = draw(_NAMES)
    pieces = ["MATCH ", "(", name, ":", "Company", ")"]
    if draw(st.booleans()):
        pieces += [" WHERE ", name, ".", draw(_COLUMNS), " = ", draw(_VALUES)]
    if draw(st.booleans()):
        other = draw(_NAMES)
        pieces += [" WITH ", name, *draw(st.sampled_from([[], [" AS ", other]]))]
        name = other if pieces[-2] == " AS " else name
        pieces += draw(
            st.sampled_from([[], [" ORDER BY ", name, ".id"], [" LIMIT ", "1"], [" WHERE ", name, ".id = 1"]])
        )
    updates = draw(
        st.lists(
            st.sampled_from(
                [
                    [" SET ", name, ".", "name", " = ", "'x'"],
                    [" DELETE ", name],
                    [" DETACH ", "DELETE ", name],
                    [" CREATE ", "(", ":Company ", "{", "id: 9", "}", ")"],
                    [" MERGE ", "(", "m", ":Company ", "{", "id: 9", "}", ")"],
                ]
            ),
            max_size=2,
        )
    )
    pieces += [piece for update in updates for piece in update]
    if not updates or draw(st.booleans()):
        pieces += [
            " RETURN ",
            name,
            *draw(st.sampled_from([[], [".", draw(_COLUMNS)], [".", "id", " AS ", draw(_NAMES)]])),
        ]
    return pieces


@pytest.fixture(scope="module")
def connection() -> Iterator[ladybug.Connection]:
    """Open a database with one table."""
    with (
        ladybug.Database(":memory:", buffer_pool_size=128 << 20, max_db_size=1 << 30) as database,
        ladybug.Connection(database) as connection,
    ):
        connection.execute(
            "CREATE NODE TABLE Company(id INT64 PRIMARY KEY, name STRING, `set` INT64, `delete` BOOL, `load` STRING, "
            "copy STRING, `create` STRING, call STRING)"
        )
        yield connection


@given(pieces=_queries(), data=st.data())
def test_the_engine_sees_no_write_in_a_read(
    connection: ladybug.Connection, pieces: Sequence[str], data: st.DataObject
) -> None:
    """Whatever variables are called, what the engine takes for a write is classified as one."""
    gaps = [
        piece.replace(" ", data.draw(_GAPS)) if piece.isspace() or piece != piece.strip() else piece for piece in pieces
    ]
    text = "".join(gaps)
    connection.execute("BEGIN TRANSACTION READ ONLY")
    try:
        connection.execute("EXPLAIN " + text)
    except RuntimeError as error:
        is_write = str(error).startswith("Can not execute a write query")
        ended = not is_write
    else:
        is_write = ended = False
    if not ended:
        connection.execute("ROLLBACK")
    assert not is_write or classify(text).kind is StatementKind.WRITE
