"""The gateway at the wire: opcodes, close codes, compression and malformed frames."""

import asyncio
import json
import os
import subprocess
import sys
import zlib
from typing import Any

import aiohttp
import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Begin, Bot, all_intents, point_at

# discord.py takes this compression where it finds a library for it, which others may bring along.
ZSTD_ERRORS = () if "zstandard" not in sys.modules else (sys.modules["zstandard"].ZstdError,)

PROGRAM = """
import os, discord, yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

Route.BASE = os.environ["API_URL"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["GATEWAY_URL"])
client = discord.Client(intents=discord.Intents.default())

@client.event
async def on_message(message):
    if message.author.id != client.user.id:
        await message.channel.send("pong")

client.run(os.environ["TOKEN"])
"""

Socket = aiohttp.ClientWebSocketResponse


async def connect(fake: FakeDiscord, http: aiohttp.ClientSession) -> Socket:
    """Open a socket by hand, and read its HELLO."""
    socket = await http.ws_connect(f"{fake.gateway_url}?v=10&encoding=json")
    assert (await socket.receive_json())["op"] == 10
    return socket


async def identify(fake: FakeDiscord, socket: Socket, **fields: Any) -> None:
    data = {"token": fake.token, "intents": all_intents().value, "properties": {}, **fields}
    await socket.send_json({"op": 2, "d": data})


async def close_code(socket: Socket) -> int | None:
    while True:
        frame = await socket.receive()
        if frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
            return socket.close_code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"shard": [2, 2]}, 4010),
        ({"intents": 1 << 40}, 4013),
    ],
)
async def test_identify_is_refused(
    fake: FakeDiscord, http: aiohttp.ClientSession, fields: dict[str, Any], code: int
) -> None:
    socket = await connect(fake, http)

    await identify(fake, socket, **fields)

    assert await close_code(socket) == code


