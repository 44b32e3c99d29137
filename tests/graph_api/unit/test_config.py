"""Settings: where values come from, and what refuses to start."""

from pathlib import Path

import pytest

from robosystems.graph_api.bootstrap import _ingestion_config, _lbug_config, _query_config
from robosystems.graph_api.config import ConfigurationError, Settings, load_settings, settings_documentation


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the environment that they are run in."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def problems_of(**flags: object) -> list[str]:
    """Return what is wrong with settings."""
    with pytest.raises(ConfigurationError) as raised:
        load_settings(flags)
    return raised.value.problems


def test_defaults_are_those_of_the_specification() -> None:
    """An empty environment gives a node as it is documented."""
    settings = load_settings()
    assert settings.graph_backend_type == "ladybug"
    assert (settings.lbug_node_type, settings.writer_tier) == ("writer", "standard")
    assert settings.lbug_database_path == Path("/data/lbug-dbs")
    assert settings.lbug_port == 8001
    assert settings.lbug_max_databases_per_node == 10
    assert (settings.lbug_max_memory_mb, settings.lbug_memory_per_db_mb) == (14336, 2048)
    assert (settings.lbug_chunk_size, settings.lbug_connection_pool_size) == (1000, 10)
    assert (settings.lbug_query_timeout, settings.lbug_max_query_timeout) == (30, 300)
    assert (settings.lbug_max_query_length, settings.lbug_max_rows) == (10_000, 100_000)
    assert (settings.graph_api_host, settings.api_keys) == ("127.0.0.1", ())


