"""What Slack agents ask of a `ConversationManager`: the calls for conversations and blocks, passed on to a store.

Proved by `tests/unit/bot/test_conversations.py`.
"""

from datetime import date, datetime
from typing import Any

from backscroll.storage.files import FileStore
from backscroll.storage.models import Block
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore


class Conversations:
    """The calls of `ThreadStore` for conversations and blocks; each means what it means there."""

    def __init__(self, provider: StorageProvider, files: FileStore | None = None) -> None:
        """Use a provider that somebody else closes, and the file store that its files lie in."""
        self.provider = provider
        self._store = ThreadStore(provider=provider, files=files, closes_provider=False)

    @property
    def supports_export(self) -> bool:
        """Whether what is kept outlives the process."""
        return self.provider.supports_export

    async def get_or_create_conversation(
        self, agent_name: str, channel_id: str, thread_id: str, channel_name: str | None = None
    ) -> str:
        """Return the id of an agent's thread at a place of Slack; make it when there is none."""
        return await self._store.get_or_create_conversation(agent_name, channel_id, thread_id, channel_name)

    async def has_conversation(self, agent_name: str, channel_id: str, thread_id: str) -> bool:
        """Tell whether there is such a thread."""
        return await self._store.has_conversation(agent_name, channel_id, thread_id)

    async def create_message(
        self, conversation_id: str, user_id: str, user_name: str | None, user_handle: str | None
    ) -> str:
        """Append a user's message that says nothing yet, and return its id."""
        return await self._store.create_message(conversation_id, user_id, user_name, user_handle)

    async def append_text_block(
        self, message_id: str, text: str, *, is_user: bool = False, source_file_id: str | None = None
    ) -> str:
        """Let a message say one text more, and return the block's id."""
        return await self._store.append_text_block(message_id, text, is_user=is_user, source_file_id=source_file_id)

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
        """Note a file beside a message, and return the block's id."""
        return await self._store.append_file_block(
            message_id,
            content,
            is_user=is_user,
            filename=filename,
            mimetype=mimetype,
            size_bytes=size_bytes,
            tool_block_id=tool_block_id,
        )

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
        """Note a tool call beside a message, and return the block's id."""
        return await self._store.append_tool_block(
            message_id,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            tool_input=tool_input,
            tool_output=tool_output,
            is_error=is_error,
        )

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
        """Note what a message cost, and return the block's id."""
        return await self._store.append_usage_block(
            message_id,
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
        """Return the blocks of each message of a thread: `(message's id, blocks)`, by sequence."""
        return await self._store.get_message_blocks(conversation_id)

    async def get_tool_call(self, tool_call_id: str) -> dict[str, Any] | None:
        """Return a tool call, `{"tool_name", "input_json", "output_json", "is_error"}`, or None."""
        return await self._store.get_tool_call(tool_call_id)

    async def upsert_heartbeat(self, agent_name: str, last_ping_pong_time: float) -> None:
        """Note when an agent's connection was last seen alive."""
        await self._store.upsert_heartbeat(agent_name, last_ping_pong_time)

    async def get_heartbeat(self, agent_name: str) -> dict[str, float] | None:
        """Return `{"last_ping_pong_time": seconds}`, or None for an agent that never had one."""
        return await self._store.get_heartbeat(agent_name)

    async def get_conversations_for_export(
        self,
        agent_name: str,
        *,
        handle: str | None = None,
        date_from: datetime | date | str | None = None,
        date_to: datetime | date | str | None = None,
    ) -> list[dict[str, Any]]:
        """Return an agent's threads in which one message meets all conditions."""
        return await self._store.get_conversations_for_export(
            agent_name, handle=handle, date_from=date_from, date_to=date_to
        )

    async def get_messages_with_blocks(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return a thread's messages by sequence, with their authors and blocks."""
        return await self._store.get_messages_with_blocks(conversation_id)
