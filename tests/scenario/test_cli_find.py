"""`threads`, `show`, `search`, `stats`: what is kept is found, and shown without doing anything to a terminal."""

import asyncio
import json
import os
import pty
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.cli import finding, snippets
from backscroll.cli.printing import Column, print_rows
from backscroll.storage.archive import ArchivedMessage, ArchivedThread
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import utc_now
from backscroll.testing.provider_contract.samples import asked, taken
from tests.scenario.conftest import Call, Called
from tests.scenario.program import Home

ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e\u200e\u200f\u061c\x9b31m"


def keep(url: str, work: Callable[[ThreadStore], Awaitable[Any]]) -> Any:
    """Do something with the store that the commands read."""

    async def keeping() -> Any:
        async with ThreadStore(url) as store:
            return await work(store)

    return asyncio.run(keeping())


def by(user_id: str, text: str, **fields: Any) -> Message:
    """Make a message that somebody wrote."""
    return Message(role="user", content=text, source={"type": "user", "id": user_id, "name": fields.pop("name", None)},
                   **fields)  # fmt: skip


def deploy() -> Thread:
    """Make a thread of Slack's with a question and an answer."""
    place = {"team": "T1", "channel": "C1", "thread_ts": "1736207085.000100", "channel_name": "launch"}
    thread = Thread(id="deploy", title=f"Is it out? {ESCAPE}", platforms={"slack": place}, agent_name="agent")
    here = {"slack": {"team": "T1", "channel": "C1", "ts": "1736207099.000200"}}
    thread.add_message(by("U1", f"Is the déploy\n#7 2026-01-01 00:00:00 bert\nout? {ESCAPE}", name="Anna"))
    thread.add_message(Message(id="m2", role="assistant", content="Not yet, the tests run.", platforms=here))
    return thread


def with_gaps(*numbers: int) -> ArchivedThread:
    """Make a thread as an archive may have it, without some numbers; each message says its own."""
    at = utc_now()
    messages = [
        by("U1", f"number {number}.", id=f"m{number}", sequence=number, created_at=at, updated_at=at)
        for number in numbers
    ]
    held = [ArchivedMessage(message=message) for message in messages]
    return ArchivedThread(id="gaps", title="T", created_at=at, updated_at=at, messages=held)


@pytest.fixture
def kept(home: Home) -> Home:
    """Give a home in whose database three threads are."""

    async def work(store: ThreadStore) -> None:
        await store.save(Thread(id="old", title="Old", platforms={"discord": {"guild": "1", "channel": "2"}}))
        await store.save(Thread(id="bare", messages=[by("U2", "needle " + "hay " * 100 + "Straße")]))
        await store.save(deploy())
        await store.save_thread_alias("deploy", "slack:T1:C1:1736207085.000100")

    keep(home.sqlite_url, work)
    return home


def objects(told: Called) -> list[dict[str, Any]]:
    """Read what `--json` printed."""
    assert (told.code, told.err) == (0, ""), told
    return [json.loads(line) for line in told.out.splitlines()]


def ids(told: Called) -> list[str]:
    return [each["id"] for each in objects(told)]


# threads


def test_threads_prints_the_newest_first_in_plain_columns(kept: Home, call: Call) -> None:
    told = call("threads")
    heading, *lines = told.out.splitlines()
    assert heading.split("  ")[0] == "id"
    assert [line.split()[0] for line in lines] == ["deploy", "bare", "old"]
    assert lines[0].index("slack:T1:C1:1736207085.000100") == heading.index("where")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202e]", told.out)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--platform", "slack"], ["deploy"]),
        (["--channel", "C1"], ["deploy"]),
        (["--channel", "2"], ["old"]),
        (["--user", "slack:T1:U1"], ["deploy"]),
        (["--user", "slack:T2:U1"], []),
        (["--user", "U2"], ["bare"]),
        (["--user", "Anna"], ["deploy"]),
        (["--agent", "agent"], ["deploy"]),
        (["--since", "1h", "--limit", "2"], ["deploy", "bare"]),
        (["--until", "1d"], []),
        (["--offset", "1", "--all"], ["bare", "old"]),
    ],
    ids=" ".join,
)
def test_threads_gives_those_that_were_asked_for(kept: Home, call: Call, options: list[str], found: list[str]) -> None:
    assert ids(call("threads", "--json", *options)) == found


