"""What stands under `adapters.discord`, and which of its keys go together.

Owns names, bounds, forms and defaults. The token's field has `repr=False`. Must not know the adapter itself. Proved by
`tests/unit/bot/test_config_discord.py`.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from backscroll.bot.config.faults import Faults
from backscroll.bot.config.forms import CatchUpHours, FileLimitBytes, base_url, host, one_word
from backscroll.bot.config.keys import (
    UNREADABLE,
    AsWritten,
    Between,
    EmptyIsNone,
    Form,
    Source,
    Text,
    keys_of,
    read_value,
)
from backscroll.bot.config.yaml_lines import Mapping

FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
NEW_COMMAND = "new"
"""The command that begins a new thread in a direct message; `command` must be another."""
MAX_SHARDS = 100_000
"""No limit of Discord's: a number with a digit too many is told here, and not by a process that opens a million."""

BotToken = Annotated[
    str,
    Source("Take it from discord.com/developers/applications, Bot → Reset Token; docs/discord.md has each step."),
    Between(1, 4_000),
    AsWritten(),
    Form(
        "the token alone",
        "Leave the word Bot out; it is put before the token where Discord wants it.",
        lambda token: None if re.match(r"\s*bot\s", token, re.IGNORECASE) else token,
        got="one with the word Bot before it",
    ),
    one_word("Discord"),
]
BaseUrl = Annotated[Text, base_url("https://discord.com/api/v10", lambda url: url.rstrip("/"))]
Host = Annotated[Text, host("cdn.discordapp.com")]
# Source: docs.discord.com/developers/interactions/application-commands, "Application Command Naming"; of its letters
# those of ASCII.
CommandName = Annotated[
    str,
    EmptyIsNone(),
    Form(
        "the name of a command: 1 to 32 of a-z, 0-9, - and _",
        "Write it in lower case and without a slash, for example ask.",
        lambda name: name if re.fullmatch(r"[-_a-z0-9]{1,32}", name) else None,
    ),
    Form(
        f"another name than {NEW_COMMAND}",
        f"/{NEW_COMMAND} begins a new thread in a direct message; write for example ask.",
        lambda name: None if name == NEW_COMMAND else name,
        got="that one",
    ),
]
ShardId = Annotated[int, Between(0, MAX_SHARDS - 1)]


@dataclass(frozen=True)
class DiscordConfig:
    """Discord. What the shards' keys ask of each other is checked when a file is read, not when an object is made."""

    token: BotToken = field(repr=False)
    """Without the word Bot."""
    api_base_url: BaseUrl | None = None
    """Ends without a slash. None: Discord itself."""
    reply_in: Literal["thread", "channel"] = "thread"
    """thread: a mention in a text channel opens a thread. channel: the chain of replies is the conversation."""
    shards: Literal["auto"] | Annotated[int, Between(1, MAX_SHARDS)] | None = None
    """How many there are in all processes together. auto: as many as Discord advises. None: one connection."""
    shard_ids: Annotated[tuple[ShardId, ...], Between(1, MAX_SHARDS)] | None = None
    """This process's, each below `shards`, which is a number then. None: all."""
    message_content: bool = True
    """Whether the privileged intent is asked for; without it Discord shows only direct messages and mentions."""
    command: CommandName | None = "ask"
    """The slash command's name, without the slash; None: there is none."""
    catch_up_hours: CatchUpHours = 24.0
    """0 reads nothing back."""
    file_hosts: frozenset[Host] = FILE_HOSTS
    """In lower case; from no other host is a file fetched."""
    file_limit_bytes: FileLimitBytes = 20_000_000
    """The largest file that is kept; 0 keeps none."""


def check_discord(discord: Mapping, faults: Faults) -> None:
    """Add a fault for each thing that `shard_ids` lacks, or that does not go with `shards`.

    A key with a fault of its own counts as given, and is not compared.
    """
    shards, ids = (_read_again(discord, key, faults) for key in ("shards", "shard_ids"))
    if ids is None:
        return
    line = discord.entries["shard_ids"].line
    if shards in (None, "auto"):
        fact = "adapters.discord.shard_ids needs adapters.discord.shards as a number."
        faults.add(line, fact, "Write how many shards there are in all processes together, for example shards: 4.")
    if ids is UNREADABLE:
        return
    if len(set(ids)) < len(ids):
        faults.add(line, "adapters.discord.shard_ids has a number twice.", "Keep one of them.")
    if isinstance(shards, int) and max(ids) >= shards:
        fact = "adapters.discord.shard_ids must be below adapters.discord.shards; got more."
        faults.add(line, fact, "They count from 0: with shards: 4 they are 0 to 3.")


def _read_again(discord: Mapping, key: str, faults: Faults) -> Any:
    """Return a key's value, `UNREADABLE` where its fault is told elsewhere, or None where it is not given."""
    entry = discord.entries.get(key)
    if entry is None:
        return None
    return read_value(entry.node, keys_of(DiscordConfig)[key].annotation, key, Faults(faults.file))
