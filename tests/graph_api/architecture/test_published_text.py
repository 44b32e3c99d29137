"""What is published reads as published: no places of one machine, no index hosts, no unfinished marks."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.graph_api.architecture.source_tree import ROOT, published_files

_MOST_BYTES: Final = 1_000_000
"""Larger files are data, not text that somebody wrote."""

_FORBIDDEN: Final[Mapping[str, re.Pattern[str]]] = {
    "path of one machine": re.compile(r"(?<![\w.~-])/(?:work|root|farm)(?:/|\b(?=[\"'`\s]))"),
    "host of a package index": re.compile(
        r"py[p]i[.]org|python[h]osted[.]org|registry[.]np[m]js[.]org|deb[.]de[b]ian[.]org|proxy[.]go[l]ang[.]org"
        r"|index[.]cra[t]es[.]io|repo1?[.]ma[v]en[.]org|--(?:extra-)?index-url|--trusted-host|--find-links",
    ),
    "mark of a conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
    "unfinished work": re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\|)"),
    "words about how it was made": re.compile(
        r"\bissue #?\d+\b|\b(?:the lead|sub-?agent|co-?pilot|chat-?bot|language model)s?\b|\bper (?:the )?brief\b",
        re.IGNORECASE,
    ),
}


def _texts() -> Iterator[tuple[Path, str]]:
    """Yield each published text file but this one."""
    for path in published_files():
        content = path.read_bytes()
        if len(content) <= _MOST_BYTES and b"\0" not in content and path != Path(__file__).resolve():
            yield path, content.decode("utf-8", errors="replace")


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_published_file_holds(what: str) -> None:
    """No tracked text file holds what belongs to a work place."""
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()!r}"
        for path, text in _texts()
        for match in _FORBIDDEN[what].finditer(text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("path of one machine", "see " + "/wor" + "k/x"),
        ("path of one machine", "'" + "/roo" + "t'"),
        ("host of a package index", "pypi" + ".org"),
        ("mark of a conflict", "<" * 7 + " HEAD"),
        ("unfinished work", "# TO" + "DO later"),
        ("words about how it was made", "as issue" + " #2 says"),
    ],
)
def test_forbidden_text_is_recognised(what: str, text: str) -> None:
    """Each pattern matches what it is for."""
    assert _FORBIDDEN[what].search(text)


@pytest.mark.parametrize("text", ["/home/work/x", "https://example.org/root/", "src/work/", "/worker", "an issue of 2"])
def test_innocent_text_passes(text: str) -> None:
    """Similar text is not taken for it."""
    assert not any(pattern.search(text) for pattern in _FORBIDDEN.values())


def test_requirements_are_hashed() -> None:
    """Each pinned package has its hash, so that an installation takes what was tested."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        pins = re.split(r"^(?=\S+==)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert pins
        assert not [pin.partition(" ")[0] for pin in pins if "--hash=sha256:" not in pin]
