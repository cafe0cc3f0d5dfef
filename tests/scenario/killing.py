"""A provider that kills its process: the module `killing`, which a test writes beside `config.yaml`."""

KILLING = '''
"""The SQL provider, and a handler, that kill their process once, at the stage that KILL_AT names."""

import asyncio
import os
import signal

from sqlalchemy import event

from backscroll.storage import sql


def reach(stage):
    if os.environ.get("KILL_AT") == stage:
        os.kill(os.getpid(), signal.SIGKILL)


def note_insert(connection, _cursor, statement, *_):
    if statement.startswith("INSERT INTO messages"):
        connection.info["has a message"] = True


def before_commit(connection):
    if connection.info.get("has a message"):
        reach("message inserted, not committed")


class Provider(sql.Provider):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        for engine in self.database.engines:
            event.listen(engine, "after_cursor_execute", note_insert)
            event.listen(engine, "commit", before_commit)

    async def record_message(self, arrival, **options):
        kept = await super().record_message(arrival, **options)
        reach("message committed")
        return kept

    async def take_answer(self, owner, platforms, lease_s, **options):
        # Who is to be killed leaves a short lease behind, and believes in a long one: no stall costs it an answer.
        held_s = 1 if "KILL_AT" in os.environ else lease_s
        answer = await super().take_answer(owner, platforms, held_s, **options)
        if answer is not None:
            reach("answer taken")
        return answer

    async def begin_sending(self, *arguments, **options):
        reach("answer made, not stored")
        parts = await super().begin_sending(*arguments, **options)
        reach("answer stored, not posted")
        return parts

    async def begin_post(self, *arguments, **options):
        parts = await super().begin_post(*arguments, **options)
        reach("first post stored, not posted")
        return parts

    async def grow_answer(self, *arguments, is_whole, **options):
        parts = await super().grow_answer(*arguments, is_whole=is_whole, **options)
        reach("whole, not closed" if is_whole else "growing")
        return parts

    async def mark_sent(self, *arguments, **options):
        reach("answer posted, not marked")
        await super().mark_sent(*arguments, **options)
        reach("answer marked, not finished")

    async def finish_answer(self, *arguments, **options):
        await super().finish_answer(*arguments, **options)
        reach("answer finished")


async def answer(turn):
    reach("handler running")
    return f"the answer to {turn.message.text}"
'''
