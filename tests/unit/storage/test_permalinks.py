"""What is read out of links, and what is no link."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.permalinks import Permalink

SLACK = "https://acme.slack.com/archives/C1/p1712345678000100"
ROOT = "1712345000.000001"


@pytest.mark.parametrize(
    "url",
    [
        SLACK,
        SLACK + "/",
        SLACK + "?cid=C1",
        SLACK + "?thread_ts=",
        SLACK + "?thread_ts=1712",
        SLACK + "?thread_ts=1712.x",
        SLACK + "#top",
        f"\t{SLACK} \n",
        SLACK.replace("https", "http"),
        SLACK.replace("https", "HTTPS"),
        SLACK.replace("acme", "acme.enterprise"),
        SLACK.replace("acme", "ACME"),
        SLACK.replace("slack.com", "slack-gov.com"),
        SLACK.replace("slack.com", "slack.com:443"),
    ],
)
def test_read_gives_the_message_of_a_slack_link(url: str) -> None:
    assert Permalink.read(url) == Permalink("slack", None, "C1", "1712345678.000100", None)


@pytest.mark.parametrize(
    "query",
    [f"?thread_ts={ROOT}&cid=C1", f"?cid=C1&thread_ts={ROOT}", f"?thread_ts={quote(ROOT)}#x", f"?thread_ts={ROOT}"],
)
def test_read_gives_the_thread_of_a_slack_link(query: str) -> None:
    assert Permalink.read(SLACK + query) == Permalink("slack", None, "C1", "1712345678.000100", ROOT)


@pytest.mark.parametrize("host", ["discord.com", "ptb.discord.com", "canary.discord.com", "www.discord.com"])
@pytest.mark.parametrize("guild", ["111", "@me"])
def test_read_gives_the_place_of_a_discord_link(host: str, guild: str) -> None:
    link = f"https://{host}/channels/{guild}/222"
    for url in (link, f"{link}/"):
        assert Permalink.read(url) == Permalink("discord", guild, "222", None, None)
    for url in (f"{link}/333", f"{link}/333/", f"{link}/333?x=1"):
        assert Permalink.read(url) == Permalink("discord", guild, "222", "333", None)


def test_read_takes_discords_older_host() -> None:
    assert Permalink.read("https://discordapp.com/channels/1/2/3") == Permalink("discord", "1", "2", "3", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "1712345678.000100",
        "/archives/C1/p1712345678000100",
        SLACK.replace("https://", ""),
        SLACK.replace("https:", ""),
        SLACK.replace("https", "slack"),
        SLACK.replace("https", "javascript"),
        SLACK.replace("acme.slack.com", "evil.com"),
        SLACK.replace("acme.slack.com", "acme.slack.com.evil.com"),
        SLACK.replace("acme.slack.com", "evilslack.com"),
        SLACK.replace("acme.slack.com", "acme.slack.com@evil.com"),
        SLACK.replace("acme.slack.com", "slack.com"),
        SLACK.replace("acme.slack.com", "[acme.slack.com"),
        SLACK.replace("acme.slack.com", "evil.com/acme.slack.com"),
        SLACK.replace("C1", "c1"),
        SLACK.replace("C1", ""),
        SLACK.replace("C1", "C%31"),
        SLACK.replace("/archives", "/x/archives"),
        SLACK.replace("p1712345678000100", "p171234567800010"),
        SLACK.replace("p1712345678000100", "p1712345678.000100"),
        SLACK.replace("p1712345678000100", "p١٧١٢٣٤٥٦٧٨٠٠٠١٠٠"),
        SLACK + "/x",
        "https://discord.com/channels/1",
        "https://discord.com/channels/@you/2/3",
        "https://discord.com/channels/1/2/3/4",
        "https://discord.com/channels/1/x/3",
        "https://discord.com/channels/1/2/٣",
        "https://discord.com/invite/1",
        "https://evil.discord.com/channels/1/2/3",
        "https://discord.com.evil.com/channels/1/2/3",
        "https://evildiscord.com/channels/1/2/3",
        "\x00",
        "\ud83d",
    ],
)
def test_read_gives_none_for_any_other_text(text: str) -> None:
    assert Permalink.read(text) is None


@given(st.one_of(st.text(), st.text().map(lambda text: SLACK + text), st.text().map(lambda text: f"https://{text}")))
def test_read_takes_every_text(text: str) -> None:
    found = Permalink.read(text)
    assert found is None or found.platform in ("slack", "discord")
