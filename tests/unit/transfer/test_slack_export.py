"""An export becomes the threads that the bot would have kept, and what it has kept already is found in it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backscroll.adapters.slack.translate import Us, message_event, translate
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.cli.slack_export import translator
from backscroll.errors import StorageRefusedError
from backscroll.storage import sql
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.memory import Provider as Memory
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.transfer import slack_export
from backscroll.transfer.slack_archive import SlackArchive
from backscroll.transfer.slack_export import SlackImport, SlackOptions, SlackReport, workspace_of
from tests.payloads.slack import load
from tests.unit.transfer.conftest import refusing
from tests.unit.transfer.slack_exports import Json, said, write_export

ROOT = ThreadKey("slack", "T1", "C1", "1709290800.000100")
US = Us("T1", "UBOT", "BBOT", "A1")
THREAD = [
    said("1709290800.000100", "is it <@UBOT> out?", thread_ts="1709290800.000100", reply_count=2),
    said("1709290801.000000", "on <https://x.org|our page>", "U2", thread_ts="1709290800.000100"),
]
FILE = {
    "id": "F1",
    "name": "plan.pdf",
    "mimetype": "application/pdf",
    "size": 12,
    "url_private": "https://files.slack.com/files-pri/T1-F1/plan.pdf?t=xoxe-1-secret",
}


class Known:
    """Knows a few names."""

    def __init__(self, **names: str) -> None:
        self.names = names

    def person(self, user_id: str) -> str | None:
        return self.names.get(user_id)

    def channel(self, channel_id: str) -> str | None:
        return self.names.get(channel_id)


@pytest.fixture
async def provider(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[StorageProvider]:
    """Give a SQLite database of the test's own."""
    path = shutil.copy(sqlite_template, tmp_path / "kept.db")
    made = sql.Provider(f"sqlite:///{path}")
    await made.initialize()
    yield made
    await made.close()


async def imported(
    provider: StorageProvider,
    path: Path,
    options: SlackOptions | None = None,
    *,
    bot: str | None = "UBOT",
    agent_view: bool = False,
) -> SlackReport:
    with SlackArchive(path) as archive:
        reading = translator(archive, "T1", bot, has_threads_in_dms=agent_view)
        return await SlackImport(provider, archive, reading, options).run()


async def thread_at(provider: StorageProvider, key: ThreadKey) -> Thread:
    thread = await provider.get_by_alias(key.alias)
    assert thread is not None
    return thread


async def texts_at(provider: StorageProvider, key: ThreadKey) -> list[str]:
    return [message.text for message in (await thread_at(provider, key)).messages]


def told(message: Message) -> dict[str, Any]:
    """Return what of a message the bot and an import have to have alike."""
    return message.model_dump(mode="json", exclude={"id", "updated_at", "edited_at"}) | {"reactions": message.reactions}


# The same as the bot's


async def test_import_makes_the_thread_that_the_bot_would_keep(provider: StorageProvider, tmp_path: Path) -> None:
    here: Json = {"thread_ts": ROOT.thread}
    blocks = load("app_posted")["event"].get("blocks")
    file = FILE | {"url_private": "https://x.org/a"}
    day = [
        said("1709290800.000100", "is it &lt;out&gt;, <@U2>?", files=[file], **here),
        said("1709290801.000000", "", "U2", blocks=blocks, **here),
        said("1709290802.000000", "see <#C1>", reactions=[{"name": "+1", "users": ["U2", "U1"], "count": 2}], **here),
        said("1709290803.000000", "so it is", subtype="thread_broadcast", root={"ts": "1"}, **here),
        {"type": "message", "subtype": "bot_message", "bot_id": "B9", "text": "green", "ts": "1709290804.000000"}
        | here,
        said("1709290805.000000", "the answer", "UBOT", bot_id="BBOT", **here),
        said("1709290806.000000", "waves", subtype="me_message", **here),
    ]
    path = write_export(tmp_path / "e.zip", d2024_03_01=day)
    await imported(provider, path)

    other = sql.Provider(f"sqlite:///{tmp_path / 'other.db'}")
    await other.initialize()
    manager = ConversationManager(other, Policy(record="all"))
    with SlackArchive(path) as archive:
        known = Known(U1="anna", U2="Ben B.", UBOT="helper", C1="general")
        for message in archive.messages(archive.channels[0]):
            for event in message_event(message, "C1", US, known, is_direct=False, late=False):
                await manager.record(event)
    mine, theirs = await thread_at(provider, ROOT), await thread_at(other, ROOT)
    await other.close()

    assert [told(message) for message in mine.messages] == [told(message) for message in theirs.messages]
    assert len(mine.messages) == 7
    differing = {"id", "created_at", "updated_at", "messages", "reactions"}
    assert mine.model_dump(exclude=differing) == theirs.model_dump(exclude=differing)
    assert mine.created_at == mine.messages[0].created_at
    assert mine.updated_at == mine.messages[-1].created_at


