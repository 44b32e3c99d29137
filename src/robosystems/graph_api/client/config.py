"""How a client behaves, as a value: given in code, or read from the environment of the program that uses it.

The client is a library and runs where no server is, so it reads its own variables here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


class ClientConfigurationError(ValueError):
    """A variable or argument of a client's configuration is wrong; the message names it and its legal values."""


def _setting(variable: str, default: object, description: str, *, least: float = 0, most: float = 0) -> Any:  # noqa: ANN401 - like dataclasses.field
    """Describe a field: its variable, its default, what it means, and for numbers their bounds."""
    metadata = {"variable": variable, "description": description, "least": least, "most": most}
    return field(default=default, metadata=metadata, repr=variable != "GRAPH_CLIENT_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphClientConfig:
    """Everything about a client that can be set. `from_environment` reads it; each field says its variable.

    Raises:
        ClientConfigurationError: A number is out of its bounds, the URL is none, or no header can carry the key.
    """

    base_url: str = _setting(
        "GRAPH_CLIENT_BASE_URL", "http://127.0.0.1:8001", "URL of the server, if the program names none."
    )
    api_key: str | None = _setting("GRAPH_CLIENT_API_KEY", None, "Key, if the program gives none.")
    timeout_s: float = _setting(
        "GRAPH_CLIENT_TIMEOUT",
        60.0,
        "Seconds a call may take, repetitions included, if the call names no time-out.",
        least=0.001,
        most=86_400,
    )
    connect_timeout_s: float = _setting(
        "GRAPH_CLIENT_CONNECT_TIMEOUT", 5.0, "Seconds to wait for a connection.", least=0.001, most=3_600
    )
    grace_s: float = _setting(
        "GRAPH_CLIENT_GRACE",
        5.0,
        "Seconds to wait longer than the server was given, so that its own answer arrives.",
        least=0,
        most=3_600,
    )
    max_connections: int = _setting(
        "GRAPH_CLIENT_MAX_CONNECTIONS", 100, "Connections of one client.", least=1, most=10_000
    )
    keepalive_s: float = _setting(
        "GRAPH_CLIENT_KEEPALIVE", 30.0, "Seconds an unused connection is kept.", least=0, most=3_600
    )
    compression: bool = _setting(
        "GRAPH_CLIENT_COMPRESSION",
        False,  # noqa: FBT003 - a default
        "Whether answers are compressed: worth its time on slow networks.",
    )
    verify_ssl: bool = _setting("GRAPH_CLIENT_VERIFY_SSL", True, "Whether certificates are checked.")  # noqa: FBT003 - a default
    max_retries: int = _setting(
        "GRAPH_CLIENT_MAX_RETRIES", 4, "Repetitions of a call whose repetition is safe.", least=0, most=100
    )
    retry_delay_s: float = _setting(
        "GRAPH_CLIENT_RETRY_DELAY",
        0.1,
        "Longest wait before the first repetition, seconds; the wait is drawn between 0 and this.",
        least=0,
        most=3_600,
    )
    retry_backoff: float = _setting(
        "GRAPH_CLIENT_RETRY_BACKOFF", 2.0, "Factor between the longest waits.", least=1, most=100
    )
    max_retry_delay_s: float = _setting(
        "GRAPH_CLIENT_MAX_RETRY_DELAY", 10.0, "Longest wait of all, seconds.", least=0, most=3_600
    )
    breaker_threshold: int = _setting(
        "GRAPH_CLIENT_BREAKER_THRESHOLD",
        10,
        "Failures in a row, of all clients of a URL in the process, after which calls are refused at once.",
        least=1,
        most=10_000,
    )
    breaker_reset_s: float = _setting(
        "GRAPH_CLIENT_BREAKER_RESET",
        10.0,
        "Seconds until one call may find out whether the server is back.",
        least=0.001,
        most=86_400,
    )
    retries_enabled: bool = _setting("LBUG_RETRY_LOGIC_ENABLED", True, "Whether calls are repeated.")  # noqa: FBT003 - a default
    keys_enabled: bool = _setting(
        "GRAPH_CLIENT_IDEMPOTENCY_KEYS",
        True,  # noqa: FBT003 - a default
        "Whether writes are sent with a key, so that a server that honours keys lets them be repeated safely.",
    )
    breakers_enabled: bool = _setting(
        "LBUG_CIRCUIT_BREAKERS_ENABLED",
        True,  # noqa: FBT003 - a default
        "Whether a URL that fails repeatedly is left alone for a while.",
    )
    health_checks_enabled: bool = _setting(
        "LBUG_HEALTH_CHECKS_ENABLED",
        True,  # noqa: FBT003 - a default
        "Whether `/health` is asked before a URL that was left alone gets a call again.",
    )

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ClientConfigurationError(
                f"GRAPH_CLIENT_BASE_URL (base_url) is {self.base_url!r}: begin with http:// or https://."
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ClientConfigurationError("GRAPH_CLIENT_API_KEY (api_key): a key has printable ASCII characters only.")
        for each in fields(self):
            value = getattr(self, each.name)
            least, most = each.metadata["least"], each.metadata["most"]
            if most and not least <= value <= most:
                raise ClientConfigurationError(
                    f"{each.metadata['variable']} ({each.name}) is {value!r}: use {least:g} to {most:g}."
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the variables; those that are missing or empty keep their defaults.

        Args:
            environment: The variables; by default those of the process.

        Raises:
            ClientConfigurationError: One of them is wrong.
        """
        given = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in fields(cls):
            text = given.get(each.metadata["variable"], "")
            if text:
                values[each.name] = _parsed(each.metadata["variable"], text, each.default)
        return cls(**values)


def _parsed(variable: str, text: str, default: object) -> object:
    """Return the value of a variable, of the kind that its default has."""
    word = text.strip().lower()
    if isinstance(default, bool):
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise ClientConfigurationError(f"{variable} is not a truth value: use true or false.")
    if isinstance(default, int | float):
        try:
            return int(word) if isinstance(default, int) else float(word)
        except ValueError:
            kind = "an integer" if isinstance(default, int) else "a number"
            raise ClientConfigurationError(f"{variable} is not {kind}.") from None
    return text.strip()
