"""Generated requests to every route: whatever comes, the answer is as the OpenAPI document says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from robosystems.graph_api.middleware.request_context import BARE_PATH, OPEN_PATHS
from tests.graph_api.api.contract import Contract
from tests.graph_api.api.running_server import RunningServer

SCHEMA: Any = schemathesis.openapi.from_dict(Contract.of_the_service().document)
OPERATIONS: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]
CASES: list[tuple[Any, GenerationMode]] = [
    (operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.path not in {*OPEN_PATHS, BARE_PATH}  # There nothing can be wrong.
]


@pytest.mark.parametrize(
    ("operation", "mode"), CASES, ids=[f"{operation.label}-{mode.value}" for operation, mode in CASES]
)
def test_generated_requests_get_documented_answers(operation: Any, mode: GenerationMode, server: RunningServer) -> None:
    """No failure of the server, no undocumented status, content type or body, and no way around the key."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=15,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def answers_as_documented(case: Any) -> None:
        case.call_and_validate(
            base_url=server.base_url,
            headers={"X-Graph-API-Key": server.key},
            excluded_checks=[checks.positive_data_acceptance],  # Most generated databases do not exist.
            timeout=60,
        )

    answers_as_documented()
