"""Feedback: what people think of an answer, in stars, a thumb or words.

A thumb that somebody sets on an answer as a reaction is feedback too, in the same transaction, until the last such
reaction is taken away. Proved by `tests/contract/test_feedback.py`.
"""

from datetime import datetime
from typing import Any

from backscroll.errors import MessageNotFoundError
from backscroll.storage.provider.agents import AgentCalls
from backscroll.storage.provider.rows import feedback_value, instant_text, thread_gone
from backscroll.storage.records import Feedback
from backscroll.storage.thumbs import Thumb
from backscroll.storage.values import check_count, check_id, check_text, clean_object, new_id, utc_now

STARS = 5


class FeedbackCalls(AgentCalls):
    """The calls for feedback, with defaults on the six primitives."""

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

        It goes with the message: a tombstone has none.

        Args: agent_name: None means the thread's. rating: 1 to 5 stars.
        Raises: ThreadNotFoundError: no thread has this id. MessageNotFoundError: the thread has no such message, or it
            is a tombstone. ValueError: no rating, thumb, comment or correction is given, or one that cannot be.
        """
        told = {"comment": comment, "correction": correction, "query": query, "response": response}
        value = new_feedback(thread_id, user_id, agent_name, message_id, rating, thumb, told, metadata)
        return await self._keep_feedback(value)

    async def get_feedback(
        self,
        *,
        thread_id: str | None = None,
        message_id: str | None = None,
        agent_name: str | None = None,
        user_id: str | None = None,
        rating: int | None = None,
        thumb: Thumb | None = None,
        limit: int | None = 50,
        offset: int = 0,
    ) -> list[Feedback]:
        """Return the feedback that fits all that is given, newest first: `created_at`, then `id`, both descending.

        Args: limit: None means all.
        """
        rows = await self.query("feedback", feedback_filters(thread_id, message_id, agent_name, user_id, rating, thumb))
        rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return [_feedback_of(row) for row in rows[offset : None if limit is None else offset + limit]]

    async def _keep_feedback(self, value: dict[str, Any]) -> Feedback:
        """Store new feedback of a message that stands in its thread."""
        async with self._exclusive:
            thread = await self.get("threads", value["thread_id"])
            if thread is None:
                raise thread_gone(value["thread_id"])
            row = await self._message_row(value["message_id"])
            if row is None or row["thread_id"] != value["thread_id"] or row["message"]["deleted_at"] is not None:
                raise message_gone(value["thread_id"], value["message_id"])
            value |= {"created_at": instant_text(utc_now()), "agent_name": value["agent_name"] or thread["agent_name"]}
            await self.set("feedback", value["id"], value)
            return _feedback_of(value)


def new_feedback(
    thread_id: str,
    user_id: str,
    agent_name: str | None,
    message_id: str,
    rating: int | None,
    thumb: Thumb | None,
    texts: dict[str, str | None],
    metadata: dict[str, Any] | None,
) -> dict[str, Any]:
    """Lay out what `add_feedback` is given, and check it.

    Raises: ValueError: it says nothing, or something in it cannot be.
    """
    cleaned = {name: None if text is None else check_text(text, name) for name, text in texts.items()}
    if rating is None and thumb is None and not cleaned["comment"] and not cleaned["correction"]:
        raise ValueError("feedback has a rating, a thumb, a comment or a correction at least")
    told: dict[str, Any] = {
        "user_id": check_id(user_id, "user_id"),
        "agent_name": None if agent_name is None else check_id(agent_name, "agent_name"),
        "rating": check_rating(rating),
        "thumb": check_thumb(thumb),
    }
    attributes = clean_object({} if metadata is None else metadata, "metadata")
    thread_id, message_id = check_id(thread_id, "thread_id"), check_id(message_id, "message_id")
    return feedback_value(new_id(), thread_id, message_id, attributes, **told, **cleaned)


def feedback_filters(
    thread_id: str | None,
    message_id: str | None,
    agent_name: str | None,
    user_id: str | None,
    rating: int | None,
    thumb: Thumb | None,
) -> dict[str, Any]:
    """Return what feedback must be equal in.

    Raises: ValueError: a rating or thumb that no feedback can have.
    """
    ids = {"thread_id": thread_id, "message_id": message_id, "agent_name": agent_name, "user_id": user_id}
    wanted = ids | {"rating": check_rating(rating), "thumb": check_thumb(thumb)}
    return {name: value for name, value in wanted.items() if value is not None}


def check_rating(rating: int | None) -> int | None:
    """Return a rating as it is.

    Raises: ValueError: it is no whole number from 1 to 5.
    """
    if rating is not None and check_count(rating, "rating") > STARS:
        raise ValueError(f"rating is a whole number from 1 to {STARS}, got {rating}")
    return rating


def check_thumb(thumb: Thumb | None) -> Thumb | None:
    """Return a thumb as it is.

    Raises: ValueError: it is neither "up" nor "down".
    """
    if thumb is not None and thumb not in ("up", "down"):
        raise ValueError('thumb is "up" or "down"')
    return thumb


def message_gone(thread_id: str, message_id: str) -> MessageNotFoundError:
    """Make the error for a message that a thread does not have."""
    return MessageNotFoundError(
        f"Message {message_id} is not in thread {thread_id}.", "It may have been deleted, or was never added."
    )


def _feedback_of(value: dict[str, Any]) -> Feedback:
    fields = {name: value[name] for name in Feedback.__dataclass_fields__}
    return Feedback(**fields | {"created_at": datetime.fromisoformat(value["created_at"])})
