"""The name of a namespace as an option."""

import re

import click

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Namespace(click.ParamType[str]):
    """The name of a namespace; in the environment a comma stands between two."""

    name = "name"
    envvar_list_splitter = ","

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Take a name as it is written, but for blanks around it."""
        if not _LABEL.fullmatch(value.strip()):
            self.fail("that is no name of a namespace", param, ctx)
        return value.strip()
