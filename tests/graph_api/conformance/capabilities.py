"""What a test means on a backend that lacks what it requires."""

from collections.abc import Collection, Generator
from contextlib import contextmanager

import pytest

from robosystems.graph_api.domain.errors import CapabilityNotSupportedError


@contextmanager
def expecting_refusal(missing: Collection[str]) -> Generator[None]:
    """Pass if the block ends in the error that names one of the missing capabilities, and only then.

    So a gap is declared and never skipped, and one that closes without being declared fails the build.
    """
    try:
        yield
    except CapabilityNotSupportedError as error:
        capability = error.context.get("capability")
        if capability not in missing:
            pytest.fail(f"{capability!r} is refused, but declared")
        return
    pytest.fail(f"{', '.join(missing)} is declared as missing, but it works: declare it")
