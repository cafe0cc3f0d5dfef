"""What someone asked of the bot by a command or a button, and what became of it.

Proved by `tests/unit/testing/discord/test_interactions.py`.
"""

import time
from dataclasses import dataclass, field

from backscroll.testing.discord.models import Channel, Json, Message, User


@dataclass(slots=True, eq=False)
class Interaction:
    """One use of a command, or one press of a button. It follows what the bot answers.

    `response_type` is the type of the first answer: 4 a message, 5 "thinking", of a button also 6 nothing to be seen
    and 7 a change of its message; None none yet. `answered_in_s` is how long it took, and `late_count` how many first
    answers came too late. `messages` are the answers, the first one first, ephemeral ones too, without those that are
    deleted. `name` is the command's, or what stands on the button; `pressed` is the message that the button is on, and
    None of a command.
    """

    id: str
    token: str = field(repr=False)
    name: str
    user: User
    channel: Channel
    response_type: int | None = None
    answered_in_s: float | None = None
    late_count: int = 0
    original: Message | None = None
    messages: list[Message] = field(default_factory=list)
    options: Json = field(default_factory=dict)
    pressed: Message | None = None
    button: Json = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic, repr=False)

    @property
    def age_s(self) -> float:
        """How long ago it was asked."""
        return time.monotonic() - self.began_s

    @property
    def is_deferred(self) -> bool:
        """Whether the bot has said that it thinks, and no more yet."""
        return self.response_type == 5 and self.original is not None and bool(self.original.flags & 128)

    @property
    def is_ephemeral(self) -> bool:
        """Whether only the person sees the first answer."""
        return self.original is not None and self.original.is_ephemeral

    @property
    def texts(self) -> list[str]:
        """The texts of the answers as they are now; a "thinking" has none."""
        return [message.content for message in self.messages if not message.flags & 128]
