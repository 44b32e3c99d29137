"""Keys and tokens in memory: who a request comes from."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosystems.graph_api.core.key_format import KEY_LENGTH, KEY_PREFIX, is_mistyped, new_secret
from robosystems.graph_api.core.keyring import ANONYMOUS_ID, ENVIRONMENT_KEY_ID, KeyRing
from robosystems.graph_api.core.tokens import TOKEN_PREFIX, Claims, read
from robosystems.graph_api.domain.access import GraphSet, KeyRecord, Scope
from robosystems.graph_api.domain.errors import UnauthorizedError

START = datetime.now(UTC)
"""When the tests were read, which may be long before one of them runs."""

SECRET = b"s" * 32


def made(scope: Scope = Scope.WRITE, graphs: list[str] | None = None, **fields: object) -> tuple[KeyRecord, bytes]:
    """Return a key and what to send."""
    secret = new_secret()
    allowed = GraphSet.parse(graphs) if graphs is not None else None
    record = KeyRecord(secret.key_id, secret.digest, "name", scope, allowed, START, "admin")
    return replace(record, **fields), secret.key.encode()  # pyright: ignore[reportArgumentType]


def ring_of(*records: KeyRecord, environment: tuple[str, ...] = ("root",)) -> KeyRing:
    """Return a ring that holds keys."""
    ring = KeyRing(environment)
    ring.fill(records, SECRET)
    return ring


def claims_of(key_id: str, *, graphs: tuple[str, ...] | None = None, scope: Scope = Scope.READ, s: int = 60) -> Claims:
    """Return what a token says that is good for so many seconds."""
    return Claims(key_id, scope, int(datetime.now(UTC).timestamp()) + s, graphs)


def test_a_key_has_the_published_form() -> None:
    """The prefix and 64 letters and digits, of which the first 12 are the id; no two alike."""
    secrets = [new_secret() for _ in range(100)]
    for secret in secrets:
        assert secret.key.startswith(KEY_PREFIX)
        assert len(secret.key) == KEY_LENGTH == len(KEY_PREFIX) + 64
        assert secret.key[len(KEY_PREFIX) :].isalnum()
        assert secret.key[len(KEY_PREFIX) :][:12] == secret.key_id
    assert len({secret.key_id for secret in secrets}) == len({secret.key for secret in secrets}) == 100


def test_a_mistyped_key_is_told_from_a_wrong_one() -> None:
    """Any single wrong character breaks the checksum; what has another form is not judged."""
    key = new_secret().key
    assert not is_mistyped(key.encode())
    for place in range(len(KEY_PREFIX), KEY_LENGTH):
        wrong = key[:place] + ("x" if key[place] != "x" else "y") + key[place + 1 :]
        assert is_mistyped(wrong.encode()), place
        with pytest.raises(UnauthorizedError, match="mistyped"):
            ring_of().identify(wrong.encode())
    assert not is_mistyped(key[:-1].encode())
    assert not is_mistyped(b"\xff" * KEY_LENGTH)
    assert not is_mistyped(b"graph_api_0123456789")


def test_keys_are_known_by_who_they_are() -> None:
    """A key of the store stands for itself, one of the environment for the administrator."""
    (reader, reader_key), (writer, writer_key) = made(Scope.READ, ["kg*"]), made(Scope.WRITE)
    ring = ring_of(reader, writer, environment=("root", "older"))
    found = ring.identify(reader_key)
    assert (found.key_id, found.scope, found.sees("kg1"), found.sees("x")) == (reader.key_id, Scope.READ, True, False)
    assert ring.identify(writer_key).scope is Scope.WRITE
    for key in (b"root", b"older"):
        assert (ring.identify(key).key_id, ring.identify(key).scope) == (ENVIRONMENT_KEY_ID, Scope.ADMIN)


@given(st.binary(max_size=200))
def test_nothing_else_opens_the_node(presented: bytes) -> None:
    """Whatever bytes come, they are a wrong key and no failure."""
    record, _ = made()
    with pytest.raises(UnauthorizedError):
        ring_of(record).identify(presented)


def test_the_id_of_a_key_does_not_open_anything() -> None:
    """Whoever knows the public part has nothing."""
    record, key = made()
    ring = ring_of(record)
    for wrong in (record.key_id.encode(), key[:22], key[:22] + b"0" * 52, key + b"0", key[:-1]):
        with pytest.raises(UnauthorizedError):
            ring.identify(wrong)


def test_disabled_and_expired_keys_open_nothing_at_once() -> None:
    """The next request finds the door closed, and is told why: it has shown the right key."""
    record, key = made()
    ring = ring_of(record)
    ring.identify(key)
    ring.hold(replace(record, disabled=True))
    with pytest.raises(UnauthorizedError, match="disabled"):
        ring.identify(key)
    ring.hold(replace(record, expires_at=START - timedelta(seconds=1)))
    with pytest.raises(UnauthorizedError, match="expired"):
        ring.identify(key)
    ring.hold(replace(record, expires_at=START + timedelta(hours=1)))
    assert ring.identify(key).key_id == record.key_id
    ring.drop(record.key_id)
    with pytest.raises(UnauthorizedError, match="not known"):
        ring.identify(key)


def test_the_last_use_is_noticed_and_survives_a_change() -> None:
    """Renaming a key does not make it look unused."""
    record, key = made()
    ring = ring_of(record)
    held = ring.find(record.key_id)
    assert held is not None
    assert held.used_at == 0
    ring.identify(key)
    ring.hold(replace(record, name="other"))
    held = ring.find(record.key_id)
    assert held is not None
    assert held.used_at >= START.timestamp()


def test_a_node_without_keys_is_open_but_heeds_those_that_it_knows() -> None:
    """Nothing or anything is the administrator; a known key is what it is, and nothing when it is disabled."""
    record, key = made(Scope.READ)
    ring = ring_of(record, environment=())
    assert not ring.required
    for presented in (None, b"", b"anything"):
        assert ring.identify(presented).key_id == ANONYMOUS_ID
    assert ring.identify(key).scope is Scope.READ
    ring.hold(replace(record, disabled=True))
    with pytest.raises(UnauthorizedError):
        ring.identify(key)


def test_a_token_opens_what_it_says() -> None:
    """For the graphs and the scope that it names, in the name of its key."""
    record, _ = made(Scope.WRITE, ["kg*"])
    ring = ring_of(record)
    found = ring.identify(ring.issue_token(claims_of(record.key_id, graphs=("kg1",))).encode())
    assert (found.key_id, found.scope, found.token) == (record.key_id, Scope.READ, True)
    assert found.sees("kg1")
    assert not found.sees("kg2")
    inherited = ring.identify(ring.issue_token(claims_of(record.key_id)).encode())
    assert inherited.graphs == record.graphs


def test_a_token_never_opens_more_than_its_key() -> None:
    """Even if somebody signed one that says so."""
    record, _ = made(Scope.READ)
    ring = ring_of(record)
    token = ring.issue_token(claims_of(record.key_id, scope=Scope.ADMIN))
    assert ring.identify(token.encode()).scope is Scope.READ


def test_a_token_ends_with_its_time_and_with_its_key() -> None:
    """Expired, disabled, deleted: each closes the door at once."""
    record, _ = made()
    ring = ring_of(record)
    token = ring.issue_token(claims_of(record.key_id)).encode()
    old = ring.issue_token(claims_of(record.key_id, s=-1)).encode()
    with pytest.raises(UnauthorizedError, match="expired"):
        ring.identify(old)
    ring.hold(replace(record, disabled=True))
    with pytest.raises(UnauthorizedError, match="disabled"):
        ring.identify(token)
    ring.drop(record.key_id)
    with pytest.raises(UnauthorizedError):
        ring.identify(token)


def test_a_token_is_good_on_its_own_node_only() -> None:
    """Another secret, another key of the environment: another node."""
    token = ring_of().issue_token(claims_of(ENVIRONMENT_KEY_ID)).encode()
    assert ring_of().identify(token).scope is Scope.READ
    assert ring_of(environment=("new", "root")).identify(token).key_id == ENVIRONMENT_KEY_ID
    with pytest.raises(UnauthorizedError):
        ring_of(environment=("new",)).identify(token)
    stranger = KeyRing(("root",))
    stranger.fill((), b"t" * 32)
    with pytest.raises(UnauthorizedError):
        stranger.identify(token)


def test_a_changed_token_opens_nothing() -> None:
    """Neither with a bit flipped anywhere nor with claims of one's own."""
    record, _ = made()
    ring = ring_of(record)
    token = ring.issue_token(claims_of(record.key_id)).encode()
    for place in range(len(TOKEN_PREFIX), len(token) - 1):  # The last character holds bits that mean nothing.
        changed = bytearray(token)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        with pytest.raises(UnauthorizedError):
            ring.identify(bytes(changed))
    own = base64.urlsafe_b64encode(json.dumps([record.key_id, "admin", 2**40, None]).encode()).rstrip(b"=")
    with pytest.raises(UnauthorizedError):
        ring.identify(TOKEN_PREFIX + own + b"." + token.rpartition(b".")[2])


@given(st.binary(max_size=300))
def test_malformed_tokens_are_wrong_tokens(rest: bytes) -> None:
    """Whatever follows the prefix."""
    token = read(TOKEN_PREFIX + rest)
    assert token is None or not token.is_signed_by(SECRET, [b"x" * 32])
