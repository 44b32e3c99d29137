"""Loading a file into a table, in the database's own process: strictly by name, in one transaction."""

from robosystems.graph_api.worker.loading.copying import EngineSpoiled
from robosystems.graph_api.worker.loading.loader import DegradedLoad, Watch, load_file

__all__ = ["DegradedLoad", "EngineSpoiled", "Watch", "load_file"]
