"""Requests that happen once: what names them, and what is remembered of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What names a request that carries an idempotency key.

    Attributes:
        owner: Id of the key that sent it: two callers never meet in one name.
        graph_id: Database that it concerns; empty for the node.
        incarnation: Which database of that name: one that is deleted and created again knows nothing of the first.
        key: What the client chose.
    """

    owner: str
    graph_id: str
    incarnation: str
    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is remembered of a request.

    Attributes:
        request: Method, path and query string.
        done: Whether it was carried out; if not, it is being served, or it was cut off.
        body_digest: SHA-256 of its body; empty until it is done.
        status: HTTP status of the answer; 0 until it is done.
        headers: Of the answer, without those that belong to the connection or the request.
        body: Of the answer; None if it was too large to be kept.
        size: Bytes of the answer's body.
    """

    request: str
    done: bool = False
    body_digest: bytes = b""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is remembered.

    Attributes:
        max_age_s: Seconds after which an outcome may be forgotten.
        max_owner_records: Outcomes of one key; its oldest go first.
        max_bytes: Of all outcomes together; the oldest go first.
    """

    max_age_s: float
    max_owner_records: int
    max_bytes: int
