"""Module entry: `python -m robosystems.graph_api` serves; `python -m robosystems.graph_api cli ...` is the client."""

import sys
from typing import Final

_PROGRAM: Final = "python -m robosystems.graph_api"


def main() -> None:
    """Run the server, or the client if the first argument is `cli`. Each imports only its own half of the package."""
    if sys.argv[1:2] == ["cli"]:
        from robosystems.graph_api.cli import app  # noqa: PLC0415 - the client needs nothing of the server

        app(args=sys.argv[2:], prog_name=f"{_PROGRAM} cli")
    else:
        from robosystems.graph_api.main import app as server  # noqa: PLC0415 - and the other way round

        server(args=sys.argv[1:], prog_name=_PROGRAM)


if __name__ == "__main__":
    main()
