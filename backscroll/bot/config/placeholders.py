"""`{NAME}` and `{NAME:-default}` in a YAML tree, replaced from the environment.

Only scalars that are text are touched, after the YAML is parsed: whatever a variable holds, it stays inside its value.
What was put in is not looked at again. Braces around anything but capitals, digits and underscores are literal, so JSON
needs no care; `{{NAME}}` stands for a literal `{NAME}`.

Knows no key but the adapters' place. Proved by `tests/unit/bot/test_config.py`.
"""

import re
from collections.abc import Mapping as Variables

from backscroll.bot.config.faults import Faults, dotted
from backscroll.bot.config.yaml_lines import Broken, Entry, Mapping, Node, Scalar, Sequence, is_storable

_PLACEHOLDER = r"\{([A-Z_][A-Z0-9_]*)(?::-([^{}]*))?\}"
_LITERAL_OR_PLACEHOLDER = re.compile(r"\{(\{[A-Z_][A-Z0-9_]*(?::-[^{}]*)?\})\}|" + _PLACEHOLDER)
_WHOLE = re.compile(_PLACEHOLDER)
_UNQUOTED = re.compile(r"[A-Z_][A-Z0-9_]*(:-.*)?")


def substitute(node: Node, environment: Variables[str, str], faults: Faults, where: str = "") -> Node:
    """Return the tree with every placeholder replaced; a scalar whose variable is missing becomes `Broken`.

    `:-` gives its default when the variable is not set or empty, as in a shell. Keys are left alone.
    """
    if isinstance(node, Mapping):
        entries = {
            key: Entry(entry.line, substitute(entry.node, environment, faults, dotted(where, key)))
            for key, entry in node.entries.items()
        }
        return Mapping(node.line, entries)
    if isinstance(node, Sequence):
        return Sequence(node.line, tuple(substitute(item, environment, faults, where) for item in node.items))
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    missing = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal missing
        literal, name, default = match.groups()
        if literal is not None:
            return str(literal)
        text = environment.get(name)
        if default is not None and not text:
            return str(default)
        if text is not None and is_storable(text):
            return text
        missing = True
        reason = "which is not set" if text is None else "whose value is not UTF-8"
        faults.add(node.line, f"{where or 'the file'} needs {name}, {reason}.", _way_out(where))
        return ""

    text = _LITERAL_OR_PLACEHOLDER.sub(replaced, node.value)
    if missing:
        return Broken(node.line)
    return Scalar(
        node.line, text, text, substituted=_WHOLE.fullmatch(node.value) is not None, replaced=text != node.value
    )


def is_unquoted_placeholder(node: Node) -> bool:
    """Tell whether YAML read `{NAME}` without quotes, which is a mapping with one key and nothing under it."""
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        return False
    ((key, entry),) = node.entries.items()
    return isinstance(entry.node, Scalar) and entry.node.value is None and _UNQUOTED.fullmatch(key) is not None


def _way_out(where: str) -> str:
    section, _, rest = where.partition(".")
    if section == "adapters" and rest:
        return f"Set it, or remove adapters.{rest.partition('.')[0]}."
    return 'Set it, or give a default: "{NAME:-default}".'
