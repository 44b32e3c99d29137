"""Answers of reads, remembered for as long as their database stays as it was."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import EncodedResult

ENTRY_BYTES: Final = 1_024
"""What an answer is reckoned to cost beside its body."""

_SHARE: Final = 4
"""One database may use this part of the whole, one answer this part of that."""


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What a cache has done so far, and what it holds.

    Attributes:
        hits: Answers that were found.
        misses: Answers that were looked for and not found.
        evictions: Answers that were given up for others; those of a content that is no more are not counted.
        entries: Answers that are held.
        bytes: Memory that they are reckoned to use.
    """

    hits: int
    misses: int
    evictions: int
    entries: int
    bytes: int


@dataclass(slots=True)
class _Shelf:
    """The answers of one database, all for the same version of its content; the one used longest ago comes first."""

    version: str = ""
    bytes: int = 0
    answers: OrderedDict[str, EncodedResult] = field(default_factory=OrderedDict[str, EncodedResult])


class ResultCache:
    """Remembers whole answers within a number of bytes. Belongs to the event loop.

    It knows nothing of what may be remembered; that is its caller's affair. A version that is not the one of last time
    makes it forget all answers of that database: versions never come again. When it is full, the database that was used
    longest ago gives up what it used longest ago.

    Args:
        max_bytes: Memory for all databases; 0 remembers nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shelf_bytes = max_bytes // _SHARE
        self._answer_bytes = self._shelf_bytes // _SHARE
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is remembered."""
        return self._max_bytes > 0

    def find(self, graph_id: GraphId, version: str, tag: str) -> EncodedResult | None:
        """Return what was answered to the same read of the same content.

        Args:
            graph_id: The database.
            version: Of its content.
            tag: Stands for the read and for all that decides the bytes of its answer.
        """
        shelf = self._shelves.get(graph_id.value)
        found = shelf.answers.get(tag) if shelf is not None and shelf.version == version else None
        if shelf is None or found is None:
            self._misses += 1
            return None
        self._hits += 1
        shelf.answers.move_to_end(tag)
        self._shelves.move_to_end(graph_id.value)
        return found

    def keep(self, graph_id: GraphId, version: str, tag: str, result: EncodedResult) -> None:
        """Remember an answer to a read of this content; one that is a stream, or too large, is not. See `find`."""
        if result.body is None:
            return
        answer = EncodedResult(result.body, None, result.summary, tag, remembered=True)
        size = _size(answer)
        if size > self._answer_bytes:
            return
        shelf = self._shelf(graph_id.value, version)
        known = shelf.answers.pop(tag, None)
        if known is not None:
            self._count(shelf, -_size(known))
        shelf.answers[tag] = answer
        self._count(shelf, size)
        while shelf.bytes > self._shelf_bytes:
            self._evict(shelf)
        while self._bytes > self._max_bytes:
            self._make_room()

    def forget(self, graph_id: GraphId) -> None:
        """Forget all answers of a database."""
        shelf = self._shelves.pop(graph_id.value, None)
        if shelf is not None:
            self._bytes -= shelf.bytes

    def figures(self) -> CacheFigures:
        """Return what it has done and holds."""
        entries = sum(len(shelf.answers) for shelf in self._shelves.values())
        return CacheFigures(self._hits, self._misses, self._evictions, entries, self._bytes)

    def _shelf(self, name: str, version: str) -> _Shelf:
        """Return the shelf of a database for a version, empty if it held answers for another one."""
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = _Shelf(version)
        elif shelf.version != version:
            self._count(shelf, -shelf.bytes)
            shelf.answers.clear()
            shelf.version = version
        self._shelves.move_to_end(name)
        return shelf

    def _make_room(self) -> None:
        """Give up an answer of the database that was used longest ago; a shelf that is empty goes."""
        name, shelf = next(iter(self._shelves.items()))
        if shelf.answers:
            self._evict(shelf)
        if not shelf.answers:
            del self._shelves[name]

    def _evict(self, shelf: _Shelf) -> None:
        _, answer = shelf.answers.popitem(last=False)
        self._count(shelf, -_size(answer))
        self._evictions += 1

    def _count(self, shelf: _Shelf, size: int) -> None:
        shelf.bytes += size
        self._bytes += size


def _size(answer: EncodedResult) -> int:
    """Return the memory that an answer is reckoned to use."""
    return ENTRY_BYTES + len(answer.body or b"")
