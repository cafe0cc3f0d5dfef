"""Claims for forgetting: a person's words, and messages that are too old."""

import asyncio
from datetime import timedelta
from typing import Any

from backscroll.storage.forgetting import Expiry, Forgotten, Person
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import UNTITLED, Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Recorded
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import (
    KEY,
    arriving,
    asked,
    at,
    begun,
    external,
    got,
    recorded,
    said,
    stored,
    taken,
)

ANNA = Person.parse("slack:T1:U1")
SHA256 = "a" * 64
FILE = Attachment(name="anna.txt", sha256=SHA256, location=f"sha256:{SHA256}")
SECRET = "my name is Anna"
ELSEWHERE = ThreadKey("slack", "T1", "C2", "2.0")
OLD = Expiry("slack", before=at(1_000))


async def told(
    provider: StorageProvider, number: int = 1, text: str = SECRET, user_id: str = "U1", **options: Any
) -> Recorded:
    """Record somebody's message, with what tells of them."""
    seconds = options.pop("seconds", number)
    message = said(
        text,
        source={"type": "user", "id": user_id, "name": user_id.lower()},
        platforms={"slack": {"team": "T1", "channel": "C1", "ts": str(number), "profile": text}},
        attributes={"mentions": {user_id: text}},
        attachments=options.pop("files", []),
        created_at=at(seconds),
    )
    return await recorded(
        provider, number, message=message, user_id=user_id, title=options.pop("title", text), **options
    )


async def forgotten(provider: StorageProvider, person: Person = ANNA, **options: Any) -> Forgotten:
    """Forget a person wherever something of them is."""
    done = Forgotten()
    for thread_id in await provider.list_threads_of(person):
        done += await provider.forget_in_thread(thread_id, person, **options)
    return done


async def expired(provider: StorageProvider, expiry: Expiry = OLD) -> Forgotten:
    """Let all go that is too old, in small steps."""
    done, page = Forgotten(), await provider.find_expired(expiry, limit=2)
    while True:
        done += await provider.clear_messages(page.message_ids)
        if page.is_last:
            return done
        page = await provider.find_expired(expiry, after=page.mark, limit=2)


async def answered(provider: StorageProvider, *, is_finished: bool = True) -> str:
    """Let Anna ask, and the bot quote her; give the answer's message."""
    await told(provider, asks="yes")
    answer = await taken(provider)
    (part,) = await begun(provider, answer, f"You said: {SECRET}")
    if is_finished:
        await finish(provider)
    return part.message_id


async def finish(provider: StorageProvider) -> None:
    """Let the one answer have been sent."""
    (answer,) = await provider.list_answers()
    await provider.mark_sent(answer.id, "one", 1, external(11))
    await provider.finish_answer(answer.id, "one", "sent")


# A person


async def test_forget_leaves_a_tombstone_that_names_nobody(provider: StorageProvider) -> None:
    kept = await told(provider, files=[FILE])
    await provider.record_edit(external(), "I am Anna Smith", at(5))
    done = await forgotten(provider)
    message = await stored(provider, kept.message.id)
    assert (done.threads, done.messages, done.versions, done.files, done.titles) == (1, 1, 1, 1, 1)
    assert (message.sequence, message.role, message.created_at) == (1, "user", at(1))
    assert (message.text, message.attachments, message.attributes, message.name) == ("", [], {}, None)
    assert message.deleted_at is not None
    assert message.source == {"type": "user"}
    assert message.platforms == {"slack": {"team": "T1", "channel": "C1", "ts": "1"}}
    assert await provider.get_message_versions(message.id) == []
    thread = await got(provider, kept.thread_id)
    assert (thread.title, thread.user_id) == (UNTITLED, None)


async def test_forgotten_person_is_found_by_nothing(provider: StorageProvider) -> None:
    await told(provider)
    await forgotten(provider)
    store = ThreadStore(provider=provider)
    assert await store.search_by_content("Anna") == []
    assert await store.search_by_title("Anna") == []
    assert await store.find_messages_by_attribute(["source", "id"], "U1") == []
    assert await provider.list_threads_of(ANNA) == []


