"""`backscroll show`: one thread, with all that was said and done in it.

Proved by `tests/scenario/test_cli_find.py`.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from backscroll.cli.naming import Named, find_thread, place_of
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    MOST,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import as_cell, as_size, counted, notice, one_line, print_facts, print_json, print_text
from backscroll.storage.archive import ArchivedBlock, ArchivedMessage, ArchiveMark
from backscroll.storage.blocks import SAID, output_text
from backscroll.storage.models import Attachment, plain_text
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import to_json
from backscroll.transfer.html import author_of

SHOWN = 100
"""Messages that are shown where nothing else is asked for."""

CUT_LENGTH = 500
"""Characters of a tool's input or output that are shown; `--json` has all of it."""

_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown of a thread whose newest message has the number `last`; `has_more`: there are earlier ones."""

    named: Named
    aliases: list[str]
    lineage: dict[str, Any]
    messages: list[ArchivedMessage]
    last: int
    has_more: bool


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="ID", help="A thread's id, alias or link, or the id of a message, also a platform's."),
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, help="How many messages, at most.")] = SHOWN,
    before: Annotated[
        int | None, typer.Option("--before", min=1, help="The newest before this number.", metavar="SEQUENCE")
    ] = None,
    versions: Annotated[bool, typer.Option("--versions", help="Show what edited messages said before.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show a thread: its newest messages, oldest first, with edits, reactions, files, tool calls and answers.

    With a message's id or link its page ends with that message. `--json` prints the thread, then a message a line.
    """
    log_to_stderr(verbose)

    async def work(storage: Storage) -> Page:
        return await _read(storage.provider, name, limit, before)

    page = with_storage(config, work, url=url)
    facts = _facts(page)
    if as_json:
        print_json({"kind": "thread"} | facts)
        for message in page.messages:
            print_json(_as_json(message, versions))
        return
    print_facts(facts)
    for message in page.messages:
        print_text()
        _print_message(message, versions, is_named=message.message.id == page.named.message_id)
    if page.has_more:
        print_text()
        shown = f"{counted(len(page.messages), 'message')} of #1 to #{page.last}"
        notice(f"{shown}; --before {page.messages[0].message.sequence} shows earlier ones.")


async def _read(provider: StorageProvider, name: str, limit: int, before: int | None) -> Page:
    named = await find_thread(provider, name)
    thread_id = named.thread.id
    newest = await provider.read_messages(thread_id, limit=1)
    last = (newest[-1].sequence or 0) if newest else 0
    if before is None:
        before = last + 1 if named.sequence is None else named.sequence + 1
    read = await _read_back(provider, thread_id, min(before, last + 1), limit + 1)
    aliases = await provider.get_thread_aliases(thread_id)
    lineage = await provider.get_thread_lineage(thread_id)
    return Page(named, aliases, lineage, read[-limit:], last, len(read) > limit)


async def _read_back(provider: StorageProvider, thread_id: str, before: int, count: int) -> list[ArchivedMessage]:
    """Read the newest `count` messages before a number, oldest first; an import may have left numbers out."""
    read, span = list[ArchivedMessage](), count
    while len(read) < count and before > 1:
        first = max(1, before - span)
        found = await _read_range(provider, thread_id, first, before)
        read, before = found + read, first
        span = count - len(read) if found else 2 * span  # so that a wide gap costs few steps
    return read[-count:]


async def _read_range(provider: StorageProvider, thread_id: str, first: int, before: int) -> list[ArchivedMessage]:
    read = list[ArchivedMessage]()
    while first < before:
        mark = ArchiveMark(thread_id, first - 1)
        pieces = await provider.read_archive(after=mark, limit=before - first, thread_ids=[thread_id])
        found = [each for piece in pieces for each in piece.messages]
        read += [each for each in found if (each.message.sequence or 0) < before]
        # None where the thread was deleted meanwhile.
        first = (found[-1].message.sequence or before) + 1 if found else before
    return read


def _facts(page: Page) -> dict[str, Any]:
    thread = page.named.thread
    forks = [each["thread_id"] for each in page.lineage["descendants"] if each["parent_thread_id"] == thread.id]
    return {
        "id": thread.id,
        "title": thread.title,
        "where": place_of(thread.platforms) or None,
        "channel": next((name for place in thread.platforms.values() if (name := place.get("channel_name"))), None),
        "aliases": page.aliases or None,
        "user": thread.user_id,
        "agent": thread.agent_name,
        "fork_of": thread.parent_id,
        "forked_at_message": thread.forked_at,
        "forks": forks or None,
        "attributes": to_json(thread.attributes) if thread.attributes else None,
        "last_sequence": page.last,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }


