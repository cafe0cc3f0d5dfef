"""Sending in SQL; the contract stands in `provider/sending.py`."""

from typing import Any

from sqlalchemy import bindparam, delete, select, update

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.provider.answers import clean_reason
from backscroll.storage.provider.sending import checked_texts, grown_parts, new_parts
from backscroll.storage.records import Part
from backscroll.storage.sql.answers import SqlAnswers
from backscroll.storage.sql.editing import rewrite
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.parts import part_values, read_parts, read_posts
from backscroll.storage.sql.steps import (
    CHANGE_ANSWER,
    Begin,
    Mark,
    answers_of,
    begin_batch,
    mark_batch,
    owned,
    store_messages,
)
from backscroll.storage.sql.tables import answers, message_parts
from backscroll.storage.values import clean_text

_SET_TEXT = (
    update(message_parts)
    .where(message_parts.c.message_id == bindparam("its_message"), message_parts.c.part == bindparam("its_part"))
    .values(text=bindparam("its_text"), state=bindparam("its_state"))
)
_DROP_BEYOND = delete(message_parts).where(
    message_parts.c.message_id == bindparam("its_message"), message_parts.c.part > bindparam("last_part")
)


class SqlSending(SqlAnswers):
    """The calls for sending answers."""

    async def begin_sending(
        self,
        answer_id: str,
        owner: str,
        message: Message,
        texts: list[str],
        *,
        reason: str | None = None,
        is_growing: bool = False,
    ) -> list[Part]:
        job = Begin(answer_id, owner, message, texts, clean_reason(reason), is_growing)
        return (await self.writes.commit(job, begin_batch)).parts

    async def grow_answer(
        self, answer_id: str, owner: str, content: str, texts: list[str], *, is_whole: bool
    ) -> list[Part]:
        async def work(connection: Connection) -> list[Part]:
            row = await owned(connection, answer_id, owner)
            message_id = row.answer_message_id
            if row.is_growing:
                stands = await rewrite(connection, message_id, clean_text(content))
                parts = await read_parts(connection, message_id)
                grown = grown_parts(parts, checked_texts(texts) if stands else [], is_whole=is_whole)
                await _rewrite_parts(connection, answer_id, message_id, grown, len(parts))
                changed = CHANGE_ANSWER.values(is_growing=not is_whole)
                await connection.execute(changed, {"answer_id": answer_id})
            return await read_parts(connection, message_id)

        return await self.database.write(work)

    async def begin_post(self, answer_id: str, owner: str, message: Message, texts: list[str]) -> list[Part]:
        async def work(connection: Connection) -> list[Part]:
            row = await owned(connection, answer_id, owner)
            if await answers_of(connection, message.id) != {answer_id}:
                item = Item(message, row.thread_id, is_answer=True)
                await store_messages(connection, [(answer_id, item, new_parts(message, texts))])
                if item.error is not None:
                    raise item.error
            return await read_parts(connection, message.id)

        return await self.database.write(work)

    async def get_parts(self, answer_id: str) -> list[Part]:
        async def work(connection: Connection) -> list[Part]:
            query = select(answers.c.answer_message_id).where(answers.c.id == answer_id)
            message_id = (await connection.execute(query)).scalar_one_or_none()
            return [] if message_id is None else await read_parts(connection, message_id)

        return await self.database.read(work)

    async def get_posts(self, message_ids: list[str]) -> list[Part]:
        ids = sorted(set(message_ids))
        return await self.database.read(lambda connection: read_posts(connection, ids))

    async def mark_sent(
        self, answer_id: str, owner: str, number: int, external: ExternalId, *, message_id: str | None = None
    ) -> None:
        await self.writes.commit(Mark(answer_id, owner, number, external, message_id), mark_batch)


async def _rewrite_parts(
    connection: Connection, answer_id: str, message_id: str, grown: list[Part], count: int
) -> None:
    its: dict[str, Any] = {"its_message": message_id}
    known = [its | {"its_part": part.number, "its_text": part.text, "its_state": part.state} for part in grown[:count]]
    new = [part_values(part, answer_id) for part in grown[count:]]
    if known:
        await connection.execute(_SET_TEXT, known)
    if new:
        await connection.execute(message_parts.insert(), new)
    await connection.execute(_DROP_BEYOND, its | {"last_part": len(grown)})
