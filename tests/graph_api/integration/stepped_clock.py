"""The server on a wall clock that can be set while it runs: `python -m` this module instead of the package.

The process's wall clock is replaced before anything of the service is imported. It runs as far from the real one as the
file that the environment names says, in seconds.
"""

import os
import time
from pathlib import Path
from typing import Final

OFFSET_FILE: Final = "STEPPED_CLOCK_FILE"


def replace_wall_clock(offset: Path) -> None:
    """Shift what `time.time` and `time.time_ns` return by the number in a file."""
    real = time.time

    def shifted() -> float:
        return real() + float(offset.read_text())

    time.time = shifted
    time.time_ns = lambda: round(shifted() * 1e9)


def main() -> None:
    """Replace the clock, then serve."""
    replace_wall_clock(Path(os.environ[OFFSET_FILE]))
    from robosystems.graph_api.__main__ import main as serve  # noqa: PLC0415 (after the clock)

    serve()


if __name__ == "__main__":
    main()
