"""Who may do what: scopes, sets of graphs, keys, and the caller of a request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from robosystems.graph_api.domain.errors import InvalidRequestError

MAX_PATTERNS: Final = 100
"""Patterns of one set of graphs."""

_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\*?")
_ANY: Final = "*"


class Scope(StrEnum):
    """What a caller may do; each scope holds those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Place in the order read, write, admin."""
        return _RANKS[self]

    def holds(self, needed: "Scope") -> bool:
        """Return whether this scope is enough where another one is needed."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {Scope.READ: 0, Scope.WRITE: 1, Scope.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class GraphSet:
    """Some graphs, by name or by the beginning of their names.

    Attributes:
        names: Whole names.
        prefixes: Beginnings of names.
    """

    names: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def parse(cls, patterns: Sequence[str], *, field: str = "graphs") -> Self:
        """Read patterns: a name, or the beginning of names and `*`.

        Raises:
            InvalidRequestError: A pattern is malformed, or there are none or too many.
        """
        if not 1 <= len(patterns) <= MAX_PATTERNS:
            raise InvalidRequestError(f"{field}: give 1 to {MAX_PATTERNS} patterns, or leave the field out.")
        for number, pattern in enumerate(patterns):
            if _PATTERN.fullmatch(pattern) is None:
                raise InvalidRequestError(
                    f"{field}[{number}]: {pattern[:80]!r} is no name of a graph, nor the beginning of names and '*'."
                )
        names = frozenset(pattern for pattern in patterns if not pattern.endswith(_ANY))
        prefixes = tuple(sorted({pattern[:-1] for pattern in patterns if pattern.endswith(_ANY)}))
        return cls(names, prefixes)

    def __contains__(self, graph_id: str) -> bool:
        """Return whether a graph of this name belongs to the set."""
        return graph_id in self.names or graph_id.startswith(self.prefixes)

    def covers(self, other: "GraphSet") -> bool:
        """Return whether each graph of another set belongs to this one, whichever graphs there are or will be."""
        return all(name in self for name in other.names) and all(
            prefix.startswith(self.prefixes) for prefix in other.prefixes
        )

    @property
    def patterns(self) -> list[str]:
        """The patterns, sorted."""
        return sorted([*self.names, *(prefix + _ANY for prefix in self.prefixes)])


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, as far as the service knows.

    Attributes:
        key_id: Of the key; `admin` for the keys of the environment, `anonymous` on a node that needs none.
        scope: What it may do.
        graphs: Graphs it may see; None for all.
        token: Whether it came with a token that the key issued, not with the key.
    """

    key_id: str
    scope: Scope
    graphs: GraphSet | None = None
    token: bool = False

    def sees(self, graph_id: str) -> bool:
        """Return whether a graph of this name exists for the caller, if it exists."""
        return self.graphs is None or graph_id in self.graphs


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept: everything but its secret.

    Attributes:
        key_id: Its public name, a part of the key itself.
        digest: SHA-256 of the whole key.
        name: What people call it.
        scope: What it may do.
        graphs: Graphs it may see; None for all.
        created_at: When, in UTC.
        created_by: Id of the key that made it.
        expires_at: From when on it opens nothing, in UTC; None for never.
        disabled: Whether it opens nothing now.
        last_used_at: Within a minute, in UTC; None for never.
    """

    key_id: str
    digest: bytes
    name: str
    scope: Scope
    graphs: GraphSet | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    disabled: bool = False
    last_used_at: datetime | None = None
