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
from backscroll.testing import FakeSlack, Fault

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


# docs/slack.md


def blocks(document: str, language: str) -> list[str]:
    """Return a document's blocks of code, also those inside lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def log_lines() -> list[re.Pattern[str]]:
    """Return what docs/slack.md says that the log says."""
    rows = re.findall(r"^\| .*? \| `(.+?)`", (ROOT / "docs/slack.md").read_text(), re.MULTILINE)
    return [re.compile(re.escape(row).replace("…", ".+")) for row in rows]


@pytest.mark.parametrize("config", blocks("docs/slack.md", "yaml"))
def test_slack_configuration_loads(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"{(SLACK_\w+)}", config):
        monkeypatch.setenv(name, "a" * 43 + "=" if name == "SLACK_ENCRYPTION_KEY" else "text")
    (tmp_path / "config.yaml").write_text(config)

    assert load_config(tmp_path / "config.yaml").adapters.slack is not None


async def test_slack_code_shows_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with ThreadStore("backscroll.db") as store:
        thread = Thread(title="Deploy", platforms={"slack": {"team": "T1", "channel": "C1", "thread_ts": "1.1"}})
        thread.add_message("is it out?", "anna")
        await store.save(thread)
    (code,) = blocks("docs/slack.md", "python")
    imports, _, body = code.partition("\n\n")
    names: dict[str, object] = {}
    exec(f"{imports}\nasync def main():\n{textwrap.indent(body, '    ')}", names)  # the page's own code
    main = names["main"]
    assert inspect.iscoroutinefunction(main)

    await main()

    assert capsys.readouterr().out.splitlines()[-1] == "1 user is it out? {}"


@asynccontextmanager
async def running(
    directory: Path, keys: str = "", **tokens: str
) -> AsyncIterator[tuple[FakeSlack, asyncio.Task[None]]]:
    """Start a Slack, and the bot in it."""
    async with FakeSlack(retry_after_s=0.5) as slack:
        given = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url} | tokens
        lines = [f"    {name}: {value}\n" for name, value in given.items()]
        (directory / "config.yaml").write_text(
            f"storage: {{type: memory}}\nadapters:\n  slack:\n{''.join(lines)}{keys}"
        )

        async def answer(turn: Turn) -> str:
            for attachment in turn.message.attachments:
                await attachment.read()
            if "fail" in turn.message.text:
                raise ValueError
            return "yes"

        bot = asyncio.create_task(backscroll.run(answer, directory / "config.yaml"))
        try:
            yield slack, bot
        finally:
            bot.cancel()
            await asyncio.wait([bot])


TROUBLES = {
    "chat.postMessage": ["not_in_channel", "missing_scope", "token_revoked"],
    "conversations.replies": ["missing_scope"],
}


@pytest.mark.parametrize(("method", "error"), [(method, error) for method in TROUBLES for error in TROUBLES[method]])
async def test_refusal_is_logged_as_the_page_says(
    method: str, error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as (slack, _):
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        root = await slack.say(anna, general, "first")
        slack.fail(method, Fault.error(error))
        await slack.say(anna, general, "<@BOT> hello", thread=root)
        await slack.until(lambda: caplog.records)

    logged = caplog.records[0].getMessage()
    assert [line.pattern for line in log_lines() if line.match(logged)] != [], logged


async def test_other_troubles_are_logged_as_the_page_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path, "    file_limit_bytes: 3\n    file_hosts: [127.0.0.1]\n") as (slack, _):
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        await slack.say(anna, general, "<@BOT> look", files=[slack.add_file(anna, "plan.txt", b"too long")])
        await slack.until(lambda: "is not kept" in caplog.text)
        await slack.send_event({"type": "message", "channel": general.id, "ts": 5, "user": anna.id, "text": "odd"})
        await slack.until(lambda: "is put aside" in caplog.text)

    lines = [record.getMessage() for record in caplog.records if "Answer" not in record.getMessage()]
    assert [line for line in lines if not any(told.match(line) for told in log_lines())] == []


async def test_wrong_token_is_told_as_the_page_says(tmp_path: Path) -> None:
    async with running(tmp_path, bot_token="xoxb-wrong") as (_, bot):
        with pytest.raises(AdapterError) as refused:
            await bot

    assert any(line.match(refused.value.message) for line in log_lines())


# docs/testing.md


async def test_testing_code_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("docs/testing.md", "python")
    names: dict[str, object] = {}
    exec(code, names)  # the page's own code
    test = names["test_mention_is_answered_in_its_thread"]
    assert inspect.iscoroutinefunction(test)

    await test(tmp_path, monkeypatch)


def test_testing_document_names_no_call_that_is_not_there() -> None:
    tables = re.findall(r"^\| \w.*", (ROOT / "docs/testing.md").read_text(), re.MULTILINE)
    named = {name for row in tables for name in re.findall(r"`([a-z_]+)[`(]", row)}
    options = {"thread", "files", "broadcast", "private", "is_bot_member"}

    assert len(named) > 30
    assert [name for name in named - options if name not in dir(FakeSlack())] == []
