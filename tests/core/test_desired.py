import pytest

from tests.builders import NAME, NAMESPACE, OWNER, UID, desired, vault_secret
from vaultferry.core.desired import (
    MAX_DATA,
    Credential,
    check_data,
    check_metadata,
    target_name,
)
from vaultferry.core.errors import KeyInvalid, MetadataNotAllowed, TooLarge


def test_by_default_the_secret_has_the_name_of_the_resource() -> None:
    resource = vault_secret()

    assert target_name(resource, resource.spec) == NAME


def test_a_target_can_have_a_name_and_a_type() -> None:
    wanted = desired(name="other", type="example.com/credential")

    assert (wanted.namespace, wanted.name) == (NAMESPACE, "other")
    assert wanted.type == "example.com/credential"


def test_by_default_the_type_is_that_of_the_credential() -> None:
    assert desired().type == "Opaque"


def test_an_owned_secret_refers_to_its_resource() -> None:
    wanted = desired(creationPolicy="Owner")

    assert wanted.owner == OWNER
    assert wanted.owner_reference == {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "name": NAME,
        "uid": UID,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_an_orphan_refers_to_nobody_but_is_still_ours() -> None:
    wanted = desired(creationPolicy="Orphan")

    assert (wanted.owner, wanted.owner_reference) == (OWNER, None)


@pytest.mark.parametrize("kind", ["labels", "annotations"])
def test_labels_and_annotations_are_checked(kind: str) -> None:
    spec = vault_secret(target={kind: {"example.com/x": "1"}}).spec

    check_metadata(spec, ["example.com"])
    with pytest.raises(MetadataNotAllowed):
        check_metadata(spec, ())


@pytest.mark.parametrize("key", ["a", "A.b_c-9", "-", ".dockercfg", "x" * 253])
def test_keys_that_kubernetes_takes_are_legal(key: str) -> None:
    check_data({key: b"1"})


@pytest.mark.parametrize(
    "key", ["", ".", "..", "..a", "a b", "a/b", "ä", "a\n", "x" * 254]
)
def test_other_keys_are_not(key: str) -> None:
    with pytest.raises(KeyInvalid) as caught:
        check_data({"fine": b"1", key: b"canary"})

    assert len(str(caught.value)) < 300


def test_data_may_reach_the_limit_and_not_pass_it() -> None:
    check_data({"key": b"x" * (MAX_DATA - 3)})

    with pytest.raises(TooLarge, match=f"has {MAX_DATA + 1} bytes"):
        check_data({"key": b"x" * (MAX_DATA - 2)})


def test_what_holds_values_does_not_show_them() -> None:
    credential = Credential({"token": b"canary"}, 1, "f")

    assert "canary" not in f"{credential!r} {desired({'token': b'canary'})!r}"
