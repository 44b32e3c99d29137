"""Cutting a text of several statements at its semicolons."""

import pytest

from robosystems.graph_api.domain.statement import split_statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;; // nothing\n", []),
        ("RETURN 1", ["RETURN 1"]),
        ("RETURN 1;", ["RETURN 1"]),
        ("RETURN 1; RETURN 2 ;", ["RETURN 1", "RETURN 2"]),
        ("RETURN ';' ; RETURN \"a;b\"", ["RETURN ';'", 'RETURN "a;b"']),
        ("RETURN 1 AS `a;b`; RETURN 2", ["RETURN 1 AS `a;b`", "RETURN 2"]),
        ("RETURN 1 /* ; */; RETURN 2", ["RETURN 1 /* ; */", "RETURN 2"]),
        ("RETURN 1 // ;\n; RETURN 2", ["RETURN 1 // ;", "RETURN 2"]),
        ("RETURN 'open; RETURN 2", ["RETURN 'open; RETURN 2"]),
    ],
)
def test_semicolons_separate_only_outside_quotes_and_comments(text: str, statements: list[str]) -> None:
    """Each statement comes out as it was written, without the semicolon."""
    assert split_statements(text) == statements
