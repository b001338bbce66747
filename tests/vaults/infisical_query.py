"""What a request to a fake Infisical asks for, in the spelling of its version."""

import re
from collections.abc import Callable

from tests.vaults.infisical_reading import Wish
from tests.vaults.infisical_state import Refused, Secret
from tests.vaults.message import Answer, Asked

_ONE_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def is_v4(asked: Asked) -> bool:
    """Tell whether it speaks version 4, else it is 3."""
    return asked.path.startswith("/api/v4/")


def wish(asked: Asked) -> Wish:
    """Return the place and the switches, with the defaults of the version."""
    newer = is_v4(asked)
    if not asked.query.get("environment"):
        raise Refused(400, "BadRequest", "Environment is required")
    if newer:
        _flag(asked, "includePersonalOverrides", default=False)
    return Wish(
        environment=asked.query["environment"],
        path=asked.query.get("secretPath", "/"),
        expand=_flag(asked, "expandSecretReferences", default=newer),
        imports=_flag(
            asked, "includeImports" if newer else "include_imports", default=newer
        ),
        recursive=_flag(asked, "recursive", default=False),
        values=_flag(asked, "viewSecretValue", default=True),
        is_v4=newer,
    )


def _flag(asked: Asked, name: str, *, default: bool) -> bool:
    text = asked.query.get(name)
    if text not in {None, "true", "false"}:
        message = [{"code": "invalid_enum_value", "path": [name], "message": "Invalid"}]
        raise Refused(422, "ValidationFailure", message)
    return default if text is None else text == "true"


def wanted_by(asked: Asked) -> Callable[[Secret], bool]:
    """Return what `tagSlugs` and `metadataFilter` let through."""
    tags = {each for each in asked.query.get("tagSlugs", "").split(",") if each}
    pairs = re.findall(
        r"key=([^,|]*),value=([^,|]*)", asked.query.get("metadataFilter", "")
    )

    def wanted(secret: Secret) -> bool:
        has_tag = not tags or not tags.isdisjoint(secret.tags)
        return has_tag and all(secret.metadata.get(k) == v for k, v in pairs)

    return wanted


def given_tag(asked: Asked) -> str:
    """Return the one tag that a request has; several, `*` and bare ones are none."""
    found = _ONE_TAG.fullmatch(asked.headers.get("if-none-match", ""))
    return found[1] if found else ""


def conditional(asked: Asked, body: bytes, tag: str) -> Answer:
    """Answer with a body, or with its tag alone where that is known."""
    headers = {"etag": f'"{tag}"'}
    if given_tag(asked) == tag:
        return Answer(304, headers=headers)
    headers["content-type"] = "application/json; charset=utf-8"
    return Answer(200, body, headers)
