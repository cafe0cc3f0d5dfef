"""What changes on Slack after it was said: edits, deletions and reactions, in whatever order they come."""

import asyncio

import pytest

from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.testing.slack import events
from backscroll.testing.slack.models import Message as Said
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, on_stage

everywhere = pytest.mark.parametrize("mode", MODES)


async def joined(stage: Stage) -> Said:
    """Let the bot join a thread."""
    root = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(stage.general)
    return root


async def text_of(stage: Stage, said: Said) -> str | None:
    await stage.settled()
    kept = await stage.kept(said)
    return None if kept is None else kept.text


async def is_deleted(stage: Stage, said: Said) -> bool:
    await stage.settled()
    kept = await stage.kept(said)
    assert kept is not None
    assert (kept.deleted_at is None) == bool(kept.text)
    return kept.deleted_at is not None


async def reactions_of(stage: Stage, said: Said) -> dict[str, list[str]]:
    await stage.settled()
    kept = await stage.kept(said)
    assert kept is not None
    return kept.reactions


async def unannounced(stage: Stage, root: Said, text: str) -> Said:
    """Say something of which Slack has not told yet."""
    return stage.slack._talk.post(stage.general, stage.anna, text, root=root)


async def announce(stage: Stage, said: Said) -> None:
    """Tell of it."""
    event = events.posted(said) | {"text": "first words", "blocks": []}
    await stage.slack.send_event({name: value for name, value in event.items() if name not in ("edited", "reactions")})


# Edits


@everywhere
@pytest.mark.parametrize("with_previous", [True, False])
async def test_edit_changes_what_is_kept(url: str, mode: Mode, with_previous: bool) -> None:
    async with on_stage(url, mode) as stage:
        root = await joined(stage)
        await stage.slack.edit(root, "goodbye", with_previous=with_previous)
        assert await text_of(stage, root) == "goodbye"
        assert len(stage.slack.posted_by_bot(stage.general)) == 1


