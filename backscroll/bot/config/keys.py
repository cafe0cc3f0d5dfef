"""Keys of the configuration, read from a YAML tree by their annotations.

A section is a frozen dataclass: its fields are the keys, their annotations the types, their defaults the defaults. The
keywords of a constructor are read in the same way. Understood are int, float, bool, str, Literal, dataclasses, list,
tuple and frozenset of these, and unions; under any other annotation the value is passed on as it stands.

Knows no key by name. Proved by `tests/unit/bot/test_config.py`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from backscroll.bot.config.faults import Faults, dotted, known, listed, nearest
from backscroll.bot.config.placeholders import is_unquoted_placeholder
from backscroll.bot.config.yaml_lines import Broken, Mapping, Node, Plain, Scalar, Sequence, resolve


@dataclass(frozen=True)
class Between:
    """The least and the greatest number, or number of characters or entries, inclusive."""

    low: float
    high: float


@dataclass(frozen=True)
class Form:
    """What a text must be, in words, and how it is read: `read` gives it as it is kept, or None for another text."""

    expected: str
    hint: str
    read: Callable[[str], str | None]
    got: str = "another text"
    """What stands there instead; a form that refuses one mistake alone can name it."""


@dataclass(frozen=True)
class Source:
    """Marks a needed text that must be something: missing, `null` or empty, it is told where a person gets it."""

    hint: str


class AsWritten:
    """Marks a text that may stand in the file as a number: `007` and `123` are kept as their characters."""


class EmptyIsNone:
    """Marks a text that may be None, and is it when it is empty too."""


Text = Annotated[str, Between(1, 4_000)]
Id = Annotated[str, Between(1, 500), AsWritten()]

UNREADABLE: Any = object()
"""What a node gives whose fault is reported."""


@dataclass(frozen=True)
class Key:
    """What may stand under a key."""

    annotation: Any
    is_required: bool = False


@dataclass(frozen=True)
class _Member:
    """One alternative of a union, with what marks it."""

    type: Any
    marks: tuple[Any, ...]


def keys_of(model: type[Any]) -> dict[str, Key]:
    """Return the keys of a section's dataclass."""
    hints = typing.get_type_hints(model, include_extras=True)
    unset = dataclasses.MISSING
    return {
        field.name: Key(hints[field.name], field.default is unset and field.default_factory is unset)
        for field in dataclasses.fields(model)
    }


def read_keys(section: Mapping, keys: dict[str, Key], where: str, line: int, faults: Faults) -> dict[str, Any]:
    """Return the values that are right, by key; add a fault for each that is unknown, missing or of another type.

    Args: line: where a missing key is reported.
    """
    check_names(section, keys, where, faults)
    values = {}
    for name, key in keys.items():
        entry = section.entries.get(name)
        source = next((mark for mark in _marks(key.annotation) if isinstance(mark, Source)), None)
        if key.is_required and (entry is None or (source is not None and _is_nothing(entry.node))):
            hint = source.hint if source is not None else f"Add it under {where}."
            place = entry.line if entry is not None else line
            faults.add(place, f"{known(where, name)} is needed, and is missing.", hint)
            continue
        if entry is None:
            continue
        value = read_value(entry.node, key.annotation, known(where, name), faults)
        if value is not UNREADABLE:
            values[name] = value
    return values


def check_names(section: Mapping, names: typing.Iterable[str], where: str, faults: Faults) -> None:
    """Add a fault for each key that is none of `names`, with the nearest of them."""
    right = list(names)
    for name, entry in section.entries.items():
        if name in right:
            continue
        meant = nearest(name, right)
        if meant is not None:
            hint = f"Did you mean {known(where, meant)}?"
        elif right:
            hint = f"Known here: {', '.join(right)}."
        else:
            hint = f"{where} has no keys; remove it."
        faults.add(entry.line, f"{dotted(where, name)} is not a known key.", hint)


def read_value(node: Node, annotation: Any, where: str, faults: Faults) -> Any:
    """Return the value of a node as the annotation asks for it, or `UNREADABLE` with at least one fault added."""
    if isinstance(node, Broken):
        return UNREADABLE
    members = list(_members(annotation))
    empty_is_none = any(isinstance(mark, EmptyIsNone) for mark in _marks(annotation))
    is_none = is_empty_variable(node) or (empty_is_none and _is_nothing(node))
    if is_none and any(member.type is None for member in members):
        return None
    for member in members:
        value = _matched(node, member, where, faults)
        if value is not _NO_MATCH:
            return value if value is UNREADABLE else _measured(value, member, node.line, where, faults)
    expected = listed(dict.fromkeys(_expected(member) for member in members if member.type is not None) or ["nothing"])
    faults.add(node.line, f"{where} must be {expected}; got {_got(node, members)}.", _hint(node, members))
    return UNREADABLE


def is_empty_variable(node: Node) -> bool:
    """Tell whether a node is a lone placeholder that came out empty, which is no value where a key may have none."""
    return isinstance(node, Scalar) and node.substituted and not node.text


def as_section(node: Node, where: str, faults: Faults) -> Mapping | None:
    """Return a section's mapping; a key with nothing under it is an empty one. None when it is something else."""
    if isinstance(node, Mapping):
        return node
    if isinstance(node, Scalar) and node.value is None:
        return Mapping(node.line)
    if not isinstance(node, Broken):
        faults.add(node.line, f"{where} must be a mapping; got {_got(node, [])}.", "Indent its keys under it.")
    return None


_NO_MATCH: Any = object()
_LISTS = (list, tuple, frozenset)


def _members(annotation: Any, marks: tuple[Any, ...] = ()) -> Iterator[_Member]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _members(inner, (*marks, *more))
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _members(part, marks)
    else:
        yield _Member(None if annotation is type(None) else annotation, marks)


