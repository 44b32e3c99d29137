"""Scopes, sets of graphs, and what they allow."""

import pytest

from robosystems.graph_api.domain.access import MAX_PATTERNS, GraphSet, Principal, Scope
from robosystems.graph_api.domain.errors import InvalidRequestError


def test_each_scope_holds_those_before_it() -> None:
    """Admin may what write may, and write what read may."""
    order = [Scope.READ, Scope.WRITE, Scope.ADMIN]
    for place, scope in enumerate(order):
        assert [scope.holds(other) for other in order] == [other_place <= place for other_place in range(3)]


@pytest.mark.parametrize(
    ("patterns", "seen", "unseen"),
    [
        (["kg1"], ["kg1"], ["kg", "kg11", "KG1", ""]),
        (["team-a-*"], ["team-a-1", "team-a-"], ["team-a", "team-b-1", "xteam-a-1"]),
        (["kg1", "sec*"], ["kg1", "sec", "sec_2024"], ["kg2", "se"]),
    ],
)
def test_a_set_holds_names_and_beginnings_of_names(patterns: list[str], seen: list[str], unseen: list[str]) -> None:
    """A star stands for the rest of a name, and a name for itself only."""
    graphs = GraphSet.parse(patterns)
    assert [name for name in [*seen, *unseen] if name in graphs] == seen
    assert graphs.patterns == sorted(patterns)


@pytest.mark.parametrize(
    "patterns",
    [[], ["*"], [""], ["a*b"], ["a**"], ["../x"], ["-a"], ["a b"], ["ä"], ["a" * 64], ["x"] * (MAX_PATTERNS + 1)],
)
def test_malformed_patterns_are_refused(patterns: list[str]) -> None:
    """Nothing that could be taken for more than it says."""
    with pytest.raises(InvalidRequestError, match="graphs"):
        GraphSet.parse(patterns)


@pytest.mark.parametrize(
    ("outer", "inner", "covers"),
    [
        (["a*"], ["a", "ab", "ab*"], True),
        (["a*"], ["a*"], True),
        (["ab*"], ["a*"], False),
        (["a", "b"], ["a"], True),
        (["a"], ["a*"], False),
        (["a", "b*"], ["a", "c"], False),
    ],
)
def test_a_set_covers_another_whatever_graphs_there_will_be(outer: list[str], inner: list[str], covers: bool) -> None:  # noqa: FBT001 - a table
    """A prefix is covered by a shorter one only."""
    assert GraphSet.parse(outer).covers(GraphSet.parse(inner)) is covers


def test_a_caller_without_a_set_sees_everything() -> None:
    """No restriction is not the empty one."""
    assert Principal("k", Scope.READ).sees("anything")
    assert not Principal("k", Scope.ADMIN, GraphSet.parse(["x"])).sees("anything")
