"""LangGraph's checkpointer: the states of a graph, kept where the threads are. Needs the extra `langgraph`.

States go through LangGraph's own serializer, so what comes back is equal, also what JSON cannot hold. Proved by
`tests/integrations/test_langgraph.py` with LangGraph's own suite, and by `tests/integrations/test_resume.py`.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import check_type, clean_object

try:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        WRITES_IDX_MAP,
        BaseCheckpointSaver,
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        get_checkpoint_id,
        get_checkpoint_metadata,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol
except ImportError as error:
    raise ImportError(
        'backscroll.integrations.langgraph needs LangGraph. Install it: pip install "backscroll[langgraph]"'
    ) from error

T = TypeVar("T")

PAGE_COUNT = 100
"""Checkpoints that are read at once."""

# Its state is spread over the checkpoints before: LangGraph writes this into the newest one's metadata.
_SPREAD = "counters_since_delta_snapshot"


class BackscrollSaver(BaseCheckpointSaver[str]):
    """Keeps a graph's checkpoints on any provider: `graph = builder.compile(checkpointer=BackscrollSaver(store))`.

    Use the graph by its async calls, `await graph.ainvoke(…)`. The sync calls of this class work from another thread
    than the event loop's, once an async one was made in that loop, and raise a RuntimeError elsewhere.

    A graph's thread makes no thread of ours. Where one has the same id, deleting it deletes its checkpoints too.
    Filters look at that part of the metadata that JSON can hold, and equality is JSON equality.

    Args: store: a `ThreadStore`, or a provider. Who opened it closes it.
    """

    def __init__(self, store: ThreadStore | StorageProvider, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        if isinstance(store, StorageProvider):
            store = ThreadStore(provider=store, closes_provider=False)
        self.store = check_type(store, ThreadStore, "store")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that a config names, or without an id its thread's newest, with its pending writes."""
        self._remember_loop()
        found = await self.store.get_checkpoint(*_place(config), get_checkpoint_id(config) or None)
        return None if found is None else self._tuple(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # the framework's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first, in pages: a long history is never in memory whole."""
        self._remember_loop()
        named: dict[str, Any] = {} if config is None else config["configurable"]
        only = named.get("checkpoint_id")
        left = limit
        async for found in self._pages(named, filter, None if before is None else get_checkpoint_id(before)):
            if only and found["checkpoint_id"] != only:
                continue
            if left is not None and left <= 0:
                return
            left = None if left is None else left - 1
            yield self._tuple(found)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint and return the config that names it. A repeat changes nothing.

        Raises: TypeError: the serializer cannot write something in it; nothing is kept then.
        """
        self._remember_loop()
        thread_id, namespace = _place(config)
        plain, other = _parted(dict(get_checkpoint_metadata(config, metadata)))
        stored: dict[str, Any] = self._written(checkpoint)
        if other:
            stored["metadata"] = self._written(other)
        parent_id = get_checkpoint_id(config) or None
        await self.store.save_checkpoint(thread_id, namespace, checkpoint["id"], parent_id, stored, plain)
        return _config(thread_id, namespace, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote after a checkpoint, all of it or nothing.

        A task has one error, interrupt, resume and the like, the last; any other write that it repeats is passed over.

        Raises: TypeError: the serializer cannot write something in it; nothing is kept then.
        """
        self._remember_loop()
        rows = [
            {"position": WRITES_IDX_MAP.get(channel, index), "channel": channel, "value": self._written(value)}
            for index, (channel, value) in enumerate(writes)
        ]
        checkpoint_id = config["configurable"]["checkpoint_id"]
        await self.store.save_checkpoint_writes(*_place(config), checkpoint_id, task_id, rows, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete the checkpoints and writes of a thread, in all namespaces."""
        self._remember_loop()
        await self.store.delete_checkpoints(str(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these runs made, in all threads, with their writes."""
        self._remember_loop()
        await self.store.delete_checkpoints_of_runs([str(run_id) for run_id in run_ids])

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and writes of a thread under another id; what is there already stays."""
        self._remember_loop()
        await self.store.copy_checkpoints(str(source_thread_id), str(target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of these threads (`delete`), or all but each namespace's newest (`keep_latest`).

        Where a `DeltaChannel` spreads the state over the checkpoints before, `keep_latest` leaves them all.

        Raises: ValueError: the strategy is neither.
        """
        self._remember_loop()
        ids = [str(thread_id) for thread_id in thread_ids]
        if strategy == "keep_latest":
            await self.store.prune_checkpoints(ids, unless_metadata=_SPREAD)
        elif strategy == "delete":
            for thread_id in ids:
                await self.store.delete_checkpoints(thread_id)
        else:
            raise ValueError(f"strategy is keep_latest or delete, got {strategy}")

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do as `aget_tuple`, from another thread than the event loop's."""
        return self._wait(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # the framework's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Do as `alist`, from another thread than the event loop's."""
        found = self.alist(config, filter=filter, before=before, limit=limit)

        async def following() -> CheckpointTuple | None:
            return await anext(found, None)

        while (each := self._wait(following())) is not None:
            yield each

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do as `aput`, from another thread than the event loop's."""
        return self._wait(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Do as `aput_writes`, from another thread than the event loop's."""
        self._wait(self.aput_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Do as `adelete_thread`, from another thread than the event loop's."""
        self._wait(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do as `adelete_for_runs`, from another thread than the event loop's."""
        self._wait(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do as `acopy_thread`, from another thread than the event loop's."""
        self._wait(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do as `aprune`, from another thread than the event loop's."""
        self._wait(self.aprune(thread_ids, strategy=strategy))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Return a channel's next version: a number that sorts as text, and chance behind it for two that race."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{secrets.randbelow(10**16):016}"

    async def _pages(
        self, named: dict[str, Any], wanted: dict[str, Any] | None, before: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        thread_id = named.get("thread_id")
        thread_id = None if thread_id is None else str(thread_id)
        namespace: str | None = named.get("checkpoint_ns")
        # Only in one namespace of one thread no two have the same id, which is where the next page begins.
        limit = None if thread_id is None or namespace is None else PAGE_COUNT
        while True:
            page = await self.store.list_checkpoints(
                thread_id, namespace, before=before, limit=limit, metadata=wanted or None
            )
            for found in page:
                yield found
            if limit is None or len(page) < limit:
                return
            before = page[-1]["checkpoint_id"]

    def _tuple(self, found: dict[str, Any]) -> CheckpointTuple:
        place = found["thread_id"], found["namespace"]
        metadata = found["metadata"]
        if "metadata" in found["checkpoint"]:
            metadata = metadata | self._read(found["checkpoint"]["metadata"])
        return CheckpointTuple(
            config=_config(*place, found["checkpoint_id"]),
            checkpoint=self._read(found["checkpoint"]),
            metadata=metadata,
            parent_config=None if found["parent_id"] is None else _config(*place, found["parent_id"]),
            pending_writes=[(each["task_id"], each["channel"], self._read(each["value"])) for each in found["writes"]],
        )

    def _written(self, value: Any) -> dict[str, Any]:
        kind, data = self.serde.dumps_typed(value)
        return {"type": kind, "data": base64.b64encode(data).decode()}

    def _read(self, stored: dict[str, Any]) -> Any:
        return self.serde.loads_typed((stored["type"], base64.b64decode(stored["data"])))

    def _remember_loop(self) -> None:
        self._loop = asyncio.get_running_loop()

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Run an async call in the store's event loop, and wait for it here.

        Raises: RuntimeError: this thread has an event loop, which would stand still, or the store's is not known.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is not None and self._loop.is_running():
                return asyncio.run_coroutine_threadsafe(call, self._loop).result()
        call.close()
        raise RuntimeError(
            "BackscrollSaver's sync calls wait for the event loop of the store, from another thread than its own. "
            "Use the async ones: await graph.ainvoke(…), graph.astream(…), graph.aget_state(…)."
        )


def _place(config: RunnableConfig) -> tuple[str, str]:
    named = config["configurable"]
    return str(named["thread_id"]), named.get("checkpoint_ns") or ""


def _config(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    place = {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}
    return {"configurable": place}


def _parted(metadata: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part metadata into what JSON can hold, and what it does not give back equal.

    What it gives back almost equal, such as a tuple as a list, is in both.
    """
    plain: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for key, value in metadata.items():
        held: dict[str, Any] = {}
        with suppress(TypeError, ValueError, RecursionError):
            held = clean_object(json.loads(json.dumps({key: value}, allow_nan=False)))
        if key in held:
            plain |= held
        if repr(held) != repr({key: value}):  # not `!=`: to Python a list of 1 equals one of True
            other[key] = value
    return plain, other
