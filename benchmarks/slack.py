"""A Slack of our own in this process, one bot in a process of its own, and what people say to it."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backscroll import ThreadStore
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.testing import FakeSlack
from backscroll.testing.slack.delivery import Delivery
from backscroll.testing.slack.models import Channel, Message, User
from benchmarks.sizes import TEXT

IN_FLIGHT = 64
USER_COUNT = 16
CHANNEL_COUNT = 8
THREAD_COUNT = 512
LOOK_S = 0.001
PATIENCE_S = 60.0
HOME = Path(__file__).parents[1]

_NUMBER = re.compile(r"#(\d+)")


@dataclass(slots=True)
class Crowd:
    """People who write in many threads of a Slack to which one bot listens. `is_answered`: it answers everything."""

    slack: FakeSlack
    is_answered: bool
    _users: list[User] = field(default_factory=list)
    _channels: list[Channel] = field(default_factory=list)
    _roots: list[Message] = field(default_factory=list)
    _said: int = 0
    _done: int = 0
    _looked: int = 0
    """Calls, or deliveries, that `_done` has been counted from."""
    _open: list[Delivery] = field(default_factory=list)

    async def gather(self) -> None:
        """Begin the threads, each by a mention of the bot."""
        self._users = [self.slack.add_user(f"user{number}") for number in range(USER_COUNT)]
        self._channels = [
            self.slack.add_channel(f"channel{number}", members=self._users) for number in range(CHANNEL_COUNT)
        ]
        await self._pass(THREAD_COUNT, self._begin)

    async def talk(self, count: int) -> int:
        """Say so much, with always as much in flight, until all is acknowledged, and posted."""
        await self._pass(count, self._reply)
        return count

    async def talk_steadily(self, count: int, per_second: int) -> list[float]:
        """Say so much at a steady pace, and return the milliseconds from each event to its ack, sorted.

        Posts of the bot's come back as events too, and wait until they are marked; they are not among these.
        """
        first, said, start = len(self.slack.deliveries), set[str](), time.perf_counter()
        for turn in range(count):
            await asyncio.sleep(start + turn / per_second - time.perf_counter())
            at = len(self.slack.deliveries)
            await self._reply()
            said.add(self.slack.deliveries[at].event_id)
        await self.slack.quiet(PATIENCE_S)
        delays = _delays(self.slack.deliveries[first:])
        return sorted(1000 * delays[event_id] for event_id in said)

    async def check(self) -> None:
        """Assert that each event was acknowledged in the end, and that each message was answered once."""
        everything = range(self._said if self.is_answered else 0)
        await self.slack.until(lambda: len(self._posted()) >= len(everything), PATIENCE_S)
        await self.slack.quiet(PATIENCE_S)
        assert len(_delays(self.slack.deliveries)) == len({each.event_id for each in self.slack.deliveries})
        assert sorted(self._posted()) == list(everything), "something was not answered once"

    async def check_stored(self, url: str) -> None:
        """Assert that a bot of ours, which has ended, stored each message once, and ended each answer."""
        async with ThreadStore(url) as store:
            assert len(await store.list_recent(2 * THREAD_COUNT)) == THREAD_COUNT, "there are other threads"
            for root in self._roots:
                key = ThreadKey("slack", root.channel.team.id, root.channel.id, root.ts)
                thread = await store.get_by_alias(key.alias)
                assert thread is not None, "a thread is not stored"
                places = [ExternalId.of_message(each.platforms, {}) for each in thread.messages]
                there = [str(message["ts"]) for message in self.slack.thread(root.channel, root)]
                assert Counter(place.id for place in places if place) == Counter(there), "a thread is not as on Slack"
                assert len(places) == len(there), "a message is not on Slack"
            states = Counter(answer.state for answer in await store.provider.list_answers(limit=None))
            asked = self._said if self.is_answered else 0
            assert states == ({"sent": asked} if asked else {}), f"not every answer is at its end: {states}"

    async def _pass(self, count: int, say: Callable[[], Awaitable[None]]) -> None:
        sent, before = 0, self._finished()
        while (finished := self._finished() - before) < count:
            for _ in range(min(count - sent, IN_FLIGHT - sent + finished)):
                await say()
                sent += 1
            await asyncio.sleep(LOOK_S)
        await self.slack.quiet(PATIENCE_S)

    async def _begin(self) -> None:
        mention = "<@BOT> " if self.is_answered else ""
        self._roots.append(await self._say(self._channels[self._said % CHANNEL_COUNT], mention))

    async def _reply(self) -> None:
        root = self._roots[self._said % THREAD_COUNT]
        await self._say(root.channel, "", root)

    async def _say(self, channel: Channel, start: str, root: Message | None = None) -> Message:
        user = self._users[self._said // CHANNEL_COUNT % USER_COUNT]
        text = f"{start}{TEXT} #{self._said}"
        self._said += 1
        return await self.slack.say(user, channel, text, thread=root)

    def _finished(self) -> int:
        """Count what was posted, or acknowledged where nothing is."""
        if self.is_answered:
            calls = self.slack.calls
            self._done += sum(call.method == "chat.postMessage" for call in calls[self._looked :])
            self._looked = len(calls)
        else:
            self._open += self.slack.deliveries[self._looked :]
            self._looked = len(self.slack.deliveries)
            still = [each for each in self._open if not each.acked]
            self._done += len(self._open) - len(still)
            self._open = still
        return self._done

    def _posted(self) -> list[int]:
        """Return the numbers that the bot's posts name, in the order of the posts."""
        texts = [text for channel in self._channels for text in self.slack.posted_by_bot(channel)]
        return [int(found[1]) if (found := _NUMBER.search(text)) else -1 for text in texts]


