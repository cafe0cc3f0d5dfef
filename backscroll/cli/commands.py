"""How commands show their help, and how they tell what is wrong with their arguments.

Proved by `tests/scenario/test_cli.py`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from backscroll.adapters.printable import printable

_WORDS = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer.*", re.DOTALL), "it is a whole number"),
    (re.compile(r"Input should be a valid number.*", re.DOTALL), "it is a number"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"it is at least \1"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"it is at most \1"),
)
_KINDS: dict[Any, str] = {int: "N", float: "N", str: "TEXT"}


class Command(TyperCommand):
    """One command."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters as the help shows them."""
        return _plain(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises: typer.BadParameter: one of them is none."""
        with _in_our_words():
            left = super().parse_args(ctx, args)
            for param in self.get_params(ctx):
                _must_be_text(ctx, param)
            return left


class Group(TyperGroup):
    """A command that has commands."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters as the help shows them."""
        return _plain(super().get_params(ctx))


class Commands(typer.Typer):
    """Such commands, and groups of them."""

    def __init__(self, *, cls: type[TyperGroup] = Group, **more: Any) -> None:
        super().__init__(cls=cls, **more)

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **more: Any
    ) -> Callable[[Any], Any]:
        """Register a command, as typer.Typer does."""
        return super().command(name, cls=cls or Command, **more)


def _plain(params: list[Any]) -> list[Any]:
    """Show no kind for a flag or an argument, and a word for a number or a text in place of Python's name."""
    for param in params:
        kind = getattr(param, "type_descriptor", None)  # older releases of typer name kinds otherwise
        if isinstance(param, TyperOption):
            param.metavar = param.metavar or ("" if param.is_flag else _KINDS.get(getattr(kind, "annotation", None)))
        elif kind is not None and not kind.is_choice:
            param.display_type_rich = _nothing
    return params


def _must_be_text(ctx: Any, param: Any) -> None:
    """Refuse bytes that are no UTF-8: no storage has them, and only paths may.

    Raises: typer.BadParameter
    """
    value = ctx.params.get(param.name)
    for text in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else ():
        if isinstance(text, str) and not _is_utf_8(text):
            raise typer.BadParameter("it is no UTF-8", ctx=ctx, param=param)


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nothing(ctx: Any) -> None:
    """Stand for the kind of an argument, whose name says it."""


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as error:
        for pattern, words in _WORDS:
            error.message = printable(pattern.sub(words, error.message))
        raise