@pytest.mark.parametrize(
    ("name", "list_file", "folder"),
    [("message_in_thread", "channels.json", "general"), ("direct_message", "dms.json", "D1")],
)
async def test_import_uses_the_key_and_id_of_a_recorded_event(
    provider: StorageProvider, tmp_path: Path, name: str, list_file: str, folder: str
) -> None:
    payload = load(name)
    event = payload["event"]
    posted: Any = translate(payload, US, Known())[0]
    members = {list_file: [{"id": event["channel"], "name": "general"}], f"{folder}/2024-03-01.json": [event]}
    members |= {} if folder == "general" else {f"{event['channel']}/2024-03-01.json": [event]}
    await imported(provider, write_export(tmp_path / "e.zip", members))

    found = await provider.find_external(posted.external)
    assert found is not None
    assert found[1].text == posted.text
    assert posted.key.alias in await provider.get_thread_aliases(found[0])


async def test_direct_message_is_one_thread_with_threads_of_its_own(provider: StorageProvider, tmp_path: Path) -> None:
    day = [said("1.0", "hi"), said("2.0", "more", "UBOT"), said("3.0", "in a thread", thread_ts="1.0")]
    path = write_export(tmp_path / "e.zip", {"dms.json": [{"id": "D1"}], "D1/2024-03-01.json": day})
    await imported(provider, path)
    assert await texts_at(provider, ThreadKey("slack", "T1", "D1", "D1")) == ["hi", "more"]
    assert await texts_at(provider, ThreadKey("slack", "T1", "D1", "1.0")) == ["in a thread"]


async def test_direct_message_of_the_agents_view_begins_a_thread(provider: StorageProvider, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", {"dms.json": [{"id": "D1"}], "D1/2024-03-01.json": [said("1.0", "hi")]})
    await imported(provider, path, agent_view=True)
    assert await texts_at(provider, ThreadKey("slack", "T1", "D1", "1.0")) == ["hi"]


async def test_thread_of_several_days_is_one(provider: StorageProvider, tmp_path: Path) -> None:
    late = said("1709400000.000000", "still here", thread_ts="1709290800.000100")
    await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=THREAD, d2024_03_02=[late]))
    thread = await thread_at(provider, ROOT)
    assert [message.sequence for message in thread.messages] == [1, 2, 3]
    assert thread.title == "is it @helper out?"
    assert thread.messages[1].text == "on [our page](https://x.org)"


async def test_thread_is_one_also_where_it_is_merged_in_pieces(
    provider: StorageProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_export, "HELD_COUNT", 7)
    monkeypatch.setattr(slack_export, "BATCH_COUNT", 3)
    day = [said(f"{number}.0", str(number), thread_ts="1.0") for number in range(1, 20)]
    report = await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))
    thread = await thread_at(provider, ThreadKey("slack", "T1", "C1", "1.0"))
    assert [(message.sequence, message.text) for message in thread.messages] == [(n, str(n)) for n in range(1, 20)]
    assert not any("backfilled" in message.attributes for message in thread.messages)
    assert (report.new_threads, report.new_messages) == (1, 19)


async def test_edited_message_says_so_and_has_no_version(provider: StorageProvider, tmp_path: Path) -> None:
    day = [said("1.0", "new", edited={"user": "U1", "ts": "5.0"}), said("2.0", "bot's", "UBOT", edited={"ts": "6.0"})]
    await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))
    kept = await provider.find_external(ExternalId("slack", "T1", "C1", "1.0"))
    assert kept is not None
    assert kept[1].edited_at is not None
    assert kept[1].edited_at.timestamp() == 5


async def test_root_that_was_deleted_is_a_tombstone(provider: StorageProvider, tmp_path: Path) -> None:
    root = said("1709290800.000100", "This message was deleted.", "USLACKBOT", thread_ts="1709290800.000100")
    day = [root | {"subtype": "tombstone", "hidden": True}, THREAD[1]]
    await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))
    messages = (await thread_at(provider, ROOT)).messages
    assert [(message.text, message.deleted_at is not None) for message in messages] == [
        ("", True),
        ("on [our page](https://x.org)", False),
    ]


