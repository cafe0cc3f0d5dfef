"""A store's calls for messages, reactions and files.

Proved by `tests/contract/test_messages.py`, `test_reactions.py` and `test_files.py`.
"""

from typing import Any

from backscroll.storage.models import Attachment, Content, Message, Thread
from backscroll.storage.search import MARKED
from backscroll.storage.store.opening import whole
from backscroll.storage.store.threads import StoreThreads
from backscroll.storage.values import check_count, check_id, check_type, clean_json, clean_text


class StoreMessages(StoreThreads):
    """The calls for messages, reactions and files."""

    @whole
    async def add_message(self, thread_id: str, message: Message) -> Message:
        """Append one message and return it with its sequence. A system message is returned unchanged and not stored.

        Atomic: the number and the row commit together or not at all. A message whose id or external id is stored in
        this thread already is returned as it is stored.

        Raises: ThreadNotFoundError: no thread has this id. MessageExistsError: another thread has a message of this id.
        """
        provider = await self._ready()
        check_id(thread_id)
        if check_type(message, Message, "message").role == "system":
            return message
        checked = Message.model_validate(message.__dict__)
        return await self._attachments.write([checked], lambda: provider.append_message(thread_id, checked))

    async def get_messages(self, thread_id: str, limit: int | None = None, before: int | None = None) -> list[Message]:
        """Return the newest `limit` messages (None: all), oldest first, tombstones too; empty for an unknown thread.

        Args: before: a sequence, exclusive; None means from the newest.
        """
        if limit is not None:
            check_count(limit, "limit")
        if before is not None:
            check_count(before, "before")
        return await (await self._ready()).read_messages(check_id(thread_id), limit=limit, before=before)

    @whole
    async def get_thread_by_message_id(self, message_id: str) -> Thread | None:
        """Return the thread that a message is in, with all its messages, or None."""
        provider = await self._ready()
        found = await provider.get_message(check_id(message_id))
        return None if found is None else await provider.get_thread(found[0])

    async def edit_message(self, message_id: str, content: Content) -> Message | None:
        """Change a message's content, keeping what it said before as a version, and return the message.

        Returns: None when the message is unknown or a tombstone.
        """
        checked = Message(role="user", content=content).content
        return await (await self._ready()).edit_message(check_id(message_id), checked)

    @whole
    async def delete_message(self, message_id: str) -> bool:
        """Make a message a tombstone: its content, versions, reactions and files go, its row and sequence stay.

        Returns: False when it is unknown or a tombstone already.
        """
        deleted = await (await self._ready()).delete_message(check_id(message_id))
        if deleted:
            await self._attachments.discard_dropped()
        return deleted

    @whole
    async def read_file(self, attachment: Attachment) -> bytes | None:
        """Return the content of a message's attachment; None when the file store does not have it.

        Raises: StorageRefusedError: the stored file is damaged.
        """
        await self._ready()
        return await self._attachments.read(check_type(attachment, Attachment, "attachment"))

    async def add_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Add one user's emoji to a message, after those that stand.

        Returns: False when it stands already, or the thread has no such message, or it is a tombstone.
        """
        provider = await self._ready()
        return await provider.add_reaction(
            check_id(thread_id), check_id(message_id), check_id(emoji, "emoji"), check_id(user_id, "user_id")
        )

    async def remove_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Take one user's emoji off a message; False when it does not stand there."""
        provider = await self._ready()
        return await provider.remove_reaction(
            check_id(thread_id), check_id(message_id), check_id(emoji, "emoji"), check_id(user_id, "user_id")
        )

    async def find_messages_by_attribute(self, path: str | list[str], value: Any) -> list[Message]:
        """Return the messages in which this value stands at a path: `created_at`, then `id`.

        Equality as in `find_by_attributes`.

        Args: path: a text with dots, such as `"platforms.slack.ts"`, or a list of keys, where keys have dots in them.
            It begins with `attributes`, `metrics`, `platforms` or `source`.
        """
        keys = tuple(path.split(".") if isinstance(path, str) else check_type(path, list, "path"))
        if len(keys) < 2 or keys[0] not in MARKED or not all(isinstance(key, str) for key in keys):
            raise ValueError(f"path is one of {', '.join(MARKED)}, and the keys inside it")
        provider = await self._ready()
        return await provider.find_messages_by_attribute(tuple(clean_text(key) for key in keys), clean_json(value))
