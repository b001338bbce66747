"""What the API server refuses of a VaultConnection, and what it tells to write."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.acts import refusal
from tests.e2e.tenant import Body, Tenant

ACCOUNT = {"identityId": "id", "serviceAccountRef": {"name": "reader"}}
KEYS = {"credentialsSecretRef": {"name": "aws"}}
ROLE = {
    "roleArn": "arn:aws:iam::123456789012:role/reader",
    "serviceAccountRef": {"name": "reader"},
}
TOKEN = {"tokenSecretRef": {"name": "token"}}
CLIENT = {"clientId": "id", "clientSecretSecretRef": {"name": "secret"}}

DOPPLER = {"project": "shop", "config": "prd"}
INFISICAL = {"environment": "dev"}
AWS = {"region": "eu-west-1"}
STORE = {**AWS, **KEYS, "store": True, "pathPrefix": "/kept"}
CONNECT = {"address": "https://connect.example", **TOKEN}

Spec = Mapping[str, Any]

GOOD: Mapping[str, Spec] = {
    "doppler": {"doppler": {**DOPPLER, **TOKEN}},
    "doppler, login": {"doppler": {**DOPPLER, "oidc": ACCOUNT}},
    "infisical": {"infisical": {**INFISICAL, **CLIENT, "projectId": "p"}},
    "infisical, login": {
        "infisical": {**INFISICAL, "kubernetesAuth": ACCOUNT, "projectSlug": "shop"}
    },
    "aws": {"awsSsm": {**AWS, **KEYS}},
    "aws, role": {"awsSsm": {**AWS, "webIdentity": ROLE}},
    "aws, the operator": {"awsSsm": AWS},
    "store": {"awsSsm": STORE},
    "store, key": {"awsSsm": {**STORE, "kmsKeyId": "alias/shop"}},
    "connect": {"onePasswordConnect": CONNECT},
    "account": {"onePasswordServiceAccount": TOKEN},
}

BAD: Mapping[str, tuple[Spec, str]] = {
    "no vault": ({}, "names no vault, or several: write one of awsSsm, doppler"),
    "two vaults": (
        {"doppler": {**DOPPLER, **TOKEN}, "onePasswordConnect": CONNECT},
        "names no vault, or several",
    ),
    "doppler, no credential": (
        {"doppler": DOPPLER},
        "names no credential, or two: write tokenSecretRef or oidc",
    ),
    "doppler, two": (
        {"doppler": {**DOPPLER, **TOKEN, "oidc": ACCOUNT}},
        "names no credential, or two",
    ),
    "doppler, no config": (
        {"doppler": {"project": "shop", **TOKEN}},
        "spec.doppler.config: Required value",
    ),
    "infisical, no project": (
        {"infisical": {**INFISICAL, **CLIENT}},
        "names no project, or two: write projectId or projectSlug",
    ),
    "infisical, two projects": (
        {
            "infisical": {
                **INFISICAL,
                **CLIENT,
                "projectId": "p",
                "projectSlug": "shop",
            }
        },
        "names no project, or two",
    ),
    "infisical, half a client": (
        {"infisical": {**INFISICAL, "clientId": "id", "projectId": "p"}},
        "names no credential, or two: write clientId and clientSecretSecretRef",
    ),
    "infisical, two": (
        {
            "infisical": {
                **INFISICAL,
                **CLIENT,
                "projectId": "p",
                "kubernetesAuth": ACCOUNT,
            }
        },
        "names no credential, or two",
    ),
    "aws, two": (
        {"awsSsm": {**AWS, **KEYS, "webIdentity": ROLE}},
        "names two credentials: write credentialsSecretRef or webIdentity",
    ),
    "aws, no region": ({"awsSsm": KEYS}, "spec.awsSsm.region: Required value"),
    "aws, the operator elsewhere": (
        {"awsSsm": {**AWS, "address": "https://ssm.example"}},
        "names an address or a caBundle and no credential of its own",
    ),
    "store, no path": (
        {"awsSsm": {**AWS, **KEYS, "store": True}},
        "is a store without a pathPrefix: set the path",
    ),
    "key, no store": (
        {"awsSsm": {**AWS, **KEYS, "kmsKeyId": "alias/shop"}},
        "has a kmsKeyId and is no store: set store: true, or leave kmsKeyId out",
    ),
    "key, other characters": (
        {"awsSsm": {**STORE, "kmsKeyId": "alias/sh op"}},
        "spec.awsSsm.kmsKeyId",
    ),
    "connect, no address": (
        {"onePasswordConnect": TOKEN},
        "spec.onePasswordConnect.address: Required value",
    ),
    "no values to select by": (
        {
            "onePasswordServiceAccount": TOKEN,
            "access": {
                "namespaceSelector": {
                    "matchExpressions": [{"key": "team", "operator": "In"}]
                }
            },
        },
        "has no values for In or NotIn",
    ),
    "a field that there is not": (
        {"doppler": {**DOPPLER, **TOKEN, "tokenRef": {}}},
        'unknown field "spec.doppler.tokenRef"',
    ),
}

MOVED: Mapping[str, Spec] = {
    "region": {"region": "eu-central-1"},
    "address": {"address": "https://ssm.example"},
    "no store": {"store": None},
}


def manifest(spec: Spec) -> Body:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "way"},
        "spec": dict(spec),
    }


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_a_connection_that_is_right_is_taken(tenant: Tenant, spec: Spec) -> None:
    tried = ("create", "--dry-run=server", "-f", "-")

    assert "created" in tenant.kubectl(*tried, stdin=json.dumps(manifest(spec)))


@pytest.mark.parametrize(("spec", "words"), BAD.values(), ids=BAD)
def test_a_connection_that_is_wrong_is_refused_and_told_what_to_write(
    tenant: Tenant, spec: Spec, words: str
) -> None:
    said = refusal(tenant, "create", "-f", "-", stdin=json.dumps(manifest(spec)))

    assert words in said


@pytest.mark.parametrize("change", MOVED.values(), ids=MOVED)
def test_a_store_in_which_values_may_be_kept_stays_where_it_is(
    tenant: Tenant, change: Spec
) -> None:
    tenant.apply(manifest({"awsSsm": STORE}))
    patch = json.dumps({"spec": {"awsSsm": change}})

    said = refusal(
        tenant, "patch", "vaultconnection", "way", "--type=merge", "-p", patch
    )

    assert "cannot change, make another VaultConnection" in said
