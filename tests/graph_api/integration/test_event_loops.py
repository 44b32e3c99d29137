"""The backend on both event loops: no child watcher, no loop-specific behaviour."""

from pathlib import Path

import pytest

from robosystems.graph_api.domain.query import ResultFormat
from tests.graph_api.conformance.people import whole
from tests.graph_api.integration.ladybug_node import Footprint, ObservedNode, outcome
from tests.graph_api.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops."""
    return "asyncio", {"use_uvloop": request.param}


async def test_a_whole_life_works_on_either_loop(tmp_path: Path) -> None:
    """Open, stream, lose the worker, lose the template, open again, leave: nothing is left."""
    before = Footprint.now()
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        await graph.add(1, 2)
        text = "UNWIND range(1, 100000) AS x RETURN x, 'some text in every row' AS t"
        assert (await whole(await graph.run(text, format=ResultFormat.NDJSON))).count(b"\n") == 100_001
        await node.kill_worker(graph)
        await eventually(lambda: node.recorder.count("opened g1") == 2)
        assert await graph.ids() == [1, 2]
        await node.kill_template()
        await node.kill_worker(graph)
        assert await outcome(graph.ids()) in {"answered", "WORKER_CRASHED"}
        assert await graph.ids() == [1, 2]
        assert await (await node.graph("g2")).ids() == []
        await node.drop(graph.graph_id)
    await eventually(lambda: Footprint.now().children <= before.children)
    assert Footprint.now().zombies == 0
