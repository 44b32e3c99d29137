"""Confinement without the policy: hostile statements reach the engine, and harm nothing outside their own directory."""

import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode, Query, ResultFormat
from tests.graph_api.conformance.people import fresh_query_id
from tests.graph_api.corpora.hostile_statements import OUTSIDE, UNSENDABLE, all_statements
from tests.graph_api.integration.ladybug_node import ObservedNode

pytestmark = pytest.mark.integration

SECRETS = ("root:x:", "PATH=", "neighbour-secret")
"""Parts of files that no answer may hold."""


@pytest.fixture
def clean_outside() -> Iterator[None]:
    """See to it that the paths the statements write to are not there before, and are removed whatever happens."""
    remove_outside()
    yield
    remove_outside()


def outside() -> list[Path]:
    """Return what hostile statements have written outside their directory."""
    return list(Path(OUTSIDE).parent.glob(f"{Path(OUTSIDE).name}*"))


def remove_outside() -> None:
    """Remove what a broken confinement would let through."""
    for path in outside():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ObservedNode]:
    """Run a backend whose workers must be confined; it has no policy."""
    async with ObservedNode(tmp_path, sandbox="required", memory_bytes=512 << 20) as node:
        yield node


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the content of every file below a folder, as digests."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def attempt(node: ObservedNode, tenant: GraphId, text: str, mode: AccessMode) -> str:
    """Run a hostile statement and return whatever comes back."""
    query = Query(text, mode, 1.0, fresh_query_id(), format=ResultFormat.NDJSON, max_rows=100)
    try:
        result = await node.run(tenant, query)
        if result.stream is None:
            return (result.body or b"").decode(errors="replace")
        return b"".join([piece async for piece in result.stream]).decode(errors="replace")
    except GraphApiError as error:
        return f"{error.detail} {error.context}"


@pytest.mark.parametrize("mode", [AccessMode.READ, AccessMode.WRITE])
async def test_hostile_statements_without_the_policy_harm_nothing_outside(
    node: ObservedNode, clean_outside: None, mode: AccessMode
) -> None:
    """Every hostile statement runs in a confined worker: no file, process or neighbour outside it is reached."""
    neighbour = await node.graph("neighbour")
    await neighbour.write("CREATE (:Person {id: 1, name: 'neighbour-secret'})")
    tenant = await node.graph("hostile")
    await tenant.write("CREATE NODE TABLE Company(id STRING, name STRING, PRIMARY KEY(id))")
    await tenant.write("CREATE (:Company {id: 'c1', name: 'n'})")
    neighbours_worker, template = await node.process_of(neighbour), node.template
    before = fingerprint(node.folder / "neighbour")

    for text in all_statements():
        if text in UNSENDABLE:  # No UTF-8: it cannot even be put into a frame.
            continue
        answer = await attempt(node, tenant.graph_id, text, mode)
        assert not [secret for secret in SECRETS if secret in answer], text

    assert not outside()
    assert fingerprint(node.folder / "neighbour") == before
    assert (await node.process_of(neighbour), node.template) == (neighbours_worker, template)
    assert node.recorder.count("crashed neighbour") == 0
    assert await neighbour.data("MATCH (p:Person) RETURN p.name AS name") == [{"name": "neighbour-secret"}]
    assert sorted(path.name for path in node.folder.iterdir() if not path.name.startswith(".")) == [
        "hostile",
        "neighbour",
    ]
