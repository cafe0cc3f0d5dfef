"""What Slack agents ask of a `ConversationManager`: the calls for conversations and blocks, passed on to a store.

Proved by `tests/unit/bot/test_conversations.py`.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from backscroll.storage.files import FileStore
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore

P = ParamSpec("P")
T = TypeVar("T")


def _passed_on(
    call: Callable[Concatenate[ThreadStore, P], Awaitable[T]],
) -> Callable[Concatenate["Conversations", P], Coroutine[Any, Any, T]]:
    """Make the call of a store one of its manager's."""

    @wraps(call)
    async def pass_on(manager: "Conversations", /, *args: P.args, **named: P.kwargs) -> T:
        return await call(manager._store, *args, **named)  # noqa: SLF001  # the class's own decorator

    return pass_on


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

    get_or_create_conversation = _passed_on(ThreadStore.get_or_create_conversation)
    has_conversation = _passed_on(ThreadStore.has_conversation)
    create_message = _passed_on(ThreadStore.create_message)
    append_text_block = _passed_on(ThreadStore.append_text_block)
    append_file_block = _passed_on(ThreadStore.append_file_block)
    append_tool_block = _passed_on(ThreadStore.append_tool_block)
    append_usage_block = _passed_on(ThreadStore.append_usage_block)
    get_message_blocks = _passed_on(ThreadStore.get_message_blocks)
    get_tool_call = _passed_on(ThreadStore.get_tool_call)
    upsert_heartbeat = _passed_on(ThreadStore.upsert_heartbeat)
    get_heartbeat = _passed_on(ThreadStore.get_heartbeat)
    get_conversations_for_export = _passed_on(ThreadStore.get_conversations_for_export)
    get_messages_with_blocks = _passed_on(ThreadStore.get_messages_with_blocks)
