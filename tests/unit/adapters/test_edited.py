"""A post that is edited while its text grows."""

from collections import deque

from backscroll.adapters.edited import EditedStream
from backscroll.errors import AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey

KEY = ThreadKey("discord", "G1", "C1", "T1")
POST = ExternalId("discord", "G1", "T1", "M1")


class Post:
    """What a post says; `away` are the edits that it does not take."""

    def __init__(self, *away: AdapterUnavailableError) -> None:
        self.said: list[str] = []
        self.away = deque(away)

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        assert (key, external) == (KEY, POST)
        if self.away:
            raise self.away.popleft()
        self.said.append(text)


async def test_show_edits_the_post_where_it_stands() -> None:
    post = Post()
    stream = EditedStream(POST, KEY, "a", post)
    await stream.show("a b")
    await stream.close("a b c")
    assert (stream.external, post.said) == (POST, ["a b", "a b c"])


async def test_stream_edits_nothing_that_the_post_says_already() -> None:
    post = Post()
    stream = EditedStream(POST, KEY, "a", post)
    await stream.show("a")
    await stream.close("a")
    assert post.said == []


async def test_show_passes_over_what_the_platform_does_not_take_for_as_long_as_it_asks() -> None:
    post = Post(AdapterUnavailableError("wait", retry_after_s=60))
    stream = EditedStream(POST, KEY, "", post)
    await stream.show("a")
    await stream.show("a b")
    assert post.said == []


async def test_close_says_all_although_showing_waits() -> None:
    post = Post(AdapterUnavailableError("wait", retry_after_s=60))
    stream = EditedStream(POST, KEY, "", post)
    await stream.show("a")
    await stream.close("a b")
    assert post.said == ["a b"]
