"""Every message of the engine that has a rule becomes its domain error, and what the rules rest on is really said."""

from pathlib import Path

import pytest

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig
from robosystems.graph_api.backends.lbug.engine_errors import (
    ERROR_TABLE,
    ErrorRule,
    is_degraded_commit,
    is_interrupted,
    opening_error,
    to_domain_error,
)
from robosystems.graph_api.domain.errors import (
    DatabaseBrokenError,
    GraphApiError,
    QueryMemoryExceededError,
    StatementError,
    StatementForbiddenError,
    StorageVersionError,
)


@pytest.mark.parametrize("rule", ERROR_TABLE, ids=lambda rule: rule.pattern)
def test_each_rule_gives_its_error(rule: ErrorRule) -> None:
    """A message with the pattern of a rule becomes the error of that rule; none hides another."""
    error = to_domain_error(RuntimeError(f"{rule.pattern} and more"))
    assert type(error) is rule.error
    assert error.detail


@pytest.mark.parametrize("message", ["", "something new", "x" * 100_000])
def test_unknown_message_is_a_statement_error(message: str) -> None:
    """What no rule knows was refused by the engine all the same; the detail is bounded and never empty."""
    error = to_domain_error(RuntimeError(message))
    assert type(error) is StatementError
    assert 0 < len(error.detail) <= 2000


def test_failed_allocation_is_a_memory_error() -> None:
    """Python's own error for a failed allocation means the same as the engine's."""
    assert type(to_domain_error(MemoryError())) is QueryMemoryExceededError


def test_storage_version_says_what_to_do() -> None:
    """A file of another version names both versions and the way out."""
    message = (
        "Runtime exception: Trying to read a database file with a different version. "
        "Database file version: 41, Current build storage version: 49"
    )
    error = to_domain_error(RuntimeError(message))
    assert type(error) is StorageVersionError
    assert "41" in error.detail
    assert "export" in error.detail


def test_unknown_failure_of_opening_is_a_broken_database() -> None:
    """A database that cannot be opened for an unknown reason is broken, not a wrong statement."""
    assert type(opening_error(RuntimeError("Runtime exception: whatever"))) is DatabaseBrokenError
    assert type(opening_error(RuntimeError("std::bad_alloc"))) is QueryMemoryExceededError


def test_special_messages_are_recognised() -> None:
    """An interrupt, and a commit whose checkpoint failed, are told from errors."""
    degraded = "Runtime exception: Transaction committed successfully, but the post-commit checkpoint failed. The ..."
    assert is_interrupted(RuntimeError("Interrupted."))
    assert not is_interrupted(RuntimeError("Binder exception: Interrupted."))
    assert is_degraded_commit(RuntimeError(degraded))
    assert not is_degraded_commit(RuntimeError("Runtime exception: whatever"))


@pytest.mark.parametrize(
    ("text", "kind", "prefix"),
    [
        ("RETUR 1", StatementError, "Parser exception:"),
        ("RETURN nope", StatementError, "Binder exception:"),
        ("MATCH (n:Nope) RETURN n", StatementError, "Binder exception:"),
        ("RETURN CAST('x' AS INT64)", StatementError, "Conversion exception:"),
        ("RETURN 9223372036854775807 + 1", StatementError, "Overflow exception:"),
        ("RETURN 1 / 0", StatementError, "Runtime exception:"),
        ("RETURN nosuchfunction(1)", StatementError, "Catalog exception:"),
        ("CREATE NODE TABLE X(id INT64, PRIMARY KEY(id))", StatementForbiddenError, "The statement writes"),
    ],
)
def test_the_engine_still_says_it_so(tmp_path: Path, text: str, kind: type[GraphApiError], prefix: str) -> None:
    """The installed engine words its errors as the table expects."""
    config = EngineConfig(path=tmp_path / "graph.lbug", buffer_pool_bytes=64 << 20, max_db_bytes=1 << 33)
    with Engine.open(config) as engine:
        connection = engine.connect()
        connection.run("BEGIN TRANSACTION READ ONLY").close()
        with pytest.raises(kind) as caught:
            connection.run(text)
        assert caught.value.detail.startswith(prefix)
        connection.close()
