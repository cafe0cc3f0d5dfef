"""Sending: the parts of one answer's messages, each posted once and marked.

Every step is in storage before it is done outside, and what may have been done is looked for before it is done again.
Proved by `tests/unit/bot/test_delivery.py` and `tests/scenario/test_slack_kill.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ParamSpec, TypeVar

from backscroll.adapters.base import Adapter, Question
from backscroll.bot.lease import Lease
from backscroll.bot.own_posts import OwnPosts
from backscroll.errors import AdapterError, AdapterUnavailableError, FileGoneError, StorageUnavailableError
from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, short_title
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Part

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

SHORT_WAIT_S = 2.0
"""Seconds that a platform may ask to wait without the answer being given back meanwhile."""


async def until_kept(step: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
    """Take a step in storage, again and again while storage does not answer."""
    delay_s = 0.1
    while True:
        try:
            return await step(*args, **named)
        except StorageUnavailableError as error:
            if delay_s == 0.1:
                log.warning("A step waits for the storage: %s", error.message)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, 5.0)


@dataclass(slots=True)
class Sender:
    """Posts what one answer is made of, for the owner who has it."""

    provider: StorageProvider
    adapter: Adapter
    attachments: Attachments
    answer: Answer
    owner: str
    own_posts: OwnPosts
    lease: Lease
    asked_at: datetime | None = field(default=None, init=False)
    """When the question was written on the platform, where it is at hand."""
    _question: Question | None = field(default=None, init=False, repr=False)

    @property
    def key(self) -> ThreadKey:
        """Where it is posted."""
        return self.answer.key

    async def send(self, parts: list[Part], *, look: bool) -> None:
        """Bring the platform to what these parts of one message say, and mark each.

        Args: look: whether one that waits may have been posted already, by us or by a process that died.
        Raises: AdapterUnavailableError, AdapterError: as the adapter; the parts before are marked.
        """
        if look:
            parts = await self.find(parts)
        refusal: AdapterError | None = None
        for part in parts:
            if part.state != "waiting":
                continue
            try:
                with self.own_posts.posting(self.key):
                    await self.mark(part, await self._settle(part))
            except AdapterUnavailableError:
                raise
            except AdapterError as error:
                if part.kind != "file":
                    raise
                refusal = refusal or error  # it costs that one file
        if refusal is not None:
            raise refusal

    async def find(self, parts: list[Part]) -> list[Part]:
        """Mark the parts that were posted without it being known, and return those that are still to be sent."""
        unknown = [part for part in parts if part.state == "waiting" and part.external is None]
        if not unknown:
            return parts
        try:
            named = [await self._named(part) for part in unknown]
            posted = await self.adapter.find_posted(await self.question(), named, self._is_kept)
        except AdapterUnavailableError as error:
            # Certain of the look alone: what was posted is still unknown.
            wait_s = error.retry_after_s
            raise AdapterUnavailableError(error.message, error.hint, retry_after_s=wait_s) from None
        for part in unknown:
            if part.number in posted:
                await self.mark(part, posted[part.number])
        return [part for part in parts if part not in unknown or part.number not in posted]

    async def mark(self, part: Part, external: ExternalId) -> None:
        """Note where a part is posted."""
        provider = self.provider
        await until_kept(
            provider.mark_sent, self.answer.id, self.owner, part.number, external, message_id=part.message_id
        )
        self.own_posts.add(external)

    async def question(self) -> Question:
        """Tell what is answered; it is looked up once, and not at all after `take_question`."""
        if self._question is None:
            found = await until_kept(self.provider.get_message, self.answer.message_id)
            if found is None:
                return Question(self.key, None, None)
            return self.take_question(found[1])
        return self._question

    def take_question(self, message: Message) -> Question:
        """Take the message that is answered, which is at hand."""
        self.asked_at, external = message.created_at, ExternalId.of_message(message.platforms, {})
        author_id, title = (message.source or {}).get("id"), short_title(message.text) or ""
        self._question = Question(self.key, external, author_id, title, is_command="command" in message.attributes)
        return self._question

    async def _settle(self, part: Part) -> ExternalId:
        while True:
            try:
                return await self._settle_now(part)
            except AdapterUnavailableError as error:
                wait_s = error.retry_after_s
                if not error.is_certain or wait_s is None or wait_s > SHORT_WAIT_S:
                    raise
            await asyncio.sleep(wait_s)

    async def _settle_now(self, part: Part) -> ExternalId:
        if part.external is None:
            return await self._post(part)
        self.lease.must_hold(self.answer.id)
        if part.text:
            await self.adapter.edit(self.key, part.external, part.text)
        else:
            await self.adapter.remove(self.key, part.external)
        return part.external

    async def _post(self, part: Part) -> ExternalId:
        question, file = await self.question(), await self._file(part) if part.kind == "file" else None
        self.lease.must_hold(self.answer.id)
        if file is None:
            return await self.adapter.post(question, part)
        return await self.adapter.upload(question, part, *file)

    async def _named(self, part: Part) -> Part:
        """Return a part with its file's name as its text, where it is a file."""
        attachment = await self._attachment(part) if part.kind == "file" else None
        return part if attachment is None else replace(part, text=attachment.name)

    async def _attachment(self, part: Part) -> Attachment | None:
        found = await until_kept(self.provider.get_message, part.message_id)
        files: list[Attachment] = [] if found is None else found[1].attachments
        return files[(part.position or 0) - 1] if 0 < (part.position or 0) <= len(files) else None

    async def _file(self, part: Part) -> tuple[Attachment, bytes]:
        attachment = await self._attachment(part)
        content = None if attachment is None else await self.attachments.read(attachment)
        if attachment is None or content is None:
            raise FileGoneError
        return attachment, content

    async def _is_kept(self, external: ExternalId) -> bool:
        return await until_kept(self.provider.find_external, external) is not None


def posts_of(adapter: Adapter, message: Message) -> list[str]:
    """Cut a message's text into posts; one that has but files has none."""
    return adapter.split(message.text) if message.text.strip() else []
