"""What a client wants of the plain ASGI routes: Accept, Accept-Encoding and the query string."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Scope

from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.query import ResultFormat
from robosystems.graph_api.routers.databases.media_types import FORMAT_BY_TYPE

Explain = Literal["plan", "profile"]

_FORMAT_BY_USUAL_ACCEPT: Final = {
    b"": ResultFormat.JSON,
    b"*/*": ResultFormat.JSON,
    **{name.encode(): result_format for name, result_format in FORMAT_BY_TYPE.items()},
}
_QUALITY: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_MAX_OPTIONS: Final = 10


class Coding(StrEnum):
    """A content coding, by its name in HTTP; the first is the better one."""

    ZSTD = "zstd"
    GZIP = "gzip"


class Wanted(NamedTuple):
    """How a query is to be answered.

    Attributes:
        format: Encoding of the rows.
        explain: Whether the plan is asked for instead of the rows.
    """

    format: ResultFormat
    explain: Explain | None


class Preference(NamedTuple):
    """How much a client likes one of several offers; greater is better.

    Attributes:
        quality: From 0 (refused) to 1.
        exactness: 0 if it is named, less the vaguer the range that covers it.
        position: 0 if it comes first, less the later it comes.
    """

    quality: float
    exactness: int = 0
    position: int = 0


_REFUSED: Final = Preference(0.0)


def negotiate_query(scope: Scope) -> Wanted:
    """Return what Accept and the query string of a query ask for.

    Raises:
        InvalidRequestError: No format is accepted, an option is unknown, or it does not go with the format.
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
    if accepted is not ResultFormat.JSON:
        raise InvalidRequestError("format: 'arrays' goes with Accept: application/json only.")
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


def negotiate_coding(scope: Scope) -> Coding | None:
    """Return the content coding that a client likes best; None for none, also where it would refuse that.

    Without Accept-Encoding nothing is coded, though HTTP would allow it: who does not ask may not understand.
    """
    text = _header(scope, b"accept-encoding")
    if not text:
        return None
    qualities = _qualities(text.decode("latin-1").lower())
    ranks = {coding: _rank((coding.value, "*"), qualities) for coding in Coding}
    best = max(Coding, key=lambda coding: ranks[coding].quality)
    plain = qualities.get("identity", _REFUSED)
    return best if ranks[best].quality > 0.0 and ranks[best].quality >= plain.quality else None


def _accepted(scope: Scope) -> ResultFormat:
    """Return the format that a client likes best; JSON if it has no preference."""
    text = _header(scope, b"accept")
    usual = _FORMAT_BY_USUAL_ACCEPT.get(text)
    return usual if usual is not None else _best(text.decode("latin-1").lower())


def _best(accept: str) -> ResultFormat:
    """Return the best format by quality, then by how exactly it is named, then by which comes first."""
    qualities = _qualities(accept)
    ranks = {name: _rank((name, name.partition("/")[0] + "/*", "*/*"), qualities) for name in FORMAT_BY_TYPE}
    best = max(ranks, key=lambda name: ranks[name])
    if ranks[best].quality <= 0.0:
        raise InvalidRequestError(f"Accept: use one of {', '.join(FORMAT_BY_TYPE)}.")
    return FORMAT_BY_TYPE[best]


def _header(scope: Scope, wanted: bytes) -> bytes:
    """Return a header that lists alternatives; several of one name are one list."""
    given = [value for name, value in scope["headers"] if name == wanted]
    return given[0] if len(given) == 1 else b",".join(given)


def _qualities(alternatives: str) -> dict[str, Preference]:
    """Return how much each alternative of a header is liked."""
    qualities: dict[str, Preference] = {}
    for position, item in enumerate(alternatives.split(",")):
        name, *parameters = (part.strip() for part in item.split(";"))
        found = [match for match in map(_QUALITY.fullmatch, parameters) if match is not None]
        quality = float(found[0].group(1)) if found else 1.0
        qualities.setdefault(name, Preference(quality, position=-position))
    return qualities


def _rank(ranges: Sequence[str], qualities: dict[str, Preference]) -> Preference:
    """Return how much an offer is liked: by the most exact of the ranges that cover it."""
    for inexactness, covering in enumerate(ranges):
        if covering in qualities:
            return qualities[covering]._replace(exactness=-inexactness)
    return _REFUSED


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
