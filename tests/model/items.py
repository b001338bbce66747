"""What everything in the model is made of."""

Items = frozenset[tuple[str, str]]
"""Keys with their values; of data a character is a byte."""

UNSET: Items = frozenset()

Keys = tuple[str, ...]
"""The operator's root keys by name, newest first."""

Print = tuple[str, Items]
"""A fingerprint: the key that made it, and of what."""
