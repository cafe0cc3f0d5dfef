"""`answers`: what failed is seen with its reason, tried again, or given up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.records import Answer
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import KEY, OTHER_KEY, asked, taken
from tests.scenario.conftest import Call
from tests.scenario.program import Home


def keep(home: Home, work: Callable[[ThreadStore], Awaitable[Any]]) -> Any:
    """Do something with the store that the commands read."""

    async def keeping() -> Any:
        async with ThreadStore(home.sqlite_url) as store:
            return await work(store)

    return asyncio.run(keeping())


def fail(home: Home, *keys: ThreadKey) -> list[Answer]:
    """Let a question at each key fail, and then one wait at the first."""

    async def work(store: ThreadStore) -> list[Answer]:
        failed = []
        for number, key in enumerate(keys):
            failed.append(await asked(store.provider, number, key=key))
            await taken(store.provider)
            await store.provider.postpone_answer(failed[-1].id, "one", 0, reason="once", counts=True)
            await taken(store.provider)
            await store.provider.finish_answer(failed[-1].id, "one", "failed", reason="KeyError at bot.py:7")
        return [*failed, await asked(store.provider, 100, key=keys[0])]

    answers: list[Answer] = keep(home, work)
    return answers


def states(home: Home) -> dict[str, str]:
    async def work(store: ThreadStore) -> dict[str, str]:
        return {answer.id: answer.state for answer in await store.provider.list_answers()}

    found: dict[str, str] = keep(home, work)
    return found


def test_list_tells_what_failed_and_why(home: Home, call: Call) -> None:
    failed, _ = fail(home, KEY)
    heading, line = call("answers", "list", "--state", "failed").out.splitlines()
    assert heading.split() == ["id", "state", "thread", "age", "retries", "reason"]
    assert line.split()[:3] == [failed.id, "failed", failed.thread_id]
    assert line.split()[-4:-3] == ["1"]
    assert line.endswith("KeyError at bot.py:7")


def test_list_gives_those_of_a_thread_by_any_of_its_names(home: Home, call: Call) -> None:
    one, other, waiting = fail(home, KEY, OTHER_KEY)
    told = call("answers", "list", "--thread", KEY.alias, "--json")
    assert [json.loads(line)["id"] for line in told.out.splitlines()] == [one.id, waiting.id]
    assert other.id not in told.out


def test_retry_lets_answers_wait_again(home: Home, call: Call) -> None:
    one, other, waiting = fail(home, KEY, OTHER_KEY)
    assert call("answers", "retry", one.id).code == 0
    assert states(home) == {one.id: "waiting", other.id: "failed", waiting.id: "waiting"}
    told = call("answers", "retry", "--all-failed")
    assert (told.code, told.err) == (0, "1 answer was retried.\n")
    assert states(home)[other.id] == "waiting"


def test_drop_gives_answers_up(home: Home, call: Call) -> None:
    failed, waiting = fail(home, KEY)
    assert call("answers", "drop", failed.id, waiting.id).code == 0
    assert set(states(home).values()) == {"skipped"}


@pytest.mark.parametrize("step", ["retry", "drop"])
def test_an_answer_that_is_not_there_is_told_beside_what_was_done(home: Home, call: Call, step: str) -> None:
    failed, _ = fail(home, KEY)
    told = call("answers", step, "unknown", failed.id)
    assert told.code == 3
    assert told.err.startswith("Answer 'unknown' was not ")
    assert states(home)[failed.id] == {"retry": "waiting", "drop": "skipped"}[step]


@pytest.mark.parametrize("arguments", [[], ["id", "--all-failed"]], ids=" ".join)
def test_retry_names_answers_or_all(home: Home, call: Call, arguments: list[str]) -> None:
    assert call("answers", "retry", *arguments).code == 2


def test_commands_make_no_database(new_home: Home, call: Call) -> None:
    before = {path.name for path in new_home.directory.iterdir()}
    for step in (["list"], ["retry", "id"], ["drop", "id"]):
        assert call("answers", *step).code == 3
    assert {path.name for path in new_home.directory.iterdir()} == before
