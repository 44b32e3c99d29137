"""Loading a file into a table, in the database's own process: strictly by name, all or nothing."""

from robosystems.graph_api.worker.loading.copying import EngineSpoiled
from robosystems.graph_api.worker.loading.loader import DegradedLoad, load_file

__all__ = ["DegradedLoad", "EngineSpoiled", "load_file"]
