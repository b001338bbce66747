import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import opened
from vaultferry.core.errors import InvalidSpec, ValueInvalid
from vaultferry.formats import dockerconfigjson

PIN = "1:6fa520f3"

TEXT = st.text(min_size=1)


@settings(deadline=None)
@given(TEXT.filter(lambda text: ":" not in text), TEXT)
def test_dockers_sdk_finds_the_login(real: Tools, username: str, password: str) -> None:
    credential = opened("password", username=username, password=password)

    found = real.read("docker", dockerconfigjson.render(credential))

    login = found["ghcr.io"]
    assert (login["username"], login["password"]) == (username, password)


def test_the_registry_of_docker_itself_is_found(real: Tools) -> None:
    credential = opened("password", {"registry": "https://index.docker.io/v1/"})

    found = real.read("docker", dockerconfigjson.render(credential))

    assert found["https://index.docker.io/v1/"]["password"] == "made-up-password"


def test_a_registry_is_needed() -> None:
    with pytest.raises(InvalidSpec, match=r"^format dockerconfigjson needs spec\.loca"):
        dockerconfigjson.render(opened("password", {}))


def test_a_username_with_a_colon_is_refused() -> None:
    with pytest.raises(ValueInvalid, match=r"^field username has 3 bytes with a : "):
        dockerconfigjson.render(opened("password", username="a:b"))
