"""A real database with the directories of a worker, and files to load into it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.load import LoadMode, OnError
from robosystems.graph_api.worker.loading import EngineSpoiled, load_file


class LoadingGraph:
    """One open database and its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reopened = 0
        self._files = 0
        self.open()

    def open(self) -> None:
        """Open the database."""
        config = EngineConfig(
            path=self.directory / "graph.lbug", buffer_pool_bytes=256 << 20, max_db_bytes=16 << 30, threads=2
        )
        self.engine = Engine.open(config)
        self.connection: EngineConnection = self.engine.connect()

    def close(self) -> None:
        """Close it."""
        self.connection.close()
        self.engine.close()

    def run(self, text: str) -> list[list[Any]]:
        """Run a statement and return its rows."""
        with self.connection.run_plain(text) as result:
            return list(result.rows())

    def place(self, content: bytes) -> Path:
        """Put a file into the incoming directory."""
        self._files += 1
        path = self.directory / "incoming" / f"file{self._files}"
        path.write_bytes(content)
        return path

    def parquet(self, table: "pa.Table | Mapping[str, Any]", **options: Any) -> Path:
        """Put a Parquet file into the incoming directory."""
        path = self.place(b"")
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(dict(table)), path, **options)
        return path

    def load(self, table: str, path: Path, form: str = "parquet", **order: Any) -> dict[str, Any]:
        """Load a file; if the engine has to be reopened, do so, as a worker would."""
        try:
            return load_file(self.connection, load_order(table, path, form, **order), self.directory)
        except EngineSpoiled as event:
            self.reopened += 1
            self.close()
            self.open()
            raise event.cause from event

    def load_csv(self, table: str, text: str | bytes, **order: Any) -> dict[str, Any]:
        """Load CSV text."""
        return self.load(table, self.place(text if isinstance(text, bytes) else text.encode()), "csv", **order)

    def load_ndjson(self, table: str, lines: Sequence[object] | bytes, **order: Any) -> dict[str, Any]:
        """Load NDJSON lines, given as values or as the bytes of the file."""
        content = lines if isinstance(lines, bytes) else b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        return self.load(table, self.place(content), "ndjson", **order)

    def count(self, table: str) -> int:
        """Count the rows of a node table."""
        return self.run(f"MATCH (n:{table}) RETURN count(*)")[0][0]

    def leftovers(self) -> list[str]:
        """Name what lies in the temporary directory."""
        return sorted(path.name for path in (self.directory / "tmp").iterdir())


def load_order(table: str, path: Path, form: str = "parquet", **changed: Any) -> LoadOrder:
    """Return an order with the usual settings, but for what is given."""
    usual: dict[str, Any] = {
        "timeout_s": 60.0,
        "from_column": "from",
        "to_column": "to",
        "from_table": None,
        "to_table": None,
        "ignore_unknown_columns": False,
    }
    for name, kind in (("mode", LoadMode), ("on_error", OnError)):
        if name in changed:
            changed[name] = kind(changed[name])
    return LoadOrder(table=table, path=str(path), format=form, **(usual | changed))


@contextmanager
def open_graph(directory: Path) -> Generator[LoadingGraph]:
    """Open a new database in a directory."""
    (directory / "incoming").mkdir(parents=True)
    (directory / "tmp").mkdir()
    graph = LoadingGraph(directory)
    try:
        yield graph
    finally:
        graph.close()


def refusal(call: Any, *arguments: Any, **options: Any) -> LoadError:
    """Return the error that a load ends with."""
    try:
        call(*arguments, **options)
    except LoadError as error:
        return error
    raise AssertionError("the load was not refused")
