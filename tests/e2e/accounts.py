"""ServiceAccounts as which the operator logs in to vaults."""

import json

from tests.controlplane import ControlPlane, ControlPlaneError
from tests.e2e import infisical as of_infisical
from tests.e2e import vaults as of_doppler
from tests.e2e.infisical import Infisical
from tests.e2e.operator import NAMESPACE, ROOT
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import Doppler
from tests.vaults.doppler_state import Identity as DopplerIdentity
from tests.vaults.infisical_state import Identity, Rule
from tests.vaults.reviewer import Reviewer

AUDIENCE = "vaultferry.dev/infisical"
READER = {"name": "reader"}
OPERATOR = f"system:serviceaccount:{NAMESPACE}:vaultferry"
_FOLDER = ROOT / "deploy" / "identities"
_BINDING = ("clusterrolebinding", "vaultferry-identities")


def allow_tokens(plane: ControlPlane) -> None:
    """Give the operator the rights, and wait until they and their limit hold."""
    plane.kubectl("apply", "-k", str(_FOLDER))
    eventually(lambda: _may(plane))
    eventually(lambda: "is no token for a vault" in asked(plane, "default"))


def forbid_tokens(plane: ControlPlane) -> None:
    """Take the rights away, and wait until they are gone."""
    plane.kubectl("delete", *_BINDING, "--ignore-not-found")
    eventually(lambda: not _may(plane))


def take_away(plane: ControlPlane) -> None:
    """Take away all of what `allow_tokens` gave."""
    plane.kubectl("delete", "-k", str(_FOLDER), "--ignore-not-found")


def asked(plane: ControlPlane, namespace: str, *options: str) -> str:
    """Ask for a token of `default` as the operator may; return what is said."""
    command = ("create", "token", "default", f"--as={OPERATOR}", "-n", namespace)
    try:
        return plane.kubectl(*command, *options)
    except ControlPlaneError as refused:
        return str(refused)


def _may(plane: ControlPlane) -> bool:
    """Tell whether the operator may ask for tokens."""
    of = ("create", "serviceaccounts", "--subresource=token")
    try:
        plane.kubectl("auth", "can-i", *of, f"--as={OPERATOR}", "-n", "default")
    except ControlPlaneError:
        return False
    return True


def account(tenant: Tenant, allow: str | None = "token") -> None:
    """Apply the ServiceAccount `reader`, which consents or not."""
    annotations = {} if allow is None else {"vaultferry.dev/allow": allow}
    tenant.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "reader", "annotations": annotations},
        }
    )


def subject(tenant: Tenant) -> str:
    """Return as whom the vaults know it."""
    return f"system:serviceaccount:{tenant.namespace}:reader"


def in_infisical(tenant: Tenant, token: str = "") -> Identity:
    """Return an identity that the ServiceAccount may be, and what it is given."""
    rules = {"shop": [Rule()]}
    who = [subject(tenant)]
    return Identity(subjects=who, audience=AUDIENCE, rules=rules, token=token)


def in_doppler(tenant: Tenant, token: str = "") -> DopplerIdentity:
    """Return an identity that the ServiceAccount may be, and what it is given."""
    audience = "vaultferry.dev/doppler"
    return DopplerIdentity(subject=subject(tenant), audience=audience, token=token)


def to_infisical(vault: Infisical, identity: str = "pod") -> Body:
    """Return the manifest of a connection as the ServiceAccount."""
    auth = {"identityId": identity, "serviceAccountRef": READER}
    by = {"clientId": None, "clientSecretSecretRef": None, "kubernetesAuth": auth}
    return of_infisical.connection(vault, **by)


def to_doppler(vault: Doppler, identity: str = "oidc") -> Body:
    """Return the manifest of a connection as the ServiceAccount."""
    manifest = of_doppler.connection(vault)
    section = manifest["spec"]["doppler"]
    section["oidc"] = {"identityId": identity, "serviceAccountRef": READER}
    del section["tokenSecretRef"]
    return manifest


def reviewer(plane: ControlPlane) -> Reviewer:
    """Return how a vault asks the API server whose a token is."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reviewer"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}
        ],
    }
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    token = plane.kubectl("create", "token", "default", "-n", NAMESPACE).strip()
    assert plane.ca_file is not None
    trusted = plane.ca_file.read_text()
    return Reviewer(server=plane.server, certificate=trusted, token=token)


def keys(plane: ControlPlane) -> Body:
    """Return what the API server's tokens are verified by."""
    found: Body = json.loads(plane.kubectl("get", "--raw", "/openid/v1/jwks"))
    return found
