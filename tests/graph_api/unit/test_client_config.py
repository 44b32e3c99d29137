"""The configuration of the clients, and how errors of the server reach their callers."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from robosystems.graph_api.client import AsyncGraphClient, ClientConfigurationError, GraphClient, GraphClientConfig
from robosystems.graph_api.client.exceptions import error_from_response
from robosystems.graph_api.domain.errors import GraphApiError, RateLimitedError
from robosystems.graph_api.routers.errors import STATUS_BY_ERROR, answer_to

ROOT = Path(__file__).resolve().parents[3]


def test_every_variable_is_read() -> None:
    """Each field has a variable of its own, and the variable sets it."""
    defaults = GraphClientConfig()
    for field in dataclasses.fields(GraphClientConfig):
        default = getattr(defaults, field.name)
        text = {bool: str(not default), int: "7", float: "7.5"}.get(type(default), "http://elsewhere")
        read = GraphClientConfig.from_environment({field.metadata["variable"]: text})
        assert getattr(read, field.name) != default
        assert dataclasses.replace(read, **{field.name: default}) == defaults


def test_the_specifications_flags_take_effect() -> None:
    """The three flags of the specification switch what they name."""
    names = ("LBUG_CIRCUIT_BREAKERS_ENABLED", "LBUG_RETRY_LOGIC_ENABLED", "LBUG_HEALTH_CHECKS_ENABLED")
    config = GraphClientConfig.from_environment(dict.fromkeys(names, "false"))
    assert (config.breakers_enabled, config.retries_enabled, config.health_checks_enabled) == (False, False, False)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("GRAPH_CLIENT_TIMEOUT", "soon"),
        ("GRAPH_CLIENT_TIMEOUT", "0"),
        ("GRAPH_CLIENT_TIMEOUT", "nan"),
        ("GRAPH_CLIENT_MAX_RETRIES", "1.5"),
        ("GRAPH_CLIENT_MAX_RETRIES", "-1"),
        ("LBUG_RETRY_LOGIC_ENABLED", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str) -> None:
    """A value that is not understood is never replaced by a default."""
    with pytest.raises(ClientConfigurationError, match=variable):
        GraphClientConfig.from_environment({variable: text})


@pytest.mark.parametrize("wrong", [{"base_url": "127.0.0.1:8001"}, {"api_key": "schlüssel"}, {"api_key": "a\nb"}])
def test_a_url_or_key_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """The mistake shows where it was made, not as a failed request; a key is not repeated in the message."""
    with pytest.raises(ClientConfigurationError) as caught:
        GraphClient(**wrong)
    assert wrong.get("api_key", "no key") not in str(caught.value)


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without arguments is what the environment says; arguments replace single values."""
    monkeypatch.setenv("GRAPH_CLIENT_BASE_URL", "http://127.0.0.1:7")
    monkeypatch.setenv("GRAPH_CLIENT_TIMEOUT", "7")
    monkeypatch.setenv("GRAPH_API_KEY", "for-the-server")
    with GraphClient() as client:
        assert (client.config.base_url, client.config.timeout_s) == ("http://127.0.0.1:7", 7)
        assert client.config.api_key is None
    config = AsyncGraphClient("http://127.0.0.1:8", "key", timeout_s=8).config
    assert (config.base_url, config.api_key, config.timeout_s) == ("http://127.0.0.1:8", "key", 8)


def test_a_key_is_not_shown() -> None:
    """Printing a configuration does not show its key."""
    assert "secret" not in repr(GraphClientConfig(api_key="secret"))


def test_the_guide_lists_every_variable() -> None:
    """The table of the guide has each variable with its default."""
    text = (ROOT / "docs" / "guides" / "python-client.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? *\|", text, flags=re.MULTILINE))
    expected = {field.metadata["variable"]: _spelled(field.default) for field in dataclasses.fields(GraphClientConfig)}
    assert listed == expected


def _spelled(default: object) -> str:
    """Return a default as the guide writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize("kind", STATUS_BY_ERROR, ids=lambda kind: kind.code)
def test_each_error_of_the_server_arrives_as_itself(kind: type[GraphApiError]) -> None:
    """Class, detail, what the server said beside it, request id, and whether and when to repeat: all arrive."""
    raised = kind("What is wrong; what to do.", retry_after=2.5, graph_id="g")
    answer = answer_to(raised, "r-1")
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    error = error_from_response(httpx.Response(answer.status, headers=headers, content=answer.body))
    assert type(error) is kind
    assert error.context["status"] == answer.status
    assert error.context["request_id"] == "r-1"
    assert error.context["retryable"] is kind.retryable
    assert error.retry_after == 2.5
    assert "request id: r-1" in error.__notes__
    if kind is not GraphApiError:
        assert str(error) == "What is wrong; what to do."
        assert error.context["graph_id"] == "g"


def test_an_answer_of_something_else_says_so() -> None:
    """A proxy's error names the URL and shows what was answered."""
    request = httpx.Request("GET", "http://proxy/info")
    error = error_from_response(httpx.Response(502, text="<html>", request=request))
    assert "http://proxy/info answered 502" in str(error)
    limited = error_from_response(httpx.Response(429, headers={"Retry-After": "7"}, request=request))
    assert isinstance(limited, RateLimitedError)
    assert limited.retry_after == 7
    dated = httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, request=request)
    assert error_from_response(dated).retry_after is None
