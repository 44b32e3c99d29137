"""Wrong keys, counted by address."""

import pytest

from robosystems.graph_api.core.throttle import WrongKeyThrottle
from robosystems.graph_api.domain.errors import TooManyWrongKeysError


def fail(throttle: WrongKeyThrottle, address: str, times: int) -> int:
    """Send wrong keys; return how many were answered as wrong."""
    answered = 0
    for _ in range(times):
        try:
            throttle.failed(address)
            answered += 1
        except TooManyWrongKeysError:
            pass
    return answered


def test_an_address_has_only_so_many_failures() -> None:
    """Further ones say when the next is answered."""
    throttle = WrongKeyThrottle(5)
    assert fail(throttle, "10.0.0.1", 5) == 5
    with pytest.raises(TooManyWrongKeysError) as caught:
        throttle.failed("10.0.0.1")
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 12


def test_addresses_do_not_meet() -> None:
    """What one does is no other's loss."""
    throttle = WrongKeyThrottle(2)
    fail(throttle, "10.0.0.1", 10)
    assert fail(throttle, "10.0.0.2", 2) == 2


def test_addresses_of_one_subscriber_are_one() -> None:
    """The second half of an IPv6 address is free to choose."""
    throttle = WrongKeyThrottle(2)
    assert sum(fail(throttle, f"2001:db8:1:2::{number:x}", 1) for number in range(1, 20)) == 2
    assert fail(throttle, "2001:db8:1:3::1", 2) == 2


def test_memory_is_bounded() -> None:
    """A flood of addresses forgets the ones that were heard of least lately."""
    throttle = WrongKeyThrottle(2)
    for number in range(20_000):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle) <= 4_096


@pytest.mark.parametrize("address", ["", "unknown", "::ffff:bad", "fe80::1%eth0", "zzz:::"])
def test_strange_addresses_are_addresses(address: str) -> None:
    """Nothing that a socket may say makes it fail."""
    throttle = WrongKeyThrottle(2)
    assert fail(throttle, address, 3) == 2
