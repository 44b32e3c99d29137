"""The command line client: `python -m robosystems.graph_api cli ...`."""

from robosystems.graph_api.cli.commands import app

__all__ = ["app"]
