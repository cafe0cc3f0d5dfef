"""`backscroll health`: what it tells of a bot that runs, has run, or never did, and its exit codes."""

import asyncio
import json
import re
import time

import pytest

from backscroll.bot.watching.heartbeat import heartbeat_name
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked
from tests.scenario.conftest import Call
from tests.scenario.program import Home


async def noted(home: Home, age_s: float, name: str | None = None) -> None:
    async with ThreadStore(home.sqlite_url) as store:
        await store.upsert_heartbeat(name or heartbeat_name(), time.time() - age_s)


def test_running_bot_is_well(home: Home, call: Call) -> None:
    with home.start() as program:
        program.wait_for("/help", stream="err")
        program.wait_until(lambda: call("health", "--this-host").code == 0, "the heartbeat")
        told = call("health")
    assert (told.code, told.err) == (0, "")
    first, second, third = told.out.splitlines()
    assert (first, third) == ("ok  The storage answers.", "ok  Answers: 0 waiting, 0 running, 0 sending.")
    assert second.startswith(f"ok  The last heartbeat, of {heartbeat_name()}, is ")


def test_storage_that_no_bot_ran_on_ends_with_3(home: Home, call: Call) -> None:
    told = call("health")
    assert told.code == 3
    assert "NOT OK  No bot has noted a heartbeat on this storage.\n" in told.out


@pytest.mark.parametrize(("options", "code"), [([], 3), (["--max-age", "100"], 0)])
async def test_heartbeat_that_is_too_old_ends_with_3(home: Home, call: Call, options: list[str], code: int) -> None:
    await noted(home, 90)
    told = await asyncio.to_thread(call, "health", *options)
    assert told.code == code
    age = re.search(r" is (\d+) s old\.", told.out)
    assert age is not None
    assert 90 <= int(age[1]) < 100


async def test_this_host_passes_over_the_bots_of_others(home: Home, call: Call) -> None:
    await noted(home, 90)
    await noted(home, 0, "backscroll:\x1b[2Jelsewhere")
    await noted(home, 0, "an agent")
    url = ["--url", home.sqlite_url]
    told = [await asyncio.to_thread(call, "health", *options) for options in (url, ["--this-host"])]
    assert [each.code for each in told] == [0, 3]
    assert "\x1b" not in told[0].out


async def test_json_has_one_object_a_line_with_the_figures(home: Home, call: Call) -> None:
    await noted(home, 5)
    async with ThreadStore(home.sqlite_url) as store:
        await asked(store.provider)
    told = await asyncio.to_thread(call, "health", "--json", "--max-wait", "0")
    storage, heartbeat, answers = [json.loads(line) for line in told.out.splitlines()]
    assert (told.code, storage) == (3, {"check": "storage", "ok": True})
    assert 5 <= heartbeat.pop("age_s") < 60
    assert heartbeat == {"check": "heartbeat", "ok": True, "name": heartbeat_name()}
    assert answers.pop("oldest_s") >= 0
    assert answers == {"check": "answers", "ok": False, "waiting": 1, "running": 0, "sending": 0}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_storage_that_does_not_answer_ends_with_3(home: Home, call: Call, options: list[str]) -> None:
    home.configure("postgresql://bot:canary@127.0.0.1:1/bot")
    told = call("health", *options)
    assert told.code == 3
    assert "canary" not in told.out + told.err
    if options:
        assert json.loads(told.out)["ok"] is False
