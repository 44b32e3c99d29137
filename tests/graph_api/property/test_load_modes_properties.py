"""Loads against a model: whatever is in the table and whatever is wrong with the file, the outcome is the model's."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.domain.errors import LoadError
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph

KEYS: Final = ["a", "b", "c", "d", "e", "f"]
MODES: Final = st.sampled_from(["append", "upsert", "replace"])
ON_ERROR: Final = st.sampled_from(["fail", "skip"])
EXAMPLES: Final = settings(
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

Node = tuple[int | None, str | None]
Edge = tuple[str, str, int | None]


@dataclass
class Outcome:
    """What a load must come to.

    Attributes:
        rejected: Numbers of wrong rows, each with the reasons that may be given.
        loaded: Rows that are new.
        updated: Rows that changed one that was there.
        deleted: Rows that are gone.
        refused: The reasons that may be given for loading nothing; empty if it is loaded.
    """

    rejected: dict[int, set[str]]
    loaded: int = 0
    updated: int = 0
    deleted: int = 0
    refused: set[str] = field(default_factory=set[str])


# -- files ------------------------------------------------------------------------------------------------------------

NODE_ROWS: Final = st.lists(
    st.tuples(
        st.sampled_from([*KEYS, *KEYS, None]),
        st.integers(-5, 5) | st.none() | st.just("x"),
        st.text("pq", max_size=2) | st.none(),
    ),
    max_size=8,
)
EDGE_ROWS: Final = st.lists(
    st.tuples(st.sampled_from([*KEYS, None]), st.sampled_from(KEYS), st.integers(-5, 5) | st.none() | st.just("x")),
    max_size=8,
)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]], broken: frozenset[int]) -> bytes:
    """Write rows as CSV; the broken ones get a field too many."""
    lines = [",".join(names)]
    for number, row in enumerate(rows, 1):
        fields = ["" if value is None else f'"{value}"' for value in row]
        lines.append(",".join([*fields, "1"] if number in broken else fields))
    return ("\n".join(lines) + "\n").encode()


def as_ndjson(names: Sequence[str], rows: Sequence[Sequence[Any]], broken: frozenset[int]) -> bytes:
    """Write rows as NDJSON; the broken ones are no JSON."""
    lines = [
        "{broken" if number in broken else json.dumps(dict(zip(names, row, strict=True)))
        for number, row in enumerate(rows, 1)
    ]
    return "".join(line + "\n" for line in lines).encode()


def as_arrow(names: Sequence[str], rows: Sequence[Sequence[Any]], _: frozenset[int]) -> bytes:
    """Write rows as an Arrow stream of texts, a batch for each three."""
    columns = [[None if row[index] is None else str(row[index]) for row in rows] for index in range(len(names))]
    table = pa.table(dict(zip(names, [pa.array(column, pa.string()) for column in columns], strict=True)))
    written = io.BytesIO()
    with pa.ipc.new_stream(written, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return written.getvalue()


WRITERS: Final = {"csv": as_csv, "ndjson": as_ndjson, "arrow": as_arrow}
FORMS: Final = st.sampled_from(sorted(WRITERS))
BROKEN: Final = st.frozensets(st.integers(1, 8), max_size=1)


def first_wrong(rows: Sequence[Sequence[Any]], broken: frozenset[int], form: str) -> dict[int, set[str]]:
    """Return the rows that are wrong by themselves, with the reasons that may be given."""
    structural = {"csv": "field_count", "ndjson": "not_json"}
    wrong: dict[int, set[str]] = {}
    for number, row in enumerate(rows, 1):
        if form in structural and number in broken:
            wrong[number] = {structural[form]}
            continue
        reasons = {"unfit_value"} if "x" in row else set[str]()
        if row[0] is None:
            reasons.add("missing_value")
        if reasons:
            wrong[number] = reasons
    return wrong


# -- nodes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open a database with one table of nodes and one of relationships."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        opened.run("CREATE NODE TABLE N(v INT64, id STRING PRIMARY KEY, s STRING)")
        opened.run("CREATE REL TABLE E(FROM N TO N, w INT64)")
        yield opened


def fill(graph: LoadingGraph, nodes: dict[str, Node], edges: Sequence[Edge]) -> None:
    """Make the database hold exactly this."""
    graph.run("MATCH (n:N) DETACH DELETE n")
    for key, (value, text) in nodes.items():
        parameters = {"key": key, "value": value, "text": text}
        graph.connection.run("CREATE (:N {id: $key, v: $value, s: $text})", parameters).close()
    for start, end, weight in edges:
        text = "MATCH (a:N {id: $source}) MATCH (b:N {id: $target}) CREATE (a)-[:E {w: $weight}]->(b)"
        graph.connection.run(text, {"source": start, "target": end, "weight": weight}).close()


def stored_nodes(graph: LoadingGraph) -> dict[str, Node]:
    """Return all nodes."""
    return {row[0]: (row[1], row[2]) for row in graph.run("MATCH (n:N) RETURN n.id, n.v, n.s")}


def stored_edges(graph: LoadingGraph) -> list[Edge]:
    """Return all relationships."""
    rows = graph.run("MATCH (a:N)-[r:E]->(b:N) RETURN a.id, b.id, r.w")
    return sorted(((row[0], row[1], row[2]) for row in rows), key=repr)


def check(graph: LoadingGraph, table: str, content: bytes, form: str, expected: Outcome, **order: Any) -> None:
    """Load, and check what is said of it."""
    path = graph.place(content)
    if expected.refused:
        with pytest.raises(LoadError) as caught:
            graph.load(table, path, form, load_id="0" * 32, **order)
        assert caught.value.context["reason"] in expected.refused
        return
    report = graph.load(table, path, form, load_id="0" * 32, **order)
    counts = [report[f"rows_{what}"] for what in ("loaded", "updated", "deleted", "skipped")]
    assert counts == [expected.loaded, expected.updated, expected.deleted, len(expected.rejected)]
    assert report["rows_in_file"] == report["rows_loaded"] + report["rows_updated"] + report["rows_skipped"]
    assert {reject["row"] for reject in report["rejects"]} == set(expected.rejected)
    for reject in report["rejects"]:
        assert reject["reason"] in expected.rejected[reject["row"]]


def nodes_model(
    before: dict[str, Node], rows: Sequence[tuple[str | None, Any, str | None]], mode: str, outcome: Outcome
) -> dict[str, Node]:
    """Return the nodes that are good in the file, and note in the outcome what becomes of each row."""
    good: dict[str, Node] = {}
    met: set[str] = set()
    for number, (key, value, text) in enumerate(rows, 1):
        if number in outcome.rejected or key is None:
            continue
        exists = {"key_exists"} if mode == "append" and key in before else set[str]()
        reasons = exists | ({"duplicate_key"} if key in met else set[str]())
        met.add(key)
        if reasons:
            outcome.rejected[number] = reasons
            continue
        good[key] = (value, text)
        outcome.updated += key in before
        outcome.loaded += key not in before
    return good


@EXAMPLES
@given(
    before=st.dictionaries(st.sampled_from(KEYS), st.tuples(st.integers(0, 9), st.text("st", max_size=1)), max_size=5),
    edges=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS), st.integers(0, 3)), max_size=2),
    rows=NODE_ROWS,
    broken=BROKEN,
    form=FORMS,
    mode=MODES,
    on_error=ON_ERROR,
    detach=st.booleans(),
)
def test_nodes_are_loaded_as_the_model_says(
    graph: LoadingGraph,
    before: dict[str, Node],
    edges: list[Edge],
    rows: list[tuple[str | None, Any, str | None]],
    broken: frozenset[int],
    form: str,
    mode: str,
    on_error: str,
    *,
    detach: bool,
) -> None:
    """In each mode, with each kind of wrong row, failing and skipping: the table, the counts and the reasons agree."""
    edges = [edge for edge in edges if edge[0] in before and edge[1] in before]
    fill(graph, before, edges)
    expected = Outcome(first_wrong(rows, broken, form))
    good = nodes_model(before, rows, mode, expected)
    replaces = mode == "replace"
    vanishing = set(before) - set(good) if replaces else set[str]()
    expected.deleted = len(vanishing)
    torn = [edge for edge in edges if edge[0] in vanishing or edge[1] in vanishing]
    if on_error == "fail":
        expected.refused = set[str]().union(*expected.rejected.values())
    if torn and not detach and not expected.refused:
        expected.refused = {"has_relationships"}
    content = WRITERS[form](["id", "v", "s"], rows, broken)
    check(graph, "N", content, form, expected, mode=mode, on_error=on_error, detach=detach and replaces)
    kept = {key: node for key, node in before.items() if key not in vanishing}
    assert stored_nodes(graph) == (before if expected.refused else kept | good)
    left = edges if expected.refused else [edge for edge in edges if edge not in torn]
    assert stored_edges(graph) == sorted(left, key=repr)


def edges_model(
    nodes: set[str], edges: list[Edge], rows: Sequence[tuple[str | None, str, Any]], mode: str, outcome: Outcome
) -> list[Edge]:
    """Return the relationships that are there afterwards, and note in the outcome what becomes of each row."""
    pairs = [edge[:2] for edge in edges]
    after = [] if mode == "replace" else list(edges)
    met: set[tuple[str, str]] = set()
    for number, (start, end, weight) in enumerate(rows, 1):
        if number in outcome.rejected or start is None:
            continue
        pair = (start, end)
        reasons = set[str]() if {start, end} <= nodes else {"dangling_end"}
        if mode == "upsert":
            reasons |= {"duplicate_pair"} if pair in met else set[str]()
            reasons |= {"several_relationships"} if pairs.count(pair) > 1 else set[str]()
        met.add(pair)
        if reasons:
            outcome.rejected[number] = reasons
        elif mode == "upsert" and pair in pairs:
            after = [(start, end, weight) if edge[:2] == pair else edge for edge in after]
            outcome.updated += 1
        else:
            after.append((start, end, weight))
            outcome.loaded += 1
    return after


@EXAMPLES
@given(
    nodes=st.sets(st.sampled_from(KEYS), max_size=6),
    edges=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS), st.integers(0, 3)), max_size=5),
    rows=EDGE_ROWS,
    broken=BROKEN,
    form=FORMS,
    mode=MODES,
    on_error=ON_ERROR,
)
def test_relationships_are_loaded_as_the_model_says(
    graph: LoadingGraph,
    nodes: set[str],
    edges: list[Edge],
    rows: list[tuple[str | None, str, Any]],
    broken: frozenset[int],
    form: str,
    mode: str,
    on_error: str,
) -> None:
    """Appended in parallel, updated by their ends, or replaced; a missing end or an ambiguous pair is a wrong row."""
    edges = [edge for edge in edges if edge[0] in nodes and edge[1] in nodes]
    fill(graph, dict.fromkeys(nodes, (1, None)), edges)
    expected = Outcome(first_wrong(rows, broken, form), deleted=len(edges) if mode == "replace" else 0)
    after = edges_model(nodes, edges, rows, mode, expected)
    if on_error == "fail":
        expected.refused = set[str]().union(*expected.rejected.values())
    content = WRITERS[form](["from", "to", "w"], rows, broken)
    check(graph, "E", content, form, expected, mode=mode, on_error=on_error)
    assert stored_edges(graph) == sorted(edges if expected.refused else after, key=repr)
