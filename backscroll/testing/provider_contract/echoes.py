"""Claims for posts of ours that come back: each is one message, whether it or the mark of its post is kept first."""

import asyncio

import pytest

from backscroll.errors import EchoPendingError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Part, Recorded
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    arriving,
    asked,
    at,
    begun,
    eventually,
    external,
    got,
    recorded,
    stored,
    taken,
)

ROUNDS = 12


async def echoed(
    provider: StorageProvider, name: str = "a1", token: str | None = None, text: str = "an answer", number: str = "0"
) -> Recorded | None:
    """Hand over a post of ours that came back."""
    own = Message(role="assistant", content=text)
    return await provider.record_message(arriving(name, message=own, opens=False, is_echo=True, token=token))


async def sending(provider: StorageProvider, *texts: str, number: int = 1) -> tuple[Answer, list[Part]]:
    """Let an answer be on its way out."""
    await asked(provider, number)
    mine = await taken(provider)
    return mine, await begun(provider, mine, *(texts or ["an answer"]))


async def texts_of(provider: StorageProvider, thread_id: str) -> list[str]:
    return [message.text for message in (await got(provider, thread_id)).messages]


# With its token


async def test_echo_marks_the_part_that_its_token_names(provider: StorageProvider) -> None:
    mine, parts = await sending(provider, "one", "two")
    await echoed(provider, "a2", parts[1].token)
    assert [(part.state, part.external) for part in await provider.get_parts(mine.id)] == [
        ("waiting", None),
        ("sent", external("a2")),
    ]


async def test_echo_with_a_token_is_a_repeat_of_its_message(provider: StorageProvider) -> None:
    mine, (part,) = await sending(provider)
    echo = await echoed(provider, "a1", part.token, "as the platform wrote it")
    assert echo is not None
    assert (echo.thread_id, echo.message.id, echo.is_new, echo.asked) == (mine.thread_id, part.message_id, False, False)
    assert await texts_of(provider, mine.thread_id) == ["hello", "an answer"]


async def test_echo_of_the_first_part_gives_the_message_its_id(provider: StorageProvider) -> None:
    _, (part,) = await sending(provider)
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert echo.message.platforms == external("a1").platforms
    assert echo.message == await stored(provider, part.message_id)


async def test_echo_with_a_token_repeated_changes_nothing(provider: StorageProvider) -> None:
    mine, (part,) = await sending(provider)
    first = await echoed(provider, "a1", part.token)
    parts = await provider.get_parts(mine.id)
    assert await echoed(provider, "a1", part.token) == first
    assert await provider.get_parts(mine.id) == parts


async def test_echo_with_a_token_after_the_mark_changes_nothing(provider: StorageProvider) -> None:
    mine, (part,) = await sending(provider)
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    parts = await provider.get_parts(mine.id)
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert (echo.message.id, await provider.get_parts(mine.id)) == (part.message_id, parts)


async def test_mark_sent_after_the_echo_changes_nothing(provider: StorageProvider) -> None:
    mine, (part,) = await sending(provider)
    await echoed(provider, "a1", part.token)
    parts = await provider.get_parts(mine.id)
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    assert await provider.get_parts(mine.id) == parts


async def test_echo_with_a_token_finds_its_message_where_the_alias_is_gone(provider: StorageProvider) -> None:
    _, (part,) = await sending(provider)
    await provider.delete_thread_alias(KEY.alias)
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert echo.message.id == part.message_id


async def test_echo_with_a_token_applies_what_came_before(provider: StorageProvider) -> None:
    _, (part,) = await sending(provider)
    await provider.record_reaction(external("a1"), "+1", "U1", added=True, event_at=at(1))
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert (await stored(provider, part.message_id)).reactions == echo.message.reactions == {"+1": ["U1"]}


