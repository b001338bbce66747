"""A Secret of somebody else that VaultSecrets merge into: pure, as all of the model."""

from dataclasses import dataclass, replace

from tests.model.items import UNSET, Items, Print


@dataclass(frozen=True)
class Record:
    """What a VaultSecret has noted on the Secret."""

    name: str
    version: int
    print: Print


@dataclass(frozen=True)
class Shared:
    """The Secret, and who has set which of its keys."""

    data: frozenset[tuple[str, str, str | None]]
    """Key, value, and the VaultSecret that has set it; None for anybody else."""

    consents: bool = True
    marks: Items = UNSET
    """Labels of others, and annotations that are the same."""

    records: frozenset[Record] = frozenset()

    def of(self, name: str | None) -> Items:
        """Return what one has set."""
        return frozenset((k, v) for k, v, who in self.data if who == name)

    def record(self, name: str) -> Record | None:
        """Return what a VaultSecret has noted."""
        return next((each for each in self.records if each.name == name), None)

    def fault(self, name: str, values: Items) -> str | None:
        """Return the reason for which it does not take values."""
        if not self.consents:
            return "NotAllowed"
        others = {key for key, _, who in self.data if who != name}
        return "Conflict" if others & set(dict(values)) else None

    def without(self, name: str) -> "Shared":
        """Take out what a VaultSecret has set."""
        data = frozenset(each for each in self.data if each[2] != name)
        records = frozenset(each for each in self.records if each.name != name)
        return replace(self, data=data, records=records)

    def merged(self, name: str, values: Items, version: int, by: Print) -> "Shared":
        """Have it hold the values of a VaultSecret, and none of its earlier ones."""
        noted = self.record(name)
        if self.of(name) == values and noted and noted.version == version:
            return self
        rest = self.without(name)
        data = rest.data | {(key, value, name) for key, value in values}
        return replace(
            rest, data=data, records=rest.records | {Record(name, version, by)}
        )

    def set(self, key: str, value: str | None) -> "Shared":
        """Have somebody set a key, which is theirs then, or take it away."""
        data = {each for each in self.data if each[0] != key}
        if value is not None:
            data.add((key, value, None))
        return replace(self, data=frozenset(data))