def _marks(annotation: Any) -> Iterator[Any]:
    for member in _members(annotation):
        yield from member.marks


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value in (None, "")


def _matched(node: Node, member: _Member, where: str, faults: Faults) -> Any:
    wanted, origin = member.type, get_origin(member.type)
    if dataclasses.is_dataclass(wanted):
        if isinstance(node, Mapping) or (isinstance(node, Scalar) and node.value is None):
            return _read_model(node, wanted, where, faults)
        return _NO_MATCH
    if origin in _LISTS:
        return _read_items(node, member, where, faults) if isinstance(node, Sequence) else _NO_MATCH
    if wanted is None or wanted in (int, float, bool, str) or origin is Literal:
        return _read_scalar(node, member) if isinstance(node, Scalar) else _NO_MATCH
    return _as_it_stands(node)


def _read_model(node: Mapping | Scalar, model: Any, where: str, faults: Faults) -> Any:
    section = node if isinstance(node, Mapping) else Mapping(node.line)
    keys = keys_of(model)
    before = faults.count
    values = read_keys(section, keys, where, node.line, faults)
    if faults.count > before or not section.entries.keys() <= values.keys():  # the rest was found while substituting
        return UNREADABLE
    return model(**values)


def _read_items(node: Sequence, member: _Member, where: str, faults: Faults) -> Any:
    item = next(iter(get_args(member.type)), Any)
    values = [read_value(each, item, where, faults) for each in node.items]
    return UNREADABLE if any(value is UNREADABLE for value in values) else get_origin(member.type)(values)


def _read_scalar(node: Scalar, member: _Member) -> Any:
    wanted = member.type
    if get_origin(wanted) is Literal:
        values = (node.value, resolve(node.text)) if node.substituted else (node.value,)
        rights = (
            right for right in get_args(wanted) for value in values if right == value and type(right) is type(value)
        )
        return next(rights, _NO_MATCH)
    if wanted is str:
        if type(node.value) in (int, float) and any(isinstance(mark, AsWritten) for mark in member.marks):
            return node.text
        return node.value if isinstance(node.value, str) else _NO_MATCH
    value = resolve(node.text) if node.substituted else node.value
    if wanted is None:
        return None if value is None else _NO_MATCH
    if wanted is float and type(value) in (int, float):
        return _finite(value)
    return value if type(value) is wanted else _NO_MATCH


def _finite(value: Plain) -> Any:
    try:
        number = float(value)  # type: ignore[arg-type]  # the caller has looked: it is a number
    except OverflowError:
        return _NO_MATCH
    return number if math.isfinite(number) else _NO_MATCH


def _as_it_stands(node: Node) -> Any:
    if isinstance(node, Mapping):
        values: Any = {key: _as_it_stands(entry.node) for key, entry in node.entries.items()}
        return UNREADABLE if UNREADABLE in values.values() else values
    if isinstance(node, Sequence):
        values = [_as_it_stands(item) for item in node.items]
        return UNREADABLE if UNREADABLE in values else values
    return node.value if isinstance(node, Scalar) else UNREADABLE


def _measured(value: Any, member: _Member, line: int, where: str, faults: Faults) -> Any:
    size = len(value) if isinstance(value, Sized) else value
    for mark in member.marks:
        if isinstance(mark, Between) and not mark.low <= size <= mark.high:
            unit = " characters long" if isinstance(value, str) else " entries long" if isinstance(value, Sized) else ""
            fact = f"{where} must be from {mark.low:g} to {mark.high:,.15g}{unit}"
            faults.add(line, f"{fact}; got {'less' if size < mark.low else 'more'}.", "Choose one in this range.")
            return UNREADABLE
        if isinstance(mark, Form):
            value = mark.read(value)
            if value is None:
                faults.add(line, f"{where} must be {mark.expected}; got {mark.got}.", mark.hint)
                return UNREADABLE
    return value


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _expected(member: _Member) -> str:
    if get_origin(member.type) is Literal:
        return listed(str(right) for right in get_args(member.type))
    if dataclasses.is_dataclass(member.type):
        return "a mapping"
    return _NAMES.get(member.type, "a list")


def _got(node: Node, members: list[_Member]) -> str:
    if isinstance(node, Sequence):
        return "a list"
    if not isinstance(node, Scalar):
        return "a mapping"
    if isinstance(node.value, str):
        has_words = any(get_origin(member.type) is Literal for member in members)
        return "an empty text" if not node.value else "another text" if has_words else "text"
    if node.value is None:
        return "nothing"
    return {bool: "true or false", int: "a whole number", float: "a number with a fraction"}[type(node.value)]


def _hint(node: Node, members: list[_Member]) -> str:
    if is_unquoted_placeholder(node):
        return 'Put the placeholder in quotes: "{NAME}".'
    kinds = {get_origin(member.type) or member.type for member in members}
    if not isinstance(node, Scalar) and kinds <= {int, float, bool, str, Literal, None}:
        return f"Write a single value in place of {_got(node, members)}."
    words = [str(right) for member in members if get_origin(member.type) is Literal for right in get_args(member.type)]
    if isinstance(node, Scalar) and isinstance(node.value, str) and (meant := nearest(node.value, words)):
        return f"Did you mean {meant}?"
    if kinds & {*_LISTS}:
        return "Write a list in brackets: [first, second]."
    if kinds & {int, float}:
        return "Write it in digits, without quotes."
    if bool in kinds:
        return "Write true or false, without quotes."
    if str in kinds:
        return "Put it in quotes."
    return f"Write {listed(words)}." if words else "Indent its keys under it."