def test_variables_are_read_by_their_exact_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment sets what it names."""
    monkeypatch.setenv("LBUG_PORT", "9001")
    monkeypatch.setenv("WRITER_TIER", "xlarge")
    monkeypatch.setenv("PORT", "1")
    settings = load_settings()
    assert (settings.lbug_port, settings.writer_tier) == (9001, "xlarge")


def test_flags_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that is given wins; one that is not leaves the variable alone."""
    monkeypatch.setenv("LBUG_PORT", "9001")
    assert load_settings({"lbug_port": 9002}).lbug_port == 9002
    assert load_settings({"lbug_port": None}).lbug_port == 9001


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GRAPH_API_KEY=` and `LBUG_PORT=` in an environment file mean the default."""
    monkeypatch.setenv("LBUG_PORT", "")
    monkeypatch.setenv("GRAPH_API_KEY", "")
    assert load_settings().lbug_port == 8001
    assert load_settings().api_keys == ()


def test_several_keys_serve_a_rotation() -> None:
    """Keys are separated by commas; spaces around them do not count."""
    assert load_settings({"graph_api_key": "old-key , new-key,"}).api_keys == ("old-key", "new-key")


def test_an_extra_key_is_valid_beside_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A development key does not shut out the configured one."""
    monkeypatch.setenv("GRAPH_API_KEY", "configured")
    assert load_settings(extra_key="development").api_keys == ("configured", "development")
    monkeypatch.delenv("GRAPH_API_KEY")
    assert load_settings({"graph_api_host": "0.0.0.0"}, extra_key="development").api_keys == ("development",)  # noqa: S104


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.1.100", "graph-api.internal"])  # noqa: S104
def test_a_host_other_than_loopback_without_a_key_is_refused(host: str) -> None:
    """Nobody opens a node to a network without a key by accident."""
    (problem,) = problems_of(graph_api_host=host)
    assert "GRAPH_API_KEY" in problem
    assert host in problem
    assert load_settings({"graph_api_host": host, "graph_api_key": "k"}).graph_api_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    """On the own machine a node may be open."""
    assert load_settings({"graph_api_host": host}).api_keys == ()


@pytest.mark.parametrize("key", ["schlüssel", "two words", "line\nbreak", " , ,"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    """The message names the variable, not the value."""
    (problem,) = problems_of(graph_api_key=key)
    assert problem.startswith("GRAPH_API_KEY: ")
    assert key.strip(" ,") == "" or key not in problem


@pytest.mark.parametrize("backend", ["neo4j_community", "neo4j_enterprise", "sqlite"])
def test_other_backends_are_refused_with_the_one_that_exists(backend: str) -> None:
    """The message says what to set instead."""
    (problem,) = problems_of(graph_backend_type=backend)
    assert problem.startswith("GRAPH_BACKEND_TYPE: ")
    assert "ladybug" in problem


def test_all_wrong_variables_are_named_at_once() -> None:
    """An operator mends everything in one go."""
    problems = problems_of(lbug_port=70_000, lbug_max_rows=0, writer_tier="huge", lbug_query_timeout="soon")
    assert [problem.split(":")[0] for problem in problems] == [
        "WRITER_TIER",
        "LBUG_PORT",
        "LBUG_QUERY_TIMEOUT",
        "LBUG_MAX_ROWS",
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e999"])
def test_times_are_finite_and_positive(value: str) -> None:
    """No arithmetic with a deadline can go wrong later."""
    assert problems_of(lbug_query_timeout=value)[0].startswith("LBUG_QUERY_TIMEOUT")


def test_a_default_time_out_above_the_maximum_is_refused() -> None:
    """Settings that contradict each other are named both."""
    (problem,) = problems_of(lbug_query_timeout=301)
    assert "LBUG_QUERY_TIMEOUT" in problem
    assert "LBUG_MAX_QUERY_TIMEOUT" in problem


def test_keys_do_not_show_in_representations() -> None:
    """A logged or printed setting gives no key away."""
    settings = load_settings({"graph_api_key": "graph_api_very_secret"})
    assert "very_secret" not in repr(settings)
    assert "very_secret" not in str(settings.model_dump())


def test_levels_are_taken_in_any_case() -> None:
    """`info` and `INFO` mean the same."""
    assert load_settings({"lbug_log_level": "debug"}).lbug_log_level == "DEBUG"


def test_components_get_what_was_set() -> None:
    """Settings reach the configurations of the components in their units."""
    settings = load_settings(
        {
            "lbug_database_path": "some/where",
            "lbug_max_open_databases": 4,
            "lbug_memory_per_db_mb": 1000,
            "lbug_max_memory_mb": 2000,
            "lbug_chunk_size": 512,
            "lbug_connection_pool_size": 3,
            "lbug_query_timeout": 5,
            "lbug_max_upload_bytes": 4096,
        }
    )
    backend = _lbug_config(settings)
    assert backend.base_path == Path.cwd() / "some" / "where"
    assert (backend.max_databases, backend.max_open, backend.reader_lanes) == (10, 4, 3)
    assert backend.buffer_pool_bytes == 500 * (1 << 20) * 60 // 100
    assert backend.memory_bytes == 1000 << 20
    assert backend.frame_bytes == 64 << 10
    assert _query_config(settings).default_timeout_s == 5
    assert _ingestion_config(settings).max_upload_bytes == 4096


def test_no_more_databases_are_open_than_may_exist() -> None:
    """Zero means as many as memory has room for; more than the node may hold makes no sense."""
    assert load_settings({"lbug_max_databases_per_node": 500}).open_databases == 56
    assert load_settings({"lbug_max_databases_per_node": 3}).open_databases == 3
    assert load_settings({"lbug_max_databases_per_node": 3, "lbug_max_open_databases": 9}).open_databases == 3
    assert load_settings({"lbug_max_databases_per_node": 3, "lbug_max_open_databases": 2}).open_databases == 2


def test_memory_that_is_too_little_for_the_open_databases_is_refused() -> None:
    """An engine cannot work in a few megabytes."""
    (problem,) = problems_of(lbug_max_memory_mb=1024, lbug_max_open_databases=20, lbug_max_databases_per_node=20)
    assert "LBUG_MAX_MEMORY_MB" in problem
    assert "LBUG_MAX_OPEN_DATABASES" in problem


def test_the_documentation_lists_every_variable_with_its_bounds() -> None:
    """The reference is made from the settings."""
    text = settings_documentation()
    for name in Settings.model_fields:
        assert f"| `{name.upper()}` |" in text
    assert "| `LBUG_PORT` | `8001` | integer, 0 to 65535 |" in text
    assert "None" not in text
