"""A store's calls for checkpoints.

Proved by `tests/contract/test_checkpoints.py`.
"""

from collections.abc import Iterable
from typing import Any

from backscroll.storage.store.agents import StoreAgents
from backscroll.storage.values import check_count, check_id, check_text, check_type, clean_object

NAMESPACE_LENGTH = 1000
"""Characters of a namespace, at most."""

INT32 = 2**31 - 1


class StoreCheckpoints(StoreAgents):
    """The calls for checkpoints.

    Ids are as all ids; a namespace is a text of up to 1,000 characters, and `""` that of the graph itself.
    """

    async def save_checkpoint(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        parent_id: str | None,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        """Keep a checkpoint, in place of the one that has its name; that one's writes and `created_at` stay.

        The thread need not be stored. Raises: ValueError: JSON cannot hold what is in it.
        """
        provider = await self._ready()
        await provider.save_checkpoint(
            check_id(thread_id, "thread_id"),
            _check_namespace(namespace),
            check_id(checkpoint_id, "checkpoint_id"),
            None if parent_id is None else check_id(parent_id, "parent_id"),
            clean_object(checkpoint, "checkpoint"),
            clean_object(metadata, "metadata"),
        )

    async def save_checkpoint_writes(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        task_id: str,
        writes: list[dict[str, Any]],
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote after a checkpoint, all of it or nothing.

        A write whose position the task has already is passed over; one below zero takes its place.

        Args: writes: `{"position", "channel", "value"}` each, the value a JSON object.
        Raises: ValueError: JSON cannot hold what is in it.
        """
        checked = [
            _check_write(write, f"writes[{index}]") for index, write in enumerate(check_type(writes, list, "writes"))
        ]
        provider = await self._ready()
        await provider.save_checkpoint_writes(
            check_id(thread_id, "thread_id"),
            _check_namespace(namespace),
            check_id(checkpoint_id, "checkpoint_id"),
            check_id(task_id, "task_id"),
            checked,
            check_text(task_path, "task_path"),
        )

    async def get_checkpoint(
        self, thread_id: str, namespace: str = "", checkpoint_id: str | None = None
    ) -> dict[str, Any] | None:
        """Return a checkpoint with its writes, or None; without an id the newest, which has the greatest id."""
        provider = await self._ready()
        return await provider.get_checkpoint(
            check_id(thread_id, "thread_id"),
            _check_namespace(namespace),
            None if checkpoint_id is None else check_id(checkpoint_id, "checkpoint_id"),
        )

    async def list_checkpoints(
        self,
        thread_id: str | None = None,
        namespace: str | None = None,
        *,
        before: str | None = None,
        limit: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return checkpoints with their writes, newest first: `checkpoint_id`, `thread_id`, `namespace`, descending.

        Args: thread_id, namespace: None means all. before: a checkpoint's id, exclusive. limit: None means all.
            metadata: top-level values that must all be equal, as in `find_by_attributes`.
        """
        provider = await self._ready()
        return await provider.list_checkpoints(
            None if thread_id is None else check_id(thread_id, "thread_id"),
            None if namespace is None else _check_namespace(namespace),
            before=None if before is None else check_id(before, "before"),
            limit=None if limit is None else check_count(limit, "limit"),
            metadata=None if metadata is None else clean_object(metadata, "metadata"),
        )

    async def delete_checkpoints(self, thread_id: str) -> int:
        """Delete the checkpoints of a thread in all namespaces, with their writes, and return how many there were."""
        return await (await self._ready()).delete_checkpoints(check_id(thread_id, "thread_id"))

    async def delete_checkpoints_of_runs(self, run_ids: Iterable[str]) -> int:
        """Delete the checkpoints whose metadata name one of these runs as `run_id`, and return how many there were."""
        return await (await self._ready()).delete_checkpoints_of_runs(_check_ids(run_ids, "run_ids"))

    async def copy_checkpoints(self, thread_id: str, new_thread_id: str) -> int:
        """Copy the checkpoints of a thread with their writes under another thread's id, and return how many are new.

        One that the other thread has already stays as it is.
        """
        provider = await self._ready()
        return await provider.copy_checkpoints(
            check_id(thread_id, "thread_id"), check_id(new_thread_id, "new_thread_id")
        )

    async def prune_checkpoints(self, thread_ids: Iterable[str], *, unless_metadata: str | None = None) -> None:
        """Delete the checkpoints of these threads, with their writes, but for the newest of each namespace.

        Args: unless_metadata: a key of the metadata. Where the newest has it, the older ones of its namespace stay.
        """
        key = None if unless_metadata is None else check_text(unless_metadata, "unless_metadata")
        provider = await self._ready()
        await provider.prune_checkpoints(_check_ids(thread_ids, "thread_ids"), unless_metadata=key)


def _check_namespace(namespace: str) -> str:
    """Clean a namespace and return it.

    Raises: ValueError: it is no text of up to 1,000 characters.
    """
    text = check_text(namespace, "namespace")
    if len(text) > NAMESPACE_LENGTH:
        raise ValueError(f"namespace is a text of up to {NAMESPACE_LENGTH:,} characters, got {len(text):,} characters")
    return text


def _check_ids(ids: Iterable[str], name: str) -> list[str]:
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise ValueError(f"{name} are a list of ids, got {type(ids).__name__}")
    return [check_id(each, name) for each in ids]


def _check_write(write: Any, where: str) -> dict[str, Any]:
    """Clean one write and return it.

    Raises: ValueError: it lacks something, has more than it may, or JSON cannot hold its value.
    """
    if not isinstance(write, dict) or write.keys() != {"position", "channel", "value"}:
        raise ValueError(f'{where} is an object with "position", "channel" and "value"')
    position = write["position"]
    if isinstance(position, bool) or not isinstance(position, int) or not -INT32 <= position <= INT32:
        raise ValueError(f"{where}.position is a whole number of at most 32 bits")
    channel = check_text(write["channel"], f"{where}.channel")
    return {"position": position, "channel": channel, "value": clean_object(write["value"], f"{where}.value")}
