"""Files that come with messages on Discord: fetched from its hosts alone, without the token, gone with the message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from backscroll.adapters import downloads
from backscroll.bot import fetching
from backscroll.bot.config import DiscordConfig
from backscroll.bot.turn import Turn
from backscroll.errors import BackscrollError
from backscroll.storage.models import Attachment, Message
from backscroll.testing import Fault
from backscroll.testing.discord.models import File
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

CONTENT = b"lunch is at noon\n" * 10
REFRESH = "/attachments/refresh-urls"


async def read_all(turn: Turn) -> str:
    """Answer with what the first file says."""
    return (await turn.message.attachments[0].read()).decode()


def plan(stage: Stage, name: str = "plan.txt", content: bytes = CONTENT, **given: Any) -> File:
    return stage.discord.add_file(stage.anna, name, content, **given)


async def share(stage: Stage, *files: File, text: str = "look <@BOT>") -> Said:
    return await stage.discord.say(stage.anna, stage.general, text, files=files)


async def files_of(stage: Stage, said: Said) -> list[Attachment]:
    kept = await stage.kept(said)
    return [] if kept is None else kept.attachments


async def fetched(stage: Stage, said: Said) -> Attachment:
    """Wait until nothing is to be fetched, and return the message's first file."""
    await stage.until_kept(said)
    await stage.settled()

    async def is_settled() -> bool:
        return await stage.store.provider.list_wanted_files(["discord"]) == []

    await stage.until(is_settled)
    return (await files_of(stage, said))[0]


async def content_of(stage: Stage, said: Said) -> bytes | None:
    return await stage.store.read_file(await fetched(stage, said))


def on_disk(stage: Stage) -> list[bytes]:
    directory = stage.store.provider.files_directory
    assert directory is not None
    return [path.read_bytes() for path in Path(directory).rglob("*/*") if path.is_file()]


async def nothing_on_disk(stage: Stage) -> None:
    """Wait until no content lies in the file store."""
    await stage.until(lambda: on_disk(stage) == [])


@pytest.fixture(autouse=True)
def at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file store of a database that is no file lie in the test's own directory."""
    monkeypatch.chdir(home.directory)


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RETRY_S", 0.05)


@asynccontextmanager
async def elsewhere(content: bytes = CONTENT) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """Open another host; give its URL, and the headers that it is shown."""
    shown: list[dict[str, str]] = []

    async def give(request: web.Request) -> web.Response:
        shown.append(dict(request.headers))
        return web.Response(body=content)

    app = web.Application()
    app.router.add_get("/{path:.*}", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0)
    await site.start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/plan.txt", shown
    finally:
        await runner.cleanup()


# Fetching


async def test_file_is_fetched_into_the_file_store(url: str) -> None:
    async with on_stage(url) as stage:
        said = await share(stage, plan(stage))
        file = await fetched(stage, said)
        assert file.is_kept
        assert (file.name, file.type, file.size_bytes) == ("plan.txt", "text/plain", len(CONTENT))
        assert await stage.store.read_file(file) == CONTENT


async def test_handler_reads_a_file_that_is_not_fetched_yet(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=read_all) as stage:
        file = plan(stage)
        file.hang_s = 0.2
        asked = await share(stage, file)
        assert await stage.answered(asked) == [CONTENT.decode().rstrip()]


async def test_all_files_of_a_message_are_fetched(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, *[plan(stage, f"{number}.txt", b"%d" % number) for number in range(10)])
        await fetched(stage, said)
        contents = [await stage.store.read_file(each) for each in await files_of(stage, said)]
        assert contents == [b"%d" % number for number in range(10)]


async def test_file_in_a_direct_message_is_fetched(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "", files=[plan(stage)])
        assert await content_of(stage, said) == CONTENT


