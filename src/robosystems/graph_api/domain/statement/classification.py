"""Telling what a text is: exactly one statement, its form by its first words, and what it uses."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from robosystems.graph_api.domain.errors import InvalidRequestError, StatementError
from robosystems.graph_api.domain.statement.statement import Clause, Statement, StatementKind
from robosystems.graph_api.domain.statement.tokenizer import TokenKind, significant, tokenize
from robosystems.graph_api.domain.statement.usage import Usage, find_usage, is_word, name_of
from robosystems.graph_api.domain.statement.vocabulary import (
    FUNCTIONS,
    PROCEDURES,
    VOLATILE_FUNCTIONS,
    VOLATILE_PROCEDURES,
)

_QUERY_STARTS: Final = frozenset({"CALL", "DELETE", "MATCH", "MERGE", "OPTIONAL", "RETURN", "SET", "UNWIND", "WITH"})
_FIRST_WORDS: Final[Mapping[str, Clause]] = {
    "ANALYZE": Clause.ANALYZE,
    "ATTACH": Clause.ATTACH,
    "BEGIN": Clause.BEGIN,
    "CHECKPOINT": Clause.CHECKPOINT,
    "COMMENT": Clause.COMMENT_ON,
    "COMMIT": Clause.COMMIT,
    "EXPORT": Clause.EXPORT_DATABASE,
    "FORCE": Clause.INSTALL,
    "IMPORT": Clause.IMPORT_DATABASE,
    "INSTALL": Clause.INSTALL,
    "ROLLBACK": Clause.ROLLBACK,
    "UNINSTALL": Clause.UNINSTALL,
    "UPDATE": Clause.UPDATE_EXTENSION,
    "USE": Clause.USE,
}
_CREATED: Final[Mapping[str, Clause]] = {
    "GRAPH": Clause.CREATE_GRAPH,
    "INDEX": Clause.CREATE_INDEX,
    "MACRO": Clause.CREATE_MACRO,
    "NODE": Clause.CREATE_NODE_TABLE,
    "REL": Clause.CREATE_REL_TABLE,
    "ROLE": Clause.CREATE_ROLE,
    "SEQUENCE": Clause.CREATE_SEQUENCE,
    "TYPE": Clause.CREATE_TYPE,
    "USER": Clause.CREATE_USER,
}
_DROPPED: Final[Mapping[str, Clause]] = {
    "GRAPH": Clause.DROP_GRAPH,
    "INDEX": Clause.DROP_INDEX,
    "MACRO": Clause.DROP_MACRO,
    "SEQUENCE": Clause.DROP_SEQUENCE,
    "TABLE": Clause.DROP_TABLE,
}
_TABLES: Final = frozenset({Clause.CREATE_NODE_TABLE, Clause.CREATE_REL_TABLE})
_DDL: Final = frozenset(
    {*_CREATED.values(), *_DROPPED.values(), Clause.ALTER_TABLE, Clause.ALTER_TABLE_SET, Clause.COMMENT_ON}
)

# The engine's binding for Python replaces this by the text of the parameter, even inside a string or a comment.
_JSON_PARAMETER: Final = re.compile(r"to_json\(\s*\$", re.IGNORECASE)
# Two strings in a row are an error today; a dialect that reads them as one string would be read wrongly here.
_DOUBLED_QUOTE: Final = re.compile(r"''|\"\"")
_UNREADABLE: Final = re.compile("[\0\ud800-\udfff]")


def classify(text: str) -> Statement:
    """Tell what a text is.

    Raises:
        InvalidRequestError: There is not exactly one statement, or there is a character that no statement may hold.
        StatementError: The text is no statement: an unterminated string or comment, an unknown escape or first word.
    """
    pieces = _pieces(text)
    explain, words = _split_explain(_capitals(text, pieces))
    form = _form(words)
    found = find_usage(words, defines_table=form in _TABLES)
    clauses = {form, *found.clauses}
    if form in _TABLES:
        clauses |= _table_parts(words)
    has_parameters = "$" in text
    if has_parameters and _JSON_PARAMETER.search(text):
        clauses.add(Clause.JSON_PARAMETER)
    return Statement(
        text=text,
        kind=_kind(form, found),
        explain=explain,
        clauses=frozenset(clauses),
        functions=frozenset(found.functions),
        procedures=frozenset(found.procedures),
        parameters=frozenset([piece[1:] for piece in pieces if piece[0] == "$"]) if has_parameters else frozenset(),
        identifiers=frozenset([name_of(piece) for piece in set(pieces) if is_word(piece)]),
        deletes=found.deletes or form is Clause.DROP_TABLE,
        volatile=_is_volatile(found),
    )


def _pieces(text: str) -> list[str]:
    """Cut a text into the pieces of its one statement."""
    if _UNREADABLE.search(text):
        raise InvalidRequestError("The statement holds a NUL character or half of a surrogate pair: remove it.")
    pieces = significant(text)
    if pieces and not pieces[-1]:
        raise StatementError(_first_error(text))
    if ";" in pieces:
        end = pieces.index(";")
        if end + 1 < len(pieces):
            raise InvalidRequestError(
                "There is text after the first `;`: send one statement per request. To run several statements all or "
                "nothing, use POST /databases/{id}/transaction."
            )
        del pieces[end:]
    if not pieces:
        raise InvalidRequestError("The statement is empty.")
    if _DOUBLED_QUOTE.search(text) and any(
        piece[0] in "\"'" and following[0] == piece[0] for piece, following in itertools.pairwise(pieces)
    ):
        raise StatementError(r"One string follows another: inside a string, write a quote as \' or \" and not doubled.")
    return pieces


def _first_error(text: str) -> str:
    """Describe the first place of a text that no statement may hold."""
    position = 0
    for kind, piece in tokenize(text):
        if kind is TokenKind.ERROR:
            where = f"at character {position + 1}"
            match piece[:2]:
                case "/*":
                    return f"The comment {where} does not end: write */ after an odd number of stars is no end."
                case "//":
                    return f"The comment {where} holds a carriage return without a line feed."
                case _ if piece[0] in "\"'":
                    return rf"The string {where} does not end, or holds an unknown escape: write a backslash as \\."
                case _ if piece[0] == "`":
                    return f"The name in backticks {where} does not end."
                case _:
                    return f"The character {piece[0]!r} {where} belongs to no statement."
        position += len(piece)
    return "The statement cannot be read."


def _capitals(text: str, pieces: Sequence[str]) -> list[str]:
    """Write keywords in capitals, as the engine compares them: letters outside ASCII are never part of one."""
    if text.isascii():
        return [piece.upper() for piece in pieces]
    return [piece.upper() if piece.isascii() else piece for piece in pieces]


def _split_explain(words: list[str]) -> tuple[Literal["explain", "profile"] | None, list[str]]:
    """Take EXPLAIN or PROFILE off the beginning."""
    match words:
        case ["EXPLAIN" | "PROFILE"] | ["EXPLAIN", "LOGICAL"]:
            raise StatementError(f"No statement follows {words[0]}.")
        case ["EXPLAIN", "LOGICAL", *rest]:
            return "explain", rest
        case ["EXPLAIN", *rest]:
            return "explain", rest
        case ["PROFILE", *rest]:
            return "profile", rest
        case _:
            return None, words


def _form(words: Sequence[str]) -> Clause:
    """Tell the form of a statement by its first words."""
    match words:
        case ["CREATE", *rest]:
            form = _created(rest)
        case ["DROP", what, *_]:
            form = _DROPPED.get(what)
        case ["ALTER", "TABLE", _, ".", _, action, *_] | ["ALTER", "TABLE", _, action, *_]:
            form = Clause.ALTER_TABLE if action in {"ADD", "DROP", "RENAME"} else Clause.ALTER_TABLE_SET
        case ["COPY", *rest]:
            form = Clause.COPY_TO if rest[:1] == ["("] else Clause.COPY_FROM
        case ["LOAD", *rest]:
            form = Clause.LOAD_FROM if rest[:1] in (["FROM"], ["WITH"]) else Clause.LOAD_EXTENSION
        case ["DETACH", *rest]:
            form = Clause.QUERY if rest[:1] == ["DELETE"] and rest[1:2] not in ([], ["."]) else Clause.DETACH
        case ["CALL", _, "=", *_]:
            form = Clause.SETTING
        case [first, *_]:
            form = Clause.QUERY if first in _QUERY_STARTS else _FIRST_WORDS.get(first)
        case _:
            form = None
    if form is None:
        raise StatementError(
            f"No statement begins with {' '.join(words[:2])!r:.80}: use MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN, "
            "CALL, CREATE, MERGE, SET, DELETE, DROP, ALTER TABLE or COMMENT ON TABLE."
        )
    return form


def _created(rest: Sequence[str]) -> Clause | None:
    """Tell what a statement creates: something of the schema, or what a pattern describes."""
    match rest:
        case ["(", *_] | [_, "=", *_]:
            return Clause.QUERY
        case [_, "INDEX", *_]:
            return Clause.CREATE_INDEX
        case [what, *_]:
            return _CREATED.get(what)
        case _:
            return None


def _table_parts(words: Sequence[str]) -> set[Clause]:
    """Find the parts of a CREATE TABLE, beside its columns, that need a decision."""
    parts: set[Clause] = set()
    depth = 0
    for word, following in zip(words, [*words[1:], ""], strict=True):
        depth += (word == "(") - (word == ")")
        if depth:
            continue
        if word == "WITH":
            parts.add(Clause.TABLE_WITH_OPTIONS)
        elif word == "AS" and following != "(":
            parts.add(Clause.TABLE_AS_QUERY)
        elif word == "PARTITION" and following != "(":
            parts.add(Clause.TABLE_PARTITION_BY)
    return parts


def _kind(form: Clause, found: Usage) -> StatementKind:
    """Tell what a statement does."""
    if form in {Clause.QUERY, Clause.LOAD_FROM}:
        return StatementKind.WRITE if found.writes else StatementKind.READ
    if form is Clause.COPY_FROM:
        return StatementKind.WRITE
    return StatementKind.DDL if form in _DDL else StatementKind.ADMIN


def _is_volatile(found: Usage) -> bool:
    """Whether the answer may differ each time; of what is unknown, that is assumed."""
    return not (
        VOLATILE_FUNCTIONS.isdisjoint(found.functions)
        and VOLATILE_PROCEDURES.isdisjoint(found.procedures)
        and found.functions <= FUNCTIONS
        and found.procedures <= PROCEDURES
    )
