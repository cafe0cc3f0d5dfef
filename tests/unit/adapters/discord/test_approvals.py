"""The buttons of an approval, and a press of one as Discord tells of it."""

import json
from typing import Any

import pytest

from backscroll.adapters.discord.approvals import Press, buttons, pressed
from backscroll.adapters.fields import MalformedError
from backscroll.errors import AdapterError
from backscroll.storage.values import new_id

ID = f"{new_id()}.approval.12"
CANARY = "xyzzy-4711"


def told(**fields: Any) -> dict[str, Any]:
    """Make a press of "Yes" in a server, with fields replaced."""
    press = {
        "id": "846462639134605312",
        "application_id": "845027738276462632",
        "type": 3,
        "token": "a_token",
        "version": 1,
        "channel_id": "345626669114982999",
        "guild_id": "290926798626357999",
        "data": {"component_type": 2, "custom_id": f"backscroll:yes:{ID}", "id": 2},
        "member": {"user": {"id": "53908232506183680", "username": "mason"}, "roles": [], "permissions": "0"},
        "message": {"id": "846455386004750356", "content": "Shall I?"},
    }
    return press | fields


def carrying(custom_id: Any) -> dict[str, Any]:
    return told(data={"component_type": 2, "custom_id": custom_id})


@pytest.mark.parametrize(("number", "approved"), [(0, True), (1, False)])
def test_button_carries_what_its_press_tells(number: int, approved: bool) -> None:
    (row,) = buttons(ID)
    press = pressed(carrying(row["components"][number]["custom_id"]))
    assert press == Press("846462639134605312", "a_token", ID, "53908232506183680", approved)


def test_buttons_are_yes_and_no() -> None:
    (row,) = buttons(ID)
    assert row["type"] == 1
    assert [(each["label"], each["style"]) for each in row["components"]] == [("Yes", 3), ("No", 4)]
    assert all(each["type"] == 2 and len(each["custom_id"]) <= 100 for each in row["components"])


def test_buttons_refuse_an_id_that_they_cannot_carry() -> None:
    assert buttons("x" * 85)
    with pytest.raises(AdapterError, match="of 86 characters"):
        buttons("x" * 86)


def test_press_in_direct_messages_is_read() -> None:
    direct = {name: value for name, value in told(user={"id": "7"}).items() if name not in ("member", "guild_id")}
    press = pressed(direct)
    assert press is not None
    assert press.user_id == "7"


def test_press_does_not_show_its_token() -> None:
    assert "a_token" not in repr(pressed(told()))


@pytest.mark.parametrize(
    "press",
    [
        told(type=1),
        told(type=2),
        told(type=4),
        told(type=5),
        told(type=9_000),
        carrying("click_one"),
        carrying(""),
        carrying("backscrolls:yes:1"),
        carrying(f"{CANARY}:backscroll:yes:1"),
    ],
)
def test_press_of_what_is_not_ours_is_none(press: dict[str, Any]) -> None:
    assert pressed(press) is None


MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("type is missing", {name: value for name, value in told().items() if name != "type"}),
    ("type is a text", told(type="3")),
    ("data is null", told(data=None)),
    ("data is a text", told(data=CANARY)),
    ("data is empty", told(data={})),
    ("custom_id is a list", carrying([CANARY])),
    ("custom_id is a number", carrying(5)),
    ("custom_id has no choice", carrying("backscroll")),
    ("custom_id has an odd choice", carrying(f"backscroll:{CANARY}:{ID}")),
    ("custom_id has no approval", carrying("backscroll:yes:")),
    ("id is a number", told(id=846462639134605312)),
    ("id is of a path", told(id="../../users/@me")),
    ("token is missing", told(token=None)),
    ("token is of a path", told(token=f"{CANARY} /..")),
    ("member is a text", told(member=CANARY)),
    ("member has no user", told(member={"nick": CANARY})),
    ("user is a list", told(member={"user": [CANARY]})),
    ("user has no id", told(member={"user": {"username": CANARY}})),
    ("user's id is a word", told(member={"user": {"id": CANARY}})),
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_malformed_press_is_refused_without_what_stands_there(number: int) -> None:
    name, press = MALFORMED[number]
    with pytest.raises(MalformedError) as caught:
        pressed(json.loads(json.dumps(press)))
    assert CANARY not in str(caught.value), name
