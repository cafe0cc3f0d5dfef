from typing import Any

import pytest

from backscroll.adapters.discord.text import emoji_of, emoji_path, read, text_of
from backscroll.adapters.fields import MalformedError


class Known:
    def person(self, user_id: str) -> str | None:
        return {"1": "anna"}.get(user_id)

    def role(self, role_id: str) -> str | None:
        return {"2": "admins"}.get(role_id)

    def channel(self, channel_id: str) -> str | None:
        return {"3": "general"}.get(channel_id)


@pytest.mark.parametrize(
    ("raw", "as_read"),
    [
        ("<@1> and <@!1>", "@anna and @anna"),
        ("<@&2>", "@admins"),
        ("<#3>", "#general"),
        ("<@9> <@&9> <#9>", "<@9> <@&9> <#9>"),
        ("<:smile:123> <a:dance:456> <t:1700000000:R>", "<:smile:123> <a:dance:456> <t:1700000000:R>"),
        ("1 < 2 & <b>", "1 < 2 & <b>"),
        ("<@anna>", "<@anna>"),
    ],
)
def test_mentions_read_as_names_where_they_are_known(raw: str, as_read: str) -> None:
    assert read(raw, Known()) == as_read


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hello", "embeds": [{"title": "a preview"}]}, "hello"),
        ({"content": ""}, ""),
        ({}, ""),
        ({"content": "", "message_snapshots": [{"message": {"content": "forwarded"}}]}, "forwarded"),
        (
            {"content": "", "message_snapshots": [{"message": {"content": "", "sticker_items": [{"name": "wave"}]}}]},
            ":wave:",
        ),
        (
            {
                "content": "",
                "poll": {
                    "question": {"text": "Lunch?"},
                    "answers": [{"poll_media": {"text": "Soup"}}, {"poll_media": {"text": "Salad"}}],
                },
            },
            "Lunch?\n- Soup\n- Salad",
        ),
        (
            {
                "content": "",
                "embeds": [
                    {"title": "Build 7", "description": "failed", "fields": [{"name": "step", "value": "tests"}]},
                    {"image": {"url": "https://example.com/a.png"}},
                ],
            },
            "Build 7\nfailed\nstep\ntests",
        ),
        ({"content": "", "sticker_items": [{"id": "1", "name": "wave"}]}, ":wave:"),
    ],
)
def test_text_is_what_a_person_sees(message: dict[str, Any], text: str) -> None:
    assert text_of(message, "message") == text


@pytest.mark.parametrize(
    "message",
    [
        {"content": 5},
        {"message_snapshots": "x"},
        {"poll": []},
        {"embeds": [5]},
        {"sticker_items": {}},
    ],
)
def test_text_of_another_type_is_malformed(message: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        text_of(message, "message")


@pytest.mark.parametrize(
    ("emoji", "kept"),
    [
        ({"id": None, "name": "👍"}, "👍"),
        ({"id": None, "name": "❤️"}, "❤"),
        ({"id": None, "name": "👍🏽"}, "👍🏽"),
        ({"id": "123", "name": "blob"}, "123"),
        ({"id": "123", "name": None}, "123"),
        ({"id": None, "name": None}, None),
        ({"name": "️"}, None),
    ],
)
def test_emoji_is_kept_by_its_id_or_its_characters(emoji: dict[str, Any], kept: str | None) -> None:
    assert emoji_of(emoji, "emoji") == kept


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("👍", "👍"),
        (" 👍 ", "👍"),
        ("<:blob:123456789012345678>", "blob:123456789012345678"),
        ("<a:blob:123456789012345678>", "blob:123456789012345678"),
        ("blob:123456789012345678", "blob:123456789012345678"),
        ("123456789012345678", "emoji:123456789012345678"),
        ("2", "2"),
    ],
)
def test_emoji_goes_out_as_discord_takes_it(given: str, path: str) -> None:
    assert emoji_path(given) == path
