"""Where a demo is played: everything that happens is told on the console, and what is kept is shown as it is found.

Knows no platform. Proved by `tests/scenario/test_demo.py`.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backscroll.bot.config import AdapterConfigs
from backscroll.storage.keys import ExternalId
from backscroll.storage.records import UNFINISHED, Answer
from backscroll.storage.store import ThreadStore

PACE_S = 0.3
"""Seconds between two lines in a terminal, so that they can be followed; in a pipe there are none."""

BOT = "backscroll"

LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it is shown; `where` is a channel's name. A post of the bot's has an `id`, to be shown once."""

    where: str
    who: str
    text: str = field(repr=False)
    is_reply: bool = False
    id: str = ""


@dataclass
class Stage(ABC):
    """A stand-in for a platform with its people, and the store in which the bot keeps what they say."""

    store: ThreadStore
    console: Console
    names: dict[str | None, str] = field(default_factory=dict, init=False)
    """What people are called, by their ids."""
    _shown: set[str] = field(default_factory=set, init=False)

    platform = ""
    way = ""
    """The way on, for who has seen it."""

    @property
    @abstractmethod
    def adapters(self) -> AdapterConfigs:
        """What the bot is told of the stand-in."""

    @abstractmethod
    async def play(self) -> None:
        """Let everything happen, and show what is kept."""

    def title(self, text: str) -> None:
        """Say what is played."""
        self.console.print(Text(text, style="bold"))

    async def tell(self, *lines: str) -> None:
        """Say what goes on."""
        await self._print(Text("\n" + "\n".join(lines), style="italic"))

    async def show(self, line: Line) -> None:
        """Show what somebody says."""
        begins = not line.is_reply and line.who != BOT
        text = Text("\n" if begins else "")
        text.append(f"{line.where:<8}", style="dim").append(" ↳ " if line.is_reply else " ")
        text.append(f"{line.who}: ", style=_style(line.who))
        indent = " " * len(text.plain.lstrip("\n"))
        await self._print(text.append(line.text.replace("\n", f"\n{indent}")))

    async def note(self, where: str, text: str) -> None:
        """Show something that is done, and not said."""
        await self._print(Text(f"{where:<8} · {text}"))

    async def answered(self, question: ExternalId, where: str, posts: Callable[[], Iterable[Line]]) -> None:
        """Wait until all that was asked in a message's thread has an answer, or will have none, and show it."""
        while not (answers := await self._answers(question)):  # noqa: ASYNC110  # what another program writes tells nobody
            await asyncio.sleep(LOOK_S)
        for line in posts():
            if line.id not in self._shown:
                self._shown.add(line.id)
                await self.show(line)
        if answers[-1].reason is not None:
            await self.note(where, f"{answers[-1].state}: {answers[-1].reason}")

    async def show_kept(self, *wheres: dict[str, str]) -> None:
        """Show the threads that are found by what their platform says of them."""
        for where in wheres:
            call = f'\nawait store.find_by_platform("{self.platform}", {json.dumps(where)})'
            self.console.print(Text(call, style="bold"), soft_wrap=True)
            for thread in await self.store.find_by_platform(self.platform, where):
                table = Table("", "who", "text", "since then", box=SIMPLE_HEAD)
                for message in thread.messages:
                    who = BOT if message.role == "assistant" else self.names.get((message.source or {}).get("id"), "?")
                    since = ["edited"] if message.edited_at else []
                    for emoji, users in message.reactions.items():
                        shown = f":{emoji}:" if emoji.isascii() else emoji
                        since += [f"{shown} {self.names.get(user, user)}" for user in users]
                    cells = Text(who, style=_style(who)), Text(message.text), Text(", ".join(since))
                    table.add_row(str(message.sequence), *cells)
                self.console.print(table)

    async def _answers(self, question: ExternalId) -> list[Answer]:
        """Return what was asked in a message's thread, once all of it has come to its end."""
        provider = self.store.provider
        found = await provider.find_external(question)
        answers = await provider.list_answers(thread_id=found[0]) if found else []
        return answers if all(answer.state not in UNFINISHED for answer in answers) else []

    async def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)
        if self.console.is_terminal:
            await asyncio.sleep(PACE_S)


def _style(who: str) -> str:
    return "bold green" if who == BOT else "bold cyan"
