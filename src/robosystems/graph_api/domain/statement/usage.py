"""Finding what a statement uses: updating clauses, calls, scans of files, lambdas.

Nothing here parses Cypher. Clauses are found wherever they stand, because most keywords of this dialect may also be
names (`n.set`, `AS delete`, `(load:Load)`). A word counts as a name only where the grammar cannot begin a clause; in
doubt it is the clause. So a read may be taken for a write (it then runs in the write lane, with the same result), never
the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from robosystems.graph_api.domain.statement.statement import Clause
from robosystems.graph_api.domain.statement.vocabulary import KEYWORDS, LAMBDA_FUNCTIONS, WRITING_FUNCTIONS

_CLAUSES: Final = frozenset({"CREATE", "DELETE", "LOAD", "MERGE", "SET"})
# Operators, and reserved words after which an expression follows: no clause begins right after one of these.
_BEFORE_NAME: Final = frozenset(
    {*".:,|([{=+-/%^&", "..", "<", ">", "<>", "<=", ">=", "<<", ">>", "!=", "=~"}
    | {"WHERE", "AND", "OR", "XOR", "NOT", "IN", "WITH", "DISTINCT", "UNWIND", "CASE", "WHEN", "THEN", "ELSE"}
)
# What may follow a name, but not DELETE, SET or MERGE, which want an expression or a pattern; "" is the end.
_AFTER_NAME: Final = frozenset(
    {"", *".:,|)]}=+*/%^&!", "..", "<", ">", "<>", "<=", ">=", "<<", ">>", "!=", "=~"}
    | {"AND", "OR", "XOR", "IN", "STARTS", "ENDS", "WHERE", "ORDER", "WHEN", "THEN", "ELSE", "END"}
    | {"ASC", "ASCENDING", "DESC", "DESCENDING", "UNION", "UNWIND", "WITH", "CREATE", "OPTIONAL"}
)
# Words that call nothing when a parenthesis follows: words that are never names, and words that can be.
_NEVER_CALLED: Final = frozenset(
    {"CREATE", "WHERE", "WITH", "UNWIND", "HINT", "JOIN", "AND", "OR", "XOR", "NOT", "IN", "DISTINCT", "CASE", "WHEN"}
    | {"THEN", "ELSE", "ALL", "ANY", "NONE", "SINGLE", "SHORTEST", "WSHORTEST", "TRAIL", "ACYCLIC", "UNION"}
)
_NOT_CALLED: Final = _NEVER_CALLED | {
    *("MATCH", "MERGE", "RETURN", "DELETE", "SET", "BY", "AS", "SKIP", "LIMIT", "KEY", "DECIMAL", "STRUCT")
}
_NO_WORD: Final = frozenset(
    "\"'$0123456789.,:;()[]{}|&+*%^!<>=/-"
    "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u27e8\u27e9\u3008\u3009\ufe64\ufe65\uff1c\uff1e"
)


def is_word(piece: str) -> bool:
    """Whether a piece of a statement is a name or a keyword, in backticks or not."""
    return piece[0] not in _NO_WORD


def name_of(word: str) -> str:
    """Return the name that a word stands for: without backticks, in lower case."""
    return (word[1:-1].replace("``", "`") if word[0] == "`" else word).lower()


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


def find_usage(words: Sequence[str], *, defines_table: bool) -> Usage:
    """Look through a statement.

    Args:
        words: Its pieces after EXPLAIN or PROFILE, keywords in capitals.
        defines_table: It is a CREATE TABLE: its first parenthesis follows the name of the table, not of a function.
    """
    found = Usage()
    opened: list[tuple[int, str]] = []  # Each open parenthesis: its position, and the function that it belongs to.
    group = 0  # Where the parenthesis opened that was closed last.
    columns = words.index("(") if defines_table and "(" in words else -1
    for position, word in enumerate(words):
        if word == "(":
            opened.append((position, "" if position == columns else _call(words, position, found)))
        elif word == ")":
            if opened:
                group, _ = opened.pop()
        elif word == "-":
            if words[position + 1 : position + 2] == [">"] and _is_misplaced_lambda(words, position, group, opened):
                found.clauses.add(Clause.LAMBDA)
        elif word in _CLAUSES:
            _clause(words, position, found)
    found.writes |= not WRITING_FUNCTIONS.isdisjoint(found.functions)
    return found


def _call(words: Sequence[str], position: int, found: Usage) -> str:
    """Note the call that a parenthesis may belong to, and return the name of what is called."""
    word = words[position - 1] if position else "("
    before = words[max(position - 3, 0) : max(position - 1, 0)]
    is_procedure = before[-1:] == ["CALL"] and before != [".", "CALL"]
    if not is_word(word) or word in (_NEVER_CALLED if is_procedure else _NOT_CALLED):
        return ""
    name = name_of(word)
    if word[0] == "`":
        found.clauses.add(Clause.QUOTED_FUNCTION)
    (found.procedures if is_procedure else found.functions).add(name)
    return name


def _is_misplaced_lambda(words: Sequence[str], position: int, group: int, opened: Sequence[tuple[int, str]]) -> bool:
    """Whether `->` at a position belongs to a lambda, not to a pattern, and to one that is out of place."""
    if words[position - 1] == ")":
        start = group
    elif is_word(words[position - 1]):
        start = position - 1
    else:
        return False
    return not opened or opened[-1][1] not in LAMBDA_FUNCTIONS or words[start - 1] != ","


def _clause(words: Sequence[str], position: int, found: Usage) -> None:
    """Note the clause that begins with a word, unless the word is a name."""
    word, following = words[position], [*words[position + 1 : position + 3], "", ""]
    if word == "LOAD":
        if following[0] == "FROM" or following[:2] == ["WITH", "HEADERS"]:
            found.clauses.add(Clause.LOAD_FROM)
    elif word == "CREATE" or not _is_name(words, position, following[0]):
        found.writes = True
        found.deletes |= word == "DELETE"


def _is_name(words: Sequence[str], position: int, following: str) -> bool:
    """Whether a keyword is surely used as a name."""
    if not position or words[max(position - 2, 0) : position] == ["FROM", "("]:
        return False
    if words[position - 1] in _BEFORE_NAME or following in _AFTER_NAME:
        return True
    # `x AS delete`; but `as` is a legal name, too: `WITH as DELETE as` deletes.
    return words[position - 1] == "AS" and _ends_expression(words[position - 2])


def _ends_expression(word: str) -> bool:
    """Whether a piece surely ends an expression."""
    return word in {")", "]", "}"} or word[0] in "\"'$0123456789" or (is_word(word) and word not in KEYWORDS)
