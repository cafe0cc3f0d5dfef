"""What a process remembers of its own posts."""

import asyncio

import pytest

from backscroll.bot import own_posts
from backscroll.bot.own_posts import OwnPosts
from backscroll.storage.keys import ThreadKey

KEY = ThreadKey("slack", "T1", "C1", "1.0")
OTHER = ThreadKey("slack", "T1", "C1", "2.0")


async def test_post_is_known_when_it_was_added() -> None:
    posts = OwnPosts()
    posts.add(KEY.message("1.1"))
    assert await posts.is_known(KEY, KEY.message("1.1"), 9)
    assert not await posts.is_known(KEY, KEY.message("1.2"), 9)


async def test_echo_waits_for_what_is_posted_in_its_thread() -> None:
    posts = OwnPosts()
    with posts.posting(KEY):
        asking = asyncio.create_task(posts.is_known(KEY, KEY.message("1.1"), 9))
        await asyncio.sleep(0)
        assert not asking.done()
        posts.add(KEY.message("1.1"))
        assert await asking


async def test_echo_waits_until_nothing_is_posted_any_more() -> None:
    posts = OwnPosts()
    with posts.posting(KEY):
        asking = asyncio.create_task(posts.is_known(KEY, KEY.message("1.1"), 9))
        await asyncio.sleep(0)
    assert not await asking


async def test_echo_waits_for_no_other_thread() -> None:
    posts = OwnPosts()
    with posts.posting(OTHER):
        assert not await posts.is_known(KEY, KEY.message("1.1"), 9)


async def test_echo_waits_no_longer_than_its_patience() -> None:
    posts = OwnPosts()
    with posts.posting(KEY):
        assert not await posts.is_known(KEY, KEY.message("1.1"), 0.01)


async def test_oldest_post_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_posts, "REMEMBERED_COUNT", 2)
    posts = OwnPosts()
    for number in range(3):
        posts.add(KEY.message(str(number)))
    assert [await posts.is_known(KEY, KEY.message(str(number)), 9) for number in range(3)] == [False, True, True]
