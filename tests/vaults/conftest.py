"""The clients of the vendors, started once."""

from collections.abc import Iterator

import pytest

from tests.vaults.judges import Judge, judging


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """Those that are Python packages, in one process."""
    with judging() as judge:
        yield judge
