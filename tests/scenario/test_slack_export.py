"""Slack's own export, imported beside a bot that goes on with its threads, and how the command line tells of it."""

import asyncio
import json
from pathlib import Path

import pytest

from backscroll.testing.slack.models import Message as Said
from tests.scenario.conftest import Call
from tests.scenario.program import Home
from tests.scenario.slack import Stage, key_of, on_stage
from tests.unit.transfer.slack_exports import Json, said, write_export

DAY: list[Json] = [
    said("1709290800.000100", "is it out?", thread_ts="1709290800.000100", reply_count=1),
    said("1709290801.000000", "not yet", "U2", thread_ts="1709290800.000100"),
]


def export_of(stage: Stage, path: Path, *messages: Said) -> Path:
    """Write the export that this Slack would make of messages of #general."""
    members: Json = {
        "users.json": [user.shown() for user in (stage.anna, stage.slack.team.bot)],
        "channels.json": [stage.general.shown()],
        f"{stage.general.name}/2024-03-01.json": [message.shown() for message in messages],
    }
    return write_export(path, members)


async def test_bot_goes_on_with_what_was_imported_while_it_runs(home: Home, call: Call, tmp_path: Path) -> None:
    async with on_stage(home.sqlite_url) as stage:
        slack, anna, general = stage.slack, stage.anna, stage.general
        asked = await slack.say(anna, general, "hello <@BOT>")
        await stage.answered(general)
        before = [(message.id, message.text) for message in (await stage.threads())[0].messages]
        root = await slack.say(anna, general, "the *plan* &amp; more")
        reply = await slack.say(anna, general, "is on <https://x.org|our page>", thread=root)
        await slack.quiet()
        assert await stage.thread_at(root) is None

        path = export_of(stage, tmp_path / "export.zip", asked, *asked.replies, root, reply)
        told = await asyncio.to_thread(call, "import", "slack-export", str(path), "--bot", slack.team.bot_user_id)
        assert told.code == 0, told.err
        assert "2 new messages and 1 new thread from 1 channel; 0 kept messages changed." in told.out
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert [(message.id, message.text) for message in kept.messages] == before

        await slack.say(anna, general, "what of it, <@BOT>?", thread=root)
        await stage.answered(general, 2)
        assert await stage.said_at(root) == [
            ("user", "the *plan* & more"),
            ("user", "is on [our page](https://x.org)"),
            ("user", "what of it, @backscroll?"),
            ("assistant", "+ what of it, @backscroll?"),
        ]
        assert [message.text for message in stage.turns[-1].thread.messages][:2] == [
            "the *plan* & more",
            "is on [our page](https://x.org)",
        ]
        assert len(await stage.answers()) == 2


async def test_thread_that_was_imported_is_found_by_its_alias(home: Home, call: Call, tmp_path: Path) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "hello")
        await stage.slack.quiet()
        path = export_of(stage, tmp_path / "export.zip", root)
    await asyncio.to_thread(call, "import", "slack-export", str(path))
    shown = await asyncio.to_thread(call, "show", key_of(root).alias)
    assert "hello" in shown.out


# What the command line tells


def test_report_counts_what_was_kept_and_what_was_left_out(home: Home, call: Call, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", {"x.pdf": b"", "general/2024-03-02.json": b"[7, "}, d2024_03_01=DAY)
    told = call("import", "slack-export", str(path))
    assert (told.code, told.err) == (0, "")
    assert told.out == (
        "2 new messages and 1 new thread from 1 channel; 0 kept messages changed.\n"
        "2 messages were read, with 0 files by link.\n"
        "Left out:\n"
        "  1 message that cannot be read\n"
        "  1 other file\n"
        "  1 file that cannot be read, or not to its end\n"
    )


def test_report_as_json_is_one_object(home: Home, call: Call, tmp_path: Path) -> None:
    joined = said("1709290802.000000", "joined", subtype="channel_join")
    path = write_export(tmp_path / "e.zip", d2024_03_01=[*DAY, joined])
    call("import", "slack-export", str(path))
    told = json.loads(call("import", "slack-export", str(path), "--json").out)
    assert told == {
        "workspace": "T1",
        "channels": 1,
        "messages": 2,
        "new_threads": 0,
        "new_messages": 0,
        "changed_messages": 0,
        "files": 0,
        "of_apps": {},
        "left_out": {"said_by_slack": 1},
    }


def test_words_of_apps_are_told_where_nobody_says_which_is_the_bot(home: Home, call: Call, tmp_path: Path) -> None:
    posted = {"type": "message", "subtype": "bot_message", "bot_id": "BBOT", "text": "so", "ts": "1709290803.000000"}
    day = [*DAY, said("1709290802.000000", "it is", "UBOT", bot_id="BBOT"), posted]
    path = write_export(tmp_path / "e.zip", d2024_03_01=day)
    told = call("import", "slack-export", str(path))
    assert told.err.startswith("2 messages are of apps, kept as what others say: UBOT (helper, 2).\n  If one of them")
    assert call("import", "slack-export", str(path), "--bot", "UBOT").err == ""


def test_workspace_decides_where_the_threads_live(home: Home, call: Call, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", {"users.json": None}, d2024_03_01=DAY)
    refused = call("import", "slack-export", str(path))
    assert (refused.code, "Name it with --workspace" in refused.err) == (3, True)
    assert call("import", "slack-export", str(path), "--workspace", "E7").code == 0
    assert "is it out?" in call("show", "slack:E7:C1:1709290800.000100").out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--workspace", "acme"], "begins with T"),
        (["--bot", "@helper"], "begins with U"),
        (["--channel", "nowhere"], "The export has no channel nowhere."),
    ],
)
def test_argument_that_cannot_be_right_is_refused(
    home: Home, call: Call, tmp_path: Path, arguments: list[str], fault: str
) -> None:
    told = call("import", "slack-export", str(write_export(tmp_path / "e.zip")), *arguments)
    assert (told.code, fault in told.err) == (2, True)


def test_file_that_is_no_export_is_refused_before_the_database_is_touched(
    new_home: Home, call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "e.zip"
    path.write_bytes(b"no")
    told = call("import", "slack-export", str(path))
    assert (told.code, told.err) == (3, "e.zip is no ZIP, or was cut off.\n  Download the export once more.\n")
    assert not (new_home.directory / "backscroll.db").exists()


def test_hostile_texts_of_an_export_stay_texts(home: Home, call: Call, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "\x1b[31m<script>'; DROP TABLE threads")])
    told = call("import", "slack-export", str(path))
    assert "script" not in told.out + told.err
    assert "\x1b" not in call("show", "slack:T1:C1:1.0").out
