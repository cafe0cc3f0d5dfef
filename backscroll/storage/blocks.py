"""What a block is: made and checked, and put together with what its message says.

The texts of a message are its content once more, part by part: where none was appended, its blocks are read out of the
content. Knows no backend. Proved by `tests/contract/test_blocks.py` and `test_tool_calls.py`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from backscroll.errors import MessageNotFoundError
from backscroll.storage.models import Block, Content
from backscroll.storage.values import (
    INT64,
    check_count,
    check_id,
    check_text,
    check_type,
    clean_json,
    clean_object,
    clean_text,
    new_id,
    to_json,
)

SAID = ("user_text", "text", "content")
"""The types of blocks that are the content; all others stand beside it."""

LIMIT_COST_USD = 1e15

_OWN_IDS = UUID("5b0c6a52-4a0f-4f0e-9d0a-3a8f6c1f7e21")
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "peak_single_call_input_tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """A block that is to be appended, checked. `details` are what a reader is given beside its content."""

    block_type: str
    content: dict[str, Any] = field(repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)
    tool_call_id: str | None = None
    sha256: str | None = None
    tokens: int | None = None
    model: str | None = None
    cost_usd: float | None = None
    id: str = field(default_factory=new_id)

    @property
    def is_said(self) -> bool:
        """Whether it is part of what the message says."""
        return self.block_type in SAID


@dataclass(frozen=True, slots=True)
class Carrier:
    """What of a message its blocks are read with. `attachments` are dumps."""

    id: str
    role: str
    content: Content = field(repr=False)
    attachments: list[dict[str, Any]] = field(repr=False)
    source: dict[str, Any] | None = field(repr=False)
    created_at: datetime
    deleted_at: datetime | None


Placed = tuple[int, Block]
"""A stored block and its position: what was read out of the content stands at 0 and below."""


def text_block(text: str, *, is_user: bool, source_file_id: str | None) -> NewBlock:
    """Make a block of text. Raises: ValueError: an argument is of the wrong kind."""
    details = {} if source_file_id is None else {"source_file_id": check_id(source_file_id, "source_file_id")}
    block_type = "user_text" if check_type(is_user, bool, "is_user") else "text"
    return NewBlock(block_type=block_type, content={"text": check_text(text, "text")}, details=details)


def file_block(
    content: dict[str, Any],
    *,
    is_user: bool,
    filename: str | None,
    mimetype: str | None,
    size_bytes: int | None,
    tool_block_id: str | None,
) -> NewBlock:
    """Make a block of a file. Raises: ValueError: an argument is of the wrong kind, or no JSON."""
    details = {
        "filename": None if filename is None else check_text(filename, "filename"),
        "mimetype": None if mimetype is None else check_text(mimetype, "mimetype"),
        "size_bytes": None if size_bytes is None else check_count(size_bytes, "size_bytes", 0),
        "tool_block_id": None if tool_block_id is None else check_id(tool_block_id, "tool_block_id"),
    }
    return NewBlock(
        block_type="user_file" if check_type(is_user, bool, "is_user") else "file",
        content=clean_object(content, "content"),
        details={name: value for name, value in details.items() if value is not None},
    )


def tool_block(
    *,
    tool_call_id: str,
    tool_name: str,
    tool_input: dict[str, Any],
    tool_output: Any,
    is_error: bool,
    output_file: dict[str, Any] | None = None,
) -> NewBlock:
    """Make a block of a tool call. Raises: ValueError: an argument is of the wrong kind, or no JSON."""
    content = {
        "tool_call_id": check_id(tool_call_id, "tool_call_id"),
        "tool_name": check_id(tool_name, "tool_name"),
        "tool_input": clean_object(tool_input, "tool_input"),
        "tool_output": clean_json(tool_output, "tool_output"),
        "is_error": check_type(is_error, bool, "is_error"),
    }
    return NewBlock(
        block_type="tool_use",
        content=content,
        details={} if output_file is None else {"output_file": output_file},
        tool_call_id=content["tool_call_id"],
        sha256=None if output_file is None else output_file["sha256"],
    )


def usage_block(*, model: str, version: str | None, estimated_cost_usd: float | None, **counts: int) -> NewBlock:
    """Make a block of what a model was used for.

    Raises: ValueError: an argument is of the wrong kind, a count does not fit 64 bits, nor do they all together, or the
        cost is not from 0 to 1e15.
    """
    content: dict[str, Any] = {"model": check_id(model, "model")}
    content["version"] = None if version is None else check_text(version, "version")
    content |= {name: check_count(counts[name], name, 0) for name in _COUNTS}
    content["estimated_cost_usd"] = None if estimated_cost_usd is None else _cost(estimated_cost_usd)
    tokens = sum(content[name] for name in _COUNTS[:4])
    if tokens > INT64:
        raise ValueError("the tokens of one block are at most 64 bits together")
    return NewBlock(
        block_type="usage",
        content=content,
        tokens=tokens,
        model=content["model"],
        cost_usd=content["estimated_cost_usd"],
    )


def _cost(cost_usd: float) -> float:
    if isinstance(cost_usd, bool) or not isinstance(cost_usd, int | float):
        raise ValueError(f"estimated_cost_usd is a number, got {type(cost_usd).__name__}")
    if not 0 <= cost_usd <= LIMIT_COST_USD:  # NaN neither
        raise ValueError("estimated_cost_usd is a number from 0 to 1e15")
    return float(cost_usd)


def said_blocks(message_id: str, role: str, content: Content, created_at: datetime) -> list[Block]:
    """Read a content as blocks: a text is one, and each entry of a list."""
    if content == "":
        return []
    entries: list[Block] = [{"text": content}] if isinstance(content, str) else content
    text_type = "user_text" if role == "user" else "text"
    blocks = []
    for number, entry in enumerate(entries, 1):
        is_text = isinstance(entry.get("text"), str)
        blocks.append(
            {
                "id": _own_id("said", message_id, number),
                "block_type": text_type if is_text else "content",
                "content": {"text": entry["text"]} if is_text else entry,
                "created_at": created_at,
            }
        )
    return blocks


def grown(content: Content, text: str, *, has_texts: bool) -> Content:
    """Return a content that says one text more. Args: has_texts: texts were appended to it before."""
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n{text}" if content or has_texts else text


def blocks_of(carrier: Carrier, placed: list[Placed]) -> list[Block]:
    """Put a message's stored blocks, which are in order, together with what they are read out of: content and files."""
    if carrier.deleted_at is not None:
        return [block for _, block in placed if block["block_type"] == "usage"]
    stored = [block for _, block in placed]
    files = [_file_block(carrier, number, file) for number, file in enumerate(carrier.attachments, 1)]
    if not any(block["block_type"] in SAID for block in stored):
        return [*said_blocks(carrier.id, carrier.role, carrier.content, carrier.created_at), *files, *stored]
    if not files:
        return stored
    before = sum(position <= 0 for position, _ in placed)
    return stored[:before] + files + stored[before:]


def _file_block(carrier: Carrier, number: int, file: dict[str, Any]) -> Block:
    block = {
        "id": _own_id("file", carrier.id, number),
        "block_type": "user_file" if carrier.role == "user" else "file",
        "content": {"location": file["location"], "sha256": file["sha256"]},
        "created_at": carrier.created_at,
        "filename": file["name"],
        "mimetype": file["type"],
    }
    return block if file["size_bytes"] is None else block | {"size_bytes": file["size_bytes"]}


def _own_id(kind: str, message_id: str, number: int) -> str:
    return str(uuid5(_OWN_IDS, f"{kind} {number} {message_id}"))


def output_text(output: Any) -> str:
    """Return a tool's output as a text: itself, where it is one, else its JSON."""
    return output if isinstance(output, str) else to_json(output)


def message_unknown(message_id: str) -> MessageNotFoundError:
    """Make the error for a message that is not stored."""
    return MessageNotFoundError(
        f"Message {clean_text(message_id)} is not stored.", "It may have been deleted with its thread."
    )


def message_deleted(message_id: str) -> MessageNotFoundError:
    """Make the error for a message that is a tombstone."""
    return MessageNotFoundError(f"Message {message_id} was deleted.", "Nothing can be added to it any more.")
