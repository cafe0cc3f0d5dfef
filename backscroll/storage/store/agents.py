"""A store's calls for threads, feedback, states and forks, as agent platforms name them.

Proved by `tests/contract/test_agent_threads.py`, `test_feedback.py`, `test_states.py` and `test_forks.py`.
"""

from datetime import timedelta
from typing import Any

from backscroll.storage.models import Thread
from backscroll.storage.provider.states import TIME_TO_LIVE
from backscroll.storage.records import Approval, Feedback
from backscroll.storage.store.blocks import StoreBlocks
from backscroll.storage.store.opening import whole
from backscroll.storage.thumbs import Thumb
from backscroll.storage.values import check_count, check_id, check_type


class StoreAgents(StoreBlocks):
    """The calls for threads, feedback, states and forks, as agent platforms name them."""

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
        Raises: ThreadExistsError: the id is in use; that thread stays as it is.
        """
        provider = await self._ready()
        return await provider.create_thread(thread_id, user_id, agent_name, title=title, metadata=metadata)

    async def update_thread(self, thread_id: str, *, with_messages: bool = True, **fields: Any) -> Thread | None:
        """Change the given fields of a thread, and only these, and return the thread; None when there is none.

        Args: fields: `title`; `metadata`, which takes the place of all `attributes`; `user_id` and `agent_name`, None
            for nobody. Any other is a `ValueError`. with_messages: False leaves the messages out of what is returned.
        """
        provider = await self._ready()
        return await provider.update_thread(check_id(thread_id), with_messages=with_messages, **fields)

    async def add_feedback(
        self,
        thread_id: str,
        user_id: str,
        agent_name: str | None = None,
        *,
        message_id: str,
        rating: int | None = None,
        thumb: Thumb | None = None,
        comment: str | None = None,
        correction: str | None = None,
        query: str | None = None,
        response: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Feedback:
        """Keep what somebody thinks of a message, and return it. Each call keeps one more.

        Args: agent_name: None means the thread's. rating: 1 to 5 stars. thumb: "up" or "down".
        Raises: ThreadNotFoundError: no thread has this id. MessageNotFoundError: the thread has no such message, or it
            is a tombstone. ValueError: no rating, thumb, comment or correction is given.
        """
        provider = await self._ready()
        return await provider.add_feedback(
            thread_id,
            user_id,
            agent_name,
            message_id=message_id,
            rating=rating,
            thumb=thumb,
            comment=comment,
            correction=correction,
            query=query,
            response=response,
            metadata=metadata,
        )

    async def get_feedback(
        self,
        *,
        thread_id: str | None = None,
        message_id: str | None = None,
        agent_name: str | None = None,
        user_id: str | None = None,
        rating: int | None = None,
        thumb: Thumb | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Feedback]:
        """Return the feedback that fits all that is given, newest first: `created_at`, then `id`, both descending."""
        check_count(limit, "limit")
        check_count(offset, "offset", 0)
        provider = await self._ready()
        return await provider.get_feedback(
            thread_id=_check("thread_id", thread_id),
            message_id=_check("message_id", message_id),
            agent_name=_check("agent_name", agent_name),
            user_id=_check("user_id", user_id),
            rating=rating,
            thumb=thumb,
            limit=limit,
            offset=offset,
        )

    async def get_stats(self) -> dict[str, Any]:
        """Return `{"backend", "threads", "messages", "feedback"}`: who keeps it, as `health_check` says, and counts."""
        return await (await self._ready()).get_stats()

    async def save_suspended_state(
        self,
        approval_id: str,
        thread_id: str,
        agent_name: str,
        node_name: str,
        state: dict[str, Any],
        ttl: timedelta = TIME_TO_LIVE,
    ) -> dict[str, Any]:
        """Keep a state for a while, and return it. Saved again, all of it is replaced but `created_at`.

        Args: state: any JSON object. ttl: how long it lives from now on.
        """
        provider = await self._ready()
        return await provider.save_suspended_state(approval_id, thread_id, agent_name, node_name, state, ttl)

    async def get_suspended_state(self, approval_id: str) -> dict[str, Any] | None:
        """Return a state, or None when there is none or it has expired."""
        return await (await self._ready()).get_suspended_state(check_id(approval_id, "approval_id"))

    async def list_suspended_states(
        self, *, thread_id: str | None = None, agent_name: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the states that live, newest first: `created_at`, then `approval_id`, both descending."""
        provider = await self._ready()
        return await provider.list_suspended_states(
            thread_id=_check("thread_id", thread_id), agent_name=_check("agent_name", agent_name)
        )

    async def delete_suspended_state(self, approval_id: str) -> bool:
        """Delete a state; False when there is none or it has expired."""
        return await (await self._ready()).delete_suspended_state(check_id(approval_id, "approval_id"))

    async def cleanup_expired_states(self) -> int:
        """Delete the states that have expired, and return how many there were."""
        return await (await self._ready()).cleanup_expired_states()

    async def list_approvals(
        self, *, thread_id: str | None = None, is_open: bool | None = True, limit: int = 100
    ) -> list[Approval]:
        """Return what a bot's handlers ask people, and somebody can decide, oldest first: `created_at`, then `id`.

        The id of an approval is that of the message that asks. `outcome`, `decided_by` and `decided_at` tell what was
        decided.

        Args: thread_id: None means of all threads. is_open: False gives those that nobody can decide any more, also
            where nobody did, and None gives all; both newest first.
        """
        check_count(limit, "limit")
        if is_open is not None:
            check_type(is_open, bool, "is_open")
        provider = await self._ready()
        return await provider.list_approvals(thread_id=_check("thread_id", thread_id), is_open=is_open, limit=limit)

    @whole
    async def fork_thread(
        self,
        thread_id: str,
        message_index: int,
        new_id: str,
        *,
        title: str | None = None,
        with_messages: bool = True,
    ) -> Thread | None:
        """Make a thread of another's messages 0 to an index, inclusive, and return it.

        What is copied is said by the provider's call of this name.

        Args: title: None means "Fork of" and the parent's. with_messages: False leaves the messages out of the thread
            that is returned.
        Returns: None when there is no such thread.
        Raises: MessageIndexError: the thread has no message of this index. ThreadExistsError: the new id is in use.
        """
        provider = await self._ready()
        return await provider.fork_thread(
            check_id(thread_id), message_index, check_id(new_id, "new_id"), title=title, with_messages=with_messages
        )

    async def get_thread_lineage(self, thread_id: str) -> dict[str, Any]:
        """Return whom a thread comes from and all that come from it, also over threads that were deleted.

        `{"thread_id", "ancestors": [root … parent], "descendants": [{…, "depth"}]}`, descendants breadth first.
        """
        return await (await self._ready()).get_thread_lineage(check_id(thread_id))


def _check(name: str, value: str | None) -> str | None:
    return None if value is None else check_id(value, name)
