"""Names of a database's content: equal ones mean that nothing changed, whatever happened in between."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from robosystems.graph_api.backends.lbug.versions import ContentVersion


class Looking(RuleBasedStateMachine):
    """Changes begin and end in any order; every look is remembered with what could have changed until then."""

    def __init__(self) -> None:
        super().__init__()
        self.version = ContentVersion()
        self.running = 0
        self.moments = 0
        self.seen: dict[str, int] = {}

    @rule()
    def begin(self) -> None:
        """A change is sent."""
        self.version.begin()
        self.running += 1
        self.moments += 1

    @rule()
    def end(self) -> None:
        """A change ends, if one runs."""
        if self.running:
            self.version.end()
            self.running -= 1
            self.moments += 1

    @rule()
    def renew(self) -> None:
        """Something else may have changed the content."""
        self.version.renew()
        self.moments += 1

    @rule(times=st.integers(1, 3))
    def look(self, times: int) -> None:
        """Some looks in a row: the same name if nothing runs, else a new one each time."""
        names = [self.version.look() for _ in range(times)]
        assert len(set(names)) == (times if self.running else 1)
        for name in names:
            if self.running:
                assert name not in self.seen
            assert self.seen.setdefault(name, self.moments) == self.moments

    @invariant()
    def names_are_printable(self) -> None:
        """They go into headers."""
        assert self.version.look().isascii()


TestLooking = Looking.TestCase


def test_two_databases_never_share_a_name() -> None:
    """Each begins with a random incarnation."""
    assert len({ContentVersion().look() for _ in range(100)}) == 100


def test_a_new_incarnation_keeps_what_runs() -> None:
    """A change that was running when it was renewed still ends."""
    version = ContentVersion()
    version.begin()
    version.renew()
    assert version.look() != version.look()
    version.end()
    assert version.look() == version.look()
