"""The guide to statements says what the tables of the policy say."""

import re
from pathlib import Path

from robosystems.graph_api.domain.statement import policy, vocabulary

_GUIDE = Path(__file__).parents[3] / "docs" / "statements.md"


def _section(title: str) -> str:
    """Read what stands under a heading."""
    text = _GUIDE.read_text(encoding="utf-8").partition(f"# {title}\n")[2]
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


def _table(title: str) -> dict[str, str]:
    """Read the first two columns of the table under a heading."""
    lines = [line.strip("|").split("|") for line in _section(title).splitlines() if line.startswith("|")]
    return {cells[0].strip().strip("`"): cells[1].strip() for cells in lines[2:]}


def _words(title: str) -> set[str]:
    """Read the names in backticks under a heading."""
    return set(re.findall(r"`([a-z0-9_]+)`", _section(title)))


def test_refused_clauses_are_listed_with_their_alternatives() -> None:
    """The table of refused clauses is the policy's."""
    assert _table("Refused clauses") == {str(clause): text for clause, text in policy.REFUSED_CLAUSES.items()}


def test_refused_functions_are_listed_with_their_alternatives() -> None:
    """The tables of refused functions and procedures are the policy's."""
    assert _table("Refused functions") == vocabulary.REFUSED_FUNCTIONS
    assert _table("Refused table functions") == vocabulary.REFUSED_PROCEDURES


def test_what_administrators_may_use_is_listed_with_its_use() -> None:
    """An administrative statement exists only where its use is documented."""
    listed = {str(clause): text for clause, text in policy.ADMINISTRATOR_CLAUSES.items()}
    procedures = {f"CALL {name}": text for name, text in vocabulary.ADMINISTRATOR_PROCEDURES.items()}
    assert _table("For administrators") == listed | procedures


def test_allowed_functions_are_listed() -> None:
    """The lists of functions and table functions are complete."""
    assert _words("Functions") == vocabulary.FUNCTIONS | vocabulary.QUANTIFIERS
    assert _words("Table functions") == vocabulary.PROCEDURES


def test_allowed_statements_are_listed() -> None:
    """Each allowed form has its row."""
    assert set(_table("Allowed statements")) == {str(clause) for clause in policy.ALLOWED_CLAUSES}
