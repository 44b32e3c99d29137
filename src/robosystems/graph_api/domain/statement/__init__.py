"""Statements of tenants: cut into tokens as the engine cuts them, classified, and checked against the policy.

::

    statement = classify(text)   # exactly one statement; what it does and uses
    check(statement)             # refuses what reaches beyond the tenant's own graph

Both are pure; callers keep the results by text.
"""

from robosystems.graph_api.domain.statement.classification import classify
from robosystems.graph_api.domain.statement.policy import check
from robosystems.graph_api.domain.statement.splitting import split_statements
from robosystems.graph_api.domain.statement.statement import Clause, Statement, StatementKind
from robosystems.graph_api.domain.statement.tokenizer import Token, TokenKind, tokenize

__all__ = [
    "Clause",
    "Statement",
    "StatementKind",
    "Token",
    "TokenKind",
    "check",
    "classify",
    "split_statements",
    "tokenize",
]
