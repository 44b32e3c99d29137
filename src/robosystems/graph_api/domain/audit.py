"""Administrative acts, as they are written down."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One administrative act.

    Attributes:
        act: What was done, from a fixed set, for example `key.create`.
        target: What it was done to: the name of a database, the id of a key; None for the node.
        outcome: `success`, or the code of the error that it ended with.
        key_id: Who did it.
        request_id: Of the request; None for an act of the node itself.
        address: Where the request came from.
    """

    act: str
    target: str | None
    outcome: str
    key_id: str
    request_id: str | None = None
    address: str | None = None
