"""The documents say what is there: calls, links, code that runs, configurations that load, log lines that come."""

import asyncio
import inspect
import re
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import backscroll
from backscroll import Thread, ThreadStore, Turn
from backscroll.bot.config import load_config
from backscroll.errors import AdapterError
from backscroll.testing import FakeDiscord, FakeSlack, Fault

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def code_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def test_storage_document_names_each_call() -> None:
    text = (ROOT / "docs/storage.md").read_text()
    calls = [name for name, _ in inspect.getmembers(ThreadStore) if not name.startswith("_")]

    assert [name for name in calls if not re.search(rf"`(\w+\.)?{name}[`(]", text)] == []


def test_storage_document_names_no_call_that_is_not_there() -> None:
    text = (ROOT / "docs/storage.md").read_text()
    named = set(re.findall(r"`([a-z_]+)\(", text))

    assert [name for name in named if not hasattr(ThreadStore, name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())

    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_readme_code_for_the_store_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = (block for block in code_blocks("README.md") if "ThreadStore(" in block)
    imports, _, body = code.partition("\n\n")
    names: dict[str, object] = {}
    program = f"{imports}\nasync def main():\n{textwrap.indent(body, '    ')}\n    return found, page\n"
    exec(program, names)  # the README's own code
    main = names["main"]
    assert inspect.iscoroutinefunction(main)

    found, page = asyncio.run(main())

    assert [len(found), len(page)] == [1, 1]


def test_readme_handler_answers(tmp_path: Path) -> None:
    handler = next(block for block in code_blocks("README.md") if "async def answer" in block)
    names: dict[str, object] = {}
    exec(handler, names)  # the README's own code

    assert inspect.iscoroutinefunction(names["answer"])


@pytest.mark.parametrize("decision", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda path: path.stem)
def test_decision_is_short_and_guarded(decision: Path) -> None:
    text = decision.read_text()

    assert len(text.splitlines()) <= 40
    assert "**Guarded by**" in text


# docs/slack.md, docs/discord.md

PAGES = {"slack": "docs/slack.md", "discord": "docs/discord.md"}


def blocks(document: str, language: str) -> list[str]:
    """Return a document's blocks of code, also those inside lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def log_lines(platform: str) -> list[re.Pattern[str]]:
    """Return what a platform's page says that the log says."""
    rows = re.findall(r"^\| .*? \| `(.+?)`", (ROOT / PAGES[platform]).read_text(), re.MULTILINE)
    return [re.compile(re.escape(row).replace("…", ".+")) for row in rows]


def is_told(platform: str, line: str) -> bool:
    """Tell whether a platform's page has a line of the log."""
    return any(told.match(line) for told in log_lines(platform))


@pytest.mark.parametrize(
    ("platform", "config"), [(platform, config) for platform, page in PAGES.items() for config in blocks(page, "yaml")]
)
def test_platform_configuration_loads(
    platform: str, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"{([A-Z_]+)}", config):
        monkeypatch.setenv(name, "a" * 43 + "=" if name == "SLACK_ENCRYPTION_KEY" else "text")
    (tmp_path / "config.yaml").write_text(config)

    assert getattr(load_config(tmp_path / "config.yaml").adapters, platform) is not None


@pytest.mark.parametrize("platform", PAGES)
async def test_platform_code_shows_what_is_kept(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with ThreadStore("backscroll.db") as store:
        thread = Thread(title="Deploy", platforms={platform: {"channel": "C1"}})
        thread.add_message("is it out?", "anna")
        await store.save(thread)
    (code,) = blocks(PAGES[platform], "python")
    imports, _, body = code.partition("\n\n")
    names: dict[str, object] = {}
    exec(f"{imports}\nasync def main():\n{textwrap.indent(body, '    ')}", names)  # the page's own code
    main = names["main"]
    assert inspect.iscoroutinefunction(main)

    await main()

    assert capsys.readouterr().out.splitlines()[-1] == "1 user is it out? {}"


async def answer(turn: Turn) -> str:
    for attachment in turn.message.attachments:
        await attachment.read()
    if "fail" in turn.message.text:
        raise ValueError
    return "yes"


@asynccontextmanager
async def bot_of(directory: Path, platform: str, keys: dict[str, object]) -> AsyncIterator[asyncio.Task[None]]:
    """Start a bot with these keys of its platform."""
    lines = [f"    {name}: {value}\n" for name, value in keys.items()]
    (directory / "config.yaml").write_text(f"storage: {{type: memory}}\nadapters:\n  {platform}:\n{''.join(lines)}")
    bot = asyncio.create_task(backscroll.run(answer, directory / "config.yaml"))
    try:
        yield bot
    finally:
        bot.cancel()
        await asyncio.wait([bot])


@asynccontextmanager
async def slack_running(directory: Path, **keys: object) -> AsyncIterator[tuple[FakeSlack, asyncio.Task[None]]]:
    """Start a Slack, and the bot in it."""
    async with FakeSlack(retry_after_s=0.5) as slack:
        given = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url} | keys
        async with bot_of(directory, "slack", given) as bot:
            yield slack, bot


@asynccontextmanager
async def discord_running(
    directory: Path, discord: FakeDiscord | None = None, **keys: object
) -> AsyncIterator[tuple[FakeDiscord, asyncio.Task[None]]]:
    """Start a Discord, and the bot in it."""
    async with discord or FakeDiscord() as opened:
        given = {"token": opened.token, "api_base_url": opened.api_url} | keys
        async with bot_of(directory, "discord", given) as bot:
            await opened.until(lambda: opened.session_count or bot.done())
            yield opened, bot


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what Backscroll has logged."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("backscroll.")]


TROUBLES = {
    "chat.postMessage": ["not_in_channel", "missing_scope", "token_revoked"],
    "conversations.replies": ["missing_scope"],
}


@pytest.mark.parametrize(("method", "error"), [(method, error) for method in TROUBLES for error in TROUBLES[method]])
async def test_refusal_of_slack_is_logged_as_the_page_says(
    method: str, error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with slack_running(tmp_path) as (slack, _):
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        root = await slack.say(anna, general, "first")
        slack.fail(method, Fault.error(error))
        await slack.say(anna, general, "<@BOT> hello", thread=root)
        await slack.until(lambda: caplog.records)

    logged = caplog.records[0].getMessage()
    assert is_told("slack", logged), logged


async def test_other_troubles_of_slack_are_logged_as_the_page_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with slack_running(tmp_path, file_limit_bytes=3, file_hosts="[127.0.0.1]") as (slack, _):
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        await slack.say(anna, general, "<@BOT> look", files=[slack.add_file(anna, "plan.txt", b"too long")])
        await slack.until(lambda: "is not kept" in caplog.text)
        await slack.send_event({"type": "message", "channel": general.id, "ts": 5, "user": anna.id, "text": "odd"})
        await slack.until(lambda: "is put aside" in caplog.text)

    lines = [record.getMessage() for record in caplog.records if "Answer" not in record.getMessage()]
    assert [line for line in lines if not is_told("slack", line)] == []


async def test_wrong_token_of_slack_is_told_as_the_page_says(tmp_path: Path) -> None:
    async with slack_running(tmp_path, bot_token="xoxb-wrong") as (_, bot):
        with pytest.raises(AdapterError) as refused:
            await bot

    assert is_told("slack", refused.value.message)


@pytest.mark.parametrize("code", [50001, 50013, 160005])
async def test_refusal_of_discord_is_logged_as_the_page_says(
    code: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with discord_running(tmp_path) as (discord, _):
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        discord.fail("POST", "/channels/{channel_id}/messages/{message_id}/threads", Fault.error(403, code))
        await discord.say(anna, general, "<@BOT> hello")
        await discord.until(lambda: own_lines(caplog))

    (logged,) = own_lines(caplog)
    assert is_told("discord", logged), logged


async def test_other_troubles_of_discord_are_logged_as_the_page_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with discord_running(tmp_path, file_limit_bytes=3) as (discord, _):
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        direct = discord.open_dm(anna)
        anna.accepts_dms = False
        await discord.say(anna, direct, "hello")
        await discord.until(lambda: "was refused by" in caplog.text)
        await discord.say(anna, general, "<@BOT> look", files=[discord.add_file(anna, "plan.txt", b"too long")])
        await discord.until(lambda: "is not kept" in caplog.text)
        await discord.send_raw("no JSON")
        await discord.until(lambda: "is made anew" in caplog.text)
        await discord.until(lambda: "is put aside" in caplog.text)

    lines = [line for line in own_lines(caplog) if ", try " not in line]  # as of Slack
    assert len(lines) >= 4
    assert [line for line in lines if not is_told("discord", line)] == []


@pytest.mark.parametrize(
    ("switches", "keys"),
    [
        ({}, {"token": "wrong"}),
        ({"message_content_allowed": False}, {}),
        ({"sharding_required": True}, {}),
    ],
    ids=["token", "intent", "shards"],
)
async def test_refused_connection_of_discord_is_told_as_the_page_says(
    switches: dict[str, bool], keys: dict[str, object], tmp_path: Path
) -> None:
    async with discord_running(tmp_path, FakeDiscord(**switches), **keys) as (_, bot):
        with pytest.raises(AdapterError) as refused:
            await bot

    assert is_told("discord", refused.value.message)


# docs/testing.md


@pytest.mark.parametrize(
    "code", blocks("docs/testing.md", "python"), ids=["slack", "slack approval", "discord", "discord approval"]
)
async def test_testing_code_passes(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {}
    exec(code, names)  # the page's own code
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    assert inspect.iscoroutinefunction(test)

    await test(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("section", "fake", "options"),
    [
        ("Slack", FakeSlack, {"thread", "files", "broadcast", "private", "is_bot_member"}),
        (
            "Discord",
            FakeDiscord,
            {"reply_to", "ping", "files", "forward_of", "poll", "stickers", "webhook", "kind", "guild", "bot_can_read"},
        ),
    ],
)
def test_testing_document_names_no_call_that_is_not_there(
    section: str, fake: type[FakeSlack] | type[FakeDiscord], options: set[str]
) -> None:
    (text,) = re.findall(rf"^## {section}$(.*?)^## ", (ROOT / "docs/testing.md").read_text(), re.DOTALL | re.MULTILINE)
    named = {name for row in re.findall(r"^\| \w.*", text, re.MULTILINE) for name in re.findall(r"`([a-z_]+)[`(]", row)}

    assert len(named) > 30
    assert [name for name in named - options if name not in dir(fake())] == []
    assert options <= set(inspect.signature(fake.say).parameters) | set(inspect.signature(fake.add_channel).parameters)