async def test_forget_leaves_others_and_the_numbering(provider: StorageProvider) -> None:
    kept = await told(provider, 1, "a plan", "U2")
    await told(provider, 2)
    await told(provider, 3, "fine", "U2")
    assert (await forgotten(provider)).messages == 1
    await told(provider, 4, "go on", "U2")
    thread = await got(provider, kept.thread_id)
    assert [(each.sequence, each.text) for each in thread.messages] == [
        (1, "a plan"),
        (2, ""),
        (3, "fine"),
        (4, "go on"),
    ]
    assert (thread.title, thread.user_id) == ("a plan", "U2")


async def test_nothing_brings_back_what_was_forgotten(provider: StorageProvider) -> None:
    kept = await told(provider)
    await forgotten(provider)
    await told(provider, asks="yes")
    await told(provider, asks="yes", is_late=True)
    await provider.record_edit(external(), SECRET, at(9))
    await provider.record_reaction(external(), "eyes", "U1", added=True, event_at=at(9))
    thread = await got(provider, kept.thread_id)
    assert [(each.text, each.source, each.reactions) for each in thread.messages] == [("", {"type": "user"}, {})]
    assert (thread.title, thread.user_id, await provider.list_answers()) == (UNTITLED, None, [])


async def test_forget_in_thread_tells_in_a_dry_run_what_it_would_do(provider: StorageProvider) -> None:
    message_id = await answered(provider)
    await provider.record_reaction(external(11), "+1", "U1", added=True, event_at=at(20))
    before = (await stored(provider, message_id), await provider.get_feedback())
    dry = await forgotten(provider, with_answers=True, dry_run=True)
    assert (await stored(provider, message_id), await provider.get_feedback()) == before
    assert await forgotten(provider, with_answers=True) == dry
    assert (dry.messages, dry.answers, dry.reactions, dry.feedback) == (1, 1, 1, 1)


async def test_forget_goes_together_with_what_is_said_meanwhile(provider: StorageProvider) -> None:
    kept = await told(provider)
    said_meanwhile = [told(provider, number, str(number), "U2") for number in range(2, 12)]
    await asyncio.gather(provider.forget_in_thread(kept.thread_id, ANNA), *said_meanwhile)
    thread = await got(provider, kept.thread_id)
    assert [each.sequence for each in thread.messages] == list(range(1, 12))
    assert [bool(each.text) for each in thread.messages] == [False] + [True] * 10


async def test_forget_again_finds_nothing(provider: StorageProvider) -> None:
    kept = await told(provider)
    assert await forgotten(provider)
    assert await provider.forget_in_thread(kept.thread_id, ANNA) == Forgotten()
    assert await provider.forget_in_thread("unknown", ANNA) == Forgotten()


async def test_forget_names_nobody_on_a_message_that_was_deleted_before(provider: StorageProvider) -> None:
    kept = await told(provider)
    await provider.record_deletion(external(), at(2))
    done = await forgotten(provider)
    message = await stored(provider, kept.message.id)
    assert (done.messages, message.source, message.deleted_at) == (1, {"type": "user"}, at(2))
    assert (await got(provider, kept.thread_id)).title == UNTITLED


async def test_forget_takes_reactions_and_feedback_that_stand_on_others_messages(provider: StorageProvider) -> None:
    message_id = await answered(provider)
    thread_id = (await got(provider, (await provider.get_message(message_id) or ("",))[0])).id
    for user_id in ("U1", "U2"):
        await provider.record_reaction(external(11), "+1", user_id, added=True, event_at=at(20))
        await provider.add_feedback(thread_id, user_id, message_id=message_id, comment=SECRET)
    await provider.record_reaction(external(11), "eyes", "U1", added=True, event_at=at(20))
    await provider.record_reaction(external(11), "eyes", "U1", added=False, event_at=at(21))
    done = await forgotten(provider)
    assert (done.reactions, done.feedback) == (2, 2)
    assert (await stored(provider, message_id)).reactions == {"+1": ["U2"]}
    assert {each.user_id for each in await provider.get_feedback()} == {"U2"}


