"""A store's calls for conversations and blocks, as Slack agents name them.

Proved by `tests/contract/test_blocks.py`, `test_tool_calls.py`, `test_conversations.py` and `test_export.py`.
"""

from datetime import date, datetime
from typing import Any

from backscroll.errors import FileGoneError
from backscroll.storage.blocks import output_text
from backscroll.storage.files import Held
from backscroll.storage.models import Block
from backscroll.storage.provider.blocks import tool_call_of
from backscroll.storage.search import SEARCHED_LENGTH
from backscroll.storage.store.opening import whole
from backscroll.storage.store.searches import StoreSearches
from backscroll.storage.values import check_id, clean_json, clean_object, to_json

OUTPUT_BYTES = 256 * 1024
"""Bytes of a tool's output as JSON from which on it is kept as a file."""


class StoreBlocks(StoreSearches):
    """The calls for conversations and blocks, as Slack agents name them."""

    @property
    def supports_export(self) -> bool:
        """Whether what is kept outlives the process."""
        return self.provider.supports_export

    @whole
    async def get_or_create_conversation(
        self, agent_name: str, channel_id: str, thread_id: str, channel_name: str | None = None
    ) -> str:
        """Return the id of the thread that an agent has at a place of Slack; make and store it when there is none.

        Concurrent calls make one. A thread that was kept by other ways is found too: in `platforms.slack` it has this
        channel and `thread_ts`, or, where both ids are the same, no `thread_ts`; its agent is this one, or else none.

        Args: channel_name: kept in the thread's `platforms.slack`, also when it is told later.
        """
        provider = await self._ready()
        return await provider.get_or_create_conversation(agent_name, channel_id, thread_id, channel_name)

    async def has_conversation(self, agent_name: str, channel_id: str, thread_id: str) -> bool:
        """Tell whether `get_or_create_conversation` would find a thread."""
        return await (await self._ready()).has_conversation(agent_name, channel_id, thread_id)

    @whole
    async def create_message(
        self, conversation_id: str, user_id: str, user_name: str | None, user_handle: str | None
    ) -> str:
        """Append a user's message that says nothing yet, and return its id.

        Raises: ThreadNotFoundError: no thread has this id.
        """
        provider = await self._ready()
        return await provider.create_message(check_id(conversation_id), user_id, user_name, user_handle)

    @whole
    async def append_text_block(
        self, message_id: str, text: str, *, is_user: bool = False, source_file_id: str | None = None
    ) -> str:
        """Let a message say one text more, a line of its content or an entry, and return the block's id.

        Raises: MessageNotFoundError: no message has this id, or it was deleted.
        """
        provider = await self._ready()
        return await provider.append_text_block(
            check_id(message_id), text, is_user=is_user, source_file_id=source_file_id
        )

    @whole
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
        provider = await self._ready()
        return await provider.append_file_block(
            check_id(message_id),
            content,
            is_user=is_user,
            filename=filename,
            mimetype=mimetype,
            size_bytes=size_bytes,
            tool_block_id=tool_block_id,
        )

    @whole
    async def append_tool_block(
        self,
        message_id: str,
        *,
        tool_call_id: str,
        tool_name: str,
        tool_input: dict[str, Any],
        tool_output: Any,
        is_error: bool = False,
    ) -> str:
        """Note a tool call beside a message, and return the block's id; of a call that it has, that of the one kept.

        The message is found by the words in it. An output of more than 256 KiB as JSON is kept whole in the file store;
        the block has its first 100,000 characters.

        Raises: as `append_text_block`; ValueError: the input is no JSON object, or the output no JSON.
        """
        provider = await self._ready()
        message_id, output = check_id(message_id), clean_json(tool_output, "tool_output")
        call: dict[str, Any] = {
            "tool_call_id": check_id(tool_call_id, "tool_call_id"),
            "tool_name": check_id(tool_name, "tool_name"),
            "tool_input": clean_object(tool_input, "tool_input"),
            "is_error": is_error,
        }
        if not _is_long(output):
            return await provider.append_tool_block(message_id, **call, tool_output=output)
        text = output_text(output)

        async def commit(held: Held) -> str:
            file = {"sha256": held.sha256, "size_bytes": held.size_bytes}
            beginning = text[:SEARCHED_LENGTH]
            return await provider.append_tool_block(message_id, **call, tool_output=beginning, output_file=file)

        return await self._attachments.write_output(text.encode(), commit)

    @whole
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
        """Note what a message cost, for `get_usage_stats`, and return the block's id. It outlives a deletion.

        Raises: as `append_text_block`; ValueError: a count does not fit 64 bits, or the cost is not 0 to 1e15.
        """
        provider = await self._ready()
        return await provider.append_usage_block(
            check_id(message_id),
            model=model,
            version=version,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_creation_input_tokens=cache_creation_input_tokens,
            cache_read_input_tokens=cache_read_input_tokens,
            peak_single_call_input_tokens=peak_single_call_input_tokens,
            estimated_cost_usd=estimated_cost_usd,
        )

    async def get_message_blocks(self, conversation_id: str) -> list[tuple[str, list[Block]]]:
        """Return the blocks of each message of a thread, `(message's id, blocks)` by sequence.

        Empty for an unknown thread. What a message says is a block of its own where no text was appended, and each of
        its attachments is one. Of a tombstone only what it cost is left.
        """
        return await (await self._ready()).get_message_blocks(check_id(conversation_id))

    @whole
    async def get_tool_call(self, tool_call_id: str) -> dict[str, Any] | None:
        """Return a tool call, `{"tool_name", "input_json", "output_json", "is_error"}`, or None.

        The newest where several messages have the id. `output_json` is the whole output: itself where it was a text,
        else its JSON text.

        Raises: FileGoneError: the file store does not have the output.
        """
        provider = await self._ready()
        block = await provider.find_tool_block(check_id(tool_call_id, "tool_call_id"))
        if block is None:
            return None
        file = block.get("output_file")
        if file is None:
            return tool_call_of(block)
        output = await self._attachments.read_output(file["sha256"])
        if output is None:
            raise FileGoneError(
                f"The output of tool call {tool_call_id} is not in the file store.",
                "Give the store the files that it was kept in: ThreadStore(…, files=…).",
            )
        return tool_call_of(block, output.decode())

    async def upsert_heartbeat(self, agent_name: str, last_ping_pong_time: float) -> None:
        """Note when an agent's connection was last seen alive, in place of what was noted before."""
        await (await self._ready()).upsert_heartbeat(agent_name, last_ping_pong_time)

    async def get_heartbeat(self, agent_name: str) -> dict[str, float] | None:
        """Return `{"last_ping_pong_time": seconds}`, or None for an agent that never had one."""
        return await (await self._ready()).get_heartbeat(check_id(agent_name, "agent_name"))

    async def get_conversations_for_export(
        self,
        agent_name: str,
        *,
        handle: str | None = None,
        date_from: datetime | date | str | None = None,
        date_to: datetime | date | str | None = None,
    ) -> list[dict[str, Any]]:
        """Return an agent's threads: `{"id", "agent_name", "channel_id", "channel_name", "thread_id"}` of each.

        Order: `created_at`, then `id`. With conditions those in which one message meets all of them; a tombstone meets
        none.

        Args: handle: the author's, or where they have none their name. date_from, date_to: inclusive; instants, or ISO
            texts of such; without a zone they are UTC. A date without a time is its whole day.
        Raises: ValueError: a date cannot be read.
        """
        provider = await self._ready()
        return await provider.get_conversations_for_export(
            agent_name, handle=handle, date_from=date_from, date_to=date_to
        )

    async def get_messages_with_blocks(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return a thread's messages by sequence, with their authors and blocks; empty for an unknown thread.

        Each is `{"id", "user_id", "user_name", "user_handle", "created_at", "blocks"}`, the blocks as
        `get_message_blocks` gives them. What is not known of an author is None.
        """
        return await (await self._ready()).get_messages_with_blocks(check_id(conversation_id))


def _is_long(output: Any) -> bool:
    if isinstance(output, str) and len(output) > OUTPUT_BYTES:
        return True
    return len(to_json(output).encode()) > OUTPUT_BYTES