async def test_file_of_a_message_that_asks_nothing_is_fetched_too(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await share(stage, text="hello <@BOT>")
        await stage.answered(asked)
        thread = stage.discord.thread_of(asked)
        assert thread is not None
        robot = stage.discord.add_user("robot", bot=True)
        said = await stage.discord.say(robot, thread, "log", files=[plan(stage)])
        assert await content_of(stage, said) == CONTENT


async def test_spoiler_is_kept_under_its_name(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, plan(stage, "SPOILER_end.txt"))
        assert await content_of(stage, said) == CONTENT
        assert [file.name for file in await files_of(stage, said)] == ["SPOILER_end.txt"]


@pytest.mark.parametrize("name", ["a b/c.txt", "😀.txt", "?x=1&y#z", "%2e%2e", "x" * 200])
async def test_file_of_an_odd_name_is_fetched(home: Home, name: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, plan(stage, name))
        assert await content_of(stage, said) == CONTENT


async def test_file_that_is_forwarded_is_fetched(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        elsewhere = stage.discord.add_channel("elsewhere")
        first = await stage.discord.say(stage.anna, elsewhere, "the plan", files=[plan(stage)])
        said = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "", forward_of=first)
        assert await content_of(stage, said) == CONTENT
        assert (await stage.said_at(said))[0] == ("user", "the plan")


async def test_own_upload_is_not_fetched_back(home: Home) -> None:
    def draw(turn: Turn) -> Message:
        return Message(role="assistant", attachments=[Attachment(name="own.txt", content=b"own")])

    async with on_stage(home.sqlite_url, handler=draw) as stage:
        asked = await share(stage, text="draw <@BOT>")
        await stage.until(stage.answers)
        await stage.settled()
        assert await stage.store.provider.list_wanted_files(["discord"]) == []
        thread = await stage.thread_at(asked)
        assert thread is not None
        assert [len(message.attachments) for message in thread.messages] == [0, 1]
        assert on_disk(stage) == [b"own"]


# Links that are over


@pytest.mark.parametrize("status", [403, 404])
async def test_link_that_is_over_is_renewed_once(url: str, status: int) -> None:
    async with on_stage(url, handler=read_all, file_limit_bytes=1_000) as stage:
        file = plan(stage)
        stage.discord.expire_files(status)
        said = await stage.discord.say(stage.anna, stage.general, "look <@BOT>", files=[file])
        stage.discord.expire_files(status)  # the address that the message came with holds no more
        assert await content_of(stage, said) == CONTENT
        assert len(stage.discord.calls_of("POST", REFRESH)) in (1, 2)  # by the handler, and by the file store


async def test_file_that_is_gone_is_not_asked_for_again_and_again(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = plan(stage)
        file.status = 404
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        assert len(stage.discord.calls_of("POST", REFRESH)) == 1


@pytest.mark.usefixtures("soon_again")
@pytest.mark.parametrize(
    "fault",
    [Fault.server_error(503), Fault.rate_limited(0.1, with_via=False), Fault.cut_before()],
    ids=lambda f: f.kind,
)
async def test_renewal_that_goes_wrong_is_tried_again(home: Home, fault: Fault) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.fail("POST", REFRESH, fault)
        file = plan(stage)
        said = await share(stage, file)
        stage.discord.expire_files()
        assert await content_of(stage, said) == CONTENT


async def test_renewal_that_is_refused_leaves_the_file(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.fail("POST", REFRESH, Fault.error(400, 50035))
        said = await share(stage, plan(stage))
        stage.discord.expire_files()
        assert not (await fetched(stage, said)).is_kept


# Hosts


def test_discords_own_hosts_are_the_ones_that_are_fetched_from() -> None:
    assert DiscordConfig(token="x").file_hosts == {"cdn.discordapp.com", "media.discordapp.net"}


async def test_file_on_another_host_is_not_fetched(home: Home) -> None:
    async with elsewhere() as (_, shown), on_stage(home.sqlite_url, file_hosts=frozenset({"localhost"})) as stage:
        said = await share(stage, plan(stage))
        assert not (await fetched(stage, said)).is_kept
        assert shown == []


async def test_file_that_is_redirected_to_another_host_is_not_fetched(home: Home) -> None:
    async with elsewhere() as (url, shown), on_stage(home.sqlite_url) as stage:
        file = plan(stage)
        file.redirect_to = url
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        assert shown == []


async def test_host_of_a_file_never_sees_the_token(home: Home) -> None:
    hosts = frozenset({"127.0.0.1", "localhost"})
    async with elsewhere() as (url, shown), on_stage(home.sqlite_url, file_hosts=hosts) as stage:
        file = plan(stage)
        file.redirect_to = url
        said = await share(stage, file)
        assert await content_of(stage, said) == CONTENT
        (headers,) = shown
        assert "Authorization" not in headers
        assert stage.discord.token not in str(headers)


# What is not the file


async def test_file_over_the_limit_is_not_asked_for(home: Home) -> None:
    async with on_stage(home.sqlite_url, file_limit_bytes=len(CONTENT) - 1) as stage:
        said = await share(stage, plan(stage))
        kept = await fetched(stage, said)
        assert (kept.is_kept, kept.name, kept.size_bytes) == (False, "plan.txt", len(CONTENT))
        assert await stage.answered(said) == ["+ look @backscroll"]


@pytest.mark.parametrize("announced", [0, len(CONTENT) - 1, len(CONTENT) + 1])
async def test_file_of_another_size_than_announced_is_not_kept(home: Home, announced: int) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, plan(stage, size=announced))
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


async def test_file_that_never_ends_is_cut_off_at_the_limit(home: Home) -> None:
    async with on_stage(home.sqlite_url, file_limit_bytes=1_000) as stage:
        said = await share(stage, plan(stage, content=b"x" * 5_000_000, size=900))
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


async def test_handler_is_told_that_a_file_is_not_kept(home: Home) -> None:
    async def careful(turn: Turn) -> str:
        try:
            return (await turn.message.attachments[0].read()).decode()
        except BackscrollError as error:
            return type(error).__name__

    async with on_stage(home.sqlite_url, handler=careful, file_limit_bytes=1) as stage:
        said = await share(stage, plan(stage))
        assert await stage.answered(said) == ["FileGoneError"]


# Hosts that do not answer


@pytest.mark.usefixtures("soon_again")
async def test_file_that_hangs_is_tried_again_and_holds_up_no_other(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    async with on_stage(home.sqlite_url) as stage:
        slow = plan(stage, "slow.txt")
        slow.hang_s = 60
        first = await share(stage, slow)
        second = await share(stage, plan(stage, "fast.txt", b"fast"))
        await stage.until(lambda: on_disk(stage) == [b"fast"])
        assert [file.is_kept for file in await files_of(stage, first)] == [False]
        slow.hang_s = 0
        assert await content_of(stage, first) == CONTENT
        assert await content_of(stage, second) == b"fast"


@pytest.mark.usefixtures("soon_again")
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_file_whose_host_fails_is_fetched_later(home: Home, status: int) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = plan(stage)
        file.status = status
        said = await share(stage, file)
        await stage.until_kept(said)
        await stage.settled()
        assert [each.is_kept for each in await files_of(stage, said)] == [False]
        file.status = 200
        assert await content_of(stage, said) == CONTENT


# Deleting


@pytest.mark.parametrize("how", ["message", "bulk", "thread", "channel"])
async def test_what_is_deleted_takes_its_files_away(url: str, how: str) -> None:
    async with on_stage(url) as stage:
        asked = await share(stage, text="hello <@BOT>")
        await stage.answered(asked)
        thread = stage.discord.thread_of(asked)
        assert thread is not None
        said = await stage.discord.say(stage.anna, thread, "look", files=[plan(stage)])
        assert await content_of(stage, said) == CONTENT
        match how:
            case "message":
                await stage.discord.delete(said)
            case "bulk":
                await stage.discord.bulk_delete([said])
            case "thread":
                await stage.discord.delete_thread(thread)
            case _:
                await stage.discord.delete_channel(stage.general)
        await nothing_on_disk(stage)
        assert await files_of(stage, said) == []


async def test_message_that_is_deleted_while_its_file_is_fetched_leaves_no_content(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = plan(stage)
        file.hang_s = 0.2
        said = await share(stage, file)
        await stage.until_kept(said)
        await stage.discord.delete(said)
        # This one is asked for later and held as long, so the first has come to its end.
        again = plan(stage, "again.txt", b"again")
        again.hang_s = 0.2
        assert await content_of(stage, await share(stage, again)) == b"again"
        await stage.until(lambda: on_disk(stage) == [b"again"])


async def test_content_that_another_message_has_too_stays(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        first, second = await share(stage, plan(stage)), await share(stage, plan(stage, "same.txt"))
        await fetched(stage, first)
        await stage.discord.delete(first)
        await stage.settled()
        assert await content_of(stage, second) == CONTENT
