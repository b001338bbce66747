"""What commands print: a table for people, JSON for scripts, colours on a terminal."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

# To the begin of the line, and clear it.
_LINE = "\r\x1b[K"


def parameter() -> click.Parameter:
    """Return the option that chooses between the two."""
    return click.Option(
        ["--output", "-o", "output_as"],
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people, or for scripts.",
    )


def plain(text: str) -> str:
    """Return text that others wrote without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head, the last column as long as it is; nothing for none."""
    if not rows:
        return
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    click.secho(_row(head, wide), bold=True)
    for row in rows:
        click.echo(_row(row, wide))


def say(text: str, *, good: bool) -> None:
    """Print how it ended, beside what scripts read."""
    click.secho(text, fg="green" if good else "red", err=True)


def facts(told: Mapping[str, str]) -> None:
    """Print what is known, each under its name."""
    wide = max(map(len, told))
    for name, text in told.items():
        if text:
            click.echo(f"{click.style(name.ljust(wide), bold=True)}  {plain(text)}")


def done(what: str, namespace: str, name: str, output_as: str) -> None:
    """Print what was done to a VaultSecret."""
    if output_as == "json":
        result = {"namespace": namespace, "name": name, "result": what}
        click.echo(json.dumps(result))
    else:
        click.secho(f"{what} {namespace}/{name}", fg="green")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield what shows how far something is: one line, on a terminal only."""
    on_terminal = sys.stderr.isatty()

    def show(text: str) -> None:
        if on_terminal:
            click.echo(f"{_LINE}{plain(text)}", nl=False, err=True)

    try:
        yield show
    finally:
        if on_terminal:
            click.echo(_LINE, nl=False, err=True)


def _row(cells: Sequence[str], wide: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, wide, strict=True)]
    return "  ".join(padded).rstrip()
