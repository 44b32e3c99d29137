"""Write the documents that are derived from the code, or check that they are current.

usage: python -m scripts.generate_docs [--check]
"""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from robosystems.graph_api.app import openapi_document
from robosystems.graph_api.config import settings_documentation
from tests.graph_api.corpora.types import tables

_ROOT: Final = Path(__file__).resolve().parent.parent
_BEGIN: Final = "<!-- generated: tables of types -->\n"
_END: Final = "<!-- end -->\n"


def _documents() -> Mapping[Path, str]:
    """Make every derived document afresh."""
    return {
        _ROOT / "docs" / "configuration.md": settings_documentation().rstrip("\n") + "\n",
        _ROOT / "docs" / "types.md": _with_tables((_ROOT / "docs" / "types.md").read_text(encoding="utf-8")),
        _ROOT / "docs" / "openapi.json": json.dumps(openapi_document(), indent=2, sort_keys=True) + "\n",
    }


def _with_tables(text: str) -> str:
    """Return the document about types with fresh tables between its marks; all else in it is written by hand."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{tables()}\n{_END}{after}"


def _first_difference(path: Path, text: str) -> str | None:
    """Return the first lines in which a file differs from its fresh text; None if it does not."""
    if not path.exists():
        return "it does not exist"
    old = path.read_text(encoding="utf-8")
    if old == text:
        return None
    difference = difflib.unified_diff(old.splitlines(), text.splitlines(), "committed", "generated", lineterm="", n=1)
    return "\n".join(list(difference)[:12])


def check() -> int:
    """Compare the documents with the code.

    Returns:
        0 if all are current, 1 otherwise; what differs is printed.
    """
    stale = 0
    for path, text in _documents().items():
        difference = _first_difference(path, text)
        if difference is not None:
            stale = 1
            print(f"{path.relative_to(_ROOT)} is not what the code says; run `make docs`:\n{difference}")
    return stale


def write() -> int:
    """Write the documents that changed.

    Returns:
        Always 0.
    """
    for path, text in _documents().items():
        if _first_difference(path, text) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(_ROOT)}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="generate_docs", description="Write the documents derived from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a document is stale")
    return check() if parser.parse_args(arguments).check else write()


if __name__ == "__main__":
    sys.exit(main())
