"""The policy allows what it lists, and refuses the rest by name, with the alternative."""

import pytest

from robosystems.graph_api.domain.errors import StatementForbiddenError
from robosystems.graph_api.domain.statement import Clause, check, classify, vocabulary
from robosystems.graph_api.domain.statement import policy as decisions
from tests.graph_api.corpora import hostile_statements as hostile
from tests.graph_api.corpora.innocent_statements import INNOCENT, SCHEMA, Innocent

_FORBIDDEN = hostile.forbidden_statements()


@pytest.mark.parametrize(("clause", "text"), _FORBIDDEN, ids=[text for _, text in _FORBIDDEN])
def test_hostile_statements_are_refused_by_name(clause: str, text: str) -> None:
    """The refusal names the clause, and says what to do instead."""
    with pytest.raises(StatementForbiddenError) as caught:
        check(classify(text))
    assert caught.value.context["clause"] == clause
    assert caught.value.detail == f"{clause} is not allowed: {caught.value.context['alternative']}"


def test_the_hostile_corpus_is_large_and_has_no_repetition() -> None:
    """At least 200 statements are refused by the policy alone."""
    texts = hostile.all_statements()
    assert len(texts) == len(set(texts))
    assert len(_FORBIDDEN) >= 200


@pytest.mark.parametrize("text", [*hostile.DISGUISED_WRITES, *hostile.CRASHING, *hostile.EXHAUSTING])
def test_what_only_hurts_its_own_database_is_allowed(text: str) -> None:
    """Writes are the tenant's right; crashes and hunger are met by supervision and limits."""
    check(classify(text))


@pytest.mark.parametrize("innocent", INNOCENT, ids=lambda innocent: innocent.text)
def test_innocent_statements_are_allowed(innocent: Innocent) -> None:
    """Nothing is refused for words that it only mentions."""
    check(classify(innocent.text))


@pytest.mark.parametrize("text", SCHEMA)
def test_schema_statements_are_allowed(text: str) -> None:
    """A tenant shapes its own schema."""
    check(classify(text))


@pytest.mark.parametrize("procedure", sorted(vocabulary.ADMINISTRATOR_PROCEDURES))
def test_diagnostics_are_for_administrators(procedure: str) -> None:
    """What shows the insides of the store needs the right to."""
    statement = classify(f"CALL {procedure}() RETURN *")
    check(statement, administrator=True)
    with pytest.raises(StatementForbiddenError, match="it is for administrators"):
        check(statement)


def test_analyze_is_for_administrators() -> None:
    """Statistics are refreshed by who runs the node."""
    check(classify("ANALYZE"), administrator=True)
    with pytest.raises(StatementForbiddenError, match="ANALYZE is not allowed: it is for administrators"):
        check(classify("ANALYZE"))


@pytest.mark.parametrize(
    ("clause", "text"), [(c, t) for c, t in _FORBIDDEN if c not in {"ANALYZE", "CALL bm_info", "CALL storage_info"}]
)
def test_administrators_reach_no_further(clause: str, text: str) -> None:
    """No key opens files, networks, settings, extensions or other databases."""
    with pytest.raises(StatementForbiddenError):
        check(classify(text), administrator=True)


def test_every_clause_has_exactly_one_decision() -> None:
    """A form that is known is allowed, for administrators, or refused with an alternative."""
    lists = [decisions.ALLOWED_CLAUSES, set(decisions.ADMINISTRATOR_CLAUSES), set(decisions.REFUSED_CLAUSES)]
    assert set().union(*lists) == set(Clause)
    assert sum(map(len, lists)) == len(Clause)


def test_a_statement_may_use_several_forbidden_things() -> None:
    """One of them is enough to be refused."""
    with pytest.raises(StatementForbiddenError, match="LOAD FROM is not allowed"):
        check(classify("MATCH (n) LOAD FROM 'x' RETURN setseed(0.5), abs(y -> y)"))


def test_long_names_are_cut_in_the_refusal() -> None:
    """A hostile name cannot fill logs and answers."""
    with pytest.raises(StatementForbiddenError) as caught:
        check(classify(f"RETURN {'f' * 5000}(1)"))
    assert len(caught.value.detail) < 300
