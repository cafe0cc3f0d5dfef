"""Files that come with messages on Slack: fetched after the ack, from Slack's hosts alone, gone with their message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from backscroll.adapters import downloads
from backscroll.bot import fetching
from backscroll.bot.turn import Turn
from backscroll.errors import BackscrollError
from backscroll.storage.models import Attachment
from backscroll.testing import Fault
from backscroll.testing.slack.models import File
from backscroll.testing.slack.models import Message as Said
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, on_stage

everywhere = pytest.mark.parametrize("mode", MODES)
CONTENT = b"lunch is at noon\n" * 10


async def read_all(turn: Turn) -> str:
    """Answer with what the first file says."""
    return (await turn.message.attachments[0].read()).decode()


async def share(stage: Stage, *files: File, text: str = "look <@BOT>") -> Said:
    return await stage.slack.say(stage.anna, stage.general, text, files=files)


async def files_of(stage: Stage, said: Said) -> list[Attachment]:
    kept = await stage.kept(said)
    return [] if kept is None else kept.attachments


async def fetched(stage: Stage, said: Said) -> Attachment:
    """Wait until nothing is to be fetched, and return the message's first file."""
    await stage.settled()

    async def is_settled() -> bool:
        return await stage.store.provider.list_wanted_files(["slack"]) == []

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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    monkeypatch.setattr(fetching, "GIVE_UP_TRIES", 10_000)  # a slow machine may need many


@asynccontextmanager
async def elsewhere(content: bytes = CONTENT) -> AsyncIterator[tuple[str, list[str]]]:
    """Open another host; give its URL, and the tokens that it is shown."""
    shown: list[str] = []

    async def give(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization", ""))
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


@everywhere
async def test_file_is_fetched_into_the_file_store(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT))
        file = await fetched(stage, said)
        assert file.is_kept
        assert (file.name, file.type, file.size_bytes) == ("plan.txt", "text/plain", len(CONTENT))
        assert await stage.store.read_file(file) == CONTENT


async def test_handler_reads_a_file_that_is_not_fetched_yet(url: str) -> None:
    async with on_stage(url, handler=read_all) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.hang_s = 0.3
        await share(stage, file)
        assert await stage.answered(stage.general) == [CONTENT.decode()]


async def test_slow_file_delays_no_ack(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.hang_s = 60
        said = await share(stage, file)
        await stage.answered(stage.general)
        assert stage.unacknowledged() == set()
        assert not (await files_of(stage, said))[0].is_kept


async def test_all_files_of_a_message_are_fetched(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        files = [stage.slack.add_file(stage.anna, f"{number}.txt", b"%d" % number) for number in range(12)]
        said = await share(stage, *files)
        await fetched(stage, said)
        contents = [await stage.store.read_file(each) for each in await files_of(stage, said)]
        assert contents == [b"%d" % number for number in range(12)]


async def test_file_of_a_message_that_asks_nothing_is_fetched_too(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await share(stage, text="hello <@BOT>")
        await stage.answered(stage.general)
        robot = stage.slack.add_user("robot", bot=True)
        file = stage.slack.add_file(robot, "log.txt", CONTENT)
        said = await stage.slack.say(robot, stage.general, "log", thread=root, files=[file])
        assert await content_of(stage, said) == CONTENT


async def test_file_of_a_shared_channel_is_asked_for_first(url: str) -> None:
    async with on_stage(url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.needs_asking = True
        said = await share(stage, file)
        assert await content_of(stage, said) == CONTENT
        assert [params["file"] for params in stage.slack.calls_of("files.info")] == [file.id]


async def test_file_of_a_shared_channel_that_slack_does_not_show_is_left(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.needs_asking = True
        stage.slack.fail("files.info", Fault.error("file_not_found"))
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept


@pytest.mark.usefixtures("soon_again")
async def test_limit_of_files_info_is_waited_for(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.needs_asking = True
        stage.slack.fail("files.info", Fault.rate_limited(1))
        said = await share(stage, file)
        assert await content_of(stage, said) == CONTENT
        assert len(stage.slack.calls_of("files.info")) == 2


# Hosts


async def test_file_on_another_host_is_not_fetched(home: Home) -> None:
    async with elsewhere() as (url, shown), on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.url = url
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        assert shown == []


async def test_host_that_a_file_is_redirected_to_never_sees_the_token(home: Home) -> None:
    async with elsewhere() as (url, shown), on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.redirect_to = url
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        assert shown == []


async def test_redirect_to_a_host_that_is_allowed_is_followed(home: Home) -> None:
    hosts = frozenset({"127.0.0.1", "localhost"})
    async with elsewhere() as (url, shown), on_stage(home.sqlite_url, file_hosts=hosts) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.redirect_to = url
        said = await share(stage, file)
        assert await content_of(stage, said) == CONTENT
        assert shown == [f"Bearer {stage.slack.bot_token}"]


@pytest.mark.parametrize(
    "to", ["", "/", "//evil.example.com/x", "file:///etc/passwd", "http://[", "http://127.0.0.1:99999/x", "\ud800"]
)
async def test_redirect_to_nowhere_leaves_the_file_and_fetches_the_next(home: Home, to: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.redirect_to = to.encode("utf-8", "replace").decode()
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        other = await share(stage, stage.slack.add_file(stage.anna, "other.txt", CONTENT))
        assert await content_of(stage, other) == CONTENT


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1@evil.example.com/x",
        "http://[::1/x",
        "https://127.0.0.1.evil.com/x",
    ],
)
async def test_file_at_an_odd_place_is_left(home: Home, location: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.url = location
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept


# What is not the file


@pytest.mark.parametrize("mimetype", ["text/plain", "text/html"])
async def test_sign_in_page_is_no_file(home: Home, mimetype: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan", CONTENT, mimetype=mimetype)
        file.team_id = "T0OTHER"  # then our token does not open it
        said = await share(stage, file)
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


async def test_page_that_somebody_shares_is_a_file(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "page.html", CONTENT))
        assert await content_of(stage, said) == CONTENT


async def test_file_over_the_limit_is_not_asked_for(home: Home) -> None:
    async with on_stage(home.sqlite_url, file_limit_bytes=len(CONTENT) - 1) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.redirect_to = "/never-asked"
        said = await share(stage, file)
        kept = await fetched(stage, said)
        assert (kept.is_kept, kept.name, kept.size_bytes) == (False, "plan.txt", len(CONTENT))
        assert (await stage.answered(stage.general))[0].startswith("+ look")


async def test_limit_of_zero_keeps_no_file(home: Home) -> None:
    async with on_stage(home.sqlite_url, file_limit_bytes=0) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT))
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


@pytest.mark.parametrize("announced", [0, 1, len(CONTENT) - 1, len(CONTENT) + 1, 10**9])
async def test_file_of_another_size_than_announced_is_not_kept(home: Home, announced: int) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT, size=announced))
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


async def test_file_that_never_ends_is_cut_off_at_the_limit(home: Home) -> None:
    async with on_stage(home.sqlite_url, file_limit_bytes=1_000) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", b"x" * 5_000_000, size=900))
        assert not (await fetched(stage, said)).is_kept
        await nothing_on_disk(stage)


async def test_handler_is_told_that_a_file_is_not_kept(home: Home) -> None:
    async def careful(turn: Turn) -> str:
        try:
            return (await turn.message.attachments[0].read()).decode()
        except BackscrollError as error:
            return type(error).__name__

    async with on_stage(home.sqlite_url, handler=careful, file_limit_bytes=1) as stage:
        await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT))
        assert await stage.answered(stage.general) == ["FileGoneError"]


