"""A Parameter Store beside a real operator, and what a person writes to use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.tenant import Body, Tenant
from tests.vaults.judges import Judge, judging
from tests.vaults.process import Running, running
from tests.vaults.ssm import State

REGION = "eu-west-1"
KEYS = {"access_key_id": "AKIACANARY3F0B", "secret_access_key": "canary-secret-77aa"}


@dataclass(frozen=True)
class Store:
    """A Parameter Store in a process of its own, and the vendor's client to fill it."""

    process: Running
    judge: Judge

    def put(self, values: dict[str, str]) -> None:
        """Put parameters, in place of what they were."""
        self._did(self.judge.ask("ssm_put", self.process.url, REGION, values))

    def delete(self, name: str) -> None:
        """Delete a parameter."""
        where = (self.process.url, REGION, "delete_parameter")
        self._did(self.judge.ask("ssm", *where, Name=name))

    def ask(self, call: str, **given: Any) -> dict[str, Any]:
        """Return what a call of the vendor's client gives; it is not remembered."""
        before = self.process.requests()
        said = self.judge.ask("ssm", self.process.url, REGION, call, **given)
        assert "error" not in said, said
        assert len(self.process.requests()) >= len(before)
        found: dict[str, Any] = said["ok"]
        return found

    def all(self, path: str) -> dict[str, Body]:
        """Return the parameters below a path as they are, by the rest of the name."""
        given = {"Path": path, "Recursive": True, "WithDecryption": True}
        found = self.ask("get_parameters_by_path", **given)["Parameters"]
        return {each["Name"].removeprefix(f"{path}/"): each for each in found}

    def calls(self) -> list[str]:
        """Return the operations that it was asked for since it last forgot them."""
        return [entry.operation for entry in self.process.requests()]

    def _did(self, said: dict[str, Any]) -> None:
        assert "error" not in said, said
        self.process.forget()


@contextmanager
def parameter_store() -> Iterator[Store]:
    """Run a Parameter Store, empty."""
    with running("ssm", State(), ["--https"]) as process, judging() as judge:
        yield Store(process, judge)


def keys_secret(**keys: str) -> Body:
    """Return the manifest of a Secret with the keys of a user."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "aws-reader"},
        "type": "vaultferry.dev/token",
        "stringData": keys or KEYS,
    }


def connection(store: Store, prefix: str, /, **more: Any) -> Body:
    """Return the manifest of a VaultConnection to a Parameter Store."""
    section = {
        "region": REGION,
        "address": store.process.url,
        "caBundle": store.process.certificate,
        "pathPrefix": prefix,
        "credentialsSecretRef": {"name": "aws-reader"},
        **more,
    }
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "aws"},
        "spec": {"awsSsm": section},
    }


def fetched(tenant: Tenant, name: str, **spec: Any) -> Body:
    """Return the manifest of a VaultSecret that takes its values from the store."""
    manifest = tenant.manifest(name, {}, connectionRef={"name": "aws"}, **spec)
    del manifest["spec"]["sealed"]
    return manifest


def mapped(*references: str) -> list[dict[str, str]]:
    """Return a mapping for each reference, whose field is its last part."""
    return [
        {"fieldName": each.rpartition("/")[2], "reference": each} for each in references
    ]
