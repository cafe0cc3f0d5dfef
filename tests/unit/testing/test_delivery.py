"""An event comes until it is acked, by whichever way, and every attempt is on record."""

import asyncio
import json

import aiohttp
import pytest

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot, ack, connect


async def test_first_delivery_is_attempt_zero_and_acked(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "hello")
    await slack.quiet()

    (delivery,) = slack.deliveries

    assert (delivery.attempt, delivery.acked, delivery.type) == (0, True, "message")
    assert delivery.ack_s is not None
    assert 0 < delivery.ack_s < 5


async def test_event_without_ack_comes_again_under_the_same_event_id(
    slack: FakeSlack, http: aiohttp.ClientSession
) -> None:
    slack.retry_after_s, slack.retry_delays = 0.01, (0, 0.01, 0.01)
    socket = await connect(slack, http)
    await slack.send_event({"type": "message"})

    envelopes = [await socket.receive_json() for _ in range(4)]
    await slack.quiet()

    assert [(e["retry_attempt"], e["retry_reason"]) for e in envelopes] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({e["payload"]["event_id"] for e in envelopes}) == 1
    assert len({e["envelope_id"] for e in envelopes}) == 4
    assert [delivery.acked for delivery in slack.deliveries] == [False] * 4
    await socket.close()


async def test_repeat_can_keep_its_envelope(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    slack.retry_after_s, slack.retry_delays, slack.new_envelope_per_retry = 0.01, (0,), False
    socket = await connect(slack, http)
    await slack.send_event({"type": "message"})

    first, second = await socket.receive_json(), await socket.receive_json()

    assert first["envelope_id"] == second["envelope_id"]
    await socket.close()


async def test_late_ack_ends_the_repeats(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    slack.retry_after_s, slack.retry_delays = 0.01, (0, 60)
    socket = await connect(slack, http)
    await slack.send_event({"type": "message"})
    first = await socket.receive_json()
    await socket.receive_json()

    await ack(socket, first)
    await slack.quiet()

    assert [delivery.acked for delivery in slack.deliveries] == [True, False]
    await socket.close()


async def test_event_waits_for_a_socket_and_comes_as_a_repeat(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    await slack.send_event({"type": "message", "text": "early"})
    assert slack.deliveries == []

    socket = await connect(slack, http)
    envelope = await socket.receive_json()

    assert envelope["retry_attempt"] == 1
    assert envelope["payload"]["event"]["text"] == "early"
    await socket.close()


async def test_events_go_to_the_sockets_in_turn(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    sockets = [await connect(slack, http), await connect(slack, http)]
    for _ in range(4):
        await slack.send_event({"type": "message"})

    for socket in sockets:
        for _ in range(2):
            await ack(socket, await socket.receive_json())
    await slack.quiet()

    assert len(slack.deliveries) == 4
    for socket in sockets:
        await socket.close()


async def test_event_can_come_over_every_socket(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    slack.to_all_sockets = True
    sockets = [await connect(slack, http), await connect(slack, http)]
    await slack.send_event({"type": "message"})

    received = [await socket.receive_json() for socket in sockets]

    assert received[0] == received[1]
    for socket in sockets:
        await socket.close()


async def test_dropped_socket_loses_no_event(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    slack.retry_after_s, slack.retry_delays = 0.5, (0, 0, 0)
    socket = await connect(slack, http)
    await slack.send_event({"type": "message"})
    await socket.receive_json()
    slack.drop_sockets()
    await slack.until(lambda: slack.socket_count == 0)
    slack.retry_after_s = 10.0

    again = await connect(slack, http)
    envelope = await again.receive_json()
    await ack(again, envelope)
    await slack.quiet()

    assert envelope["retry_attempt"] >= 1
    assert slack.deliveries[-1].acked
    await again.close()


async def test_ack_without_an_envelope_is_left_alone(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    socket = await connect(slack, http)
    for frame in ("", "no json", "[]", "{}", json.dumps({"envelope_id": "unknown"}), json.dumps({"envelope_id": []})):
        await socket.send_str(frame)
    await slack.send_event({"type": "message"})

    await ack(socket, await socket.receive_json())
    await slack.quiet()

    assert slack.deliveries[0].acked
    await socket.close()


async def test_quiet_times_out_while_an_event_is_open(slack: FakeSlack) -> None:
    await slack.send_event({"type": "message"})

    with pytest.raises(TimeoutError):
        await slack.quiet(timeout=0.01)


async def test_hundreds_of_events_are_all_acked(slack: FakeSlack, bot: Bot) -> None:
    slack.retry_after_s = 60.0  # a busy machine takes longer than Slack's three seconds for so many
    anna = slack.add_user("anna")
    dm = slack.open_dm(anna)
    await asyncio.gather(*(slack.say(anna, dm, f"number {number}") for number in range(300)))

    await slack.quiet()

    assert len(slack.deliveries) == 300
    assert {event["text"] for event in bot.seen} == {f"number {number}" for number in range(300)}
    assert len({event["ts"] for event in bot.seen}) == 300
