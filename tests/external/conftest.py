"""What the tests of external vaults have in common with those in tests/e2e."""

from tests.e2e.conftest import (
    audit,
    cluster,
    keyring,
    operator,
    root_key,
    tenant,
)
from tests.e2e.diagnosis import pytest_runtest_makereport

__all__ = [
    "audit",
    "cluster",
    "keyring",
    "operator",
    "pytest_runtest_makereport",
    "root_key",
    "tenant",
]
