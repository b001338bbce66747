import pytest

from vaultferry.core.errors import InvalidSpec, ValueInvalid
from vaultferry.core.kubernetestype import REQUIRED, check

DOCKER = "kubernetes.io/dockerconfigjson"
TLS = "kubernetes.io/tls"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("Opaque", {}),
        ("example.com/credential", {"a": b""}),
        ("kubernetes.io/basic-auth", {"username": b"me"}),
        ("kubernetes.io/basic-auth", {"password": b"1", "more": b"2"}),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": b"1"}),
        (TLS, {"tls.crt": b"1", "tls.key": b"2", "ca.crt": b"3"}),
        (DOCKER, {".dockerconfigjson": b'{"auths": {}}'}),
    ],
)
def test_the_keys_of_a_type_suffice(kind: str, data: dict[str, bytes]) -> None:
    check(kind, data)


@pytest.mark.parametrize(
    ("kind", "data", "needs"),
    [
        ("kubernetes.io/basic-auth", {"token": b"1"}, "username or password"),
        ("kubernetes.io/ssh-auth", {"key": b"1"}, "ssh-privatekey"),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": b""}, "ssh-privatekey"),
        (TLS, {"tls.crt": b"1"}, "tls.crt and tls.key"),
        (TLS, {"tls.key": b"1"}, "tls.crt and tls.key"),
        (DOCKER, {"config.json": b"{}"}, ".dockerconfigjson"),
    ],
)
def test_a_key_that_is_missing_is_named(
    kind: str, data: dict[str, bytes], needs: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        check(kind, data)

    assert str(caught.value).startswith(f"a Secret of type {kind} needs {needs}: ")


@pytest.mark.parametrize("text", [b"canary", b'["canary"]', b"\xff", b"[" * 100_000])
def test_a_docker_configuration_is_a_json_object(text: bytes) -> None:
    with pytest.raises(ValueInvalid) as caught:
        check(DOCKER, {".dockerconfigjson": text})

    said = f"{caught.value}{caught.value.__context__}"
    assert said.startswith(f"key .dockerconfigjson has {len(text)} bytes that are no J")
    assert "canary" not in said


def test_every_type_has_keys() -> None:
    assert all(keys.names for keys in REQUIRED.values())
