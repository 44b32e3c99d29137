"""Wrong keys, counted by address."""

import ipaddress
import time
from collections import OrderedDict
from typing import Final

from robosystems.graph_api.domain.errors import TooManyWrongKeysError

_MOST_ADDRESSES: Final = 4_096
_MINUTE_S: Final = 60.0
_IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that one subscriber has: the rest are as many addresses as it likes."""


class WrongKeyThrottle:
    """Slows down those who send wrong keys, and nobody else: right keys are never asked for here.

    Each address has a bucket of failures that fills with time. Memory is bounded: of many addresses, the one whose
    last failure is the longest ago is forgotten.

    Args:
        per_minute: Failures of one address that are answered as what they are.
    """

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._refill_per_s = per_minute / _MINUTE_S
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of addresses that are remembered."""
        return len(self._buckets)

    def failed(self, address: str) -> None:
        """Count a wrong key.

        Raises:
            TooManyWrongKeysError: There were too many; says when the next one is answered.
        """
        now = time.monotonic()
        network = _network(address)
        left, counted_at = self._buckets.pop(network, (self._capacity, now))
        left = min(self._capacity, left + (now - counted_at) * self._refill_per_s)
        allowed = left >= 1.0
        self._buckets[network] = (left - 1.0 if allowed else left, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooManyWrongKeysError(
                "Too many wrong keys came from this address. A right one is served at any time: check the key.",
                retry_after=round((1.0 - left) / self._refill_per_s, 1),
            )


def _network(address: str) -> str:
    """Return what addresses of one subscriber have in common."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{_IPV6_PREFIX}", strict=False))
    except ValueError:
        return address
