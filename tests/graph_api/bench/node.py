"""A server with the benchmarks' data, and its memory."""

import os
import time
from pathlib import Path

from robosystems.graph_api.client import LoadOptions
from tests.graph_api.bench import workload
from tests.graph_api.server_process import ServerProcess


class Node(ServerProcess):
    """A server for benchmarks: it logs warnings only, and runs every read, since nothing else is to be compared."""

    def __init__(self, folder: Path, **settings: str) -> None:
        settings.setdefault("LBUG_LOG_LEVEL", "WARNING")
        settings.setdefault("LBUG_RESULT_CACHE_MB", "0")
        super().__init__(folder, **settings)  # pyright: ignore[reportArgumentType] - a setting is never named more_keys

    def fill(self, graph_id: str, files: Path) -> float:
        """Create a database with the workload's data; return the seconds that loading the nodes took."""
        with self.client(timeout_s=600) as client:
            ddl = f"{workload.PERSON_DDL}; {workload.KNOWS_DDL}"
            client.create_database(graph_id, "custom", custom_schema_ddl=ddl)
            started = time.perf_counter()
            client.load(graph_id, "Person", files / "Person.parquet")
            seconds = time.perf_counter() - started
            client.load(graph_id, "KNOWS", files / "KNOWS.parquet", LoadOptions())
        return seconds


def resident_bytes(process_id: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
