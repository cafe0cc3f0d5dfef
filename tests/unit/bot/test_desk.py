"""What a handler does on the platform while it works: posts that go out once, reactions that are kept."""

from pathlib import Path

import pytest

from backscroll.bot import sending
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import arriving, said
from tests.unit.bot.stage import Flaky, Recorder, answering, ask, away, hang, only_answer, states, thread, until

pytestmark = pytest.mark.usefixtures("short_waits")


async def texts_of(provider: StorageProvider) -> list[str]:
    (kept,) = await provider.list_threads()
    return [message.text for message in kept.messages]


async def ask_named(provider: StorageProvider) -> list[str]:
    """Ask with a message that says where it is, as an adapter's does."""
    key = thread("1.0")
    message = said("q", platforms=key.message("1.1").platforms)
    kept = await provider.record_message(arriving("1.1", key=key, message=message, asks="yes"))
    assert kept is not None
    return [kept.message.id]


async def posts_once(turn: Turn) -> str:
    await turn.post("a post")
    return "the answer"


# Posts


async def test_post_goes_out_and_is_kept_before_the_answer(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    async with answering(provider, adapter, posts_once) as bot:
        await bot.drained()
    assert adapter.texts == ["a post", "the answer"]
    assert await texts_of(provider) == ["q", "a post", "the answer"]
    assert adapter.looked == []


async def test_post_gives_the_message_as_it_is_kept(provider: StorageProvider, adapter: Recorder) -> None:
    given: list[Message] = []

    async def posts(turn: Turn) -> None:
        given.append(await turn.post("a|post"))

    await ask(provider, "q")
    async with answering(provider, adapter, posts) as bot:
        await bot.drained()
    (message,) = given
    assert (message.role, message.text, message.sequence) == ("assistant", "a|post", 2)
    assert message.platforms == thread("1.0").message(adapter.posted[0][1].token).platforms
    assert adapter.texts == ["a", "post"]


async def test_posts_of_one_answer_are_each_posted(provider: StorageProvider, adapter: Recorder) -> None:
    async def posts(turn: Turn) -> None:
        for _ in range(3):
            await turn.post("the same text")

    await ask(provider, "q")
    async with answering(provider, adapter, posts) as bot:
        await bot.drained()
    assert adapter.texts == ["the same text"] * 3


async def test_handler_that_is_tried_again_posts_once(provider: StorageProvider, adapter: Recorder) -> None:
    given = []

    async def posts(turn: Turn) -> str:
        given.append((await turn.post(f"post of try {turn.attempt}")).text)
        if turn.attempt < 3:
            raise ValueError
        return (await turn.post("second post")).text

    await ask(provider, "q")
    async with answering(provider, adapter, posts) as bot:
        await bot.drained()
    assert adapter.texts == ["post of try 1", "second post", "second post"]
    assert given == ["post of try 1"] * 3
    assert await texts_of(provider) == ["q", "post of try 1", "second post", "second post"]


async def test_post_of_unknown_outcome_is_found(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply."),))
    await ask(provider, "q")
    async with answering(provider, adapter, posts_once) as bot:
        await bot.drained()
    assert adapter.texts == ["a post", "the answer"]
    assert adapter.looked == [[1]]
    assert (await only_answer(provider)).tries == 0


async def test_post_of_unknown_outcome_is_found_by_the_next_try(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append((IndexError(),))
    await ask(provider, "q")
    async with answering(provider, adapter, posts_once) as bot:
        await bot.drained()
    assert adapter.texts == ["a post", "the answer"]
    assert adapter.looked == [[1]]


async def test_post_of_unknown_outcome_is_found_after_a_restart(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply.", retry_after_s=60),))
    await ask(provider, "q")
    async with answering(provider, adapter, posts_once):
        await until(lambda: len(adapter.posted) == 1)
    assert (await only_answer(provider)).tries == 0
    async with answering(provider, adapter, posts_once) as bot:
        await bot.drained()
    assert adapter.texts == ["a post", "the answer"]


@pytest.mark.parametrize("short_wait_s", [2.0, 0.0], ids=["a short wait", "a long one"])
async def test_post_waits_as_long_as_the_platform_asks_and_looks_for_nothing(
    provider: StorageProvider, adapter: Recorder, monkeypatch: pytest.MonkeyPatch, short_wait_s: float
) -> None:
    monkeypatch.setattr(sending, "SHORT_WAIT_S", short_wait_s)
    asks_to_wait = AdapterUnavailableError("Not so fast.", retry_after_s=0.02, is_certain=True)
    adapter.outcomes.extend([asks_to_wait, asks_to_wait])
    await ask(provider, "q")
    async with answering(provider, adapter, posts_once) as bot:
        await bot.drained()
    assert (adapter.texts, adapter.looked) == (["a post", "the answer"], [])


async def test_post_that_is_refused_is_the_handlers_to_see(provider: StorageProvider, adapter: Recorder) -> None:
    async def sees(turn: Turn) -> str:
        with pytest.raises(AdapterError):
            await turn.post("a post")
        return "never mind"

    adapter.outcomes.append(AdapterError("The text is too long."))
    await ask(provider, "q")
    async with answering(provider, adapter, sees) as bot:
        await bot.drained()
    assert (adapter.texts, await states(provider)) == (["never mind"], ["sent"])


async def test_post_waits_for_the_storage(flaky: Flaky, adapter: Recorder) -> None:
    flaky.late_faults["mark_sent"] = away(2)
    await ask(flaky, "q")
    async with answering(flaky, adapter, posts_once) as bot:
        await bot.drained()
    assert adapter.texts == ["a post", "the answer"]


async def test_post_of_a_message_that_the_thread_has_is_a_message_of_its_own(
    provider: StorageProvider, adapter: Recorder
) -> None:
    async def repeats(turn: Turn) -> str:
        earlier = [message for message in turn.thread.messages if message.role == "assistant"]
        again = await turn.post(earlier[0]) if earlier else None
        assert again is None or again.platforms == thread("1.0").message(adapter.posted[-1][1].token).platforms
        assert again is None or again.created_at > earlier[0].created_at
        return "an answer"

    await ask(provider, "q1", "q2")
    async with answering(provider, adapter, repeats) as bot:
        await bot.drained()
    assert await states(provider) == ["sent", "sent"]
    assert adapter.texts == ["an answer"] * 3


async def test_post_with_a_file_uploads_it(provider: StorageProvider, adapter: Recorder, tmp_path: Path) -> None:
    async def posts(turn: Turn) -> None:
        files = [Attachment(name="plan.txt", content=b"the plan")]
        await turn.post(Message(role="assistant", content="see", attachments=files))

    await ask(provider, "q")
    attachments = Attachments(provider, LocalFiles(tmp_path))
    async with answering(provider, adapter, posts, attachments) as bot:
        await bot.drained()
    assert (adapter.standing, adapter.uploaded) == (["see", "plan.txt"], [("plan.txt", b"the plan")])


async def test_post_while_the_answer_grows_stands_beside_it(provider: StorageProvider) -> None:
    adapter = Recorder(streams=True)

    async def posts(turn: Turn):  # type: ignore[no-untyped-def]  # mypy would have it an AsyncIterator
        yield "one"
        await until(lambda: "one" in adapter.standing)
        await turn.post("a post")
        yield " and more"

    await ask(provider, "q")
    async with answering(provider, adapter, posts) as bot:
        await bot.drained()
    assert adapter.standing == ["one and more", "a post"]


# Reactions, and signs of work


async def reacts(turn: Turn) -> str:
    await turn.react("eyes")
    return "seen"


async def test_react_puts_an_emoji_on_the_question_and_keeps_it(provider: StorageProvider, adapter: Recorder) -> None:
    (message_id,) = await ask_named(provider)
    async with answering(provider, adapter, reacts) as bot:
        await bot.drained()
    found = await provider.get_message(message_id)
    assert adapter.reacted == [("1.1", "eyes")]
    assert found is not None
    assert found[1].reactions == {"eyes": ["UBOT"]}


async def test_react_repeated_is_kept_once(provider: StorageProvider, adapter: Recorder) -> None:
    async def twice(turn: Turn) -> str:
        await turn.react("eyes")
        return await reacts(turn)

    (message_id,) = await ask_named(provider)
    async with answering(provider, adapter, twice) as bot:
        await bot.drained()
    found = await provider.get_message(message_id)
    assert found is not None
    assert found[1].reactions == {"eyes": ["UBOT"]}


async def test_react_leaves_what_the_platform_says_of_it_later(provider: StorageProvider, adapter: Recorder) -> None:
    (message_id,) = await ask_named(provider)
    found = await provider.get_message(message_id)
    assert found is not None
    external, later = thread("1.0").message("1.1"), found[1].created_at.replace(year=2100)
    await provider.record_reaction(external, "eyes", "UBOT", added=False, event_at=later)
    async with answering(provider, adapter, reacts) as bot:
        await bot.drained()
    found = await provider.get_message(message_id)
    assert found is not None
    assert found[1].reactions == {}


async def test_react_that_is_refused_is_the_handlers_to_see(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.extend([AdapterError("No such emoji.")])
    await ask_named(provider)

    async def sees(turn: Turn) -> str:
        with pytest.raises(AdapterError):
            await turn.react("no such emoji")
        return "never mind"

    async with answering(provider, adapter, sees) as bot:
        await bot.drained()
    assert adapter.texts == ["never mind"]


async def test_typing_tells_the_adapter(provider: StorageProvider, adapter: Recorder) -> None:
    async def types(turn: Turn) -> None:
        await turn.typing("is reading")
        await turn.typing()

    await ask(provider, "q")
    async with answering(provider, adapter, types) as bot:
        await bot.drained()
    assert adapter.typed == ["is reading", None]


async def test_turn_outside_of_a_bot_posts_nothing(provider: StorageProvider, adapter: Recorder) -> None:
    turns: list[Turn] = []

    async def keeps(turn: Turn) -> None:
        turns.append(turn)

    await ask(provider, "q")
    async with answering(provider, adapter, keeps) as bot:
        await bot.drained()
    bare = Turn(turns[0].thread, turns[0].message, 1, turns[0].store)
    await bare.react("eyes")
    await bare.typing()
    assert (await bare.post("a post")).text == "a post"
    assert (adapter.posted, adapter.reacted) == ([], [])


async def test_handler_that_is_stopped_while_it_posts_leaves_no_half_post(
    provider: StorageProvider, adapter: Recorder
) -> None:
    async def posts(turn: Turn) -> str:
        await turn.post("a|post")
        if turn.attempt == 1:
            await hang(turn)
        return "the answer"

    await ask(provider, "q")
    async with answering(provider, adapter, posts, handler_timeout_s=1) as bot:
        await bot.drained()
    assert adapter.texts == ["a", "post", "the answer"]