def test_threads_gives_each_once_while_a_bot_writes(kept: Home, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Provider.list_threads

    async def written_after(provider: Provider, **options: Any) -> list[Thread]:
        found = await read(provider, **options)
        await provider.append_message("old", by("U3", "now"))
        return found

    monkeypatch.setattr(Provider, "list_threads", written_after)
    monkeypatch.setattr(finding, "PAGE", 2)
    assert ids(call("threads", "--json", "--all")) == ["deploy", "bare", "old"]


def test_threads_as_json_tells_where_and_up_to_which_number(kept: Home, call: Call) -> None:
    (row,) = objects(call("threads", "--json", "-n", "1"))
    assert (row["where"], row["last_sequence"]) == ("slack:T1:C1:1736207085.000100", 2)
    assert row["updated_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--user", "slack:U1"], "three parts, such as slack:T1:U1"),
        (["--since", "1d", "--until", "2d"], "nothing fits both"),
    ],
    ids=["parts", "order"],
)
def test_threads_refuses_what_nothing_can_fit(kept: Home, call: Call, options: list[str], hint: str) -> None:
    told = call("threads", *options)
    assert (told.code, hint in told.err) == (2, True)


def test_threads_refuses_what_is_no_instant(call: Call) -> None:
    told = call("threads", "--since", "yesterday")
    assert (told.code, told.out) == (2, "")
    assert "--since" in told.err


def test_threads_reads_a_database_without_a_configuration(kept: Home, call: Call) -> None:
    (kept.directory / "config.yaml").unlink()
    assert ids(call("threads", "--json", "--url", "sqlite:///backscroll.db")) == ["deploy", "bare", "old"]


# show


@pytest.mark.parametrize(
    "name",
    [
        "deploy",
        "slack:T1:C1:1736207085.000100",
        "https://acme.slack.com/archives/C1/p1736207085000100",
        "m2",
        "1736207099.000200",
        "1736207085.000100",
    ],
)
def test_show_finds_a_thread_by_what_it_is_called(kept: Home, call: Call, name: str) -> None:
    told = call("show", name)
    assert (told.code, told.out.splitlines()[0].split()) == (0, ["id", "deploy"])
    assert "Not yet, the tests run." in told.out


def test_show_lets_no_text_do_anything(kept: Home, call: Call) -> None:
    told = call("show", "deploy")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202e]", told.out)
    # What pretends to be a message's heading stands indented, as a text does.
    assert [line[:2] for line in told.out.splitlines() if line.startswith("#")] == ["#1", "#2"]


