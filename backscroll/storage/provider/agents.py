"""Threads and messages as agent platforms name them.

Proved by `tests/contract/test_agent_threads.py`.
"""

from typing import Any

from backscroll.errors import ThreadExistsError
from backscroll.storage.models import Content, Message, Role, Thread
from backscroll.storage.provider.conversations import ConversationCalls
from backscroll.storage.provider.rows import thread_row
from backscroll.storage.values import check_count, check_id, check_text, clean_object, new_id

THREAD_FIELDS = ("title", "metadata", "user_id", "agent_name")


class AgentCalls(ConversationCalls):
    """The calls for agents, with defaults on the six primitives."""

    async def create_thread(
        self,
        thread_id: str | None,
        user_id: str | None,
        agent_name: str | None,
        *,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Thread:
        """Make a thread and store it; of several that do so at once with one id, one does.

        Args: thread_id: None makes a new one. metadata: the thread's `attributes`.
        Raises: ThreadExistsError: the id is in use; that thread stays as it is. ValueError: something that no backend
            can hold; nothing is written.
        """
        thread = new_thread(thread_id, user_id, agent_name, title, metadata)
        made = await self._insert_thread(thread)
        if made is None:
            raise thread_exists(thread.id)
        return made

    async def update_thread(self, thread_id: str, *, with_messages: bool = True, **fields: Any) -> Thread | None:
        """Change the given fields of a thread, and only these, in one transaction, and return the thread.

        Args: fields: `title`; `metadata`, which takes the place of all `attributes`; `user_id` and `agent_name`, None
            for nobody. with_messages: False leaves the messages out of the thread that is returned.
        Returns: None when there is no such thread.
        Raises: ValueError: a field that is none of these, by its name, or a value that cannot be; nothing is written.
        """
        changed = thread_fields(fields)
        async with self._exclusive:
            row = await self.get("threads", thread_id)
            if row is None:
                return None
            if changed:
                row |= changed
                await self._set_thread(row)
            return await self._thread_of(row, None if with_messages else 0)

    async def add_message(
        self, thread_id: str, role: Role, content: Content, *, metadata: dict[str, Any] | None = None
    ) -> Message:
        """Append a message of any role, a system message too, and return it with its sequence.

        Args: metadata: the message's `attributes`.
        Raises: ThreadNotFoundError: no thread has this id. ValueError: something that no backend can hold.
        """
        attributes = clean_object({} if metadata is None else metadata, "metadata")
        return await self.append_message(thread_id, Message(role=role, content=content, attributes=attributes))

    async def get_messages(self, thread_id: str, *, limit: int | None = 100, offset: int = 0) -> list[Message]:
        """Return a page of a thread's messages, oldest first, tombstones too; empty for an unknown thread.

        Args: limit: None means all behind the offset.
        Raises: ValueError: the limit is below 1, or the offset below 0.
        """
        limit = None if limit is None else check_count(limit, "limit")
        check_count(offset, "offset", 0)
        before = None if limit is None else offset + limit + 1
        read = await self.read_messages(thread_id, limit=limit, before=before)
        # A page that reaches behind the end is read from further ahead.
        return [message for message in read if (message.sequence or 0) > offset]

    async def get_stats(self) -> dict[str, Any]:
        """Return `{"backend", "threads", "messages", "feedback"}`: whose figures these are, as `health_check` names it,
        and how many there are of each, tombstones too.
        """
        rows = await self.query("threads", {})
        counts = {"threads": len(rows), "messages": sum(row["last_sequence"] for row in rows)}
        return await self._stats_with(counts | {"feedback": len(await self.query("feedback", {}))})

    async def _stats_with(self, counts: dict[str, int]) -> dict[str, Any]:
        return {"backend": (await self.health_check())["backend"], **counts}

    async def _insert_thread(self, thread: Thread) -> Thread | None:
        """Store a new thread, and return it; None when its id is in use."""
        async with self._exclusive:
            if await self.get("threads", thread.id) is not None:
                return None
            row = thread_row(thread) | {name: getattr(thread, name) for name in ("title", "user_id", "agent_name")}
            row["attributes"] = thread.attributes
            await self._set_thread(row)
            return await self._thread_of(row, 0)


def new_thread(
    thread_id: str | None,
    user_id: str | None,
    agent_name: str | None,
    title: str | None,
    metadata: dict[str, Any] | None,
) -> Thread:
    """Make a thread of what `create_thread` is given.

    Raises: ValueError: something that no backend can hold.
    """
    fields = {"user_id": user_id, "agent_name": agent_name}
    checked = thread_fields(fields | ({} if title is None else {"title": title}))
    attributes = clean_object({} if metadata is None else metadata, "metadata")
    return Thread(id=new_id() if thread_id is None else check_id(thread_id), attributes=attributes, **checked)


def thread_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Clean the fields of a thread that are to be changed; `metadata` are its `attributes`.

    Raises: ValueError: a name that is no such field, or a value that cannot be.
    """
    if unknown := sorted(fields.keys() - set(THREAD_FIELDS)):
        raise ValueError(f"a thread is changed by {', '.join(THREAD_FIELDS)}, not by {', '.join(unknown)}")
    cleaned: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "metadata":
            cleaned["attributes"] = clean_object(value, name)
        elif name == "title":
            cleaned[name] = check_text(value, name)
        else:
            cleaned[name] = None if value is None else check_id(value, name)
    return cleaned


def thread_exists(thread_id: str) -> ThreadExistsError:
    """Make the error for a thread's id that is in use."""
    return ThreadExistsError(f"Thread {thread_id} is stored already.", "Give the new one an id of its own.")
