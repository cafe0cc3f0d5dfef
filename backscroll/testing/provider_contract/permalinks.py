"""Claims for what links out of Slack and Discord lead to."""

from typing import Any

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, begun, recorded, said, taken

ROOT = "1712345678.000100"
REPLY = "1712345999.123456"
SLACK = ThreadKey("slack", "T1", "C1", ROOT)
DISCORD = ThreadKey("discord", "111", "222", "333")


async def led_to(store: ThreadStore, url: str) -> tuple[str, str | None] | None:
    found = await store.get_by_permalink(url)
    if found is None:
        return None
    assert found.thread == await store.get(found.thread.id)
    return found.thread.id, None if found.message is None else found.message.id


def slack(ts: str = ROOT, channel: str = "C1", *, host: str = "acme.slack.com", query: str = "") -> str:
    return f"https://{host}/archives/{channel}/p{ts.replace('.', '')}{query}"


async def test_get_by_permalink_leads_to_a_slack_message(store: ThreadStore, provider: StorageProvider) -> None:
    root = await recorded(provider, ROOT, key=SLACK)
    reply = await recorded(provider, REPLY, key=SLACK)
    assert await led_to(store, slack(ROOT)) == (root.thread_id, root.message.id)
    for query in (
        "",
        f"?thread_ts={ROOT}&cid=C1",
        f"?cid=C1&thread_ts={ROOT}",
        "?thread_ts=odd",
        f"?thread_ts={REPLY}",
    ):
        assert await led_to(store, slack(REPLY, query=query)) == (reply.thread_id, reply.message.id)


@pytest.mark.parametrize(
    "url",
    [
        slack(host="acme.enterprise.slack.com"),
        slack(host="ACME.slack.com"),
        slack(host="acme.slack-gov.com"),
        slack().replace("https", "http"),
        slack() + "/",
        f" {slack()}\n",
        slack(query="#top"),
    ],
)
async def test_get_by_permalink_reads_slack_links_of_every_form(url: str) -> None:
    async with ThreadStore() as store:
        kept = await recorded(store.provider, ROOT, key=SLACK)
        assert await led_to(store, url) == (kept.thread_id, kept.message.id)


async def test_get_by_permalink_leads_to_the_thread_where_the_message_is_not_kept(
    store: ThreadStore, provider: StorageProvider
) -> None:
    kept = await recorded(provider, "5.0", key=SLACK)
    assert await led_to(store, slack(ROOT)) == (kept.thread_id, None)
    assert await led_to(store, slack(REPLY, query=f"?thread_ts={ROOT}&cid=C1")) == (kept.thread_id, None)
    assert await led_to(store, slack(REPLY)) is None


async def test_get_by_permalink_leads_to_a_tombstone(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, ROOT, key=SLACK)
    await store.delete_message(kept.message.id)
    found = await store.get_by_permalink(slack(ROOT))
    assert found is not None
    assert found.message is not None
    assert (found.message.id, found.message.content) == (kept.message.id, "")


