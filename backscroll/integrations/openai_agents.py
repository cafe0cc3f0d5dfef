"""A session of the OpenAI Agents SDK on a thread. Needs the extra `openai-agents`.

Each item of the session is one message of the thread: what it says is the message's text, which searches find, and the
item itself stands whole in the message's attributes. Proved by `tests/integrations/test_openai_agents.py`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from backscroll.storage.changes import ThreadChanges
from backscroll.storage.models import Message, Role, Thread
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import check_id, check_type, clean_object

try:
    from agents.items import TResponseInputItem
    from agents.memory.session_settings import SessionSettings, coerce_session_settings, resolve_session_limit
except ImportError as error:
    raise ImportError(
        "backscroll.integrations.openai_agents needs the OpenAI Agents SDK. "
        'Install it: pip install "backscroll[openai-agents]"'
    ) from error

ITEM = "openai_item"
"""The attribute of a message that holds its item."""

PAGE_COUNT = 200
"""Messages that are read at once, at most."""

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}


class BackscrollSession:
    """Keeps a session's items as the messages of a thread: `await Runner.run(agent, "Hello", session=session)`.

    The thread has the session's id, and is made with the first items. Other messages of it are no items, and stay when
    the session is cleared. Order is the thread's: items of several sessions with one id all stay, each call's items
    together. What was taken away leaves a tombstone.

    Args: store: who opened it closes it.
        session_settings: `limit` is how many items a run is given, the newest; None means all.
        user_id, agent_name: whose thread it is, where this session makes it.
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        store: ThreadStore,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        user_id: str | None = None,
        agent_name: str | None = None,
    ) -> None:
        self.session_id = check_id(session_id, "session_id")
        self.session_settings = coerce_session_settings(session_settings or SessionSettings())
        self.store = check_type(store, ThreadStore, "store")
        of = {"user_id": user_id, "agent_name": agent_name}
        self._of = {name: check_id(value, name) for name, value in of.items() if value is not None}

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the newest `limit` items, oldest first; none for a limit below 1.

        Args: limit: None means the settings' limit, and all where they have none.
        """
        count = resolve_session_limit(limit, self.session_settings)
        items: list[TResponseInputItem] = []
        if count is not None and count < 1:
            return items
        async with aclosing(self._newest_first(PAGE_COUNT if count is None else count)) as messages:
            async for message in messages:
                items.append(_item_of(message))
                if len(items) == count:
                    break
        items.reverse()
        return items

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Put items at the end, all of them in one transaction or none. The thread is made where there is none.

        Raises: ValueError: an item is no JSON object; nothing is kept then.
        """
        messages = [_message(item, f"items[{index}]") for index, item in enumerate(items)]
        if not messages:
            return
        await self.store.initialize()
        provider = self.store.provider
        is_new = bool(self._of) and await provider.get_thread(self.session_id, limit=0) is None
        fields = self._of if is_new else {}
        # `ThreadStore.save` would leave out what a system says, which is an item like the others.
        changes = ThreadChanges(Thread(id=self.session_id), was_loaded=False, fields=fields, messages=messages)
        await provider.write_thread(changes)

    async def pop_item(self) -> TResponseInputItem | None:
        """Take away the newest item and return it; None when there is none. No item is given to two callers."""
        async with aclosing(self._newest_first(1)) as messages:
            async for message in messages:
                if await self.store.delete_message(message.id):
                    return _item_of(message)
        return None

    async def clear_session(self) -> None:
        """Take away all items, the newest first; one that is added meanwhile may stay."""
        async for message in self._newest_first(PAGE_COUNT):
            await self.store.delete_message(message.id)

    async def _newest_first(self, count: int) -> AsyncGenerator[Message, None]:
        """Yield the messages that hold an item, in pages that begin with as many as are wanted."""
        before: int | None = None
        size = min(count, PAGE_COUNT)
        while True:
            page = await self.store.get_messages(self.session_id, limit=size, before=before)
            for message in reversed(page):
                if isinstance(message.attributes.get(ITEM), dict):
                    yield message
            if len(page) < size or page[0].sequence is None or page[0].sequence == 1:
                return
            before = page[0].sequence
            size = min(2 * size, PAGE_COUNT)  # tombstones may stand there


def _item_of(message: Message) -> TResponseInputItem:
    return cast(TResponseInputItem, message.attributes[ITEM])


def _message(item: Any, where: str) -> Message:
    """Make the message that holds an item.

    Raises: ValueError: the item is no JSON object.
    """
    kept = clean_object(item, where)
    call_id = kept.get("call_id")
    named = call_id if isinstance(call_id, str) and _role(kept) == "tool" else None
    return Message(role=_role(kept), content=_text(kept), tool_call_id=named, attributes={ITEM: kept})


def _role(item: dict[str, Any]) -> Role:
    """Tell whose an item is: what it says; else what a tool gave is the tool's, and the rest the assistant's."""
    role, kind = item.get("role"), item.get("type")
    if isinstance(role, str):
        return _ROLES.get(role, "assistant")
    return "tool" if isinstance(kind, str) and kind.endswith("_output") else "assistant"


def _text(item: dict[str, Any]) -> str:
    """Return what an item says: its texts, a line each; of a call, the tool's name and what it was given."""
    if isinstance(item.get("name"), str) and isinstance(item.get("arguments"), str):
        return f"{item['name']} {item['arguments']}"
    for field in ("content", "output", "summary"):
        if item.get(field):
            return "\n".join(_texts(item[field]))
    return ""


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value if isinstance(value, list) else [value]
    said = [part.get("text") or part.get("refusal") for part in parts if isinstance(part, dict)]
    return [text for text in said if isinstance(text, str)]