# Hosts that do not answer


@pytest.mark.usefixtures("soon_again", "impatient")
async def test_file_that_hangs_is_tried_again_and_holds_up_no_other(url: str) -> None:
    async with on_stage(url) as stage:
        slow = stage.slack.add_file(stage.anna, "slow.txt", CONTENT)
        slow.hang_s = 60
        first = await share(stage, slow)
        second = await share(stage, stage.slack.add_file(stage.anna, "fast.txt", b"fast"))

        async def is_kept() -> bool:
            return all(each.is_kept for each in await files_of(stage, second) or [Attachment(name="none")])

        await stage.until(is_kept)
        assert not (await files_of(stage, first))[0].is_kept
        slow.hang_s = 0
        assert await content_of(stage, first) == CONTENT


async def test_file_that_waits_is_not_given_up_because_others_come(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "GIVE_UP_TRIES", 3)
    async with on_stage(home.sqlite_url) as stage:
        waiting = stage.slack.add_file(stage.anna, "waiting.txt", CONTENT)
        waiting.needs_asking = True
        stage.slack.fail("files.info", Fault.server_error(), times=1_000)
        first = await share(stage, waiting)
        await stage.until(lambda: stage.slack.calls_of("files.info"))
        for number in range(6):
            said = await share(stage, stage.slack.add_file(stage.anna, f"{number}.txt", b"%d" % number))

            async def is_kept(said: Said = said) -> bool:
                return [each.is_kept for each in await files_of(stage, said)] == [True]

            await stage.until(is_kept)
        kept = await stage.kept(first)
        assert kept is not None
        (wanted,) = await stage.store.provider.list_wanted_files(["slack"])
        assert wanted.message_id == kept.id
        assert len(stage.slack.calls_of("files.info")) == 1


@pytest.mark.usefixtures("soon_again")
async def test_file_whose_host_breaks_is_fetched_later(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.needs_asking = True
        stage.slack.fail("files.info", Fault.server_error())
        stage.slack.fail("files.info", Fault.cut_before())
        said = await share(stage, file)
        assert await content_of(stage, said) == CONTENT


# Deleting


async def test_message_that_is_deleted_while_its_file_is_fetched_leaves_no_content(url: str) -> None:
    async with on_stage(url) as stage:
        file = stage.slack.add_file(stage.anna, "plan.txt", CONTENT)
        file.hang_s = 0.3
        said = await share(stage, file)
        await stage.slack.quiet()
        assert await stage.kept(said) is not None
        await stage.slack.delete(said)
        await stage.settled()
        # This one is asked for later and held as long, so the first has come to its end.
        again = stage.slack.add_file(stage.anna, "again.txt", b"again")
        again.hang_s = 0.3
        assert await content_of(stage, await share(stage, again)) == b"again"
        await stage.until(lambda: on_disk(stage) == [b"again"])


async def test_deleted_message_takes_its_files_away(url: str) -> None:
    async with on_stage(url) as stage:
        said = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT))
        assert await content_of(stage, said) == CONTENT
        await stage.until(lambda: on_disk(stage) == [CONTENT])
        await stage.slack.delete(said)
        await stage.slack.quiet()
        await nothing_on_disk(stage)
        assert await files_of(stage, said) == []


async def test_content_that_another_message_has_too_stays(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        first = await share(stage, stage.slack.add_file(stage.anna, "plan.txt", CONTENT))
        second = await share(stage, stage.slack.add_file(stage.anna, "same.txt", CONTENT))
        await fetched(stage, first)
        await stage.slack.delete(first)
        await stage.slack.quiet()
        assert await content_of(stage, second) == CONTENT
