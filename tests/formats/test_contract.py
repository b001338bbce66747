"""What every module of the folder promises, and what they do together."""

from collections.abc import Mapping
from importlib import import_module

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.formats import samples
from tests.formats.samples import SAMPLES, opened
from tests.secrettypes.good import module_of
from vaultferry import formats, secrettypes
from vaultferry.core import template
from vaultferry.core.desired import check_data
from vaultferry.core.errors import InvalidSpec, KeyInvalid, ValueInvalid
from vaultferry.core.location import Location
from vaultferry.core.opened import Opened
from vaultferry.core.vaultsecret import Target

ALL = {name: formats.load(name) for name in formats.names()}
CASES = {
    f"{name} of {sample}": (name, sample)
    for name in ALL
    for sample in SAMPLES
    if ALL[name].takes(SAMPLES[sample].kind)
}
CANARY = b"canary-7d1f"

every = pytest.mark.parametrize("name", ALL)
every_case = pytest.mark.parametrize(("name", "sample"), CASES.values(), ids=CASES)


def target(*names: str, **template: str) -> Target:
    return Target(formats=list(names), template=template)


@every_case
def test_a_rendering_fits_into_a_secret_and_repeats(name: str, sample: str) -> None:
    credential = SAMPLES[sample]
    turned = dict(reversed(list(credential.values.items())))

    once = ALL[name].render(credential)

    check_data(once)
    assert once
    assert all(type(value) is bytes for value in once.values())
    again = ALL[name].render(Opened(credential.kind, turned, credential.location))
    assert again == once


@every_case
def test_a_rendering_leaves_the_values_as_they_are(name: str, sample: str) -> None:
    credential = SAMPLES[sample]
    before = dict(credential.values)

    ALL[name].render(credential).clear()

    assert credential.values == before


@every_case
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_bytes_are_rendered_or_refused_without_being_quoted(
    name: str, sample: str, data: st.DataObject
) -> None:
    credential = SAMPLES[sample]
    around = st.tuples(st.binary(max_size=4), st.binary(max_size=4))
    values = {
        field: CANARY.join(data.draw(around, label=field))
        for field in credential.values
    }

    said = refused(name, Opened(credential.kind, values, credential.location))

    assert CANARY.decode() not in said
    assert not said or said.startswith("field ")


def refused(name: str, credential: Opened) -> str:
    """Return why a credential is refused, with every cause; nothing if it is not."""
    try:
        check_data(ALL[name].render(credential))
    except ValueInvalid as error:
        return f"{error}{error.__cause__ or ''}{error.__context__ or ''}"
    return ""


@every
def test_what_a_format_writes_changes_only_with_its_number(name: str) -> None:
    module = import_module(f"tests.formats.test_{name.replace('-', '_')}")

    assert samples.pin(ALL[name]) == module.PIN, "raise LAYOUT, then PIN"


@every
def test_a_format_has_a_number_and_a_phrase(name: str) -> None:
    assert ALL[name].LAYOUT >= 1
    assert formats.layout(target(name)) == ALL[name].LAYOUT
    assert ALL[name].SUMMARY
    assert not ALL[name].SUMMARY.endswith(".")
    assert "\n" not in ALL[name].SUMMARY


@every
def test_a_format_takes_some_type(name: str) -> None:
    kinds = [secrettypes.load(kind) for kind in secrettypes.names()]

    assert any(ALL[name].takes(kind) for kind in kinds)


def test_the_default_is_there() -> None:
    assert set(formats.DEFAULT) <= set(ALL)
    assert tuple(Target().formats) == formats.DEFAULT


def test_formats_and_templates_are_laid_out_together() -> None:
    wanted = target("fields", "json", line="{{ token }}\n")

    rendering = formats.render(wanted, opened("token", token="1"))

    assert rendering.data == {
        "credentials.json": b'{"token": "1"}',
        "line": b"1\n",
        "token": b"1",
    }
    numbers = ALL["fields"].LAYOUT + ALL["json"].LAYOUT + template.LAYOUT
    assert rendering.layout == formats.layout(wanted) == numbers


def test_a_template_may_stand_alone() -> None:
    rendering = formats.render(target(line="{{ token }}"), opened("token", token="1"))

    assert rendering.data == {"line": b"1"}


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"^spec\.target has no formats and no temp"):
        formats.render(target(), opened("token"))


@pytest.mark.parametrize("name", ["canary", "..fields", "_ini", "aws_config", ""])
def test_a_format_that_is_not_known_is_refused_and_not_quoted(name: str) -> None:
    for use in (formats.layout, lambda t: formats.render(t, opened("token"))):
        with pytest.raises(InvalidSpec, match=r"^spec\.target\.formats is not known"):
            use(target(name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in ALL
        for kind in secrettypes.names()
        if not ALL[name].takes(secrettypes.load(kind))
    ],
)
def test_a_format_for_another_type_is_refused(name: str, kind: str) -> None:
    with pytest.raises(InvalidSpec, match=f"^format {name} is not for type {kind}: t"):
        formats.render(target(name), opened(kind))


@settings(deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.sets(st.sampled_from(sorted(ALL))))
def test_formats_together_are_the_formats_apart(sample: str, names: set[str]) -> None:
    credential = SAMPLES[sample]
    taken = {name for name in names if ALL[name].takes(credential.kind)}
    assume(taken)

    together = formats.render(target(*taken), credential).data

    apart = [ALL[name].render(credential) for name in taken]
    assert together == {key: data[key] for data in apart for key in data}


def test_a_field_in_the_way_of_a_format_is_named() -> None:
    credential = opened("opaque", **{"credentials.json": "canary"})

    with pytest.raises(KeyInvalid, match=r"^key credentials\.json is written by two"):
        formats.render(target("fields", "json"), credential)


def test_a_field_in_the_way_of_a_template_is_named() -> None:
    with pytest.raises(KeyInvalid, match=r"^key token is written by two of"):
        formats.render(target("fields", token="canary"), opened("token"))


def test_renderings_with_keys_of_their_own_are_one() -> None:
    data = formats.together([{"a": b"1"}, {"b": b"2"}, {"a": b"1"}])

    assert data == {"a": b"1", "b": b"2"}


S3_TYPES = [k for k in secrettypes.names() if secrettypes.load(k).s3]


@pytest.mark.parametrize("kind", S3_TYPES)
def test_a_location_that_lacks_a_setting_is_refused_by_its_name(kind: str) -> None:
    needed: tuple[str, ...] = module_of(kind).NEEDS
    bare = Opened(secrettypes.load(kind), opened(kind).values, Location())

    said = without_location(bare)

    words = ", ".join(f"spec.location.{name}" for name in needed)
    assert said == (
        f"type {kind} needs {words} for what spec.target asks for: set it"
        if needed
        else ""
    )
    place = {name: samples.SETTINGS[name] for name in needed}
    assert ALL["aws-config"].render(opened(kind, place))


def without_location(credential: Opened) -> str:
    try:
        ALL["aws-config"].render(credential)
    except InvalidSpec as failure:
        return str(failure)
    return ""


def test_no_repr_shows_a_value() -> None:
    credential = opened("token", token="canary")
    rendering = formats.render(target("fields"), credential)

    assert "canary" not in f"{credential!r}{rendering!r}"


def test_the_same_key_with_the_same_value_is_no_clash() -> None:
    values: Mapping[str, bytes] = {"a": b"1"}

    assert formats.together([values, values]) == values
