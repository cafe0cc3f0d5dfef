from typing import Any

import pytest

from backscroll.adapters.fields import MalformedError
from backscroll.adapters.slack.approvals import Press, asked, decided, press_in
from backscroll.storage.records import Part

PAYLOAD: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1", "team_id": "T2"},
    "container": {"type": "message", "message_ts": "2.000200", "channel_id": "C1", "thread_ts": "1.000100"},
    "channel": {"id": "C1"},
    "message": {"ts": "2.000200", "text": "Sure?", "blocks": [{"type": "actions", "elements": []}]},
    "actions": [{"type": "button", "action_id": "backscroll_approve", "value": "a1"}],
}


def action(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "backscroll_approve", "value": "a1"} | fields


def question(text: str = "Sure?") -> Part:
    return Part("a1", 1, "token", text, "waiting", kind="approval")


def test_question_has_two_buttons_that_name_its_approval() -> None:
    *_, buttons = asked(question())["blocks"]
    shown = [
        (each["text"]["text"], each["action_id"], each["value"], each.get("style")) for each in buttons["elements"]
    ]
    assert shown == [("Yes", "backscroll_approve", "a1", "primary"), ("No", "backscroll_reject", "a1", None)]


def test_question_notifies_nobody_by_accident() -> None:
    post = asked(question("Tell <!channel>?"))
    assert post["text"] == "Tell &lt;!channel&gt;?"
    assert post["blocks"][0]["text"] == "Tell &lt;!channel>?"


@pytest.mark.parametrize(("name", "approved"), [("backscroll_approve", True), ("backscroll_reject", False)])
def test_press_says_who_chose_what_where(name: str, approved: bool) -> None:
    press = press_in(PAYLOAD | {"actions": [action(action_id="other"), action(action_id=name)]})
    assert press == Press("a1", "U1", approved, ("C1", "2.000200"), "1.000100", PAYLOAD["message"])


def test_press_counts_where_slack_does_not_say_below_what() -> None:
    named = {name: PAYLOAD[name] for name in ("user", "actions")}
    assert press_in(named) == Press("a1", "U1", True)


@pytest.mark.parametrize("actions", [[], [action(action_id="draft_this")], [action(action_id=None)]])
def test_press_of_what_is_not_ours_is_none(actions: list[Any]) -> None:
    assert press_in(PAYLOAD | {"actions": actions}) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"actions": None}, "actions is missing."),
        ({"actions": [None]}, "actions[] is missing."),
        ({"actions": [action(value=None)]}, "actions[].value is missing."),
        ({"actions": [action(value=["xyzzy"])]}, "actions[].value is a str, got list."),
        ({"user": "xyzzy"}, "user is a dict, got str."),
        ({"user": {}}, "user.id is missing."),
        ({"message": {"blocks": "xyzzy"}}, "message.blocks is a list, got str."),
        (
            {"container": {"message_ts": "xyzzy"}},
            "container.message_ts is a timestamp such as 1712345678.000100, got another text.",
        ),
    ],
)
def test_malformed_press_is_told_without_what_stood_there(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        press_in(PAYLOAD | fields)
    assert str(caught.value) == reason


def test_decided_question_keeps_its_words_and_loses_its_buttons() -> None:
    words = {"type": "markdown", "text": "Sure?"}
    post = {"text": "Sure?", "blocks": [words, None, {"type": "actions", "elements": []}]}
    changed = decided(Press("a1", "U<1", True, ("C1", "2.0"), None, post))
    below = {"type": "context", "elements": [{"type": "mrkdwn", "text": "<@U&lt;1>: Yes"}]}
    assert changed == {"text": "Sure?", "blocks": [words, below]}


def test_press_shows_no_text_in_its_repr() -> None:
    press = press_in(PAYLOAD)
    assert "Sure?" not in repr(press)