async def test_file_is_kept_by_link_without_the_exports_token(provider: StorageProvider, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "plan", files=[FILE])])
    report = await imported(provider, path)
    (file,) = (await thread_at(provider, ThreadKey("slack", "T1", "C1", "1.0"))).messages[0].attachments
    assert (file.name, file.size_bytes) == ("plan.pdf", 12)
    assert file.location == "https://files.slack.com/files-pri/T1-F1/plan.pdf"
    assert report.files == 1
    assert await provider.list_wanted_files(["slack"]) == []


async def test_file_is_fetched_by_the_bot_where_that_is_wanted(provider: StorageProvider, tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "plan", files=[FILE])])
    await imported(provider, path, SlackOptions(fetches=True))
    (wanted,) = await provider.list_wanted_files(["slack"])
    assert wanted.attachment.name == "plan.pdf"


async def test_thumbs_on_answers_are_feedback_once(provider: StorageProvider, tmp_path: Path) -> None:
    thumbs = [{"name": "+1", "users": ["U1", "U2"]}, {"name": "thumbsup::skin-tone-2", "users": ["U1"]}]
    both = (provider, Memory())
    for reactions in (thumbs, [*thumbs, {"name": "eyes", "users": ["U3"]}]):
        day = [said("1.0", "hi", reactions=thumbs), said("2.0", "more", "UBOT", reactions=reactions)]
        path = write_export(tmp_path / "e.zip", d2024_03_01=day)
        for each in both:
            await imported(each, path)
            found = await each.get_feedback(thumb="up")
            assert sorted(one.user_id or "" for one in found) == ["U1", "U2"]


# What is kept already


async def test_repeat_changes_nothing(provider: StorageProvider, tmp_path: Path) -> None:
    day = [*THREAD, said("3.0", "x", reactions=[{"name": "+1", "users": ["U2"]}], edited={"ts": "4.0"}, files=[FILE])]
    path = write_export(
        tmp_path / "e.zip", {"dms.json": [{"id": "D1"}], "D1/2024-03-01.json": [said("1.0", "a")]}, d2024_03_01=day
    )
    first = await imported(provider, path)
    before = [thread.model_dump() for thread in await provider.list_threads(limit=None)]
    again = await imported(provider, path)
    assert (first.new_threads, first.new_messages, first.messages) == (3, 4, 4)
    assert (again.new_threads, again.new_messages, again.changed_messages, again.messages) == (0, 0, 0, 4)
    assert [thread.model_dump() for thread in await provider.list_threads(limit=None)] == before


async def test_thread_that_the_bot_keeps_is_completed_and_stays_its_own(
    provider: StorageProvider, tmp_path: Path
) -> None:
    manager = ConversationManager(provider, Policy())
    mention = {"type": "message", "channel": "C1", "user": "U1", "text": "<@UBOT> now?", "ts": "1709290805.000000"}
    nobody = Known()
    for event in translate({"event": mention | {"thread_ts": ROOT.thread}}, US, nobody):
        await manager.record(event)
    kept = await thread_at(provider, ROOT)
    kept.attributes, kept.title = {"mine": 1}, "Our release"
    async with ThreadStore(provider=provider, closes_provider=False) as store:
        await store.save(kept)
    day = [
        *THREAD,
        said("1709290805.000000", "<@UBOT> now?", thread_ts=ROOT.thread),
        said("1709999999.0", "after", thread_ts=ROOT.thread),
    ]
    report = await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))

    thread = await thread_at(provider, ROOT)
    assert (thread.id, thread.title, thread.attributes) == (kept.id, "Our release", {"mine": 1})
    assert [(message.sequence, message.attributes.get("backfilled")) for message in thread.messages] == [
        (1, None),
        (2, True),
        (3, True),
        (4, None),
    ]
    assert (report.new_threads, report.new_messages) == (0, 3)
    assert len(await provider.list_answers(thread_id=thread.id)) == 1  # the mention's own


async def test_kept_answer_keeps_its_words(provider: StorageProvider, tmp_path: Path) -> None:
    answer = said("1709290805.000000", "*whole*", "UBOT", thread_ts=ROOT.thread, bot_id="BBOT")
    await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=[*THREAD, answer]))
    edited = answer | {"text": "a post of it", "edited": {"user": "UBOT", "ts": "1809290805.000000"}}
    await imported(provider, write_export(tmp_path / "f.zip", d2024_03_01=[*THREAD, edited]), bot=None)
    assert (await texts_at(provider, ROOT))[-1] == "*whole*"


