"""Blocks: what an agent did, part by part, beside what a message says.

Proved by `tests/contract/test_blocks.py` and `test_tool_calls.py`.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from backscroll.storage.blocks import (
    Carrier,
    NewBlock,
    Placed,
    blocks_of,
    file_block,
    grown,
    message_deleted,
    message_unknown,
    output_text,
    said_blocks,
    text_block,
    tool_block,
    usage_block,
)
from backscroll.storage.models import Block
from backscroll.storage.provider.places import PlaceCalls
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_text, message_of
from backscroll.storage.values import utc_now

_KEPT = ("id", "block_type", "content", "created_at")


class BlockCalls(PlaceCalls):
    """The calls for blocks, with defaults on the six primitives.

    A block as it is read is `{"id", "block_type", "content", "created_at"}`, and where they were told
    `"source_file_id"`, `"filename"`, `"mimetype"`, `"size_bytes"`, `"tool_block_id"` and `"output_file"`. Its type is
    `user_text`, `text`, `content` (an entry of a content that is no text), `user_file`, `file`, `tool_use` or `usage`.
    """

    async def append_text_block(
        self, message_id: str, text: str, *, is_user: bool = False, source_file_id: str | None = None
    ) -> str:
        """Let a message say one text more, and return the block's id.

        Its content grows by a line, or by an entry where it is a list; it is no edit. An edit makes one text of all.

        Raises: MessageNotFoundError: no message has this id, or it was deleted. ValueError: an argument cannot be.
        """
        return await self.append_block(message_id, text_block(text, is_user=is_user, source_file_id=source_file_id))

    async def append_file_block(
        self,
        message_id: str,
        content: dict[str, Any],
        *,
        is_user: bool,
        filename: str | None,
        mimetype: str | None,
        size_bytes: int | None,
        tool_block_id: str | None = None,
    ) -> str:
        """Note a file beside a message, and return the block's id.

        Args: content: a JSON object that says where the file is. tool_block_id: the block of the tool that made it.
        Raises: as `append_text_block`.
        """
        block = file_block(
            content,
            is_user=is_user,
            filename=filename,
            mimetype=mimetype,
            size_bytes=size_bytes,
            tool_block_id=tool_block_id,
        )
        return await self.append_block(message_id, block)

    async def append_tool_block(
        self,
        message_id: str,
        *,
        tool_call_id: str,
        tool_name: str,
        tool_input: dict[str, Any],
        tool_output: Any,
        is_error: bool = False,
        output_file: dict[str, Any] | None = None,
    ) -> str:
        """Note a tool call beside a message, and return the block's id.

        A call that the message has already, by its `tool_call_id`, is a repeat: the block that stands stays. The
        message is found by the words in it.

        Args: tool_output: any JSON; of an output that lies in the file store, its beginning. output_file: of such a
            one `{"sha256", "size_bytes"}`.
        Raises: as `append_text_block`.
        """
        block = tool_block(
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            tool_input=tool_input,
            tool_output=tool_output,
            is_error=is_error,
            output_file=output_file,
        )
        return await self.append_block(message_id, block)

    async def append_usage_block(
        self,
        message_id: str,
        *,
        model: str,
        version: str | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_creation_input_tokens: int = 0,
        cache_read_input_tokens: int = 0,
        peak_single_call_input_tokens: int = 0,
        estimated_cost_usd: float | None = None,
    ) -> str:
        """Note what a message cost, and return the block's id. It stays when the message is deleted.

        The first four counts add up to its tokens in `get_usage_stats`.

        Raises: as `append_text_block`; ValueError: a count does not fit 64 bits, or the cost is not 0 to 1e15.
        """
        block = usage_block(
            model=model,
            version=version,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_creation_input_tokens=cache_creation_input_tokens,
            cache_read_input_tokens=cache_read_input_tokens,
            peak_single_call_input_tokens=peak_single_call_input_tokens,
            estimated_cost_usd=estimated_cost_usd,
        )
        return await self.append_block(message_id, block)

    async def append_block(self, message_id: str, block: NewBlock) -> str:
        """Append a block that was checked, as the four calls above say, and return its id.

        Atomic, and two at once both stay, in some order. One that the message has already, by its id, is a repeat;
        nobody may know whether it was appended.

        Raises: MessageNotFoundError: no message has this id, or it was deleted.
        """
        async with self._exclusive:
            row = await self._message_row(message_id)
            if row is None:
                raise message_unknown(message_id)
            if row["message"]["deleted_at"] is not None:
                raise message_deleted(message_id)
            others = await self.query("blocks", {"message_id": message_id})
            for each in others:
                is_same_call = block.tool_call_id is not None and each["tool_call_id"] == block.tool_call_id
                if is_same_call or each["id"] == block.id:
                    return str(each["id"])
            texts = row.setdefault("texts", [])
            if any(each["id"] == block.id for each in texts):
                return block.id
            place = max((each["position"] for each in [*others, *texts]), default=0)
            stored = asdict(block) | {"position": max(place, 0) + 1, "created_at": instant_text(utc_now())}
            if block.is_said:
                lowest = min((each["position"] for each in others), default=1)
                _say(row, stored, min(lowest, 1))
            else:
                await self._set_block(row, stored)
            await self._change(row, True)
            return block.id

    async def get_message_blocks(self, conversation_id: str) -> list[tuple[str, list[Block]]]:
        """Return the blocks of each message of a thread, `(message's id, blocks)` by sequence.

        Empty for an unknown thread. What a message says is a block of its own where no text was appended, and each of
        its attachments is one. Of a tombstone only what it cost is left.
        """
        return [(carrier.id, blocks) for carrier, blocks in await self.read_blocks(conversation_id)]

    async def read_blocks(self, thread_id: str) -> list[tuple[Carrier, list[Block]]]:
        """Return what `get_message_blocks` does, each with what of its message the blocks are read with."""
        thread = await self.get("threads", thread_id)
        if thread is None:
            return []
        placed: dict[str, list[Placed]] = {}
        for stored in await self.query("blocks", {"thread_id": thread_id}):
            placed.setdefault(stored["message_id"], []).append((stored["position"], _read(stored)))
        found = []
        for number in range(1, thread["last_sequence"] + 1):
            row = await self.get("messages", join_key(thread_id, number))
            if row is not None:
                texts = [(each["position"], _read(each)) for each in row.get("texts", ())]
                its = sorted([*texts, *placed.get(row["message"]["id"], ())], key=lambda each: each[0])
                carrier = _carrier(row)
                found.append((carrier, blocks_of(carrier, its)))
        return found

    async def get_tool_call(self, tool_call_id: str) -> dict[str, Any] | None:
        """Return a tool call, `{"tool_name", "input_json", "output_json", "is_error"}`, or None.

        The newest where several messages have the id. `input_json` is JSON text, `output_json` the output itself where
        that is a text, else its JSON text; of an output that lies in the file store it is the beginning.
        """
        block = await self.find_tool_block(tool_call_id)
        return None if block is None else tool_call_of(block)

    async def find_tool_block(self, tool_call_id: str) -> Block | None:
        """Return the block of a tool call, the newest where several messages have the id, or None."""
        found = await self.query("blocks", {"tool_call_id": tool_call_id})
        newest = max(found, key=lambda each: (each["created_at"], each["id"]), default=None)
        return None if newest is None else _read(newest)

    async def _set_block(self, row: dict[str, Any], stored: dict[str, Any]) -> None:
        message_id = row["message"]["id"]
        if stored["sha256"] is not None:
            user = join_key(stored["sha256"], message_id, stored["id"])
            await self.set("file_users", user, {"sha256": stored["sha256"]})
        value = stored | {"message_id": message_id, "thread_id": row["thread_id"]}
        await self.set("blocks", join_key(message_id, stored["position"]), value)


def tool_call_of(block: Block, output: str | None = None) -> dict[str, Any]:
    """Lay a tool's block out as `get_tool_call` gives it.

    Args: output: the whole output as a text; None means the block's own.
    """
    content = block["content"]
    return {
        "tool_name": content["tool_name"],
        "input_json": json.dumps(content["tool_input"], indent=2, ensure_ascii=False),
        "output_json": output_text(content["tool_output"]) if output is None else output,
        "is_error": content["is_error"],
    }


def _say(row: dict[str, Any], stored: dict[str, Any], lowest: int) -> None:
    """Let a message's value say one text more; what it said before becomes blocks in front of those that stand."""
    texts, carrier = row["texts"], _carrier(row)
    has_texts = bool(texts)
    if not has_texts:
        said = said_blocks(carrier.id, carrier.role, carrier.content, carrier.created_at)
        first = min(lowest, 1) - len(said)
        at = instant_text(carrier.created_at)
        texts += [each | {"position": first + n, "created_at": at, "details": {}} for n, each in enumerate(said)]
    row["message"]["content"] = grown(carrier.content, stored["content"]["text"], has_texts=has_texts)
    texts.append(stored)


def _carrier(row: dict[str, Any]) -> Carrier:
    message = message_of(row)
    files = [each.model_dump(exclude={"content"}) for each in message.attachments]
    return Carrier(
        message.id, message.role, message.content, files, message.source, message.created_at, message.deleted_at
    )


def _read(stored: dict[str, Any]) -> Block:
    block: Block = {name: stored[name] for name in _KEPT} | stored["details"]
    return block | {"created_at": datetime.fromisoformat(stored["created_at"])}