async def test_echo_with_a_token_marks_a_post_beside_the_answer(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    (part,) = await provider.begin_post(mine.id, "one", Message(role="assistant", id="post", content="x"), ["x"])
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert (echo.message.id, echo.message.platforms) == ("post", external("a1").platforms)


async def test_echo_marks_also_after_the_answer_was_finished(provider: StorageProvider) -> None:
    mine, (part,) = await sending(provider)
    await provider.finish_answer(mine.id, "one", "failed", reason="r")
    echo = await echoed(provider, "a1", part.token)
    assert echo is not None
    assert (echo.is_new, echo.message.id) == (False, part.message_id)


# Without


@pytest.mark.parametrize("token", [None, "unknown"])
async def test_echo_waits_while_a_part_of_its_thread_does(provider: StorageProvider, token: str | None) -> None:
    mine, _ = await sending(provider)
    with pytest.raises(EchoPendingError):
        await echoed(provider, "a1", token)
    assert await provider.find_external(external("a1")) is None
    assert await texts_of(provider, mine.thread_id) == ["hello", "an answer"]


async def test_echo_waits_while_the_second_part_does(provider: StorageProvider) -> None:
    mine, _ = await sending(provider, "one", "two")
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    with pytest.raises(EchoPendingError):
        await echoed(provider, "a2")


async def test_echo_waits_while_a_post_beside_the_answer_does(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.begin_post(mine.id, "one", Message(role="assistant", id="post", content="x"), ["x"])
    with pytest.raises(EchoPendingError):
        await echoed(provider)


async def test_echo_waits_while_an_answer_was_given_back(provider: StorageProvider) -> None:
    mine, _ = await sending(provider)
    await provider.postpone_answer(mine.id, "one", 30, reason="r", counts=False)
    with pytest.raises(EchoPendingError):
        await echoed(provider)


async def test_echo_is_a_repeat_once_its_part_is_marked(provider: StorageProvider) -> None:
    mine, parts = await sending(provider, "one", "two")
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    echo = await echoed(provider, "a1")
    assert echo is not None
    assert (echo.is_new, echo.message.id) == (False, parts[0].message_id)


async def test_own_message_of_no_answer_is_kept_where_the_thread_is_known(provider: StorageProvider) -> None:
    first = await recorded(provider)
    echo = await echoed(provider, "a1", None, "by another program")
    assert echo is not None
    assert (echo.thread_id, echo.is_new, echo.asked) == (first.thread_id, True, False)
    assert (echo.message.role, echo.message.content) == ("assistant", "by another program")


async def test_own_message_of_no_answer_is_kept_while_a_handler_works(provider: StorageProvider) -> None:
    await asked(provider)
    await taken(provider)
    echo = await echoed(provider)
    assert echo is not None
    assert echo.is_new


async def test_own_message_is_kept_when_the_answer_was_given_up(provider: StorageProvider) -> None:
    mine, _ = await sending(provider)
    await provider.finish_answer(mine.id, "one", "failed", reason="r")
    echo = await echoed(provider)
    assert echo is not None
    assert echo.is_new


async def test_own_message_is_kept_while_another_threads_part_waits(provider: StorageProvider) -> None:
    await sending(provider)
    await recorded(provider, "other", key=OTHER_KEY)
    own = Message(role="assistant", content="x")
    echo = await provider.record_message(arriving("a1", key=OTHER_KEY, message=own, opens=False, is_echo=True))
    assert echo is not None
    assert echo.is_new


async def test_own_message_of_an_unknown_thread_is_not_kept(provider: StorageProvider) -> None:
    assert await echoed(provider) is None
    assert await provider.count_threads() == 0


async def test_echo_that_waits_holds_up_no_neighbour(provider: StorageProvider) -> None:
    await sending(provider)
    people = [recorded(provider, f"p{number}") for number in range(5)]
    outcomes = await asyncio.gather(*people[:2], echoed(provider), *people[2:], return_exceptions=True)
    assert [isinstance(outcome, EchoPendingError) for outcome in outcomes] == [False, False, True, False, False, False]
    assert await provider.find_external(external("p4")) is not None


# At once


@pytest.mark.parametrize("with_token", [True, False])
@pytest.mark.parametrize("echo_first", [True, False])
async def test_echo_and_mark_at_once_leave_one_message(
    provider: StorageProvider, with_token: bool, echo_first: bool
) -> None:
    for number in range(ROUNDS):
        mine, (part,) = await sending(provider, number=number)
        name = f"a{number}"

        async def echo(name: str = name, token: str = part.token) -> Recorded | None:
            try:
                return await echoed(provider, name, token if with_token else None)
            except EchoPendingError:
                return None

        mark = provider.mark_sent(mine.id, "one", 1, external(name))
        found = eventually(echo)
        await asyncio.gather(*((found, mark) if echo_first else (mark, found)))
        holder = await provider.find_external(external(name))
        assert holder is not None
        assert holder[1].id == part.message_id
        (after,) = await provider.get_parts(mine.id)
        assert (after.state, after.external) == ("sent", external(name))
        await provider.finish_answer(mine.id, "one", "sent")
    thread = await provider.get_by_alias(KEY.alias)
    assert thread is not None
    assert [message.text for message in thread.messages] == ["hello", "an answer"] * ROUNDS


async def test_echoes_of_many_parts_and_their_marks_at_once_mark_each(provider: StorageProvider) -> None:
    mine, parts = await sending(provider, *(f"part {number}" for number in range(20)))
    for part in parts:
        await provider.record_reaction(external(f"a{part.number}"), "+1", "U1", added=True, event_at=at(part.number))
    steps = [provider.mark_sent(mine.id, "one", part.number, external(f"a{part.number}")) for part in parts]
    echoes = [echoed(provider, f"a{part.number}", part.token) for part in reversed(parts)]
    await asyncio.gather(*steps, *echoes)
    after = await provider.get_parts(mine.id)
    assert [part.external for part in after] == [external(f"a{part.number}") for part in parts]
    assert len((await got(provider, mine.thread_id)).messages) == 2
