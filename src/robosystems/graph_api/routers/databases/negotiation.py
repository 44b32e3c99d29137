"""What a client wants of the plain ASGI routes: Accept and the query string."""

import re
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Scope

from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.query import ResultFormat

Explain = Literal["plan", "profile"]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_FORMAT_BY_USUAL_ACCEPT: Final = {
    b"": ResultFormat.JSON,
    b"*/*": ResultFormat.JSON,
    JSON.encode(): ResultFormat.JSON,
    NDJSON.encode(): ResultFormat.NDJSON,
}
_RANGES_BY_TYPE: Final = {
    JSON: (JSON, "application/*", "*/*"),
    NDJSON: (NDJSON, "application/*", "*/*"),
}
_QUALITY: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_MAX_OPTIONS: Final = 10


class Wanted(NamedTuple):
    """How a query is to be answered.

    Attributes:
        format: Encoding of the rows.
        explain: Whether the plan is asked for instead of the rows.
    """

    format: ResultFormat
    explain: Explain | None


def negotiate_query(scope: Scope) -> Wanted:
    """Return what Accept and the query string of a query ask for.

    Raises:
        InvalidRequestError: Neither format is accepted, an option is unknown, or it does not go with the format.
    """
    accepted = _accepted(scope)
    if not scope["query_string"]:
        return Wanted(accepted, None)
    options = _options(scope["query_string"], {"format": ("objects", "arrays"), "explain": ("plan", "profile")})
    explain: Explain | None = None
    if "explain" in options:
        explain = "plan" if options["explain"] == "plan" else "profile"
    if options.get("format") != "arrays":
        return Wanted(accepted, explain)
    if accepted is ResultFormat.NDJSON:
        raise InvalidRequestError("format: 'arrays' goes with Accept: application/json only; NDJSON lines are objects.")
    return Wanted(ResultFormat.JSON_ARRAYS, explain)


def negotiate_transaction(scope: Scope) -> None:
    """Check that a transaction is asked for in the one form that there is.

    Raises:
        InvalidRequestError: JSON is not accepted, or there are options.
    """
    if scope["query_string"]:
        _options(scope["query_string"], {})
    if _accepted(scope) is not ResultFormat.JSON:
        raise InvalidRequestError("Accept: a transaction is answered in application/json only.")


def _accepted(scope: Scope) -> ResultFormat:
    """Return the format that a client likes best; JSON if it has no preference."""
    given = [value for name, value in scope["headers"] if name == b"accept"]
    text = given[0] if len(given) == 1 else b",".join(given)
    usual = _FORMAT_BY_USUAL_ACCEPT.get(text)
    return usual if usual is not None else _best(text.decode("latin-1").lower())


def _best(accept: str) -> ResultFormat:
    """Return the best format by quality, then by how exactly it is named, then by which comes first."""
    qualities: dict[str, tuple[float, int]] = {}
    for position, item in enumerate(accept.split(",")):
        kind, *parameters = (part.strip() for part in item.split(";"))
        found = [match for match in map(_QUALITY.fullmatch, parameters) if match is not None]
        qualities.setdefault(kind, (float(found[0].group(1)) if found else 1.0, -position))
    ndjson, json = _rank(NDJSON, qualities), _rank(JSON, qualities)
    if ndjson[0] <= 0.0 and json[0] <= 0.0:
        raise InvalidRequestError("Accept: use application/json or application/x-ndjson.")
    return ResultFormat.NDJSON if ndjson > json else ResultFormat.JSON


def _rank(kind: str, qualities: dict[str, tuple[float, int]]) -> tuple[float, int, int]:
    """Return quality, exactness and position of the most exact range that covers a type."""
    for inexactness, covering in enumerate(_RANGES_BY_TYPE[kind]):
        if covering in qualities:
            quality, position = qualities[covering]
            return quality, -inexactness, position
    return 0.0, 0, 0


def _options(query_string: bytes, known: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the options of a query string; of one that is repeated the last."""
    try:
        given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_OPTIONS)
    except ValueError as error:
        raise InvalidRequestError(f"query string: more than {_MAX_OPTIONS} options.") from error
    for name, value in given:
        if name not in known:
            hint = f"use {' or '.join(known)}" if known else "this route takes none"
            raise InvalidRequestError(f"query string: {name[:80]!r} is unknown; {hint}.")
        if value not in known[name]:
            raise InvalidRequestError(f"{name}: use {' or '.join(map(repr, known[name]))}.")
    return dict(given)
