"""What a form says of components: rows of buttons, checked as Discord checks them.

Menus stand in rows too, and are kept as they come; what else there is, Discord takes with a flag of its own, and here
without a look. Source: docs.discord.com/developers/components/reference.
Proved by `tests/unit/testing/discord/test_components.py`.
"""

from collections.abc import Iterator
from typing import Any

from backscroll.testing.discord.models import Json
from backscroll.testing.discord.routes.call import ApiError, bad_form

ROW, BUTTON, LINK = 1, 2, 5
STYLES = frozenset({1, 2, 3, 4})
WITH_V2 = 1 << 15
ROWS, BUTTONS, ID_LENGTH, LABEL_LENGTH, V2_COUNT = 5, 5, 100, 80, 40


def components_of(form: Json) -> list[Json]:
    """Return a form's components, each numbered as Discord does it.

    Raises: ApiError: 50035; one is none that Discord takes, or two have one `custom_id`.
    """
    given: Any = form.get("components") or []
    if not isinstance(given, list):
        raise bad_form("components", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    if int(form.get("flags") or 0) & WITH_V2:
        if len(given) > V2_COUNT:
            raise _length("components", V2_COUNT)
        return given
    if len(given) > ROWS:
        raise _length("components", ROWS)
    for number, row in enumerate(given):
        _check_row(f"components[{number}]", row)
    ids = [one.get("custom_id") for row in given for one in row["components"] if "custom_id" in one]
    if len(ids) != len(set(ids)):
        raise bad_form("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    return list(_numbered(given))


def _check_row(at: str, row: Any) -> None:
    if not isinstance(row, dict) or row.get("type") != ROW:
        raise bad_form(f"{at}.type", "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).')
    inside = row.get("components")
    if not isinstance(inside, list) or not 1 <= len(inside) <= BUTTONS:
        raise bad_form(f"{at}.components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {BUTTONS} in length.")
    for number, component in enumerate(inside):
        _check(f"{at}.components[{number}]", component)


def _check(at: str, component: Any) -> None:
    if not isinstance(component, dict):
        raise bad_form(at, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    if component.get("type") != BUTTON:
        return _check_id(at, component)
    style, label = component.get("style"), component.get("label")
    if style == LINK:
        if not component.get("url") or "custom_id" in component:
            raise bad_form(f"{at}.url", "BUTTON_COMPONENT_INVALID_URL", "A link has an url, and no custom id")
    elif style not in STYLES:
        raise bad_form(f"{at}.style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5).")
    else:
        _check_id(at, component)
    if not component.get("emoji") and not label:
        raise bad_form(at, "BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED", "A button must have a label or emoji")
    if label is not None and (not isinstance(label, str) or len(label) > LABEL_LENGTH):
        raise _length(f"{at}.label", LABEL_LENGTH)
    return None


def _check_id(at: str, component: Json) -> None:
    custom_id = component.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise bad_form(f"{at}.custom_id", "COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required")
    if len(custom_id) > ID_LENGTH:
        raise _length(f"{at}.custom_id", ID_LENGTH)


def _numbered(rows: list[Json]) -> Iterator[Json]:
    number = 0
    for row in rows:
        number += 1
        shown: Json = {"type": ROW, "id": number, "components": []}
        for component in row["components"]:
            number += 1
            shown["components"].append({"id": number, **component})
        yield shown


def _length(at: str, most: int) -> ApiError:
    return bad_form(at, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length.")
