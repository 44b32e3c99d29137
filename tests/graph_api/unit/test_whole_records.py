"""Streams of lines and events are cut between them."""

import hypothesis
from hypothesis import strategies

from robosystems.graph_api.routers.databases.sending import _LONGEST_HELD, WholeRecords

RECORDS = strategies.lists(strategies.text("ab", min_size=1, max_size=4).map(str.encode), max_size=8)
CUTS = strategies.lists(strategies.integers(1, 5), max_size=20)
SEPARATORS = strategies.sampled_from([b"\n", b"\n\n"])


def chunks_of(whole: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a stream into chunks of these sizes; the last one is what is left."""
    chunks: list[bytes] = []
    for size in sizes:
        chunks.append(whole[:size])
        whole = whole[size:]
    return [*chunks, whole]


@hypothesis.given(RECORDS, CUTS, SEPARATORS)
def test_a_complete_stream_passes_unchanged(lines: list[bytes], cuts: list[int], separator: bytes) -> None:
    """Nothing is added, lost or moved."""
    whole = separator.join(lines)
    records = WholeRecords(separator)
    assert b"".join([*map(records.feed, chunks_of(whole, cuts)), records.end()]) == whole


@hypothesis.given(RECORDS, CUTS, SEPARATORS)
def test_a_failed_stream_ends_with_its_last_record_alone(lines: list[bytes], cuts: list[int], separator: bytes) -> None:
    """Whole rows come through, the one that broke off does not."""
    records = WholeRecords(separator)
    fed = [*map(records.feed, chunks_of(separator.join(lines), cuts)), records.end_with(b"problem")]
    assert b"".join(fed) == b"".join(line + separator for line in lines[:-1]) + b"problem"


@hypothesis.given(RECORDS, CUTS, SEPARATORS)
def test_what_is_sent_ends_with_a_record(lines: list[bytes], cuts: list[int], separator: bytes) -> None:
    """At any moment."""
    records = WholeRecords(separator)
    ready = map(records.feed, chunks_of(separator.join(lines), cuts))
    assert all(piece.endswith(separator) for piece in ready if piece)


def test_a_row_of_any_length_is_not_kept_in_memory() -> None:
    """It goes out in pieces; if it breaks off, the problem still begins a line."""
    lines = WholeRecords(b"\n")
    piece = b"x" * (_LONGEST_HELD // 2 + 1)
    sent = [lines.feed(piece) for _ in range(4)]
    assert b"".join(sent) == piece * 4
    assert lines.end_with(b"problem\n") == b"\nproblem\n"
    assert lines.feed(b"x\ny") == b"x\n"
    assert lines.end_with(b"problem\n") == b"problem\n"
