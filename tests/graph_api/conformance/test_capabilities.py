"""The rule for missing capabilities itself, and that capabilities are named rightly."""

import pytest
from _pytest.outcomes import Failed

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.capabilities import BackendCapabilities
from robosystems.graph_api.domain.errors import CapabilityNotSupportedError, StatementError
from tests.graph_api.conformance.capabilities import expecting_refusal

LIMITED = BackendCapabilities(
    backend="limited",
    multiple_databases=False,
    schema_first=True,
    read_only_transactions=True,
    multi_statement_transactions=True,
    streaming=True,
    cancel=False,
    bulk_load=True,
    export_import=True,
    schema_introspection=True,
    process_isolation=False,
    result_versions=False,
)


def test_a_named_refusal_is_what_a_gap_has_to_show() -> None:
    """The backend refuses by name: the test has passed."""
    with expecting_refusal(["cancel"]):
        LIMITED.require("cancel")


def test_a_gap_that_closes_silently_fails() -> None:
    """It works, but the backend says that it does not."""
    with pytest.raises(Failed, match="declare it"), expecting_refusal(["cancel"]):
        LIMITED.require("streaming")


def test_a_refusal_of_something_else_fails() -> None:
    """What is refused must be what was declared as missing."""
    with pytest.raises(Failed, match="multiple_databases"), expecting_refusal(["cancel"]):
        LIMITED.require("multiple_databases")


def test_another_error_is_no_refusal() -> None:
    """It passes through."""
    with pytest.raises(StatementError), expecting_refusal(["cancel"]):
        raise StatementError("wrong")


@pytest.mark.anyio
async def test_capabilities_can_be_asked_for(backend: GraphBackend) -> None:
    """By name, before and after use; a name that nobody knows is never there."""
    assert backend.capabilities.backend
    with pytest.raises(CapabilityNotSupportedError):
        backend.capabilities.require("telepathy")
