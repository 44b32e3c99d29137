"""Streams of lines are cut between lines."""

import hypothesis
from hypothesis import strategies

from robosystems.graph_api.routers.databases.sending import _LONGEST_HELD, WholeRecords

CHUNKS = strategies.lists(strategies.text("ab\n", max_size=6).map(str.encode), max_size=20)


@hypothesis.given(CHUNKS)
def test_a_complete_stream_passes_unchanged(chunks: list[bytes]) -> None:
    """Nothing is added, lost or moved."""
    lines = WholeRecords(b"\n")
    assert b"".join([*map(lines.feed, chunks), lines.end()]) == b"".join(chunks)


@hypothesis.given(CHUNKS)
def test_a_failed_stream_ends_with_its_last_line_alone(chunks: list[bytes]) -> None:
    """Whole rows come through, the one that broke off does not."""
    lines = WholeRecords(b"\n")
    sent = b"".join([*map(lines.feed, chunks), lines.end_with(b"problem\n")])
    whole = b"".join(chunks)
    assert sent == whole[: whole.rfind(b"\n") + 1] + b"problem\n"


@hypothesis.given(CHUNKS)
def test_what_is_sent_ends_with_a_line(chunks: list[bytes]) -> None:
    """At any moment."""
    lines = WholeRecords(b"\n")
    assert all(ready.endswith(b"\n") for ready in map(lines.feed, chunks) if ready)


def test_a_row_of_any_length_is_not_kept_in_memory() -> None:
    """It goes out in pieces; if it breaks off, the problem still begins a line."""
    lines = WholeRecords(b"\n")
    piece = b"x" * (_LONGEST_HELD // 2 + 1)
    sent = [lines.feed(piece) for _ in range(4)]
    assert b"".join(sent) == piece * 4
    assert lines.end_with(b"problem\n") == b"\nproblem\n"
    assert lines.feed(b"x\ny") == b"x\n"
    assert lines.end_with(b"problem\n") == b"problem\n"
