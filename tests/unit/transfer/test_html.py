"""A page shows all of a thread, and no text in it becomes a tag, an attribute or an address of its own."""

import base64
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from backscroll.storage.archive import (
    ArchivedBlock,
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedReaction,
    ArchivedThread,
    ArchivedVersion,
)
from backscroll.storage.memory import Provider
from backscroll.storage.models import Attachment, Message, Thread, file_location
from backscroll.transfer.html import IMAGE_BYTES, Page, ReadFile, message_html, render
from backscroll.transfer.html_style import STYLE

AT = datetime(2024, 3, 1, 12, 0, 5, tzinfo=UTC)
SHA = "a" * 64
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HOSTILE = (
    "</div></article><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>&lt;&#x3c;<!--"
    " javascript:alert(1) [x](javascript:alert(1)) data:text/html,x https://x.org/\"onmouseover='alert(1) "
    "\u202egpj.exe\u2066 \x1b[31m\x07\x7f\x85\x0c\r]]> </style></title></pre></details></summary>"
)


class Parsed(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment came of a text")

    def text(self, tag: str = "") -> str:
        return "".join(text for inside, text in self.texts if tag in ("", inside))


def everything(text: str) -> ArchivedMessage:
    """Make a message that has the text wherever people's words may stand."""
    message = Message(
        role="assistant",
        content=[{"type": "text", "text": text}, {"type": text, "other": text}],
        sequence=1,
        source={"type": "agent", "id": "B1", "name": text},
        attachments=[
            Attachment(name=text, type=text, size_bytes=20, sha256=SHA, location=file_location(SHA)),
            Attachment(name="lying", location=text),
        ],
        tool_calls=[{"name": text}],
        created_at=AT,
        edited_at=AT + timedelta(seconds=30),
        deleted_at=AT + timedelta(seconds=60),
    )
    block: dict[str, Any] = {"created_at": AT}
    return ArchivedMessage(
        message=message,
        reactions=[
            ArchivedReaction(emoji=text, user_id=text),
            ArchivedReaction(emoji="off", user_id="U", removed_at=AT),
        ],
        versions=[ArchivedVersion(content=text, written_at=AT)],
        blocks=[
            ArchivedBlock(
                id="b1",
                position=1,
                block_type="tool_use",
                content={"tool_name": text, "tool_input": {text: text}, "tool_output": text},
                **block,
            ),
            ArchivedBlock(
                id="b2", position=2, block_type="usage", content={"model": text}, tokens=1200, model=text, **block
            ),
            ArchivedBlock(id="b3", position=3, block_type="user_file", content={}, details={"filename": text}, **block),
            ArchivedBlock(id="b4", position=4, block_type=text, content={"x": text}, **block),
        ],
        feedback=[ArchivedFeedback(id="f", user_id=text, rating=5, comment=text, correction=text, created_at=AT)],
    )


async def page_of(thread: Thread, message: ArchivedMessage | None = None, read_file: ReadFile | None = None) -> str:
    provider = Provider()
    fields = {name: getattr(thread, name) for name in Thread.model_fields if name != "messages"}
    await provider.merge_archive([ArchivedThread(**fields, messages=[message or everything(HOSTILE)])])
    return "".join([piece async for piece in render(provider, Page(thread.title, [thread]), read_file)])


def shown(text: str, **more: Any) -> Parsed:
    return Parsed(message_html(ArchivedMessage(message=Message(role="user", content=text, created_at=AT)), 1, **more))


# Hostile texts


def test_no_tag_or_attribute_comes_of_a_text() -> None:
    harmless, hostile = Parsed(message_html(everything("word"), 1)), Parsed(message_html(everything(HOSTILE), 1))

    # The one address in it is a link three times: in the content, in the version, and in the feedback's two texts.
    assert [tag for tag in hostile.tags if tag != "a"] == [tag for tag in harmless.tags if tag != "a"]
    names = {name for name, _ in hostile.attributes}
    assert names == {"class", "id", "href", "datetime", "dir", "rel"}
    links = {value for name, value in hostile.attributes if name == "href"}
    assert links == {"#t1-1", "https://x.org/"}


async def test_page_of_a_hostile_thread_has_no_script_and_no_address_but_links() -> None:
    thread = Thread(
        title=HOSTILE,
        user_id="<b>",
        agent_name='"><i>',
        attributes={HOSTILE: HOSTILE},
        platforms={"<u>": {"channel": "<s>"}},
    )
    page = await page_of(thread)
    parsed = Parsed(page)
    assert not {"script", "b", "i", "u", "s", "iframe", "object", "link", "base", "form"} & set(parsed.tags)
    assert parsed.tags.count("style") == parsed.tags.count("title") == 1
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "style", "action")]
    assert "url(" not in page
    assert "@import" not in page


async def test_page_forbids_by_policy_whatever_it_does_not_need() -> None:
    parsed = Parsed(await page_of(Thread(title="Launch")))
    policy = next(value for name, value in parsed.attributes if name == "content" and value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//x"]
)
def test_only_web_addresses_are_links(address: str) -> None:
    assert shown(f"see {address} there").tags.count("a") == 1  # the message's own time


def test_link_tells_the_other_side_nothing() -> None:
    parsed = shown("see https://example.org/a?b=1&c=2.")
    assert ("href", "https://example.org/a?b=1&c=2") in parsed.attributes
    assert ("rel", "noreferrer noopener nofollow") in parsed.attributes
    assert parsed.text("div") == "see ."


