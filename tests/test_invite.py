"""The link in docs/discord.md that invites the bot asks for what the program uses, and for no more."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from discord import Permissions

from backscroll import Attachment, Message, Turn
from backscroll.testing.discord.models import PERMISSIONS
from tests.scenario.discord import on_stage

PAGE = (Path(__file__).parents[1] / "docs/discord.md").read_text()


def listed_permissions() -> list[str]:
    """Return what the page lists, as discord.py calls it."""
    (table,) = re.findall(r"^ +\| permission \| for \|\n(.*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    names = re.findall(r"^ +\| (\w[\w ]+) \| \S", table, re.MULTILINE)
    return [name.lower().replace(" ", "_").replace("view_channels", "view_channel") for name in names]


async def answer(turn: Turn) -> Message:
    """Answer with all that needs a permission."""
    await turn.react("👀")
    return Message(role="assistant", content="yes", attachments=[Attachment(name="a.txt", content=b"a")])


def test_link_asks_for_what_is_listed() -> None:
    (link,) = re.findall(r"https://discord\.com/oauth2/\S+", PAGE)
    asked = parse_qs(urlsplit(link).query)

    assert asked["scope"] == ["bot applications.commands"]
    assert int(asked["permissions"][0]) == Permissions(**dict.fromkeys(listed_permissions(), True)).value


@pytest.mark.parametrize("is_voice", [False, True], ids=["text", "voice"])
async def test_listed_permissions_are_enough(is_voice: bool, tmp_path: Path) -> None:
    async with on_stage(f"sqlite:///{tmp_path}/bot.db", handler=answer) as stage:
        place = stage.discord.add_channel("place", "voice" if is_voice else "text")
        stage.discord.forbid(place, *(PERMISSIONS.keys() - {name.upper() for name in listed_permissions()}))
        asked = await stage.discord.say(stage.anna, place, "<@BOT> hello")

        assert await stage.answered(asked, 2) == ["yes", ""]
        assert list(stage.discord.reactions(asked)) == ["👀"]


@pytest.mark.parametrize(
    "permission", ["send_messages_in_threads", "create_public_threads", "attach_files", "add_reactions"]
)
async def test_listed_permission_is_needed(permission: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert permission in listed_permissions()
    async with on_stage(f"sqlite:///{tmp_path}/bot.db", handler=answer) as stage:
        stage.discord.forbid(stage.general, permission.upper())
        await stage.discord.say(stage.anna, stage.general, "<@BOT> hello")

        await stage.until(lambda: "code 50013" in caplog.text)
