"""Gives every test of the suite each backend of the table, and turns a missing capability into an expectation."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import CapabilityNotSupportedError
from tests.graph_api.conformance.backends import BACKENDS, BackendEntry, NodeSize
from tests.graph_api.conformance.capabilities import expecting_refusal
from tests.graph_api.conformance.people import People


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> BackendEntry:
    """The backend of the table that this test runs over."""
    return request.param


@pytest.fixture(scope="module")
async def backend(entry: BackendEntry, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GraphBackend]:
    """A running backend, shared by the tests of a module."""
    async with entry.make(tmp_path_factory.mktemp(entry.name), NodeSize()) as running:
        yield running


@pytest.fixture
async def people(backend: GraphBackend) -> AsyncIterator[People]:
    """A database of this test's own, deleted afterwards."""
    graph = await People(backend).make()
    yield graph
    await backend.drop(graph.graph_id)


@pytest.fixture
def make_backend(entry: BackendEntry, tmp_path: Path) -> "MakeBackend":
    """Makes backends of this test's own, all over the same folder."""
    return MakeBackend(entry, tmp_path)


class MakeBackend:
    """Makes backends over one folder."""

    def __init__(self, entry: BackendEntry, folder: Path) -> None:
        self._entry = entry
        self._folder = folder

    def __call__(self, size: NodeSize | None = None) -> GraphBackend:
        """Return a backend, not yet entered."""
        return self._entry.make(self._folder, size or NodeSize())


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Where the backend lacks what a test requires, the test has to end in the error that names the capability."""
    needed = [name for marker in pyfuncitem.iter_markers("requires") for name in marker.args]
    backend = pyfuncitem.funcargs.get("backend")
    missing = [name for name in needed if isinstance(backend, GraphBackend) and not _has(backend, name)]
    if not missing:
        return (yield)
    with expecting_refusal(missing):
        yield
    return True


def _has(backend: GraphBackend, capability: str) -> bool:
    try:
        backend.capabilities.require(capability)
    except CapabilityNotSupportedError:
        return False
    return True