def test_link_in_brackets_ends_before_them() -> None:
    parsed = shown("[docs](https://example.org/a_(b)) and (https://example.org)")
    links = [value for name, value in parsed.attributes if name == "href"]
    assert links == ["#t1-0", "https://example.org/a_(b)", "https://example.org"]


def test_control_characters_are_shown() -> None:
    assert shown("a\x1b[31m\x07\x7f\x9b\rb\r\nc\td").text("div") == "a␛[31m␇␡\ufffd␍b\nc\td"


def test_direction_of_a_text_ends_with_it() -> None:
    parsed = shown("\u202eabc")
    assert ("dir", "auto") in parsed.attributes
    assert "unicode-bidi: isolate" in STYLE


def test_name_cannot_turn_itself_around() -> None:
    file = Attachment(name="\u202egpj\u200f.exe", type="x")
    one = ArchivedMessage(
        message=Message(role="user", source={"name": "\u2066a\nb"}, attachments=[file], created_at=AT)
    )
    assert Parsed(message_html(one, 1)).text("bdi") == "\ufffda␊b\ufffdgpj\ufffd.exex"


# What is shown


def test_message_of_nobody_known_is_named_by_its_role_once() -> None:
    parsed = Parsed(message_html(ArchivedMessage(message=Message(role="assistant", created_at=AT)), 1))
    assert parsed.text().split()[:2] == ["assistant", "2024-03-01"]


def test_message_shows_all_that_belongs_to_it() -> None:
    parsed = Parsed(message_html(everything("word"), 3))
    told = parsed.text()
    for part in (
        "assistant",
        "2024-03-01 12:00:05 UTC",
        "edited 2024-03-01 12:00:35 UTC",
        "was deleted 2024-03-01 12:01:05 UTC",
        "word, 20 bytes",
        "tool word",
        "usage of word: 1,200 tokens",
        "file word",
        "earlier wordings",
        "feedback: stars 5, by word",
    ):
        assert part in told
    assert ("datetime", "2024-03-01T12:00:05+00:00") in parsed.attributes
    assert ("id", "t3-1") in parsed.attributes
    assert "word 1 word" in re.sub(r"\s+", " ", told)
    assert "off" not in told


def test_reaction_of_many_names_some() -> None:
    reactions = [ArchivedReaction(emoji="👍", user_id=f"U{number}") for number in range(25)]
    told = Parsed(
        message_html(ArchivedMessage(message=Message(role="user", created_at=AT), reactions=reactions), 1)
    ).text()
    assert "👍 25 U0, U1" in told
    assert "U19 and 5 more" in told


def test_hits_are_marked_also_in_links() -> None:
    def hits(text: str) -> list[tuple[int, int]]:
        return [each.span() for each in re.finditer("launch", text, re.IGNORECASE)]

    parsed = shown("Launch <b> https://launch.example/x", hits=hits)
    assert parsed.text("mark") == "Launchlaunch"
    assert "b" not in parsed.tags


def test_hostile_text_that_is_marked_stays_a_text() -> None:
    parsed = shown(HOSTILE, hits=lambda text: [(0, len(text))])
    assert set(parsed.tags) == {"article", "header", "bdi", "a", "time", "div", "mark"}


# Images


async def images_in(content: bytes | None, size_bytes: int = 20) -> list[str | None]:
    async def read(_file: Attachment) -> bytes | None:
        return content

    file = Attachment(
        name="\" onerror='alert(1)' <x>",
        type="text/html",
        size_bytes=size_bytes,
        sha256=SHA,
        location=file_location(SHA),
    )
    page = await page_of(
        Thread(), read_file=read, message=ArchivedMessage(message=Message(role="user", attachments=[file]))
    )
    attributes = Parsed(page).attributes
    assert not [name for name, _ in attributes if name.startswith("on")]
    return [value for name, value in attributes if name == "src"]


async def test_image_stands_in_the_page_as_what_its_bytes_are() -> None:
    assert await images_in(PNG) == [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"]


@pytest.mark.parametrize("content", [None, b"", b"<svg onload='alert(1)'/>", b"<html>\x89PNG\r\n\x1a\n"])
async def test_what_is_no_image_of_pixels_stays_out(content: bytes | None) -> None:
    assert await images_in(content) == []


async def test_large_image_stays_out() -> None:
    assert await images_in(PNG, IMAGE_BYTES + 1) == []


# Long threads


async def test_page_lists_its_threads_and_has_all_their_messages_in_order() -> None:
    provider = Provider()
    threads = []
    for title in ("one", "two"):
        thread = Thread(title=title)
        messages = [Message(role="user", content=f"{title} {number}", sequence=number) for number in range(1, 1_202)]
        fields = {name: getattr(thread, name) for name in Thread.model_fields if name != "messages"}
        await provider.merge_archive(
            [ArchivedThread(**fields, messages=[ArchivedMessage(message=m) for m in messages])]
        )
        threads.append(thread)
    pieces = [piece async for piece in render(provider, Page("2 threads", threads))]

    parsed = Parsed("".join(pieces))
    assert max(map(len, pieces)) < 10_000  # the beginning, with its style
    assert [value for name, value in parsed.attributes if name == "href"][:2] == ["#t1", "#t2"]
    assert re.findall(r"(?:one|two) \d+", parsed.text("div")) == [
        f"{title} {number}" for title in ("one", "two") for number in range(1, 1_202)
    ]