async def test_later_edit_of_a_kept_message_stands(provider: StorageProvider, tmp_path: Path) -> None:
    await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "old")]))
    day = [said("1.0", "new", edited={"user": "U1", "ts": "5.0"})]
    report = await imported(provider, write_export(tmp_path / "f.zip", d2024_03_01=day))
    thread = await thread_at(provider, ThreadKey("slack", "T1", "C1", "1.0"))
    versions = await provider.get_message_versions(thread.messages[0].id)
    assert (thread.messages[0].text, [version.content for version in versions]) == ("new", ["old"])
    assert report.changed_messages == 1


async def test_import_that_was_cut_off_is_completed_by_its_repeat(
    provider: StorageProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_export, "HELD_COUNT", 4)
    monkeypatch.setattr(slack_export, "BATCH_COUNT", 2)
    day = [said(f"{number}.0", str(number), thread_ts="1.0") for number in range(1, 11)]
    path = write_export(tmp_path / "e.zip", d2024_03_01=day)

    def stop(report: SlackReport) -> None:
        if report.new_messages >= 6:
            raise InterruptedError

    with SlackArchive(path) as archive:
        reading = translator(archive, "T1", None, has_threads_in_dms=False)
        with pytest.raises(InterruptedError):
            await SlackImport(provider, archive, reading, went_on=stop).run()
    report = await imported(provider, path)
    assert report.new_messages == 4
    assert await texts_at(provider, ThreadKey("slack", "T1", "C1", "1.0")) == [str(number) for number in range(1, 11)]


# What is left out


async def test_what_is_no_message_is_counted_and_the_rest_goes_on(provider: StorageProvider, tmp_path: Path) -> None:
    day: list[Json] = [
        7,
        None,
        said("no time", "x"),
        said("1.0", "x", user=""),
        {"type": "message", "ts": "2.0", "text": "nobody's"},
        said("3.0", "joined", subtype="channel_join"),
        said("4.0", "x", reactions=[{"name": "e" * 501, "users": ["U1"]}]),
        said("5.0", "kept \x00 \ud800"),
        said("5.0", "kept \x00 \ud800"),
    ]
    report = await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))
    assert dict(report.left_out) == {"malformed": 6, "said_by_slack": 1, "repeated": 1}
    assert await texts_at(provider, ThreadKey("slack", "T1", "C1", "5.0")) == ["kept \ufffd \ufffd"]


async def test_lone_messages_can_be_left_out(provider: StorageProvider, tmp_path: Path) -> None:
    members = {"dms.json": [{"id": "D1"}], "D1/2024-03-01.json": [said("1.0", "direct")]}
    path = write_export(tmp_path / "e.zip", members, d2024_03_01=[*THREAD, said("9.0", "alone")])
    report = await imported(provider, path, SlackOptions(only_threads=True))
    assert report.left_out == {"alone": 1}
    assert report.new_messages == 3


async def test_channels_can_be_chosen_by_name_and_id(provider: StorageProvider, tmp_path: Path) -> None:
    members = {"groups.json": [{"id": "G1", "name": "board"}], "board/2024-03-01.json": [said("1.0", "secret")]}
    path = write_export(tmp_path / "e.zip", members, d2024_03_01=THREAD)
    assert (await imported(provider, path, SlackOptions(channels=["G1"]))).new_messages == 1
    assert (await imported(provider, path, SlackOptions(channels=["general"]))).new_messages == 2


async def test_thread_that_the_storage_refuses_costs_no_other(provider: StorageProvider, tmp_path: Path) -> None:
    day = [said("1.0", "kept"), said("2.0", "refused"), *THREAD]
    with refusing(tmp_path / "kept.db", "content = 'refused'"):
        report = await imported(provider, write_export(tmp_path / "e.zip", d2024_03_01=day))
    assert report.left_out == {"refused": 1}
    assert (report.messages, report.new_threads, report.new_messages) == (3, 2, 3)


# Whose it is


@pytest.mark.parametrize(("teams", "workspace"), [(["T1", "T1", "T2"], "T1"), (["T1", "T2"], None), ([], None)])
def test_workspace_is_that_of_most_people(tmp_path: Path, teams: list[str], workspace: str | None) -> None:
    users = [{"id": f"U{number}", "team_id": team} for number, team in enumerate(teams)]
    with SlackArchive(write_export(tmp_path / "e.zip", {"users.json": users})) as archive:
        if workspace is not None:
            assert workspace_of(archive) == workspace
        else:
            with pytest.raises(StorageRefusedError, match="--workspace"):
                workspace_of(archive)
