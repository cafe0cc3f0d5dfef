"""Forgetting: a person's words, and messages that are older than they may be, leave; threads stay readable.

What is forgotten leaves a tombstone with its sequence, role, times and external id, so nothing that is delivered again
or read back brings it back. No thread's `updated_at` changes: forgetting makes nothing newer. Proved by
`tests/contract/test_forgetting.py`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from backscroll.storage.forgetting import (
    OPEN,
    ExpiredPage,
    Expiry,
    ExpiryMark,
    Forgotten,
    Person,
    Place,
    Titles,
    is_title_of,
    places_of,
    thread_places,
    titles_of,
    without_author,
)
from backscroll.storage.models import UNTITLED, plain_text
from backscroll.storage.provider.archives import ArchiveCalls
from backscroll.storage.provider.lineage import read_down
from backscroll.storage.provider.rows import clear_row, files_of, instant_text

Row = dict[str, Any]


class ForgettingCalls(ArchiveCalls):
    """The calls for forgetting, with defaults on the six primitives."""

    async def list_threads_of(self, person: Person) -> list[str]:
        """Return the threads in which something may be somebody's: `forget_in_thread` looks closely. By id.

        Reads all reactions, and where texts are not indexed all messages: it is an operator's call.
        """
        user_id, ids = person.user_id, set[str]()
        for row in await self.query("messages", {}):
            reacted = any(entry["user_id"] == user_id for entry in row["reactions"])
            if reacted or person.wrote(row["message"]["source"]):
                ids.add(row["thread_id"])
        for namespace, field in (("feedback", "user_id"), ("approvals", "decided_by")):
            ids |= {row["thread_id"] for row in await self.query(namespace, {field: user_id})}
        ids |= {row["id"] for row in await self.query("threads", {"user_id": user_id})}
        return sorted(ids)

    async def forget_in_thread(
        self, thread_id: str, person: Person, *, with_answers: bool = False, dry_run: bool = False
    ) -> Forgotten:
        """Let all leave that is a person's in one thread, and return how much it was; nothing more in a repeat.

        Atomic. Their messages become tombstones that do not tell whose they are, those that were tombstones before too.
        Their reactions, also those that they took off, and their feedback are deleted; the thread, and the approvals
        that they decided, do not name them any more. What is theirs is told by their id and by the place of the
        message: its external id, else its `platforms`, else its thread's.

        A title that was made from what they said becomes "Untitled Thread", and those that all forks below have of it,
        which are not counted. Where words of theirs are not known any more, since a message was deleted, or edited
        before the fork that this is, a title goes too that no message of other people explains; of a fork, when it is
        "Fork of" another.

        Args: with_answers: the bot's answers to them become tombstones too. One that is not finished is left with its
            question, for a repeat; of a question that is forgotten nobody can tell the answer any more. dry_run: count
            alone.
        """
        async with self._exclusive:
            thread = await self.get("threads", thread_id)
            if thread is None:
                return Forgotten()
            rows = [_keyless(row) for row in await self.query("messages", {"thread_id": thread_id})]
            theirs = [row for row in rows if person.wrote(_source(row)) and person.lives_at(_places(row, thread))]
            # What is theirs is found by their messages, so these come last: what is cut off is completed by a repeat.
            done, whole = Forgotten(), {row["message"]["id"] for row in theirs}
            if with_answers:
                done, answers, left = await self._forget_answers(theirs, dry_run)
                theirs, whole = [row for row in theirs if row["message"]["id"] not in left], whole | answers
            others = {row["message"]["id"]: row for row in rows if row["message"]["id"] not in whole}
            done += await self._forget_in_row(thread, theirs, others.values(), person, dry_run)
            done += await self._forget_decisions(thread_id, person, dry_run)
            done += await self._forget_reactions(thread, others, person, dry_run)
            for row in theirs:
                done += await self._blank(row, dry_run, is_anonymous=True)
            return replace(done, threads=1) if done else done

    async def forget_waiting(self, person: Person, *, dry_run: bool = False) -> Forgotten:
        """Let reactions of a person leave that wait for their message, and events that were put aside and name them.

        An event names them that has their id in it, in whatever place. What waits for its message and is an edit tells
        no author: it stays for its 72 hours, or until its message comes.
        """
        async with self._exclusive:
            early = rejected = 0
            for held in await self.query("early_events", {}):
                platform, workspace, *_ = json.loads(held["key"])
                if not person.lives_at([(platform, workspace)]):
                    continue
                left = [change for change in held["changes"] if change.get("user_id") != person.user_id]
                early += len(held["changes"]) - len(left)
                if left == held["changes"] or dry_run:
                    continue
                key = held.pop("key")
                await (self.set("early_events", key, held | {"changes": left}) if left else
                       self.delete("early_events", key))  # fmt: skip
            for event in await self.query("rejected_events", {}):
                if person.is_in(event["platform"], event["payload"]):
                    rejected += 1
                    if not dry_run:
                        await self.delete("rejected_events", event["key"])
            return Forgotten(early_events=early, rejected_events=rejected)

    async def erase_traces(self) -> bool:
        """Let the storage's own files hold nothing any more of what was forgotten, where it can see to that itself.

        Returns: whether they do not; otherwise its operator has to see to it.
        """
        return False

    async def merge_indexes(self) -> None:
        """Let the indexes of a search hold nothing any more of what was cleared, where it stays in them for a time.

        In small steps, each a transaction of its own, with room between for others that write. What is cut off is
        completed by a repeat.
        """

    async def find_expired(self, expiry: Expiry, *, after: ExpiryMark | None = None, limit: int = 1_000) -> ExpiredPage:
        """Return messages that are too old, oldest first: `created_at`, then `id`.

        Looks at `limit` messages that stand, so a page may be empty before the last. Left out are the question of an
        answer that is not finished, and its posts; they are found when it is.

        Args: after: look behind this one; None means from the oldest.
        """
        threads = {row["id"]: row for row in await self.query("threads", {})}
        found = []
        for row in await self.query("messages", {}):
            told, thread = row["message"], threads.get(row["thread_id"])
            if told["deleted_at"] is not None or thread is None or not expiry.fits(thread["platforms"]):
                continue
            mark = ExpiryMark(datetime.fromisoformat(told["created_at"]), told["id"])
            if mark.created_at < expiry.before and (after is None or _order(mark) > _order(after)):
                found.append(mark)
        found.sort(key=_order)
        page = found[:limit]
        ids = [mark.message_id for mark in page if not await self._is_open(mark.message_id)]
        return ExpiredPage(ids, page[-1] if page else after, len(found) <= limit)

    async def clear_messages(self, message_ids: Sequence[str]) -> Forgotten:
        """Make these messages tombstones, as `delete_message` does, in one transaction, and return how many it were.

        Passed over are unknown ones, tombstones, and the question and the posts of an answer that is not finished. A
        thread's title becomes "Untitled Thread" when it was made from one of them, and when no message stands.
        """
        async with self._exclusive:
            rows: dict[str, Row] = {}
            for message_id in dict.fromkeys(message_ids):
                row = await self._message_row(message_id)
                if row is not None and row["message"]["deleted_at"] is None and not await self._is_open(message_id):
                    rows[message_id] = row
            done = Forgotten()
            for thread_id in dict.fromkeys(row["thread_id"] for row in rows.values()):
                done += Forgotten(threads=1) + await self._untitle_cleared(thread_id, rows)
            for row in rows.values():
                done += await self._blank(row)
            return done

    async def expire_rejected_events(self, platform: str, before: datetime) -> int:
        """Delete the events of a platform that were put aside before an instant, and return how many it were."""
        async with self._exclusive:
            rows = await self.query("rejected_events", {"platform": platform})
            old = [row["key"] for row in rows if row["created_at"] < instant_text(before)]
            for key in old:
                await self.delete("rejected_events", key)
            return len(old)

    async def _forget_answers(self, questions: Iterable[Row], dry_run: bool) -> tuple[Forgotten, set[str], set[str]]:
        """Forget the answers to these; return what went, the answers' ids, and the questions that are left."""
        done, ids, left = Forgotten(), set[str](), set[str]()
        for question in questions:
            for answer in await self.query("answers", {"message_id": question["message"]["id"]}):
                if answer["state"] in OPEN:
                    done += Forgotten(answers_left=1)
                    left.add(answer["message_id"])
                    continue
                posted = await self.query("parts", {"answer_id": answer["id"]})
                if not dry_run:
                    for part in posted:  # also those of a message that was deleted, which kept what was to be posted
                        await self._empty_part(part)
                ids |= {part["message_id"] for part in posted}
                ids |= {answer["answer_message_id"]} if answer["answer_message_id"] else set()
        for message_id in ids:
            row = await self._message_row(message_id)
            if row is not None and row["message"]["deleted_at"] is None:
                done += replace(await self._blank(row, dry_run), messages=0, answers=1)
        return done, ids, left

    async def _forget_in_row(
        self, thread: Row, theirs: list[Row], others: Iterable[Row], person: Person, dry_run: bool
    ) -> Forgotten:
        title, user_id = thread["title"], thread["user_id"]
        titles, is_fork = _titles(thread, theirs, others), thread["parent_id"] is not None
        if not dry_run:
            for fork in (await read_down(self, [thread["id"]])).values():
                if not fork["is_deleted"] and titles.has(fork["title"], of_fork=True):
                    row = await self.get("threads", fork["thread_id"]) or {}
                    await self.set("threads", fork["thread_id"], row | {"title": UNTITLED})
        if titles.has(title, of_fork=is_fork):
            title = UNTITLED
        # A fork has no place of its own.
        if user_id == person.user_id and (theirs or person.lives_at(thread_places(thread["platforms"]))):
            user_id = None
        changed = thread | {"title": title, "user_id": user_id}
        if changed != thread and not dry_run:
            await self.set("threads", thread["id"], changed)
        # A thread that named them is told as one, though nothing else in it was theirs.
        return Forgotten(threads=int(changed != thread), titles=int(title != thread["title"] and not is_fork))

    async def _forget_decisions(self, thread_id: str, person: Person, dry_run: bool) -> Forgotten:
        count = 0
        for row in await self.query("approvals", {"thread_id": thread_id, "decided_by": person.user_id}):
            answer = await self.get("answers", row["answer_id"])
            place = None if answer is None else (answer["place"]["platform"], answer["place"]["workspace"])
            if place is not None and person.lives_at([place]):
                count += 1
                if not dry_run:
                    await self._set_approval(row | {"decided_by": None})
        return Forgotten(approvals=count)

    async def _forget_reactions(self, thread: Row, others: dict[str, Row], person: Person, dry_run: bool) -> Forgotten:
        """Forget what somebody said of messages that are not theirs."""
        done = Forgotten()
        for told in await self.query("feedback", {"thread_id": thread["id"], "user_id": person.user_id}):
            row = others.get(told["message_id"])
            if row is not None and person.lives_at(_places(row, thread)):
                done += Forgotten(feedback=1)
                if not dry_run:
                    await self.delete("feedback", told["key"])
        for row in others.values():
            left = [entry for entry in row["reactions"] if entry["user_id"] != person.user_id]
            if len(left) < len(row["reactions"]) and person.lives_at(_places(row, thread)):
                done += Forgotten(reactions=len(row["reactions"]) - len(left))
                row["reactions"] = left
                if not dry_run:
                    await self._set_message(row)
        return done

    async def _untitle_cleared(self, thread_id: str, cleared: dict[str, Row]) -> Forgotten:
        thread = await self.get("threads", thread_id)
        if thread is None or thread["title"] == UNTITLED:
            return Forgotten()
        its = [row for row in cleared.values() if row["thread_id"] == thread_id]
        is_made = any(is_title_of(thread["title"], _texts(row)) for row in its)
        standing = [] if is_made else await self.query("messages", {"thread_id": thread_id})
        if any(row["message"]["deleted_at"] is None and row["message"]["id"] not in cleared for row in standing):
            return Forgotten()
        await self.set("threads", thread_id, thread | {"title": UNTITLED})
        return Forgotten(titles=1)

    async def _blank(self, row: Row, dry_run: bool = False, *, is_anonymous: bool = False) -> Forgotten:
        """Make a message a tombstone, and return what went; its own value is written last."""
        message, message_id = row["message"], row["message"]["id"]
        told = await self.query("feedback", {"message_id": message_id})
        done = Forgotten(
            messages=1,
            versions=len(row["versions"]),
            files=len(message["attachments"]),
            reactions=len(row["reactions"]),
            feedback=len(told),
        )
        if dry_run:
            return done
        for block in await self.query("blocks", {"message_id": message_id}):
            if block["block_type"] != "usage":
                await self._drop_block(block)
        for each in told:
            await self.delete("feedback", each["key"])
        for part in await self.query("parts", {"message_id": message_id}):
            answer = None if part["state"] == "sent" else await self.get("answers", str(part["answer_id"]))
            if answer is None or answer["state"] not in OPEN:
                await self._empty_part(part)
        await self._drop_files(message_id, files_of(row))
        clear_row(row, None)
        if is_anonymous:
            message |= without_author(message["source"], message["platforms"])
        await self._set_message(row)
        return done

    async def _empty_part(self, part: Row) -> None:
        if part["text"]:
            await self.set("parts", part["key"], _keyless(part) | {"text": ""})

    async def _is_open(self, message_id: str) -> bool:
        """Tell whether a message belongs to an answer that is not finished."""
        asked = await self.query("answers", {"message_id": message_id})
        parts = await self.query("parts", {"message_id": message_id})
        posted = [await self.get("answers", str(part["answer_id"])) for part in parts]
        return any(answer is not None and answer["state"] in OPEN for answer in (*asked, *posted))


