"""Run a backend until it is killed: `python -m tests.graph_api.integration.backend_program FOLDER`.

Prints one JSON line: the process ids of the template and of the worker of database `g1`, in which rows 0 to 9 are
acknowledged. Then it writes on and prints the id of each acknowledged row.
"""

import asyncio
import json
import sys
from pathlib import Path

from robosystems.graph_api.domain.ids import GraphId
from tests.graph_api.conformance.people import People
from tests.graph_api.integration.ladybug_node import ObservedNode


async def main(folder: Path) -> None:
    """Create the database, tell the processes, write."""
    async with ObservedNode(folder) as node:
        graph = await People(node, GraphId.parse("g1")).make()
        await graph.add(*range(10))
        tell({"template": node.template, "worker": await node.process_of(graph)})
        for number in range(10, 1_000_000):
            await graph.add(number)
            tell(number)


def tell(value: object) -> None:
    """Print one line at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
