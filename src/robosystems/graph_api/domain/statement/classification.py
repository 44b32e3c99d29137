"""What a text is, and what it uses: the facts that the policy, the lanes and the caches decide by.

Nothing here parses Cypher. A statement is told by its first words, and clauses are found wherever they stand, because most
keywords of this dialect may also be names (`n.set`, `AS delete`, `(load:Load)`). A word counts as a name only where the
grammar cannot begin a clause; in doubt it counts as the clause. So a read may be taken for a write (it then runs in the
write lane, with the same result), never the other way round.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from robosystems.graph_api.domain.errors import InvalidRequestError, StatementError
from robosystems.graph_api.domain.statement.tokenizer import TokenKind, significant, tokenize
from robosystems.graph_api.domain.statement.vocabulary import (
    FUNCTIONS,
    LAMBDA_FUNCTIONS,
    PROCEDURES,
    VOLATILE_FUNCTIONS,
    VOLATILE_PROCEDURES,
    WRITING_FUNCTIONS,
)


class StatementKind(StrEnum):
    """What a statement does to the database."""

    READ = "read"
    """Reads data or the catalog."""
    WRITE = "write"
    """Changes data."""
    DDL = "ddl"
    """Changes the schema."""
    ADMIN = "admin"
    """Does anything else: files, transactions, settings, extensions, statistics."""


class Clause(StrEnum):
    """What the policy decides about, by the name that a caller sees."""

    QUERY = "query"
    CREATE_NODE_TABLE = "CREATE NODE TABLE"
    CREATE_REL_TABLE = "CREATE REL TABLE"
    CREATE_SEQUENCE = "CREATE SEQUENCE"
    CREATE_INDEX = "CREATE INDEX"
    CREATE_TYPE = "CREATE TYPE"
    CREATE_MACRO = "CREATE MACRO"
    CREATE_GRAPH = "CREATE GRAPH"
    CREATE_USER = "CREATE USER"
    CREATE_ROLE = "CREATE ROLE"
    DROP_TABLE = "DROP TABLE"
    DROP_SEQUENCE = "DROP SEQUENCE"
    DROP_INDEX = "DROP INDEX"
    DROP_MACRO = "DROP MACRO"
    DROP_GRAPH = "DROP GRAPH"
    ALTER_TABLE = "ALTER TABLE"
    ALTER_TABLE_SET = "ALTER TABLE ... SET"
    COMMENT_ON = "COMMENT ON TABLE"
    TABLE_AS_QUERY = "CREATE TABLE ... AS"
    TABLE_WITH_OPTIONS = "CREATE TABLE ... WITH (...)"
    TABLE_PARTITION_BY = "CREATE TABLE ... PARTITION BY"
    COPY_FROM = "COPY FROM"
    COPY_TO = "COPY TO"
    LOAD_FROM = "LOAD FROM"
    LOAD_EXTENSION = "LOAD EXTENSION"
    INSTALL = "INSTALL"
    UNINSTALL = "UNINSTALL"
    UPDATE_EXTENSION = "UPDATE"
    EXPORT_DATABASE = "EXPORT DATABASE"
    IMPORT_DATABASE = "IMPORT DATABASE"
    ATTACH = "ATTACH"
    DETACH = "DETACH"
    USE = "USE"
    BEGIN = "BEGIN TRANSACTION"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    CHECKPOINT = "CHECKPOINT"
    ANALYZE = "ANALYZE"
    SETTING = "CALL name = value"
    LAMBDA = "lambda expression"
    QUOTED_FUNCTION = "function name in backticks"
    JSON_PARAMETER = "to_json($...)"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, read as the engine reads it.

    Attributes:
        text: The text itself.
        kind: What it does if it is executed. `EXPLAIN` and `PROFILE` count as the statement they carry: some statements
            leave traces even when only explained.
        explain: Which of the two the text begins with. `explain` executes no query, `profile` does.
        clauses: What the policy decides about: the form of the statement, and parts of it that need a decision.
        functions: Functions called in expressions, in lower case.
        procedures: Table functions called by `CALL`, in lower case.
        parameters: Names of the parameters, exactly as the engine wants them (without `$`; backticks belong to the name).
        identifiers: Every unquoted word and every name in backticks, in lower case (names are not case-sensitive):
            whatever table the statement names is among them. Tables that a pattern without a label reaches are not.
        deletes: It may delete rows or tables.
        volatile: The same text over the same data may answer differently.
    """

    text: str
    kind: StatementKind
    explain: Literal["explain", "profile"] | None
    clauses: frozenset[Clause]
    functions: frozenset[str]
    procedures: frozenset[str]
    parameters: frozenset[str]
    identifiers: frozenset[str]
    deletes: bool
    volatile: bool

    @property
    def writes(self) -> bool:
        """Whether running the text can change anything; an explained statement cannot."""
        return self.kind is not StatementKind.READ and self.explain != "explain"


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
    "NODE": Clause.CREATE_NODE_TABLE,
    "REL": Clause.CREATE_REL_TABLE,
    "SEQUENCE": Clause.CREATE_SEQUENCE,
    "TYPE": Clause.CREATE_TYPE,
    "MACRO": Clause.CREATE_MACRO,
    "GRAPH": Clause.CREATE_GRAPH,
    "USER": Clause.CREATE_USER,
    "ROLE": Clause.CREATE_ROLE,
    "INDEX": Clause.CREATE_INDEX,
}
_DROPPED: Final[Mapping[str, Clause]] = {
    "TABLE": Clause.DROP_TABLE,
    "SEQUENCE": Clause.DROP_SEQUENCE,
    "INDEX": Clause.DROP_INDEX,
    "MACRO": Clause.DROP_MACRO,
    "GRAPH": Clause.DROP_GRAPH,
}
_TABLES: Final = frozenset({Clause.CREATE_NODE_TABLE, Clause.CREATE_REL_TABLE})
_DDL: Final = frozenset(
    {*_CREATED.values(), *_DROPPED.values(), Clause.ALTER_TABLE, Clause.ALTER_TABLE_SET, Clause.COMMENT_ON}
)

