"""What a tenant may say: a list of what is allowed; everything else is refused, by name and with the alternative."""

from collections.abc import Mapping
from typing import Final

from robosystems.graph_api.domain.errors import StatementForbiddenError
from robosystems.graph_api.domain.statement.statement import Clause, Statement
from robosystems.graph_api.domain.statement.vocabulary import (
    ADMINISTRATOR_PROCEDURES,
    FUNCTIONS,
    PROCEDURES,
    REFUSED_FUNCTIONS,
    REFUSED_PROCEDURES,
)

ALLOWED_CLAUSES: Final = frozenset(
    {
        Clause.QUERY,
        Clause.CREATE_NODE_TABLE,
        Clause.CREATE_REL_TABLE,
        Clause.CREATE_SEQUENCE,
        Clause.DROP_TABLE,
        Clause.DROP_SEQUENCE,
        Clause.ALTER_TABLE,
        Clause.COMMENT_ON,
    }
)
"""What every key may use."""

ADMINISTRATOR_CLAUSES: Final[Mapping[Clause, str]] = {
    Clause.ANALYZE: "refreshes the statistics that the engine plans by, after large changes",
}
"""What only an administrator may use, and what it is for."""

_LOAD: Final = "send the file to POST /databases/{id}/load/{table}."
_EXPORT: Final = (
    "read the rows with POST /databases/{id}/query, or all of the database with GET /databases/{id}/export."
)
_GRAPH: Final = "each graph is a database of its own: create it with POST /databases and name it in the path."
_EXTENSION: Final = "extensions are not available; all functions that are stand in docs/statements.md."
_TRANSACTION: Final = "send the statements to POST /databases/{id}/transaction: it runs all of them or none."
_MACRO: Final = "macros are not available: write the expression itself."
_INDEX: Final = "the primary key of a node table has its index already, and no other index exists without extensions."
_KEYS: Final = "access is given by API keys."

REFUSED_CLAUSES: Final[Mapping[Clause, str]] = {
    Clause.CREATE_INDEX: _INDEX,
    Clause.CREATE_TYPE: "name the type itself in each column.",
    Clause.CREATE_MACRO: _MACRO,
    Clause.CREATE_GRAPH: _GRAPH,
    Clause.CREATE_USER: _KEYS,
    Clause.CREATE_ROLE: _KEYS,
    Clause.DROP_INDEX: _INDEX,
    Clause.DROP_MACRO: _MACRO,
    Clause.DROP_GRAPH: "remove a graph with DELETE /databases/{id}.",
    Clause.ALTER_TABLE_SET: "a table can be changed with ADD, DROP and RENAME; sort with ORDER BY when you read.",
    Clause.TABLE_AS_QUERY: "create the table with its columns, then fill it with MATCH ... CREATE.",
    Clause.TABLE_WITH_OPTIONS: "create the table without options: all tables lie in the database's own file.",
    Clause.TABLE_PARTITION_BY: "create one table: partitions would be files beside the database.",
    Clause.COPY_FROM: _LOAD,
    Clause.COPY_TO: _EXPORT,
    Clause.LOAD_FROM: _LOAD,
    Clause.LOAD_EXTENSION: _EXTENSION,
    Clause.INSTALL: _EXTENSION,
    Clause.UNINSTALL: _EXTENSION,
    Clause.UPDATE_EXTENSION: _EXTENSION,
    Clause.EXPORT_DATABASE: _EXPORT,
    Clause.IMPORT_DATABASE: "create the tables first, then send each file to POST /databases/{id}/load/{table}.",
    Clause.ATTACH: _GRAPH,
    Clause.DETACH: _GRAPH,
    Clause.USE: _GRAPH,
    Clause.BEGIN: _TRANSACTION,
    Clause.COMMIT: _TRANSACTION,
    Clause.ROLLBACK: _TRANSACTION,
    Clause.CHECKPOINT: "the service checkpoints by itself; " + _TRANSACTION,
    Clause.SETTING: "settings are the operator's; `timeout`, `mode` and `max_rows` of a request are yours.",
    Clause.LAMBDA: "a lambda may only be the second argument of list_transform, list_filter or list_reduce.",
    Clause.QUOTED_FUNCTION: "write the name of a function without backticks.",
    Clause.JSON_PARAMETER: "name the parameter alone, as $name: inside to_json() its value would join the text.",
}
"""What nobody may use, and what to do instead."""

_ADMINISTRATOR: Final = "it is for administrators."
_UNDECIDED: Final = "it is not on the list of what statements may use; see docs/statements.md."


def check(statement: Statement, *, administrator: bool = False) -> None:
    """Refuse a statement that reaches for more than its own graph.

    Args:
        statement: The statement.
        administrator: Whether the key of the request may use what is for administrators.

    Raises:
        StatementForbiddenError: The statement uses something that it may not. The detail names it and the alternative,
            the context holds both as `clause` and `alternative`.
    """
    for clause in sorted(statement.clauses - ALLOWED_CLAUSES):
        if clause not in ADMINISTRATOR_CLAUSES:
            raise _refusal(clause, REFUSED_CLAUSES.get(clause, _UNDECIDED))
        if not administrator:
            raise _refusal(clause, _ADMINISTRATOR)
    for name in sorted(statement.functions - FUNCTIONS):
        raise _refusal(f"{name:.80}()", REFUSED_FUNCTIONS.get(name, _UNDECIDED))
    for name in sorted(statement.procedures - PROCEDURES):
        if name not in ADMINISTRATOR_PROCEDURES:
            raise _refusal(f"CALL {name:.80}", REFUSED_PROCEDURES.get(name, _UNDECIDED))
        if not administrator:
            raise _refusal(f"CALL {name}", _ADMINISTRATOR)


def _refusal(clause: str, alternative: str) -> StatementForbiddenError:
    """Make the error for one thing that a statement may not use."""
    return StatementForbiddenError(
        f"{clause} is not allowed: {alternative}", clause=str(clause), alternative=alternative
    )
