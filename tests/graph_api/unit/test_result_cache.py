"""Remembered answers: bounds, order of going, and that a new version forgets the old one."""

import random

from robosystems.graph_api.core.result_cache import ENTRY_BYTES, ResultCache
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import EncodedResult, ResultSummary

ONE, TWO = GraphId("one"), GraphId("two")
BODY_BYTES = ENTRY_BYTES * 9
SIZE = ENTRY_BYTES + BODY_BYTES


def answer(letter: str = "a", size: int = BODY_BYTES) -> EncodedResult:
    """Return a whole answer."""
    return EncodedResult(letter.encode() * size, None, ResultSummary(3, truncated=True, execution_time_ms=1.5))


def held(cache: ResultCache, graph_id: GraphId, names: str, version: str = "v") -> str:
    """Return the names whose answers are remembered, without a change of their order by more than this."""
    return "".join(name for name in names if cache.find(graph_id, version, name) is not None)


def test_an_answer_is_found_as_it_was() -> None:
    """The same bytes and figures, marked as remembered."""
    cache = ResultCache(SIZE * 64)
    cache.keep(ONE, "v", "tag", answer())
    found = cache.find(ONE, "v", "tag")
    assert found is not None
    assert (found.body, found.summary, found.tag, found.remembered) == (answer().body, answer().summary, "tag", True)
    assert cache.find(ONE, "v", "other") is None
    assert cache.find(TWO, "v", "tag") is None
    figures = cache.figures()
    assert (figures.hits, figures.misses, figures.entries, figures.bytes) == (1, 2, 1, SIZE)


def test_another_version_is_another_content() -> None:
    """Nothing of one version is found for another, and the first answer of a new one forgets the old ones."""
    cache = ResultCache(SIZE * 64)
    for name in "abc":
        cache.keep(ONE, "v1", name, answer())
    cache.keep(TWO, "v1", "a", answer())
    assert held(cache, ONE, "abc", "v2") == ""
    assert held(cache, ONE, "abc", "v1") == "abc"
    cache.keep(ONE, "v2", "a", answer())
    assert held(cache, ONE, "abc", "v1") == ""
    assert held(cache, TWO, "a", "v1") == "a"
    assert (cache.figures().entries, cache.figures().bytes, cache.figures().evictions) == (2, 2 * SIZE, 0)


def test_a_database_gives_up_what_it_used_longest_ago() -> None:
    """It may use a quarter of the whole."""
    cache = ResultCache(SIZE * 16)
    for name in "abcd":
        cache.keep(ONE, "v", name, answer())
    assert held(cache, ONE, "a") == "a"
    cache.keep(ONE, "v", "e", answer())
    assert held(cache, ONE, "bcdea") == "cdea"
    assert cache.figures().evictions == 1


def test_the_database_used_longest_ago_makes_room() -> None:
    """When all together would use too much."""
    cache = ResultCache(SIZE * 16)
    graphs = [GraphId(f"g{number}") for number in range(5)]
    for graph in graphs[:4]:
        for name in "abcd":
            cache.keep(graph, "v", name, answer())
    assert held(cache, graphs[0], "a") == "a"
    cache.keep(graphs[4], "v", "a", answer())
    assert held(cache, graphs[1], "abcd") == "bcd"
    assert [held(cache, graph, "abcd") for graph in (graphs[0], *graphs[2:4])] == ["abcd"] * 3


def test_what_is_too_large_is_not_kept() -> None:
    """An answer may use a quarter of what its database may; a stream is never kept."""
    cache = ResultCache(SIZE * 16)
    cache.keep(ONE, "v", "a", answer(size=SIZE - ENTRY_BYTES + 1))
    cache.keep(ONE, "v", "b", EncodedResult(None))
    assert cache.figures().entries == 0
    cache.keep(ONE, "v", "c", answer(size=SIZE - ENTRY_BYTES))
    assert cache.figures().entries == 1


def test_an_answer_that_comes_again_takes_the_place_of_the_first() -> None:
    """Two reads that ran at once."""
    cache = ResultCache(SIZE * 64)
    cache.keep(ONE, "v", "a", answer("x"))
    cache.keep(ONE, "v", "a", answer("y", 10))
    found = cache.find(ONE, "v", "a")
    assert found is not None
    assert found.body == b"y" * 10
    assert cache.figures().bytes == ENTRY_BYTES + 10


def test_a_forgotten_database_leaves_nothing() -> None:
    """Its bytes are free again; to forget it twice does no harm."""
    cache = ResultCache(SIZE * 64)
    cache.keep(ONE, "v", "a", answer())
    cache.keep(TWO, "v", "a", answer())
    cache.forget(ONE)
    cache.forget(ONE)
    assert (cache.figures().entries, cache.figures().bytes) == (1, SIZE)


def test_a_size_of_nothing_switches_it_off() -> None:
    """Nothing is kept."""
    cache = ResultCache(0)
    cache.keep(ONE, "v", "a", answer(size=0))
    assert not cache.is_on
    assert cache.find(ONE, "v", "a") is None


def test_the_bounds_hold_whatever_happens(rng: random.Random) -> None:
    """Random use by many databases: never more bytes than allowed, and the sum is right."""
    cache = ResultCache(SIZE * 16)
    graphs = [GraphId(f"g{number}") for number in range(8)]
    for _ in range(3_000):
        graph, tag, version = rng.choice(graphs), str(rng.randrange(12)), rng.choice(("v1", "v1", "v1", "v2"))
        match rng.randrange(8):
            case 0:
                cache.forget(graph)
            case 1 | 2 | 3:
                found = cache.find(graph, version, tag)
                assert found is None or found.tag == tag
            case _:
                cache.keep(graph, version, tag, answer(size=rng.randrange(SIZE)))
        assert 0 <= cache.figures().bytes <= SIZE * 16
    for graph in graphs:
        cache.forget(graph)
    assert (cache.figures().entries, cache.figures().bytes) == (0, 0)
