"""Finding what a statement uses: updating clauses, function calls, scans of files, lambdas.

Nothing here parses Cypher. Clauses are found wherever they stand, because most keywords of this dialect may also be names
(`n.set`, `AS delete`, `(load:Load)`). A word counts as a name only where the grammar cannot begin a clause; in doubt it is
the clause. So a read may be taken for a write (it then runs in the write lane, with the same result), never the other way
round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from robosystems.graph_api.domain.statement.statement import Clause
from robosystems.graph_api.domain.statement.vocabulary import LAMBDA_FUNCTIONS, WRITING_FUNCTIONS

# Operators, and the reserved words after which an expression follows: no clause begins right after one of these.
_BEFORE_NAME: Final = frozenset(
    {*".:,|([{=+-/%^&", "..", "<", ">", "<>", "<=", ">=", "<<", ">>", "!=", "=~", "AS"}
    | {"WHERE", "AND", "OR", "XOR", "NOT", "IN", "WITH", "DISTINCT", "UNWIND", "CASE", "WHEN", "THEN", "ELSE"}
)
# What may follow a name, but not DELETE, SET or MERGE, which want an expression or a pattern; "" is the end.
_AFTER_NAME: Final = frozenset(
    {"", *".:,|)]}=+*/%^&!", "..", "<", ">", "<>", "<=", ">=", "<<", ">>", "!=", "=~"}
    | {"AND", "OR", "XOR", "IN", "STARTS", "ENDS", "WHERE", "ORDER", "WHEN", "THEN", "ELSE", "END"}
    | {"ASC", "ASCENDING", "DESC", "DESCENDING", "UNION", "UNWIND", "WITH", "CREATE", "OPTIONAL"}
)
# Words that call nothing when a parenthesis follows.
_NO_FUNCTION: Final = frozenset(
    {"MATCH", "CREATE", "MERGE", "WHERE", "RETURN", "WITH", "UNWIND", "DELETE", "SET", "BY", "HINT", "JOIN", "AS"}
    | {"AND", "OR", "XOR", "NOT", "IN", "DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "SKIP", "LIMIT", "KEY"}
    | {"ALL", "ANY", "NONE", "SINGLE", "SHORTEST", "WSHORTEST", "TRAIL", "ACYCLIC"}
    | {"DECIMAL", "STRUCT", "UNION"}
)
_NO_WORD: Final = frozenset("\"'$0123456789.,:;()[]{}|&+*%^!<>=/-\xad‐‑‒–—―−﹘﹣－⟨⟩〈〉﹤﹥＜＞")  # noqa: RUF001


def is_word(piece: str) -> bool:
    """Whether a piece of a statement is a name or keyword, quoted or not."""
    return piece[0] not in _NO_WORD


def name_of(piece: str) -> str:
    """Return the name that a word stands for, in lower case: without backticks."""
    return (piece[1:-1].replace("``", "`") if piece[0] == "`" else piece).lower()


@dataclass(slots=True)
class Usage:
    """What was found in a statement.

    Attributes:
        clauses: Parts that the policy must decide about.
        functions: Functions called in expressions, in lower case.
        procedures: Table functions called by CALL, in lower case.
        writes: There is an updating clause, or a function that changes the database.
        deletes: One of the clauses is DELETE.
    """

    clauses: set[Clause] = field(default_factory=set[Clause])
    functions: set[str] = field(default_factory=set[str])
    procedures: set[str] = field(default_factory=set[str])
    writes: bool = False
    deletes: bool = False


def find_usage(words: Sequence[str], *, table_definition: bool) -> Usage:
    """Look through a statement.

    Args:
        words: Its pieces, keywords in capitals, after EXPLAIN or PROFILE.
        table_definition: It is a CREATE TABLE: the first parenthesis follows the name of the table.
    """
    found = Usage()
    calls: list[str] = []
    """The function around each open parenthesis; empty where there is none."""
    group = first = words.index("(") if table_definition and "(" in words else -1
    opened: list[int] = []
    for position, word in enumerate(words):
        if word == "(":
            calls.append("" if position == first else _call(words, position, found))
            opened.append(position)
        elif word == ")":
            if calls:
                calls.pop()
                group = opened.pop()
        elif word == "-":
            if words[position + 1 : position + 2] == [">"] and _is_lambda(words, position, group, calls):
                found.clauses.add(Clause.LAMBDA)
        elif word in _CLAUSES:
            _clause(words, position, found)
    found.writes |= not WRITING_FUNCTIONS.isdisjoint(found.functions)
    return found
