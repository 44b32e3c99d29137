"""Nodes and relationships of an answer as a networkx graph."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from robosystems.graph_api.client.libraries import MultiDiGraph, library

_IDENTITY: Final = frozenset({"_id", "_src", "_dst"})


def networkx_graph(rows: Iterable[Mapping[str, Any]]) -> MultiDiGraph:
    """Return the nodes and relationships anywhere in rows, paths and lists included.

    Nodes are keyed by their `_id`, relationships by theirs; both carry their properties and `_label`. A relationship
    whose nodes were not returned connects nodes without properties.

    Raises:
        MissingLibraryError: networkx is not installed.
    """
    graph = library("networkx").MultiDiGraph()
    for element in _elements(rows):
        properties = {name: value for name, value in element.items() if name not in _IDENTITY}
        if "_src" in element:
            ends = element["_src"], element["_dst"], element["_id"]
            graph.add_edge(*ends)
            graph.edges[ends].update(properties)
        else:
            graph.add_node(element["_id"])
            graph.nodes[element["_id"]].update(properties)
    return graph


def _elements(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield nodes and relationships in a value, however deep they lie."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        if isinstance(mapping.get("_id"), str) and "_label" in mapping:
            yield mapping
            return
        for part in mapping.values():
            yield from _elements(part)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for part in cast("Iterable[object]", value):
            yield from _elements(part)