# The binding of the engine for Python replaces this by the text of the parameter, even inside strings and comments.
_JSON_PARAMETER: Final = re.compile(r"to_json\(\s*\$", re.IGNORECASE)
_UNREADABLE: Final = re.compile("[\0\ud800-\udfff]")


def classify(text: str) -> Statement:
    """Tell what a text is.

    Raises:
        InvalidRequestError: There is not exactly one statement, or a character that no statement may hold.
        StatementError: The text is no statement: an unterminated string or comment, an unknown escape or first word.
    """
    pieces = _pieces(text)
    words = _upper(text, pieces)
    explain: Literal["explain", "profile"] | None = None
    if words[0] in {"EXPLAIN", "PROFILE"}:
        explain = "explain" if words[0] == "EXPLAIN" else "profile"
        words = words[2:] if words[1:2] == ["LOGICAL"] and explain == "explain" else words[1:]
        if not words:
            raise StatementError(f"{pieces[0]} is not followed by a statement.")
    form = _form(words)
    found = find_usage(words, table_definition=form in _TABLES)
    clauses = {form, *found.clauses}
    if form in _TABLES:
        clauses |= _table_parts(words)
    if "$" in text and _JSON_PARAMETER.search(text):
        clauses.add(Clause.JSON_PARAMETER)
    return Statement(
        text=text,
        kind=_kind(form, writes=found.writes),
        explain=explain,
        clauses=frozenset(clauses),
        functions=frozenset(found.functions),
        procedures=frozenset(found.procedures),
        parameters=frozenset(piece[1:] for piece in pieces if piece[0] == "$") if "$" in text else frozenset(),
        identifiers=frozenset(map(_name, filter(_is_word, pieces))),
        deletes=found.deletes or form is Clause.DROP_TABLE,
        volatile=_is_volatile(found),
    )