async def test_get_by_permalink_keeps_to_the_links_channel(store: ThreadStore, provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", channel, ROOT) for channel in ("C1", "C2")]
    kept = [await recorded(provider, ROOT, key=key) for key in keys]
    links = [slack(channel=channel) for channel in ("C1", "C2", "C3")]
    wanted = [(each.thread_id, each.message.id) for each in kept]
    assert [await led_to(store, link) for link in links] == [*wanted, None]
    threaded = f"?thread_ts={ROOT}&cid=C3"
    assert await led_to(store, slack(REPLY, "C3", query=threaded)) is None


async def test_get_by_permalink_leads_to_an_answers_every_post(store: ThreadStore, provider: StorageProvider) -> None:
    answer = await asked(provider, ROOT, key=SLACK)
    parts = await begun(provider, await taken(provider), "one", "two")
    posts = ["1712346000.000001", "1712346000.000002"]
    for part, post in zip(parts, posts, strict=True):
        await provider.mark_sent(answer.id, "one", part.number, SLACK.message(post))
    assert [await led_to(store, slack(post)) for post in posts] == [(answer.thread_id, parts[0].message_id)] * 2


async def test_get_by_permalink_finds_what_save_stored(store: ThreadStore) -> None:
    message = said(id="m", platforms={"slack": {"team": "T1", "channel": "C1", "ts": ROOT}})
    await store.save(Thread(id="t", messages=[message]))
    assert await led_to(store, slack(ROOT)) == ("t", "m")


async def test_get_by_permalink_leads_to_a_discord_message(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, "444", key=DISCORD)
    place = (kept.thread_id, kept.message.id)
    for host in ("discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com", "www.discord.com"):
        for channel in ("222", "333"):
            assert await led_to(store, f"https://{host}/channels/111/{channel}/444") == place


async def test_get_by_permalink_leads_to_a_discord_thread(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, "444", key=DISCORD)
    links = ["333", "333/", "333/555", "222/333"]
    found = [await led_to(store, f"https://discord.com/channels/111/{each}") for each in links]
    assert found == [(kept.thread_id, None)] * 4


async def test_get_by_permalink_leads_to_a_discord_dm(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, "444", key=ThreadKey("discord", "@me", "777", "777"))
    assert await led_to(store, "https://discord.com/channels/@me/777/444") == (kept.thread_id, kept.message.id)
    assert await led_to(store, "https://discord.com/channels/@me/777") == (kept.thread_id, None)


async def test_get_by_permalink_keeps_to_the_links_guild(store: ThreadStore, provider: StorageProvider) -> None:
    kept = [await recorded(provider, "444", key=ThreadKey("discord", guild, "222", "222")) for guild in ("111", "112")]
    found = [await led_to(store, f"https://discord.com/channels/{guild}/222/444") for guild in ("111", "112")]
    assert found == [(each.thread_id, each.message.id) for each in kept]


async def test_get_by_permalink_leads_to_a_discord_message_saved_without_its_guild(store: ThreadStore) -> None:
    message = said(id="m", platforms={"discord": {"channel": "222", "message": "444"}})
    await store.save(Thread(id="t", platforms={"discord": {"channel": "222", "thread": "333"}}, messages=[message]))
    assert await led_to(store, "https://discord.com/channels/111/222/444") == ("t", "m")


async def test_get_by_permalink_finds_nothing_of_another_discord_place(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await recorded(provider, "444", key=DISCORD)
    for place in ("111/999/444", "111/999", "111/222", "111/222/999", "111/444"):
        assert await led_to(store, f"https://discord.com/channels/{place}") is None, place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        ROOT,
        slack(host="evil.com"),
        slack(host="slack.com.evil.com"),
        slack(host="evilslack.com"),
        slack(host="acme.slack.com@evil.com"),
        slack().replace("https", "ftp"),
        slack().replace("/p1", "/q1"),
        slack() + "/more",
        slack("171234567.8"),
        slack("1" * 5_000),
        slack(channel="C1\x00"),
        slack(channel="C%1"),
        "https://acme.slack.com/archives/C1",
        "https://acme.slack.com/archives/C1/p١٧١٢٣٤٥٦٧٨٠٠٠١٠٠",
        "https://[acme.slack.com/archives/C1/p1712345678000100",
        "https://discord.com.evil.com/channels/111/222/444",
        "https://discord.com/channels/abc/222/444",
        "https://discord.com/channels/111",
        "https://discord.com/channels/111/222/444/555",
        "\x00\ud83d",
    ],
)
async def test_get_by_permalink_gives_none_for_any_other_text(text: str) -> None:
    async with ThreadStore() as store:
        await recorded(store.provider, ROOT, key=SLACK)
        await recorded(store.provider, "444", key=DISCORD)
        assert await led_to(store, text) is None


async def test_get_by_permalink_of_an_endless_id_finds_nothing(store: ThreadStore) -> None:
    assert await led_to(store, slack("1" * 5_000)) is None
    assert await led_to(store, f"https://discord.com/channels/111/222/{'4' * 5_000}") is None


async def test_get_by_permalink_refuses_what_is_no_text(store: ThreadStore) -> None:
    refused: list[Any] = [None, 5, b"https://acme.slack.com/archives/C1/p1712345678000100"]
    for url in refused:
        with pytest.raises(ValueError, match="text"):
            await store.get_by_permalink(url)