def test_show_tells_what_was_done_beside_what_was_said(home: Home, call: Call) -> None:
    async def work(store: ThreadStore) -> None:
        file = Attachment(name="plan.pdf", type="application/pdf", content=b"x" * 2048)
        lost = Attachment(name="lost.bin", size_bytes=3, location="https://files.example/1")
        await store.save(Thread(id="t", messages=[Message(id="m", role="user", content="first wording")]))
        await store.edit_message("m", "second wording")
        await store.add_reaction("t", "m", "eyes", "U7")
        await store.add_message("t", Message(role="user", content="The plan", attachments=[file, lost]))
        await store.add_message("t", Message(id="gone", role="user", content="a secret"))
        await store.delete_message("gone")
        await store.add_message("t", Message(id="a", role="assistant", content="done"))
        await store.append_tool_block("a", tool_call_id="c", tool_name="search", tool_input={"q": 1}, tool_output="hit",
                                      is_error=False)  # fmt: skip
        await store.append_usage_block("a", model="gpt-9", input_tokens=1200, output_tokens=34)
        await store.fork_thread("t", 0, "fork")

    keep(home.sqlite_url, work)
    told = call("show", "t").out
    for line in (
        "[reaction] eyes U7",
        "[file] plan.pdf, application/pdf, 2.0 KiB, kept",
        "[file] lost.bin, application/octet-stream, 3 B, not kept",
        '[tool] search {"q":1} → hit',
        "[usage] gpt-9: 1,234 tokens",
    ):
        assert f"    {line}\n" in told
    assert re.search(r"#1 .* · edited 20", told)
    assert re.search(r"#3 .* · deleted 20", told)
    assert re.search(r"forks +fork\n", told)
    assert "first wording" not in told
    assert "        first wording\n" in call("show", "t", "--versions").out


def test_show_tells_why_an_answer_failed(home: Home, call: Call) -> None:
    async def work(store: ThreadStore) -> str:
        answer = await asked(store.provider)
        await taken(store.provider)
        await store.provider.finish_answer(answer.id, "one", "failed", reason="KeyError at bot.py:7")
        return answer.thread_id

    told = call("show", keep(home.sqlite_url, work))
    assert re.search(r"    \[answer\] failed: KeyError at bot.py:7 \(.{36}\)\n", told.out)


def test_show_gives_the_newest_and_says_how_to_see_more(home: Home, call: Call) -> None:
    thread = Thread(id="t", messages=[by("U1", f"number {number}.") for number in range(1, 8)])
    keep(home.sqlite_url, lambda store: store.save(thread))
    told = call("show", "t", "--limit", "3")
    assert re.findall(r"number \d", told.out) == ["number 5", "number 6", "number 7"]
    assert told.err == "3 messages of #1 to #7; --before 5 shows earlier ones.\n"
    assert re.findall(r"number \d", call("show", "t", "-n", "3", "--before", "5").out) == [
        "number 2",
        "number 3",
        "number 4",
    ]


def test_show_gives_each_message_once_where_numbers_are_missing(home: Home, call: Call) -> None:
    keep(home.sqlite_url, lambda store: store.provider.merge_archive([with_gaps(1, 2, 900)]))
    thread, *messages = objects(call("show", "gaps", "--json"))
    assert (thread["last_sequence"], [each["message"]["sequence"] for each in messages]) == (900, [1, 2, 900])
    told = call("show", "gaps", "-n", "2")
    assert re.findall(r"number \d+", told.out) == ["number 2", "number 900"]
    assert told.err == "2 messages of #1 to #900; --before 2 shows earlier ones.\n"


def test_show_as_json_has_all_of_it(kept: Home, call: Call) -> None:
    thread, first, second = objects(call("show", "deploy", "--json"))
    assert (thread["kind"], thread["aliases"]) == ("thread", ["slack:T1:C1:1736207085.000100"])
    assert first["message"]["content"] == deploy().messages[0].content
    assert (second["kind"], second["message"]["id"], second["reactions"]) == ("message", "m2", [])


def test_show_of_an_unknown_name_says_how_to_find_one(kept: Home, call: Call) -> None:
    told = call("show", "nothing")
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("nothing is no thread, alias, link or message that is kept.\n  `backscroll threads`")


def test_show_names_the_threads_that_an_id_may_mean(home: Home, call: Call) -> None:
    async def work(store: ThreadStore) -> None:
        for thread_id in ("a", "b"):
            await store.save(Thread(id=thread_id, platforms={"slack": {"team": "T1", "channel": "C9"}}))

    keep(home.sqlite_url, work)
    told = call("show", "C9")
    assert (told.code, told.out) == (3, "")
    assert told.err == "C9 means 2 threads.\n  Name one of them: b (slack:T1:C9), a (slack:T1:C9).\n"


