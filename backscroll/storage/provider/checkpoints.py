"""Checkpoints: the states of a graph, step by step, and what its tasks wrote since.

A checkpoint is found by its thread, its namespace (`""` is the graph itself, others are graphs inside it) and its id;
ids sort in time. The thread need not be one of ours. Proved by `tests/contract/test_checkpoints.py` and
`tests/integrations/test_langgraph.py`.
"""

from collections.abc import Iterable
from typing import Any

from backscroll.storage.provider.approvals import ApprovalCalls
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_of, instant_text
from backscroll.storage.values import ID_LENGTH, canonical_json, utc_now


class CheckpointCalls(ApprovalCalls):
    """The calls for checkpoints, with defaults on the six primitives.

    A checkpoint comes back as `{"thread_id", "namespace", "checkpoint_id", "parent_id", "checkpoint", "metadata",
    "created_at", "writes"}`, and each of its writes as `{"task_id", "task_path", "position", "channel", "value"}`, in
    the order of `task_path`, `task_id`, `position`.
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
        """Keep a checkpoint, in place of the one that has its name; that one's writes and `created_at` stay."""
        key = join_key(thread_id, namespace, checkpoint_id)
        async with self._exclusive:
            before = await self.get("checkpoints", key) or {"created_at": instant_text(utc_now())}
            value = {
                "thread_id": thread_id,
                "namespace": namespace,
                "checkpoint_id": checkpoint_id,
                "parent_id": parent_id,
                "checkpoint": checkpoint,
                "metadata": metadata,
                "run_id": run_of(metadata),
                "created_at": before["created_at"],
            }
            await self.set("checkpoints", key, value)

    async def save_checkpoint_writes(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        task_id: str,
        writes: list[dict[str, Any]],
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote after a checkpoint, which may itself still be to come.

        A write whose `position` the task has already is a repeat, and passed over; one below zero, of which a task has
        one each, takes the place of the one that stands. Atomic.

        Args: writes: `{"position", "channel", "value"}` each, the value a JSON object.
        """
        place = {"thread_id": thread_id, "namespace": namespace, "checkpoint_id": checkpoint_id, "task_id": task_id}
        async with self._exclusive:
            for write in one_a_position(writes):
                key = join_key(*place.values(), write["position"])
                if write["position"] < 0 or await self.get("checkpoint_writes", key) is None:
                    await self.set("checkpoint_writes", key, {**place, **write, "task_path": task_path})

    async def get_checkpoint(
        self, thread_id: str, namespace: str = "", checkpoint_id: str | None = None
    ) -> dict[str, Any] | None:
        """Return a checkpoint with its writes, or None.

        Args: checkpoint_id: None means the newest, which has the greatest id.
        """
        place = {"thread_id": thread_id, "namespace": namespace}
        if checkpoint_id is None:
            row = max(await self.query("checkpoints", place), key=newest_checkpoint, default=None)
        else:
            row = await self.get("checkpoints", join_key(thread_id, namespace, checkpoint_id))
        return (
            None if row is None else checkpoint_of(_dated(row), await self.query("checkpoint_writes", _place_of(row)))
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
        place = _filters(thread_id, namespace)
        rows = [
            row
            for row in await self.query("checkpoints", place)
            if (before is None or row["checkpoint_id"] < before) and has_values(row["metadata"], metadata or {})
        ]
        rows = sorted(rows, key=newest_checkpoint, reverse=True)[:limit]
        writes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for write in await self.query("checkpoint_writes", place) if rows else ():
            writes.setdefault(newest_checkpoint(write), []).append(write)
        return [checkpoint_of(_dated(row), writes.get(newest_checkpoint(row), [])) for row in rows]

    async def delete_checkpoints(self, thread_id: str) -> int:
        """Delete the checkpoints of a thread in all namespaces, with their writes, and return how many there were."""
        async with self._exclusive:
            return await self._forget_checkpoints(thread_id)

    async def delete_checkpoints_of_runs(self, run_ids: Iterable[str]) -> int:
        """Delete the checkpoints whose metadata name one of these runs as `run_id`, and return how many there were.

        Their writes go with them. Of a `run_id` that is no text of 1 to 500 characters none is found.
        """
        count = 0
        async with self._exclusive:
            for run_id in dict.fromkeys(run_ids):
                for row in await self.query("checkpoints", {"run_id": run_id}):
                    for write in await self.query("checkpoint_writes", _place_of(row)):
                        await self.delete("checkpoint_writes", write["key"])
                    await self.delete("checkpoints", row["key"])
                    count += 1
        return count

    async def copy_checkpoints(self, thread_id: str, new_thread_id: str) -> int:
        """Copy the checkpoints of a thread with their writes under another thread's id, and return how many are new.

        One that the other thread has already stays as it is, so a repeat completes what is missing.
        """
        count = 0
        async with self._exclusive:
            for namespace in ("checkpoint_writes", "checkpoints"):  # a checkpoint comes with its writes
                count = 0
                for row in await self.query(namespace, {"thread_id": thread_id}):
                    copy = row | {"thread_id": new_thread_id}
                    del copy["key"]
                    if await self.get(namespace, _key_of(copy)) is None:
                        await self.set(namespace, _key_of(copy), copy)
                        count += 1
        return count

    async def prune_checkpoints(self, thread_ids: Iterable[str], *, unless_metadata: str | None = None) -> None:
        """Delete the checkpoints of these threads, with their writes, but for the newest of each namespace.

        Args: unless_metadata: a key of the metadata. Where the newest has it, the older ones of its namespace stay.
        """
        async with self._exclusive:
            for thread_id in dict.fromkeys(thread_ids):
                rows = await self.query("checkpoints", {"thread_id": thread_id})
                newest = {row["namespace"]: row for row in sorted(rows, key=newest_checkpoint)}
                for row in (*rows, *await self.query("checkpoint_writes", {"thread_id": thread_id})):
                    last = newest.get(row["namespace"])
                    if last is None or row["checkpoint_id"] >= last["checkpoint_id"]:
                        continue
                    if unless_metadata is None or unless_metadata not in last["metadata"]:
                        await self.delete("checkpoint_writes" if "task_id" in row else "checkpoints", row["key"])


def checkpoint_of(row: dict[str, Any], writes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Lay a checkpoint out as it is given back."""
    fields = ("thread_id", "namespace", "checkpoint_id", "parent_id", "checkpoint", "metadata", "created_at")
    names = ("task_id", "task_path", "position", "channel", "value")
    return {
        **{name: row[name] for name in fields},
        "writes": sorted(
            ({name: write[name] for name in names} for write in writes),
            key=lambda write: (write["task_path"], write["task_id"], write["position"]),
        ),
    }


def newest_checkpoint(row: dict[str, Any]) -> tuple[str, str, str]:
    """Order checkpoints; newest first is its reverse."""
    return row["checkpoint_id"], row["thread_id"], row["namespace"]


def has_values(values: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether an object has all these top-level values."""
    return all(name in values and canonical_json(values[name]) == canonical_json(wanted[name]) for name in wanted)


def run_of(metadata: dict[str, Any]) -> str | None:
    """Return the run that a checkpoint's metadata name, a text of 1 to 500 characters, or None."""
    run_id = metadata.get("run_id")
    return run_id if isinstance(run_id, str) and 0 < len(run_id) <= ID_LENGTH else None


def one_a_position(writes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave one write for each position: the first, and of those below zero the last."""
    chosen: dict[int, dict[str, Any]] = {}
    for write in writes:
        if write["position"] < 0:
            chosen[write["position"]] = write
        else:
            chosen.setdefault(write["position"], write)
    return list(chosen.values())


def _filters(thread_id: str | None, namespace: str | None) -> dict[str, Any]:
    wanted = {"thread_id": thread_id, "namespace": namespace}
    return {name: value for name, value in wanted.items() if value is not None}


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"created_at": instant_of(row["created_at"])}


def _place_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("thread_id", "namespace", "checkpoint_id")}


def _key_of(row: dict[str, Any]) -> str:
    parts = list(_place_of(row).values())
    return join_key(*parts, row["task_id"], row["position"]) if "task_id" in row else join_key(*parts)