async def test_sharding_can_be_required(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    fake.sharding_required = True
    socket = await connect(fake, http)

    await identify(fake, socket)

    assert await close_code(socket) == 4011


@pytest.mark.parametrize(
    ("frame", "code"),
    [("no json", 4002), ('{"op": 3, "d": {}}', 4003), ('{"op": 2, "d": 1}', 4002), ("[]", 4002)],
)
async def test_bad_frame_closes_the_socket(
    fake: FakeDiscord, http: aiohttp.ClientSession, frame: str, code: int
) -> None:
    socket = await connect(fake, http)

    await socket.send_str(frame)

    assert await close_code(socket) == code


async def test_second_identify_closes_the_socket(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    socket = await connect(fake, http)
    await identify(fake, socket)
    await identify(fake, socket)

    assert await close_code(socket) == 4005


async def test_heartbeat_is_acknowledged(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    socket = await connect(fake, http)

    await socket.send_json({"op": 1, "d": None})

    assert (await socket.receive_json())["op"] == 11
    await socket.close()


async def test_refused_resume_can_identify_on_the_same_socket(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    socket = await connect(fake, http)
    await socket.send_json({"op": 6, "d": {"token": fake.token, "session_id": "gone", "seq": 1}})
    assert await socket.receive_json() == {"op": 9, "d": False, "s": None, "t": None}

    await identify(fake, socket)

    assert (await socket.receive_json())["t"] == "READY"
    await socket.close()


async def test_resume_ahead_of_the_session_is_refused(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    first = await connect(fake, http)
    await identify(fake, first)
    session_id = (await first.receive_json())["d"]["session_id"]
    second = await connect(fake, http)

    await second.send_json({"op": 6, "d": {"token": fake.token, "session_id": session_id, "seq": 99}})

    assert await close_code(second) == 4007
    await first.close()


@pytest.mark.parametrize(("code", "answer"), [(1000, 9), (4000, 0)])
async def test_client_that_says_good_bye_ends_its_session(
    fake: FakeDiscord, http: aiohttp.ClientSession, code: int, answer: int
) -> None:
    first = await connect(fake, http)
    await identify(fake, first)
    session_id = (await first.receive_json())["d"]["session_id"]
    await first.close(code=code)
    await fake.until(lambda: fake.session_count == 0)
    second = await connect(fake, http)

    await second.send_json({"op": 6, "d": {"token": fake.token, "session_id": session_id, "seq": 1}})

    assert (await second.receive_json())["op"] == answer
    await second.close()


async def test_resumed_session_leaves_its_old_socket(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    first = await connect(fake, http)
    await identify(fake, first)
    session_id = (await first.receive_json())["d"]["session_id"]
    second = await connect(fake, http)

    await second.send_json({"op": 6, "d": {"token": fake.token, "session_id": session_id, "seq": 2}})

    assert (await second.receive_json())["t"] == "RESUMED"
    assert await close_code(first) == 1006
    assert fake.session_count == 1
    await second.close()


async def test_zlib_stream_is_one_stream(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    socket = await http.ws_connect(f"{fake.gateway_url}?v=10&encoding=json&compress=zlib-stream")
    inflate = zlib.decompressobj()
    frames = [json.loads(inflate.decompress(await socket.receive_bytes()))]
    await identify(fake, socket)
    frames += [json.loads(inflate.decompress(await socket.receive_bytes())) for _ in range(2)]

    assert [frame["t"] for frame in frames] == [None, "READY", "GUILD_CREATE"]
    await socket.close()


async def test_wrong_token_ends_the_login(fake: FakeDiscord, begin: Begin) -> None:
    fake.refuse_token()

    with pytest.raises(discord.LoginFailure):
        await begin()


async def test_token_refused_later_ends_the_client(fake: FakeDiscord, bot: Bot) -> None:
    fake.refuse_token()
    fake.drop_sockets()

    assert bot.running is not None
    with pytest.raises(discord.ConnectionClosed) as caught:
        await bot.running
    assert caught.value.code == 4004


async def test_content_intent_that_the_portal_does_not_grant_is_refused(fake: FakeDiscord, begin: Begin) -> None:
    fake.message_content_allowed = False

    with pytest.raises(discord.PrivilegedIntentsRequired):
        await begin()


async def test_refused_connections_work_again_afterwards(fake: FakeDiscord, bot: Bot) -> None:
    fake.refuse_connections()
    fake.drop_sockets()
    assert fake.session_count == 0
    fake.refuse_connections(False)

    await fake.until(lambda: fake.session_count)

    assert fake.resumes == 1


@pytest.mark.parametrize(
    "frame", ["{not json", '{"op": 0, "t": "MESSAGE_CREATE", "s": 9, "d": null}', b"\x00\x00\xff\xff"]
)
async def test_malformed_frame_ends_the_client(fake: FakeDiscord, bot: Bot, frame: str | bytes) -> None:
    await fake.send_raw(frame)

    assert bot.running is not None
    with pytest.raises((ValueError, TypeError, zlib.error, *ZSTD_ERRORS)):
        await bot.running


async def test_unknown_event_is_harmless(fake: FakeDiscord, bot: Bot) -> None:
    await fake.send_event("SOMETHING_NEW", {"x": 1})
    await fake.say(fake.add_user("anna"), fake.add_channel("general"), "after")

    await fake.quiet()

    assert bot.texts == ["after"]


async def test_client_starts_at_what_gateway_bot_gives_out(fake: FakeDiscord) -> None:
    point_at(fake)
    client = discord.Client(intents=all_intents())
    await client.login(fake.token)

    _, url, limits = await client.http.get_bot_gateway()

    assert url.startswith(fake.gateway_url)
    assert limits["max_concurrency"] == 1
    await client.close()


async def test_members_are_given_when_they_are_asked_for(fake: FakeDiscord, begin: Begin) -> None:
    intents = all_intents()
    intents.members = True
    anna = fake.add_user("anna")

    bot = await begin(intents)

    guild = bot.guilds[0]
    await fake.until(lambda: guild.get_member(int(anna.id)))
    assert [member.name for member in await guild.query_members("ann")] == ["anna"]


async def test_bot_may_run_in_another_process(fake: FakeDiscord, anna: User) -> None:
    told = {"API_URL": fake.api_url, "GATEWAY_URL": fake.gateway_url, "TOKEN": fake.token}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **told}, stderr=subprocess.DEVNULL)
    try:
        await fake.until(lambda: fake.session_count)
        await fake.say(anna, fake.open_dm(anna), "ping")

        await fake.until(lambda: fake.posted_by_bot(fake.open_dm(anna)) == ["pong"])
    finally:
        process.kill()
        await process.wait()


async def test_quiet_does_not_wait_for_a_client_that_has_gone(
    fake: FakeDiscord, begin: Begin, anna: User, general: Channel
) -> None:
    bot = await begin()
    await bot.end()
    await fake.until(lambda: fake.session_count == 0)
    await fake.say(anna, general, "to nobody")

    await fake.quiet(timeout=1)


async def test_sent_event_reaches_who_did_not_ask_for_it(
    fake: FakeDiscord, begin: Begin, anna: User, general: Channel
) -> None:
    bot = await begin(discord.Intents.none())
    data = {"id": "1", "channel_id": general.id}

    await fake.send_event("MESSAGE_DELETE", data)
    await fake.quiet()

    assert [event.message_id for event in bot.of("raw_message_delete")] == [1]
