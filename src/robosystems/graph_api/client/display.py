"""Answers as HTML, for notebooks: every text escaped, everything bounded."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

MAX_ROWS: Final = 20
"""Rows that are shown."""

MAX_COLUMNS: Final = 30
"""Columns that are shown."""

MAX_CHARACTERS: Final = 120
"""Characters of a cell or name that are shown."""


def html_table(
    columns: Sequence[str], types: Sequence[str], rows: Sequence[Mapping[str, Any]], *, truncated: bool
) -> str:
    """Return rows as an HTML table with a line that says what is not shown."""
    shown = list(zip(columns, types, strict=True))[:MAX_COLUMNS]
    head = "".join(f'<th title="{_cell(kind)}">{_cell(name)}</th>' for name, kind in shown)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row[name])}</td>' for name, _ in shown)}</tr>" for row in rows[:MAX_ROWS]
    )
    notes = [f"{len(rows):,} rows" + (f", the first {MAX_ROWS} shown" if len(rows) > MAX_ROWS else "")]
    if len(columns) > MAX_COLUMNS:
        notes.append(f"{len(columns)} columns, the first {MAX_COLUMNS} shown")
    if truncated:
        notes.append("truncated: more rows exist")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{'; '.join(notes)}</p>"


def _cell(value: object) -> str:
    """Return a value as escaped, bounded text."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…")
