"""Aliases: other names by which a thread is found.

Proved by `tests/contract/test_aliases.py`.
"""

from backscroll.errors import AliasInUseError
from backscroll.storage.models import Thread
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.provider.threads import ThreadCalls


class AliasCalls(ThreadCalls):
    """The calls for aliases, with defaults on the six primitives."""

    async def save_thread_alias(self, thread_id: str, alias: str) -> None:
        """Give a thread one more name; harmless when it has it.

        Raises: ThreadNotFoundError: no thread has this id. AliasInUseError: the alias belongs to another thread.
        """
        async with self._exclusive:
            await self._need_thread(thread_id)
            holder = await self.get("aliases", alias)
            if holder is not None and holder["thread_id"] != thread_id:
                raise alias_in_use(alias)
            await self.set("aliases", alias, {"thread_id": thread_id})

    async def move_alias(self, alias: str, thread_id: str) -> None:
        """Give a thread this name, and take it from the one that has it.

        Raises: ThreadNotFoundError: no thread has this id.
        """
        async with self._exclusive:
            await self._need_thread(thread_id)
            await self.set("aliases", alias, {"thread_id": thread_id})

    async def get_by_alias(self, alias: str, *, limit: int | None = None) -> Thread | None:
        """Return the thread with this alias and its newest `limit` messages (None: all), or None."""
        holder = await self.get("aliases", alias)
        return None if holder is None else await self.get_thread(holder["thread_id"], limit=limit)

    async def get_thread_aliases(self, thread_id: str) -> list[str]:
        """Return a thread's aliases in the order of their code points; empty for an unknown thread."""
        return sorted(row["key"] for row in await self.query("aliases", {"thread_id": thread_id}))

    async def delete_thread_alias(self, alias: str) -> bool:
        """Take a name away; False when nobody has it."""
        async with self._exclusive:
            if await self.get("aliases", alias) is None:
                return False
            await self.delete("aliases", alias)
            return True

    async def _need_thread(self, thread_id: str) -> None:
        if await self.get("threads", thread_id) is None:
            raise thread_gone(thread_id)


def alias_in_use(alias: str) -> AliasInUseError:
    """Make the error for an alias that another thread has."""
    return AliasInUseError(f"Alias {alias} belongs to another thread.", "Delete it there first.")
