"""Identity: the only door through which a graph id enters the service."""

import re
from dataclasses import dataclass
from typing import Final, Self

from robosystems.graph_api.domain.errors import InvalidGraphIdError, InvalidTableNameError

_GRAPH_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True, order=True)
class GraphId:
    """Name of one tenant's graph database: 1 to 63 letters, digits, `_` or `-`, beginning with a letter or digit.

    The value is safe as a file name. Ids that differ only in case are different ids, but a node refuses the second one,
    so that no file system can mix them up.
    """

    value: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Check a raw id from outside.

        Raises:
            InvalidGraphIdError: The text is not a legal id.
        """
        if _GRAPH_ID.fullmatch(raw) is None:
            shown = raw if len(raw) <= 80 else raw[:77] + "..."  # noqa: PLR2004
            raise InvalidGraphIdError(
                f"graph_id {shown!r} is not legal: use 1 to 63 letters, digits, '_' or '-', "
                "beginning with a letter or digit."
            )
        return cls(raw)

    def __str__(self) -> str:
        """Return the id itself."""
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """Name of a node or relationship table: 1 to 128 letters, digits or `_`, not beginning with a digit."""

    value: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Check a raw name from outside.

        Raises:
            InvalidTableNameError: The text is not a legal name.
        """
        if _TABLE_NAME.fullmatch(raw) is None:
            shown = raw if len(raw) <= 80 else raw[:77] + "..."  # noqa: PLR2004
            raise InvalidTableNameError(
                f"table name {shown!r} is not legal: use 1 to 128 letters, digits or '_', not beginning with a digit."
            )
        return cls(raw)

    def __str__(self) -> str:
        """Return the name itself."""
        return self.value
