"""What Slack writes is read as people read it, and what the bot writes calls on nobody."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backscroll.adapters.slack.mrkdwn import (
    FALLBACK_LENGTH,
    escape,
    fallback,
    markdown,
    mentioned,
    read,
    text_of,
)


class Known:
    """Knows one person and one channel."""

    def person(self, user_id: str) -> str | None:
        return {"U1": "anna", "WBOSS": "berta"}.get(user_id)

    def channel(self, channel_id: str) -> str | None:
        return {"C1": "general"}.get(channel_id)


NAMES = Known()

READINGS = {
    "a known person": ("hi <@U1>!", "hi @anna!"),
    "a known person with a label": ("<@U1|old.handle>", "@anna"),
    "a known person of an enterprise": ("<@WBOSS>", "@berta"),
    "an unknown person": ("<@U9>", "@U9"),
    "an unknown person with a label": ("<@U9|carla>", "@carla"),
    "a person whose label has its mark": ("<@U9|@carla>", "@carla"),
    "two people side by side": ("<@U1><@WBOSS>", "@anna@berta"),
    "a channel with its name": ("<#C9|random>", "#random"),
    "a channel with the name that it had": ("<#C1|random>", "#random"),
    "a channel with an empty label": ("<#C1|>", "#general"),
    "a channel without a label": ("<#C1>", "#general"),
    "an unknown channel": ("<#C9>", "#C9"),
    "everybody who is here": ("<!here>", "@here"),
    "everybody who is here, with a label": ("<!here|@here>", "@here"),
    "everybody in the channel": ("<!channel>", "@channel"),
    "everybody at all": ("<!everyone>", "@everyone"),
    "a group": ("<!subteam^S1|@team>", "@team"),
    "a group without a label": ("<!subteam^S1>", "@S1"),
    "a date": ("<!date^1392734382^{date} at {time}|18 Feb 2014>", "18 Feb 2014"),
    "a date with a link": ("<!date^1392734382^{date}^https://example.com|18 Feb>", "18 Feb"),
    "a command that nobody knows": ("<!foo>", "<!foo>"),
    "a link": ("<https://example.com/a>", "https://example.com/a"),
    "a link with a text": ("<https://example.com/a|the page>", "[the page](https://example.com/a)"),
    "a link whose text is its address": ("<https://example.com|https://example.com>", "https://example.com"),
    "a link whose text is its host": ("<http://example.com|example.com>", "http://example.com"),
    "a link whose text is its host and path": ("<https://example.com/a/|example.com/a>", "https://example.com/a/"),
    "a link with an empty text": ("<https://example.com|>", "https://example.com"),
    "a link with an ampersand": ("<https://example.com?a=1&amp;b=2>", "https://example.com?a=1&b=2"),
    "a link whose text has entities": ("<https://example.com|a &lt;b&gt;>", "[a <b>](https://example.com)"),
    "a link whose text has a bar": ("<https://example.com|a|b>", "[a|b](https://example.com)"),
    "a mail address": ("<mailto:a@example.com|a@example.com>", "a@example.com"),
    "a mail address without a text": ("<mailto:a@example.com>", "a@example.com"),
    "a mail address with a subject": ("<mailto:a@example.com?subject=x>", "a@example.com"),
    "a mail address with a name": ("<mailto:a@example.com|Anna>", "[Anna](mailto:a@example.com)"),
    "a telephone number": ("<tel:+49301|+49 30 1>", "[+49 30 1](tel:+49301)"),
    "entities": ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
    "an entity of an entity": ("&amp;lt;", "&lt;"),
    "an escaped mention": ("&lt;@U1&gt;", "<@U1>"),
    "an escaped mention in a mention's label": ("<@U9|&lt;@U1&gt;>", "@<@U1>"),
    "a mention cut in two by entities": ("&lt;<@U1>&gt;", "<@anna>"),
    "other entities": ("&quot;&nbsp;&#60;", "&quot;&nbsp;&#60;"),
    "a lone bracket": ("a < b > c", "a < b > c"),
    "brackets that are no form": ("<div> <std::vector> <>", "<div> <std::vector> <>"),
    "a form over two lines": ("<@U1\n>", "<@U1\n>"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("raw", "text"), READINGS.values(), ids=list(READINGS))
def test_read_gives_the_words_that_people_see(raw: str, text: str) -> None:
    assert read(raw, NAMES) == text


@given(st.text())
def test_read_gives_back_what_was_escaped(text: str) -> None:
    assert read(escape(text), NAMES) == text


@given(st.text(alphabet="<>&;@#!|^UCWS1ltgamp:/ \n"))
def test_read_takes_any_text(text: str) -> None:
    read(text, NAMES)
    mentioned(text)


def test_read_is_linear() -> None:
    for text in ("<" * 200_000, "<@U1|" * 40_000, "<!date^" + "x" * 200_000, "&lt;" * 50_000):
        assert read(text, NAMES)


def test_mentioned_names_people_and_nameless_channels_once_in_order() -> None:
    text = "<@U2> <@U1|anna> <@U2> <#C2> <#C3|> <#C4|named> <!here> <@B1> &lt;@U5&gt; <@WBOSS>"

    assert mentioned(text) == (["U2", "U1", "WBOSS"], ["C2", "C3"])


# Words that stand elsewhere


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"text": "", "blocks": [{"type": "rich_text", "elements": list(elements)}]}


def section(*leaves: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(leaves)}


def word(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"text": "said", "blocks": [{"type": "markdown", "text": "other"}]}, "said"),
    "no text at all": ({}, ""),
    "a blank text": ({"text": " \n"}, ""),
    "a section of rich text": (rich(section(word("a < b"), {"type": "user", "user_id": "U1"})), "a &lt; b<@U1>"),
    "a channel, a group and all": (
        rich(
            section(
                {"type": "channel", "channel_id": "C1"},
                {"type": "usergroup", "usergroup_id": "S1"},
                {"type": "broadcast", "range": "here"},
            )
        ),
        "<#C1><!subteam^S1><!here>",
    ),
    "an emoji": (rich(section({"type": "emoji", "name": "wave"})), ":wave:"),
    "links": (
        rich(
            section(
                {"type": "link", "url": "https://e.com?a=1&b=2"},
                {"type": "link", "url": "https://e.com/a|b", "text": "<b>"},
            )
        ),
        "<https://e.com?a=1&amp;b=2><https://e.com/a%7Cb|&lt;b&gt;>",
    ),
    "a date and a colour": (
        rich(section({"type": "date", "timestamp": 1, "fallback": "1970"}, {"type": "color", "value": "#ff0000"})),
        "1970#ff0000",
    ),
    "a list": (
        rich({"type": "rich_text_list", "style": "bullet", "elements": [section(word("a")), section(word("b"))]}),
        "• a\n• b",
    ),
    "a list inside a list": (
        rich({"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [section(word("a"))]}),
        "    ◦ a",
    ),
    "a numbered list that goes on": (
        rich({"type": "rich_text_list", "style": "ordered", "offset": 2, "elements": [section(word("c"))]}),
        "3. c",
    ),
    "a quote": (rich({"type": "rich_text_quote", "elements": [word("a\nb")]}), "&gt; a\n&gt; b"),
    "code": (rich({"type": "rich_text_preformatted", "elements": [word("x = 1\n")]}), "```\nx = 1\n\n```"),
    "a section": (
        {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<@U1>"}, "fields": [word("n/a")]}]},
        "<@U1>\nn/a",
    ),
    "a header": ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "A & B"}}]}, "A &amp; B"),
    "a context": (
        {"blocks": [{"type": "context", "elements": [{"type": "image"}, word("by"), word("Anna")]}]},
        "by Anna",
    ),
    "Markdown": ({"blocks": [{"type": "markdown", "text": "**a**"}, {"type": "divider"}]}, "**a**"),
    "an attachment": (
        {"attachments": [{"pretext": "New", "title": "#1", "text": "broken", "fallback": "New: #1"}]},
        "New\n#1\nbroken",
    ),
    "an attachment that has only its fallback": ({"attachments": [{"fallback": "New: #1"}]}, "New: #1"),
    "an attachment's fields": (
        {"attachments": [{"fields": [{"title": "State", "value": "red"}, {"value": "now"}]}]},
        "State: red\nnow",
    ),
    "an attachment's blocks": ({"attachments": [{"blocks": [{"type": "markdown", "text": "a"}]}]}, "a"),
    "a preview of a link": ({"attachments": [{"from_url": "https://example.com", "title": "A page"}]}, ""),
    "a message passed on": (
        {"attachments": [{"from_url": "https://example.slack.com/archives/C1/p1", "is_share": True, "text": "old"}]},
        "old",
    ),
    "blocks before attachments": (
        {"blocks": [{"type": "markdown", "text": "a"}], "attachments": [{"text": "b"}]},
        "a\nb",
    ),
}


@pytest.mark.parametrize(("message", "words"), WORDS.values(), ids=list(WORDS))
def test_text_of_finds_the_words(message: dict[str, Any], words: str) -> None:
    assert text_of(message) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
BLOCK_TYPES = st.sampled_from(
    ["rich_text", "rich_text_list", "rich_text_quote", "section", "header", "context", "markdown", "user", "link", 5]
)
BLOCKS = st.recursive(
    JSON,
    lambda children: (
        st.fixed_dictionaries(
            {"type": BLOCK_TYPES},
            optional=dict.fromkeys(
                ("elements", "text", "fields", "url", "indent", "offset", "user_id", "range"), children
            ),
        )
        | st.lists(children, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["text", "blocks", "attachments"]), BLOCKS))
def test_text_of_passes_over_what_is_not_as_documented(message: dict[str, Any]) -> None:
    assert isinstance(text_of(message), str)


# What goes out

PINGS = [
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "<!group>",
    "<!channel|x>",
    "<!here|here>",
    "<!subteam^S1>",
    "<!subteam^S1|@team>",
    "<@U1>",
    "<@U024BE7LH|anna>",
    "<@W1>",
    "<<!channel>",
    "<!<!channel>channel>",
    "<@<@U1>U1>",
    "<! channel>",
    "< !channel>",
    "<\u200b!channel>",
    "<!\u2060here>",
    "<!Channel>",
    "<!EVERYONE>",
    "<!channel",
    "```\n<!channel>\n```",
    "`<@U1>`",
    "[a](<!here>)",
    "<https://example.com|<!here>>",
]
PING = re.compile(r"<!(channel|here|everyone|group|subteam\^)|<@[UW][A-Z0-9]+[|>]", re.IGNORECASE)
PING_PARTS = st.sampled_from(
    ["<", "!", "@", "U1", "W2", "channel", "here", "everyone", "subteam^S1", "|x", ">", " ", "\u200b", "&lt;", "`", "a"]
)


@pytest.mark.parametrize("text", PINGS)
def test_markdown_lets_no_ping_through(text: str) -> None:
    safe = markdown(text)

    assert not PING.search(re.sub(r"[\s\u200b\u2060]", "", safe))
    assert safe.replace("&lt;", "<") == text


@given(st.lists(PING_PARTS, max_size=12).map("".join))
@example("<<!channel>")
@example("<!channelU1")
@example("<@U1a>")
@example("<@U1 >")
def test_markdown_lets_no_ping_through_whatever_surrounds_it(text: str) -> None:
    assert not PING.search(re.sub(r"[\s\u200b]", "", markdown(text)))
    assert markdown(markdown(text)) == markdown(text)


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>",
        "<!-- here -->",
        "List<@NonNull String>",
        "List<@Unique String>",
        "<@Inject>",
        "<@user>",
        "<#C1>",
        "a < b && c > d",
        "@channel",
        "<https://example.com|x>",
        "&lt;!channel&gt;",
        "```html\n<!DOCTYPE html>\n<p>&amp;</p>\n```",
        "",
    ],
)
def test_markdown_leaves_everything_else_as_it_is(text: str) -> None:
    assert markdown(text) == text


@pytest.mark.parametrize("text", [*PINGS, "a & b"])
def test_fallback_holds_no_form(text: str) -> None:
    assert "<" not in fallback(text)
    assert read(fallback(text), NAMES) == text


@given(st.text(alphabet="<&>a", min_size=FALLBACK_LENGTH - 10, max_size=FALLBACK_LENGTH + 10))
@example("a" * (FALLBACK_LENGTH + 1))
@example("a" * (FALLBACK_LENGTH - 2) + "&a")
@example("a" * (FALLBACK_LENGTH - 5) + "&a")
@example("a" * FALLBACK_LENGTH)
def test_fallback_of_a_long_text_is_its_start(text: str) -> None:
    shown = fallback(text)

    assert len(shown) <= FALLBACK_LENGTH
    assert text.startswith(read(shown, NAMES).removesuffix("…"))
    assert len(shown) > FALLBACK_LENGTH - 6 or shown == escape(text)