async def test_forget_leaves_the_bots_answers_unless_told(provider: StorageProvider) -> None:
    message_id = await answered(provider)
    assert (await forgotten(provider)).answers == 0
    assert (await stored(provider, message_id)).text == f"You said: {SECRET}"


async def test_forget_with_answers_takes_what_the_bot_said_to_them(provider: StorageProvider) -> None:
    message_id = await answered(provider)
    assert (await forgotten(provider, with_answers=True)).answers == 1
    message = await stored(provider, message_id)
    (answer,) = await provider.list_answers()
    assert (message.text, message.deleted_at is None) == ("", False)
    assert [part.text for part in await provider.get_parts(answer.id)] == [""]


async def test_answer_that_failed_keeps_nothing_that_it_would_have_posted(provider: StorageProvider) -> None:
    for number, key in ((1, KEY), (5, ELSEWHERE)):
        await told(provider, number, key=key, asks="yes", seconds=1)
        answer = await taken(provider)
        await begun(provider, answer, "You said: ", SECRET)
        await provider.mark_sent(answer.id, "one", 1, key.message(str(number + 1)))
        await provider.finish_answer(answer.id, "one", "failed")
        if key == KEY:
            await forgotten(provider, with_answers=True)
        else:
            await expired(provider, Expiry("slack", at(1) + timedelta(days=36_500)))
        assert [part.text for part in await provider.get_parts(answer.id)] == ["", ""]


async def test_forget_with_answers_leaves_one_that_is_not_finished_with_its_question(
    provider: StorageProvider,
) -> None:
    message_id = await answered(provider, is_finished=False)
    done = await forgotten(provider, with_answers=True)
    assert (done.messages, done.answers, done.answers_left) == (0, 0, 1)
    assert SECRET in (await stored(provider, message_id)).text
    await finish(provider)
    done = await forgotten(provider, with_answers=True)
    assert (done.messages, done.answers, done.answers_left) == (1, 1, 0)


async def test_forget_takes_the_name_from_decisions(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content="sure?")
    approval = await provider.begin_approval(mine.id, "one", 1, message, ["sure?"], 3_600)
    await provider.suspend_answer(mine.id, "one", approval.id)
    await provider.decide_approval(approval.id, "approved", "U1")
    assert (await forgotten(provider)).approvals == 1
    decided = await provider.get_approval(approval.id)
    assert decided is not None
    assert (decided.outcome, decided.decided_by) == ("approved", None)


async def test_forget_tells_people_apart_by_their_place(provider: StorageProvider) -> None:
    kept = await told(provider)
    people = {"slack:T1:U1": 1, "slack:*:U1": 1, "*:*:U1": 1, "slack:T2:U1": 0, "discord:*:U1": 0, "slack:T1:U": 0}
    found = {
        each: (await provider.forget_in_thread(kept.thread_id, Person.parse(each), dry_run=True)).messages
        for each in people
    }
    assert found == people


