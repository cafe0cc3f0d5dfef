"""A real bolt app behind a Request URL takes what is signed, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot


@pytest.fixture
async def served(slack: FakeSlack, app: Bot) -> AsyncIterator[Bot]:
    """Give a bolt app behind a Request URL."""
    runner = web.AppRunner(app.app.web_app(path="/slack/events"), access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield app
    await runner.cleanup()


async def serve(
    slack: FakeSlack, statuses: list[int], headers: dict[str, str]
) -> tuple[web.AppRunner, list[web.Request]]:
    """Serve an app that answers with these statuses in turn."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        return web.Response(status=statuses[len(seen) - 1], headers=headers)

    app = web.Application()
    app.router.add_post("/slack/events", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    return runner, seen


async def test_event_comes_signed(slack: FakeSlack, served: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "hello")

    (event,) = await served.wait_for(1)

    assert event["text"] == "hello"
    assert (slack.deliveries[0].status, slack.deliveries[0].acked) == (200, True)


async def test_request_url_can_be_verified(slack: FakeSlack, served: Bot) -> None:
    assert await slack.verify_url()


@pytest.mark.parametrize(
    ("age_s", "secret", "status"), [(0, None, 200), (400, None, 401), (-400, None, 401), (0, "wrong", 401)]
)
async def test_signature_decides(slack: FakeSlack, served: Bot, age_s: float, secret: str | None, status: int) -> None:
    payload = {"type": "url_verification", "challenge": "abc"}

    answer = await slack.send_request(payload, age_s=age_s, signing_secret=secret)

    assert answer.status == (200 if status == 200 else 401)


async def test_headers_replace_the_signature(slack: FakeSlack, served: Bot) -> None:
    answer = await slack.send_request({"type": "event_callback"}, headers={"x-slack-signature": "v0=0"})

    assert answer.status == 401


async def test_replayed_request_is_taken_again(slack: FakeSlack, served: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "once")
    await served.wait_for(1)

    answer = await slack.replay_request()
    await served.wait_for(2)

    assert answer.status == 200
    assert served.bodies[0] == served.bodies[1]


async def test_refused_event_comes_again_with_its_number(slack: FakeSlack) -> None:
    slack.retry_delays = (0, 0, 0)
    runner, seen = await serve(slack, [500, 503, 200], {})
    await slack.send_event({"type": "message"})
    await slack.quiet()

    assert [request.headers.get("x-slack-retry-num") for request in seen] == [None, "1", "2"]
    assert seen[1].headers["x-slack-retry-reason"] == "http_error"
    assert [delivery.status for delivery in slack.deliveries] == [500, 503, 200]
    assert [delivery.acked for delivery in slack.deliveries] == [False, False, True]
    await runner.cleanup()


async def test_no_retry_header_ends_the_repeats(slack: FakeSlack) -> None:
    runner, seen = await serve(slack, [500], {"x-slack-no-retry": "1"})
    await slack.send_event({"type": "message"})
    await slack.quiet()

    assert len(seen) == 1
    await runner.cleanup()


async def test_unreachable_app_is_told_why_it_comes_again(slack: FakeSlack) -> None:
    slack.retry_delays = (0.5, 5, 5)
    slack.request_url = "http://127.0.0.1:9/slack/events"
    await slack.send_event({"type": "message"})
    await slack.until(lambda: slack.deliveries)
    runner, seen = await serve(slack, [200], {})
    await slack.quiet()

    assert seen[0].headers["x-slack-retry-reason"] == "connection_failed"
    await runner.cleanup()


async def test_slow_app_gets_it_again(slack: FakeSlack, served: Bot) -> None:
    slack.retry_after_s, slack.retry_delays = 0.05, (0,)
    release = asyncio.Event()

    async def hold(next_):  # type: ignore[no-untyped-def]
        await release.wait()
        await next_()

    served.app.middleware(hold)
    await slack.send_event({"type": "message", "text": "slow"})
    await slack.until(lambda: len(slack.deliveries) == 2)
    release.set()

    assert len(await served.wait_for(1)) >= 1


async def test_command_is_a_form_and_returns_the_body(slack: FakeSlack, served: Bot) -> None:
    async def new(ack, command) -> None:  # type: ignore[no-untyped-def]
        await ack(f"got {command['text']} & more")

    served.app.command("/new")(new)
    anna = slack.add_user("anna")

    answer = await slack.send_command(anna, slack.open_dm(anna), "/new", "ä&b")

    assert answer == "got ä&b & more"


async def test_bytes_are_a_signed_body(slack: FakeSlack) -> None:
    runner, seen = await serve(slack, [200], {})

    await slack.send_payload(b"{not json")

    assert await seen[0].read() == b"{not json"
    await runner.cleanup()
