"""Asks 1Password's own validator about references; run by `test_onepassword`.

It runs with the packages of requirements/tools.lock, and knows nothing of ours.
It reads a JSON list of texts, and writes for each whether it is a reference.
"""

import json
import sys

from onepassword.secrets import Secrets


def accepts(text: str) -> bool:
    """Tell whether the validator, which needs no account, says nothing against it."""
    try:
        Secrets.validate_secret_reference(text)
    except Exception:  # noqa: BLE001 - it raises nothing more special
        return False
    return True


json.dump([accepts(text) for text in json.load(sys.stdin)], sys.stdout)