async def test_two_edits_in_one_second_leave_the_second(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        await stage.slack.edit(root, "second words")
        await stage.slack.edit(root, "third words")
        assert await text_of(stage, root) == "third words"
        kept = await stage.kept(root)
        assert kept is not None
        versions = await stage.store.provider.get_message_versions(kept.id)
        assert "hello @backscroll" in [version.content for version in versions]


async def test_link_preview_is_no_edit(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        await stage.slack.unfurl(root)
        await stage.settled()
        kept = await stage.kept(root)
        assert kept is not None
        assert (kept.text, kept.edited_at) == ("hello @backscroll", None)


@everywhere
async def test_edit_before_its_message_waits_for_it(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        root = await joined(stage)
        late = await unannounced(stage, root, "first words")
        await stage.slack.edit(late, "last words")
        await stage.slack.quiet()
        await announce(stage, late)
        assert await text_of(stage, late) == "last words"


async def test_edit_of_a_root_with_replies_in_a_direct_message_is_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        dm = stage.slack.open_dm(stage.anna)
        root = await stage.slack.say(stage.anna, dm, "one")
        await stage.answered(dm)
        await stage.slack.say(stage.slack.team.bot, dm, "an aside", thread=root)
        await stage.slack.edit(root, "uno")
        assert await text_of(stage, root) == "uno"


async def test_edit_of_what_is_not_kept_is_forgotten(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.slack.say(stage.anna, stage.general, "lunch?")
        await stage.slack.edit(said, "dinner?")
        await stage.settled()
        assert await stage.threads() == []
        assert await stage.rejected() == []


async def test_edit_of_the_bots_own_answer_changes_nothing_twice(home: Home) -> None:
    async def react_to(turn: Turn) -> str:
        await turn.post("wait")
        return "done"

    async with on_stage(home.sqlite_url, handler=react_to) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(stage.general, 2)
        assert [text for _, text in await stage.said_at(root)] == ["hello @backscroll", "wait", "done"]


# Deletions


@everywhere
@pytest.mark.parametrize("with_previous", [True, False])
async def test_deletion_takes_the_text_away(url: str, mode: Mode, with_previous: bool) -> None:
    async with on_stage(url, mode) as stage:
        root = await joined(stage)
        reply = await stage.slack.say(stage.anna, stage.general, "secret", thread=root)
        await stage.answered(stage.general, 2)
        await stage.slack.delete(reply, with_previous=with_previous)
        assert await is_deleted(stage, reply)


async def test_root_that_becomes_a_tombstone_is_deleted_and_its_replies_stay(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        await stage.slack.delete(root)
        assert await is_deleted(stage, root)
        assert [role for role, _ in await stage.said_at(root)] == ["user", "assistant"]
        await stage.slack.say(stage.anna, stage.general, "still there?", thread=root)
        assert await stage.answered(stage.general, 2) == ["+ hello @backscroll", "+ still there?"]


async def test_answer_that_a_person_deletes_is_deleted_in_what_is_kept(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        (own,) = root.replies
        await stage.slack.delete(own)
        assert await is_deleted(stage, own)
        await stage.settled()
        assert stage.slack.posted_by_bot(stage.general) == []


async def test_deletion_before_its_message_waits_for_it(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        late = await unannounced(stage, root, "first words")
        await stage.slack.delete(late)
        await stage.slack.quiet()
        await announce(stage, late)
        assert await is_deleted(stage, late)
        assert len(stage.slack.posted_by_bot(stage.general)) == 1


async def test_edit_that_comes_after_the_deletion_brings_nothing_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        reply = await stage.slack.say(stage.anna, stage.general, "secret", thread=root)
        await stage.answered(stage.general, 2)
        event = events.changed(reply.shown() | {"text": "secret again"}, reply.shown(), stage.general, reply.ts)
        await stage.slack.delete(reply)
        await stage.slack.quiet()
        await stage.slack.send_event(event)
        assert await is_deleted(stage, reply)


async def test_question_that_is_deleted_while_it_is_answered_leaves_no_text(home: Home) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(turn: Turn) -> str:
        began.set()
        await go.wait()
        return "done"

    async with on_stage(home.sqlite_url, handler=slow) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "secret <@BOT>")
        await began.wait()
        await stage.slack.delete(root)
        await stage.slack.quiet()
        go.set()
        assert await is_deleted(stage, root)


# Reactions


@everywhere
async def test_reactions_come_and_go(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        root = await joined(stage)
        ben = stage.slack.add_user("ben")
        await stage.slack.react(stage.anna, root, "eyes")
        await stage.slack.quiet()
        await stage.slack.react(ben, root, "eyes")
        await stage.slack.react(ben, root, "wave::skin-tone-3")
        assert await reactions_of(stage, root) == {"eyes": [stage.anna.id, ben.id], "wave::skin-tone-3": [ben.id]}
        await stage.slack.unreact(stage.anna, root, "eyes")
        assert await reactions_of(stage, root) == {"eyes": [ben.id], "wave::skin-tone-3": [ben.id]}


async def test_reaction_on_the_bots_answer_is_kept(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        (own,) = root.replies
        await stage.slack.react(stage.anna, own, "+1")
        assert await reactions_of(stage, own) == {"+1": [stage.anna.id]}


async def test_reaction_of_the_bot_is_kept_once(home: Home) -> None:
    async def looking(turn: Turn) -> str:
        await turn.react("eyes")
        return "done"

    async with on_stage(home.sqlite_url, handler=looking) as stage:
        root = await joined(stage)
        assert await reactions_of(stage, root) == {"eyes": [stage.slack.bot_user_id]}


async def test_reaction_before_its_message_waits_for_it(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        late = await unannounced(stage, root, "first words")
        await stage.slack.react(stage.anna, late, "eyes")
        await stage.slack.quiet()
        await announce(stage, late)
        await stage.answered(stage.general, 2)
        assert await reactions_of(stage, late) == {"eyes": [stage.anna.id]}


async def test_removal_that_overtakes_its_reaction_wins(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        added = events.reacted(stage.anna.id, "eyes", root, "1895260715.000100", removed=False)
        removed = events.reacted(stage.anna.id, "eyes", root, "1895260715.000200", removed=True)
        await stage.slack.send_event(removed)
        await stage.slack.quiet()
        await stage.slack.send_event(added)
        assert await reactions_of(stage, root) == {}


@pytest.mark.parametrize("kind", ["file", "file_comment"])
async def test_reaction_on_a_file_is_passed_over(home: Home, kind: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        item = {"type": kind, "file": "F1"}
        event = events.reacted(stage.anna.id, "eyes", root, "1895260715.000100", removed=False) | {"item": item}
        await stage.slack.send_event(event)
        assert await reactions_of(stage, root) == {}
        assert await stage.rejected() == []


async def test_reaction_on_an_unknown_message_is_harmless(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(answer=frozenset())) as stage:
        said = await stage.slack.say(stage.anna, stage.general, "lunch?")
        await stage.slack.react(stage.anna, said, "eyes")
        await stage.settled()
        assert await stage.threads() == []
        assert await stage.rejected() == []