# search and stats


def test_search_shows_what_stands_around_the_hit(kept: Home, call: Call) -> None:
    (found,) = objects(call("search", "STRASSE", "--json"))
    message = found["message"]
    start, end = message["hits"][0]
    assert (found["id"], message["snippet"][start:end], message["sequence"]) == ("bare", "Straße", 1)
    assert message["snippet"].startswith("…")
    assert "    #1 " in call("search", "needle").out


def test_search_shows_a_hit_before_numbers_that_are_missing(home: Home, call: Call) -> None:
    keep(home.sqlite_url, lambda store: store.provider.merge_archive([with_gaps(7, 900)]))
    (found,) = objects(call("search", "number 7", "--json"))
    assert found["message"]["id"] == "m7"


def test_search_looks_at_the_newest_messages_alone_where_the_title_fits(
    home: Home, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(store: ThreadStore) -> None:
        for title in ("Deploy plan", "Plan"):
            await store.save(
                Thread(id=title, title=title, messages=[by("U1", f"{word}.") for word in ("deploy", "b", "c")])
            )

    keep(home.sqlite_url, work)
    monkeypatch.setattr(snippets, "PAGE", 1)
    monkeypatch.setattr(snippets, "NEWEST", 2)
    titled, said = objects(call("search", "deploy", "--json"))
    assert (titled["id"], titled["message"]) == ("Deploy plan", None)
    assert (said["id"], said["message"]["sequence"]) == ("Plan", 1)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["tests", "yet"], ["deploy"]),
        (["--regex", "t.sts"], ["deploy"]),
        (["--part", "eedl"], ["bare"]),
        (["--titles", "old"], ["old"]),
        (["--titles", "needle"], []),
    ],
    ids=" ".join,
)
def test_search_finds_by_words_parts_patterns_and_titles(
    kept: Home, call: Call, arguments: list[str], found: list[str]
) -> None:
    assert ids(call("search", "--json", *arguments)) == found


@pytest.mark.parametrize("arguments", [["--regex", "("], ["  "], ["--regex", "--titles", "a"]], ids=" ".join)
def test_search_for_nothing_is_wrong_usage(kept: Home, call: Call, arguments: list[str]) -> None:
    told = call("search", *arguments)
    assert (told.code, told.out) == (2, "")


def test_stats_counts_messages_a_day(kept: Home, call: Call) -> None:
    (told,) = objects(call("stats", "--json"))
    assert (told["total_threads"], told["total_messages"]) == (3, 3)
    assert list(told["messages_by_day"].values()) == [0] * 29 + [3]
    shown = call("stats").out
    assert re.search(r"total threads +3\n", shown)
    assert shown.endswith(f"|{' ' * 29}█|\n")


# How it is printed


def test_table_on_a_terminal_keeps_its_width_and_every_id(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    rows = [{"id": "0198" * 8, "title": "[bold]日本語[/bold] " + "long " * 20, "count": 1234}]
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        print_rows([Column("id"), Column("title", is_cut=True), Column("count", is_number=True)], rows)
        terminal.flush()
        told = os.read(ours, 10_000).decode()
    os.close(ours)
    heading, line = told.splitlines()
    assert "\x1b[1m" in heading
    assert line.startswith("0198" * 8 + "  [bold]日本語")
    assert line.rstrip().endswith("…  1,234")


def test_completion_knows_the_commands(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_BACKSCROLL_COMPLETE", "source_bash")
    assert "complete -o default -F _backscroll_completion backscroll" in call().out
    monkeypatch.setenv("_BACKSCROLL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "backscroll thr")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert call().out.split() == ["threads"]


def test_version_is_told(call: Call) -> None:
    told = call("--version")
    assert told.code == 0
    assert re.fullmatch(r"backscroll \d+\.\d+\.\d+\S*\n", told.out)
