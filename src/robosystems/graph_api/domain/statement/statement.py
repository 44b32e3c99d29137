"""The values of this package: what a statement is, and what in it needs a decision."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


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
        parameters: Names of the parameters without `$`, exactly as the engine wants them (with their backticks).
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