def _delays(deliveries: list[Delivery]) -> dict[str, float]:
    """Return the seconds from each event's first delivery to its first ack; what came late was delivered again."""
    sent: dict[str, float] = {}
    acked: dict[str, float] = {}
    for each in deliveries:
        sent.setdefault(each.event_id, each.sent_s)
        if each.acked_s is not None:
            acked[each.event_id] = min(each.acked_s, acked.get(each.event_id, each.acked_s))
    return {event_id: at - sent[event_id] for event_id, at in acked.items()}


@asynccontextmanager
async def bolt(*, is_answered: bool) -> AsyncIterator[Crowd]:
    """Let bolt alone listen to a crowd, and check what it did."""
    async with FakeSlack() as slack:
        crowd = Crowd(slack, is_answered)
        arguments = ("benchmarks.bolt", "answering" if is_answered else "silent", slack.api_url)
        async with _listening(slack, *arguments):
            await crowd.gather()
            yield crowd
            await crowd.check()


@asynccontextmanager
async def ours(url: str, *, is_answered: bool) -> AsyncIterator[Crowd]:
    """Let a bot of ours, which echoes or only records, listen to a crowd, and check what it did and stored."""
    async with FakeSlack() as slack:
        crowd = Crowd(slack, is_answered)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            json.dump(_config(url, slack, is_answered=is_answered), config)
            config.flush()
            async with _listening(slack, "backscroll.bot", "run", "--config", config.name):
                await crowd.gather()
                yield crowd
                await crowd.check()
        await crowd.check_stored(url)


def _config(url: str, slack: FakeSlack, *, is_answered: bool) -> dict[str, Any]:
    answering = {} if is_answered else {"answer": [], "record": "all"}
    tokens = {"bot_token": "{SLACK_BOT_TOKEN}", "app_token": "{SLACK_APP_TOKEN}"}
    return {
        "bot": {"max_parallel": IN_FLIGHT} | answering,
        "storage": {"type": "sql", "url": url},
        "adapters": {"slack": tokens | {"api_base_url": slack.api_url}},
    }


@asynccontextmanager
async def _listening(slack: FakeSlack, *module_and_arguments: str) -> AsyncIterator[None]:
    """Run a bot in a process of its own, from its first connection on, and end it in order."""
    tokens = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module_and_arguments, env=os.environ | tokens, cwd=HOME, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await slack.until(lambda: slack.socket_count or process.returncode is not None, PATIENCE_S)
        assert process.returncode is None, "the bot has ended"
        yield
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0, "the bot did not end in order"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