def _keyless(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "key"}


def _source(row: Row) -> dict[str, Any] | None:
    source: dict[str, Any] | None = row["message"]["source"]
    return source


def _places(row: Row, thread: Row) -> list[Place]:
    external = None
    if row["external"] is not None:
        platform, workspace, *_ = json.loads(row["external"])
        external = platform, workspace
    return places_of(row["message"]["platforms"], thread["platforms"], external)


def _titles(thread: Row, theirs: Iterable[Row], others: Iterable[Row]) -> Titles:
    """Tell which titles may have been made from what is theirs."""
    told = [row["message"] for row in theirs]
    is_lost = any(each["deleted_at"] is not None for each in told)
    # A fork has no versions of what it copied.
    is_lost |= thread["parent_id"] is not None and any(each["edited_at"] is not None for each in told)
    people = (row for row in others if row["message"]["role"] == "user" and row["message"]["deleted_at"] is None)
    made, left = (titles_of(text for row in rows for text in _texts(row)) for rows in (theirs, people))
    return Titles(made, left if is_lost else None)


def _texts(row: Row) -> list[str]:
    """Return what a message says and said."""
    said = [row["message"]["content"], *(version["content"] for version in row["versions"])]
    return [plain_text(content) for content in said]


def _order(mark: ExpiryMark) -> tuple[datetime, str]:
    return mark.created_at, mark.message_id
