from pathlib import Path

import pytest

from benchmarks.settings import UNLIMITED, SettingInvalid, read


def test_without_a_word_a_thousand_objects_rest_for_a_minute() -> None:
    settings = read({})

    assert (settings.sizes, settings.rest_seconds) == ((1000,), 60)
    assert (settings.json, settings.versus) == (None, {})
    assert settings.doppler_limit == UNLIMITED


def test_a_doppler_may_let_through_as_few_calls_as_a_real_one() -> None:
    assert read({"DOPPLER_LIMIT": "480"}).doppler_limit == 480


def test_several_sizes_are_measured_in_their_order() -> None:
    assert read({"N": "1000,10000", "REST": "5"}).sizes == (1000, 10000)


@pytest.mark.parametrize(
    "environ",
    [
        {"N": "many"},
        {"N": "0"},
        {"REST": "-1"},
        {"DOPPLER_LIMIT": "0"},
        {"VERSUS_ESO": "/nowhere/external-secrets"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid):
        read(environ)


def test_another_operator_is_a_binary_and_a_folder_of_its_crds(tmp_path: Path) -> None:
    binary = tmp_path / "controller"
    binary.touch()
    paths = {"VERSUS_SEALED": str(binary), "VERSUS_SEALED_CRDS": str(tmp_path)}

    settings = read(paths | {"VERSUS_SEALED_OPTIONS": "--a --b"})

    assert list(settings.versus) == ["sealed"]
    assert settings.versus["sealed"].options == ("--a", "--b")
