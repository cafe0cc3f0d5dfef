"""A database that goes away while people talk on Slack: what was acknowledged is kept, and what was not comes again."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.scenario.program import Home
from tests.scenario.slack import on_stage
from tests.servers.postgres import PostgresServer

OUTAGE_S = float(os.environ.get("BACKSCROLL_TEST_OUTAGE_S", "2"))


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=True) as own:
        yield own


async def test_events_of_an_outage_are_all_kept_and_answered_once(server: PostgresServer) -> None:
    retries = (0.2,) * 200
    async with on_stage(server.url(), switches={"retry_after_s": 3.0, "retry_delays": retries}) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        said = [await stage.slack.say(anna, general, "0 <@BOT>")]
        await stage.answered(general)
        server.stop()
        said += [await stage.slack.say(anna, general, f"{number} <@BOT>") for number in range(1, 6)]
        await asyncio.sleep(OUTAGE_S)
        before = {each.event_id for each in stage.slack.deliveries if each.acked}
        server.start()
        await stage.slack.until(lambda: len(stage.slack.posted_by_bot(general)) == 6, 60)
        await stage.settled()
        assert sorted(stage.slack.posted_by_bot(general)) == [f"+ {number} @backscroll" for number in range(6)]
        assert [len(await stage.said_at(each)) for each in said] == [2] * 6
        assert len(before) <= 4  # the first question's events and its answer's echo


async def test_event_is_not_acknowledged_while_the_database_is_away(server: PostgresServer, home: Home) -> None:
    async with on_stage(server.url(), switches={"retry_after_s": 3.0, "retry_delays": (0.2,) * 100}) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        server.stop()
        asked = await stage.slack.say(anna, general, "hello <@BOT>", twins="message_only")
        await stage.until(lambda: len(stage.slack.deliveries) > 1)
        assert not any(each.acked for each in stage.slack.deliveries)
        server.start()
        await stage.slack.until(lambda: stage.slack.posted_by_bot(general), 60)
        await stage.settled()
        assert len(await stage.said_at(asked)) == 2
