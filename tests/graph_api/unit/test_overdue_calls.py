"""What a caller is told when the worker has not stopped a statement in time."""

import pytest

from robosystems.graph_api.backends.lbug.calls import RunCall
from robosystems.graph_api.domain.errors import GraphApiError, QueryCancelledError, QueryTimeoutError
from robosystems.graph_api.domain.query import AccessMode, Query

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("cancelled", [False, True], ids=["deadline", "cancelled"])
@pytest.mark.parametrize("mode", [AccessMode.READ, AccessMode.WRITE])
async def test_only_of_a_write_the_outcome_is_unknown(mode: AccessMode, *, cancelled: bool) -> None:
    """It may still be committed, so nobody may take it for one that changed nothing."""
    call = RunCall(Query("RETURN 1", mode, timeout_s=1.0, query_id="q"), credit=1)
    call.cancelled = cancelled
    call.expire()
    assert call.overdue
    with pytest.raises(GraphApiError) as raised:
        await call.future
    assert type(raised.value) is (QueryCancelledError if cancelled else QueryTimeoutError)
    assert raised.value.context.get("outcome") == ("unknown" if mode is AccessMode.WRITE else None)
    assert raised.value.retryable is False