def _as_json(archived: ArchivedMessage, versions: bool) -> dict[str, Any]:
    told = archived.model_dump(mode="json", exclude=set() if versions else {"versions"})
    for file, attachment in zip(told["message"]["attachments"], archived.message.attachments, strict=True):
        file["is_kept"] = attachment.is_kept
    if told["answer"] is not None:
        told["answer"]["retries"] = told["answer"].pop("tries")
    return {"kind": "message"} | told


def _print_message(archived: ArchivedMessage, versions: bool, *, is_named: bool) -> None:
    message = archived.message
    author = author_of(message)
    source_id = (message.source or {}).get("id")
    named = f"{author} ({source_id})" if source_id not in (None, author) else author
    marks = [f"edited {as_cell(message.edited_at)}"] if message.edited_at else []
    marks += [f"deleted {as_cell(message.deleted_at)}"] if message.deleted_at else []
    marks += ["named here"] if is_named else []
    role = "" if author == message.role else f" {message.role}"
    head = f"#{message.sequence} {as_cell(message.created_at)} {one_line(named)}{role}"
    print_text(head + "".join(f" · {mark}" for mark in marks), bold=True)
    if message.text:
        _print_indented(message.text)
    for version in archived.versions if versions else ():
        print_text(f"{_INDENT}[earlier wording, written {as_cell(version.written_at)}]")
        _print_indented(plain_text(version.content), 2)
    for line in _lines(archived):
        print_text(_INDENT + one_line(line))


def _print_indented(text: str, depth: int = 1) -> None:
    # Each line of its own: a text cannot pass for what stands beside it.
    for line in text.split("\n"):
        print_text(_INDENT * depth + line)


def _lines(archived: ArchivedMessage) -> list[str]:
    """Tell what stands beside the text, a line each."""
    message = archived.message
    others = [each for each in message.content if not isinstance(each.get("text"), str)] if isinstance(
        message.content, list
    ) else []  # fmt: skip
    lines = [f"[{each.get('type', 'block')}] {_cut(to_json(each))}" for each in others]
    lines += [f"[file] {_file(each)}" for each in message.attachments]
    lines += [f"[tool call] {_cut(to_json(each))}" for each in message.tool_calls]
    lines += [f"[result of tool call] {message.tool_call_id}"] if message.tool_call_id else []
    lines += [line for block in archived.blocks if (line := _block(block))]
    reactions: dict[str, list[str]] = {}
    for reaction in archived.reactions:
        if reaction.removed_at is None:
            reactions.setdefault(reaction.emoji, []).append(reaction.user_id)
    lines += [f"[reaction] {emoji} {', '.join(users)}" for emoji, users in reactions.items()]
    for given in archived.feedback:
        told = [given.thumb, f"{given.rating} stars" if given.rating else None, given.comment, given.correction]
        lines.append(f"[feedback] {given.user_id or 'somebody'}: {_cut(', '.join(str(each) for each in told if each))}")
    return lines + _answer(archived)


def _answer(archived: ArchivedMessage) -> list[str]:
    answer = archived.answer
    if answer is None:
        return []
    retries = f" after {counted(answer.tries, 'retry', 'retries')}" if answer.tries else ""
    reason = f": {answer.reason}" if answer.reason else ""
    lines = [f"[answer] {answer.state}{retries}{reason} ({answer.id})"]
    for approval in answer.approvals:
        who = f" by {approval.decided_by}" if approval.decided_by else ""
        at = f" at {as_cell(approval.decided_at)}" if approval.decided_at else ""
        lines.append(f"[approval] {approval.outcome or f'open until {as_cell(approval.expires_at)}'}{who}{at}")
    return lines


def _file(file: Attachment) -> str:
    size = as_size(file.size_bytes)
    kept = "kept" if file.is_kept else "not kept"
    return ", ".join(each for each in (file.name, file.type, size, kept) if each)


def _block(block: ArchivedBlock) -> str | None:
    content, details = block.content, block.details
    if block.block_type in SAID:
        return None
    if block.block_type == "tool_use":
        output = details.get("output_file")
        shown = f"a file of {as_size(output.get('size_bytes'))}" if output else output_text(content.get("tool_output"))
        failed = " failed" if content.get("is_error") else ""
        return f"[tool] {content.get('tool_name')} {_cut(to_json(content.get('tool_input')))} →{failed} {_cut(shown)}"
    if block.block_type == "usage":
        cost = content.get("estimated_cost_usd")
        priced = "" if cost is None else f", {cost:.6g} USD"
        return f"[usage] {content.get('model')}: {as_cell(block.tokens)} tokens{priced}"
    size = as_size(details.get("size_bytes"))
    told = [details.get("filename") or "a file", details.get("mimetype"), size]
    return f"[file] {', '.join(each for each in told if each)}"


def _cut(text: str) -> str:
    return text if len(text) <= CUT_LENGTH else f"{text[:CUT_LENGTH]}…"
