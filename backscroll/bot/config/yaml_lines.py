"""YAML text as a tree in which every node knows its line.

PyYAML splits the text into events; the tree is built here, because PyYAML's own loaders let the last of two equal keys
win, follow aliases, and read `no` as false and `12:30` as 750. Scalars follow YAML 1.2's core schema. Anchors, aliases
and tags are refused: a configuration needs none, and so no file can grow or run anything when it is read.

Knows neither keys nor the environment. Proved by `tests/unit/bot/test_config.py`.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from backscroll.bot.config.faults import Faults, dotted

MAX_BYTES = 256 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 20

# YAML 1.2.2, section 10.3.2, "Tag resolution" of the core schema.
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGERS = ((re.compile(r"[-+]?[0-9]+"), 10), (re.compile(r"0o[0-7]+"), 8), (re.compile(r"0x[0-9a-fA-F]+"), 16))
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Databases, file names and module names can hold neither.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `text` as it stands in the file, `value` as it is meant.

    `substituted` from one lone placeholder; `replaced`: anything in it comes from the environment.
    """

    line: int
    text: str = field(repr=False)
    value: Plain = field(repr=False)
    substituted: bool = False
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one key, and the key's own line."""

    line: int
    node: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with what stands under them, in the order of the file."""

    line: int
    entries: dict[str, Entry] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """A node whose fault is already reported."""

    line: int


Node = Scalar | Sequence | Mapping | Broken


def resolve(text: str) -> Plain:
    """Return what an unquoted scalar means in YAML's core schema: nothing, true or false, a number, else the text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        for pattern, base in _INTEGERS:
            if pattern.fullmatch(text):
                return int(text if base == 10 else text[2:], base)
    except ValueError:  # Python refuses to read more than 4,300 digits.
        return text
    if _FRACTION.fullmatch(text):
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def is_storable(text: str) -> bool:
    """Tell whether a text is free of NUL and of lone surrogates."""
    return _UNSTORABLE.search(text) is None


def read_yaml(text: str, faults: Faults) -> Node | None:
    """Return the tree of the one document in `text`, or None when the text as a whole could not be read.

    Faults that concern one node are added, and reading goes on; the node is `Broken`. Quick for every text: at most
    `MAX_NODES` nodes and `MAX_DEPTH` levels are built.
    """
    try:
        composer = _Composer(text, faults)
    except yaml.reader.ReaderError as error:
        faults.add(text.count("\n", 0, error.position) + 1, "a control character stands here.", "Remove it.")
        return None
    try:
        return composer.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    # An escape such as "\UFFFFFFFF" or a version number of 5,000 digits leaves PyYAML as one of these.
    except (yaml.YAMLError, ValueError, OverflowError):
        line, column = composer.loader.line + 1, composer.loader.column + 1
    except _TooMuchError:
        return None
    hint = "Look at indentation, quotes, brackets and colons here and on the line before."
    faults.add(line, f"the YAML cannot be read from column {column} on.", hint)
    return None


class _TooMuchError(Exception):
    """The rest of the file is not worth reading; the reason is reported."""


class _Composer:
    """Builds the tree from PyYAML's events, and counts what it builds."""

    def __init__(self, text: str, faults: Faults) -> None:
        # The pure Python loader: the faster one in C is missing from some builds, and places errors differently.
        self.loader: Any = yaml.SafeLoader(text)
        self._faults = faults
        self._count = 0

    def document(self) -> Node:
        self.loader.get_event()
        if self.loader.check_event(yaml.StreamEndEvent):
            return Scalar(1, "", None)
        self.loader.get_event()
        root = self._node("", 0)
        self.loader.get_event()
        if not self.loader.check_event(yaml.StreamEndEvent):
            line = self.loader.peek_event().start_mark.line + 1
            self._faults.add(
                line, "a second document begins here.", "Keep one, without a line of three dashes between."
            )
        return root

    def _node(self, where: str, depth: int) -> Node:
        event = self.loader.get_event()
        line = event.start_mark.line + 1
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            too_much = f"more than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_NODES:,} values"
            self._faults.add(line, f"the file has {too_much}.", "Remove what is no configuration.")
            raise _TooMuchError
        if isinstance(event, yaml.AliasEvent):
            self._refuse(line, where, "is an alias (*), which is not read here", "Write the value out.")
            return Broken(line)
        if event.anchor is not None:
            self._refuse(
                line, where, "has an anchor (&), which is not read here", "Write the value out where it is used."
            )
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, line, where)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(line, where, depth)
        else:
            node = self._mapping(line, where, depth)
        if event.tag is not None:
            self._refuse(line, where, "has a tag (!), which is not read here", "Remove the tag.")
            return Broken(line)
        return node

    def _scalar(self, event: Any, line: int, where: str) -> Node:
        if not is_storable(event.value):
            self._refuse(line, where, "holds NUL or half a character", r"Remove the escape (\0, \ud800 to \udfff).")
            return Broken(line)
        # A plain scalar, `(True, False)` in PyYAML, is resolved; a quoted or block one is text.
        return Scalar(line, event.value, resolve(event.value) if event.implicit[0] else event.value)

    def _sequence(self, line: int, where: str, depth: int) -> Node:
        items = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self._node(where, depth + 1))
        self.loader.get_event()
        return Sequence(line, tuple(items))

    def _mapping(self, line: int, where: str, depth: int) -> Node:
        entries: dict[str, Entry] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            key = self._node(where, depth + 1)
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    self._refuse(key.line, where, "has a list or a mapping as a key", "Write keys as words.")
                self._node(where, depth + 1)
                continue
            name = dotted(where, key.text)
            node = self._node(name, depth + 1)
            if isinstance(
                node, Sequence | Mapping
            ):  # A block begins below its key; the key is what a person looks for.
                node = replace(node, line=key.line)
            entry = Entry(key.line, node)
            if key.text in entries:
                fact = f"{name} is there twice; the first is on line {entries[key.text].line}."
                self._faults.add(key.line, fact, "Keep one of them.")
            else:
                entries[key.text] = entry
        self.loader.get_event()
        return Mapping(line, entries)

    def _refuse(self, line: int, where: str, fact: str, hint: str) -> None:
        self._faults.add(line, f"{where or 'the file'} {fact}.", hint)