async def test_forget_finds_who_writes_in_a_thread_without_a_place(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    await provider.append_message("t", said(SECRET, id="m", source={"type": "user", "id": "U1"}))
    assert not await forgotten(provider)
    assert (await forgotten(provider, Person.parse("*:*:U1"))).messages == 1
    assert ((await stored(provider, "m")).text, (await got(provider, "t")).user_id) == ("", None)


async def test_forget_takes_the_copies_and_the_title_of_a_fork(provider: StorageProvider) -> None:
    kept = await told(provider)
    await provider.fork_thread(kept.thread_id, 0, "fork")
    await forgotten(provider)
    fork = await got(provider, "fork")
    assert (fork.title, [each.text for each in fork.messages], fork.user_id) == (UNTITLED, [""], None)


async def test_forget_takes_a_title_from_all_forks_below(provider: StorageProvider) -> None:
    kept = await told(provider, 1, "fine", "U2", title=SECRET)
    await told(provider, 2)
    await provider.record_edit(external(2), "I say nothing", at(5))
    await provider.fork_thread(kept.thread_id, 1, "whole")
    await provider.fork_thread("whole", 0, "of the fork")
    await provider.fork_thread(kept.thread_id, 0, "before it")
    await provider.fork_thread(kept.thread_id, 1, "named", title="a plan of Bo's")
    await provider.delete_thread("whole")
    dry = await forgotten(provider, dry_run=True)
    assert await forgotten(provider) == dry
    titles = [(await got(provider, each)).title for each in (kept.thread_id, "of the fork", "before it", "named")]
    assert titles == [UNTITLED, UNTITLED, UNTITLED, "a plan of Bo's"]


async def test_forget_takes_a_title_that_nobody_else_explains_when_their_words_are_lost(
    provider: StorageProvider,
) -> None:
    titles = {}
    for number, key, title in ((1, KEY, SECRET), (5, ELSEWHERE, "fine")):
        kept = await told(provider, number, "fine", "U2", key=key, title=title)
        await told(provider, number + 1, key=key)
        await provider.record_deletion(key.message(str(number + 1)), at(9))
        await forgotten(provider)
        titles[title] = (await got(provider, kept.thread_id)).title
    assert titles == {SECRET: UNTITLED, "fine": "fine"}


async def test_forget_drops_files_that_nobody_else_has(provider: StorageProvider) -> None:
    await told(provider, files=[FILE])
    await forgotten(provider)
    assert not await provider.is_file_needed(SHA256)
    assert [file.sha256 for file in await provider.list_dropped_files()] == [SHA256]


async def test_forget_makes_no_thread_newer(provider: StorageProvider) -> None:
    kept = await told(provider)
    before = (await got(provider, kept.thread_id)).updated_at
    await forgotten(provider)
    assert (await got(provider, kept.thread_id)).updated_at == before


async def test_forget_waiting_takes_what_names_them(provider: StorageProvider) -> None:
    for user_id in ("U1", "U2"):
        await provider.record_reaction(external(7), "eyes", user_id, added=True, event_at=at(1))
    names_them = (
        {"text": "hi <@U1>"},
        {"text": "hi\nU1"},
        {"U1": 5},
        {"body": "payload=%7B%22user%22%3A%7B%22text%22%3A%22hi%5CnU1%22%7D%7D"},
        {"payload": '{"text":"\\u0055\\u0031"}'},
    )
    for payload in (*names_them, {"text": "U11", "body": "a=%55%31%31"}):
        await provider.reject_event("slack", "no channel", payload)
    await provider.reject_event("discord", "no channel", {"author": "U1"})
    wanted = Forgotten(early_events=1, rejected_events=len(names_them))
    assert await provider.forget_waiting(ANNA, dry_run=True) == wanted
    assert await provider.forget_waiting(ANNA) == wanted
    assert await provider.forget_waiting(ANNA) == Forgotten()
    assert {event.platform for event in await provider.list_rejected_events()} == {"slack", "discord"}
    kept = await told(provider, 7)
    assert kept.message.reactions == {"eyes": ["U2"]}


# Messages that are too old


async def test_expiry_clears_the_older_and_leaves_the_younger(provider: StorageProvider) -> None:
    kept = await told(provider, 1, files=[FILE])
    for number, seconds in ((2, 999.999999), (3, 1_000), (4, 2_000)):
        await told(provider, number, str(number), seconds=seconds)
    done = await expired(provider)
    thread = await got(provider, kept.thread_id)
    assert (done.messages, done.files, done.titles) == (2, 1, 1)
    assert [(each.sequence, each.text) for each in thread.messages] == [(1, ""), (2, ""), (3, "3"), (4, "4")]
    assert (thread.title, thread.messages[0].source) == (UNTITLED, {"type": "user", "id": "U1", "name": "u1"})
    assert [file.sha256 for file in await provider.list_dropped_files()] == [SHA256]


async def test_merge_of_indexes_leaves_what_stands(provider: StorageProvider) -> None:
    for number, text in enumerate(("one plan", "another plan"), 1):
        await told(provider, number, text, seconds=number * 600)
    await expired(provider)
    await provider.merge_indexes()
    found = await ThreadStore(provider=provider).search_by_content("plan")
    assert [message.text for thread in found for message in thread.messages if message.text] == ["another plan"]


async def test_expiry_takes_all_of_the_thread_whoever_wrote_it(provider: StorageProvider) -> None:
    kept = await told(provider)
    old = at(3)
    await provider.append_message(kept.thread_id, Message(role="tool", id="tool", content="x", created_at=old))
    assert (await expired(provider)).messages == 2
    assert (await stored(provider, "tool")).text == ""


async def test_expiry_is_of_a_platform_or_a_channel(provider: StorageProvider) -> None:
    await told(provider)
    expiries = {
        OLD: 1,
        Expiry("slack", at(1_000), channel="C1"): 1,
        Expiry("slack", at(1_000), channel="C2"): 0,
        Expiry("slack", at(1_000), other_than=frozenset({"C2"})): 1,
        Expiry("slack", at(1_000), other_than=frozenset({"C1"})): 0,
        Expiry("discord", at(1_000)): 0,
    }
    found = {each: len((await provider.find_expired(each)).message_ids) for each in expiries}
    assert found == expiries


async def test_expiry_again_finds_nothing(provider: StorageProvider) -> None:
    kept = await told(provider)
    await expired(provider)
    assert await expired(provider) == Forgotten()
    assert await provider.clear_messages([kept.message.id, "unknown"]) == Forgotten()


async def test_expired_message_is_not_brought_back(provider: StorageProvider) -> None:
    kept = await told(provider)
    await expired(provider)
    again = await told(provider, asks="yes", is_late=True)
    assert (again.is_new, again.asked, again.message.text) == (False, False, "")
    assert await provider.record_edit(external(), SECRET, at(9)) is False
    assert (await stored(provider, kept.message.id)).text == ""


async def test_expiry_leaves_the_question_and_the_posts_of_an_answer_that_is_not_finished(
    provider: StorageProvider,
) -> None:
    message_id = await answered(provider, is_finished=False)
    question = (await provider.find_external(external()) or ("", said()))[1]
    never = Expiry("slack", before=at(1_000) + timedelta(days=36_500))
    assert (await expired(provider, never)).messages == 0
    assert await provider.clear_messages([question.id, message_id]) == Forgotten()
    await finish(provider)
    assert (await expired(provider, never)).messages == 2


async def test_find_expired_goes_on_behind_the_mark_oldest_first(provider: StorageProvider) -> None:
    kept = [await told(provider, number, seconds=10 - number) for number in (1, 2, 3)]
    first = await provider.find_expired(OLD, limit=2)
    second = await provider.find_expired(OLD, after=first.mark, limit=2)
    assert first.message_ids == [kept[2].message.id, kept[1].message.id]
    assert (first.is_last, second.message_ids, second.is_last) == (False, [kept[0].message.id], True)
    assert await provider.find_expired(OLD, after=second.mark) == type(second)([], second.mark, True)


async def test_expiry_leaves_the_title_of_a_thread_in_which_something_stands(provider: StorageProvider) -> None:
    kept = await told(provider, 1, title="Deploy")
    await told(provider, 2, "later", seconds=2_000)
    await expired(provider)
    assert (await got(provider, kept.thread_id)).title == "Deploy"
    await expired(provider, Expiry("slack", at(9_000)))
    assert (await got(provider, kept.thread_id)).title == UNTITLED


async def test_expiry_of_rejected_events_is_by_platform_and_age(provider: StorageProvider) -> None:
    for platform in ("slack", "discord"):
        await provider.reject_event(platform, "no channel", {})
    (newest, _) = await provider.list_rejected_events()
    later = newest.created_at + timedelta(seconds=1)
    assert await provider.expire_rejected_events("slack", at(0)) == 0
    assert await provider.expire_rejected_events("slack", later) == 1
    assert [event.platform for event in await provider.list_rejected_events()] == ["discord"]


async def test_clear_messages_takes_several_threads_and_each_message_once(provider: StorageProvider) -> None:
    first = await told(provider, 1)
    second = await provider.record_message(arriving(5, "elsewhere", key=ELSEWHERE))
    assert second is not None
    ids = [first.message.id, second.message.id, first.message.id]
    done = await provider.clear_messages(ids)
    assert (done.messages, done.threads) == (2, 2)
