"""What is kept: `Thread`, `Message`, `Attachment`.

Built by people and by storage alike, so everything that no backend can hold is cleaned or refused here. Instants are
aware and UTC. A model's repr shows ids, never texts. Proved by `tests/unit/storage/test_models.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    Strict,
    model_serializer,
    model_validator,
)

from backscroll.errors import FileGoneError
from backscroll.storage.values import (
    ID_LENGTH,
    INT64,
    as_utc,
    check_id,
    clean_json,
    clean_object,
    clean_text,
    new_id,
    utc_now,
)

UNTITLED = "Untitled Thread"
TITLE_LENGTH = 60

Role = Literal["user", "assistant", "tool", "system"]


def _clean(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else value


def _clean_content(value: Any) -> Any:
    return clean_json(value, "content") if isinstance(value, list) else _clean(value)


def _clean_reactions(value: Any) -> Any:
    """Put the users of each emoji together, each once; an emoji that nobody stands for is left out."""
    if not isinstance(value, dict):
        return value
    reactions: dict[str, dict[str, None]] = {}
    for emoji, users in value.items():
        if not isinstance(users, list):
            raise ValueError(f"reactions.* is a list of user ids, got {type(users).__name__}")
        standing = reactions.setdefault(check_id(emoji, "an emoji"), {})
        standing |= dict.fromkeys(check_id(user_id, "a user's id") for user_id in users)
    return {emoji: list(users) for emoji, users in reactions.items() if users}


# Strict: bytes would pass for texts, uncleaned.
Text = Annotated[str, Strict(), BeforeValidator(_clean)]
Id = Annotated[str, BeforeValidator(check_id)]
Instant = Annotated[datetime, AfterValidator(as_utc)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(clean_object)]
Sha256 = Annotated[str, Strict(), Field(pattern="^[0-9a-f]{64}$")]
Block = dict[str, Any]
Content = Annotated[Annotated[str, Strict()] | list[Block], BeforeValidator(_clean_content)]
Reactions = Annotated[dict[str, list[str]], BeforeValidator(_clean_reactions)]
Int64 = Annotated[int, Field(ge=-INT64 - 1, le=INT64)]
Count = Annotated[int, Field(ge=0, le=INT64)]


class _Model(BaseModel):
    model_config = ConfigDict(validate_assignment=True, hide_input_in_errors=True, extra="forbid")


class Attachment(_Model):
    """A file that came with a message.

    `location` says where its content lies: a URL, or `sha256:…` for one in the file store. With a `content`, the store
    that the message is added to keeps it there, fills in the rest and takes the content out of the object. A content
    is in no dump.
    """

    name: Text
    type: Text = "application/octet-stream"
    size_bytes: Count | None = None
    sha256: Sha256 | None = None
    location: Text | None = None
    content: bytes | None = Field(default=None, exclude=True, repr=False, strict=True)

    _reader: Callable[[], Awaitable[bytes | None]] | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attachment) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # an attachment changes

    def bind(self, reader: Callable[[], Awaitable[bytes | None]]) -> None:
        """Let `read` ask this where the object has no content of its own."""
        self._reader = reader

    async def read(self) -> bytes:
        """Return the content: the object's own, or in a handler the one that came with the message.

        Raises: FileGoneError: nobody has it, or this object was not given to a handler: `ThreadStore.read_file` reads
            those. AdapterUnavailableError: it is still to be fetched, and the platform does not answer.
        """
        content = self.content
        if content is None and self._reader is not None:
            content = await self._reader()
        if content is None:
            raise FileGoneError(
                f"The content of a file of type {self.type} is not kept.", "It may have been too large."
            )
        return content

    @property
    def is_kept(self) -> bool:
        """Whether its content lies in the file store."""
        return self.sha256 is not None and self.location == file_location(self.sha256)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("type", self.type), ("size_bytes", self.size_bytes)]


class Message(_Model):
    """One stored entry of a thread.

    `sequence` is given by storage, 1, 2, 3 … without a gap; None until then. `created_at` is when it was written on
    the platform. A deleted message is a tombstone: empty content and `deleted_at`.
    """

    id: Id = Field(default_factory=new_id)
    role: Role
    content: Content = ""
    sequence: Count | None = None
    name: Text | None = None
    source: JsonObject | None = None
    platforms: dict[Id, JsonObject] = Field(default_factory=dict)
    attributes: JsonObject = Field(default_factory=dict)
    attachments: list[Attachment] = Field(default_factory=list)
    reactions: Reactions = Field(default_factory=dict)
    tool_calls: list[JsonObject] = Field(default_factory=list)
    tool_call_id: Text | None = None
    metrics: JsonObject = Field(default_factory=dict)
    token_count: Int64 | None = None
    created_at: Instant = Field(default_factory=utc_now)
    updated_at: Instant | None = None
    edited_at: Instant | None = None
    deleted_at: Instant | None = None

    @classmethod
    def from_stored(cls, fields: dict[str, Any]) -> Self:
        """Build from all fields, which were checked before they were stored.

        As `model_construct` does, in a third of its time.
        """
        model = cls.__new__(cls)
        object.__setattr__(model, "__dict__", fields)
        object.__setattr__(model, "__pydantic_fields_set__", set(fields))
        object.__setattr__(model, "__pydantic_extra__", None)
        object.__setattr__(model, "__pydantic_private__", None)
        return model

    @property
    def text(self) -> str:
        """The content as plain text: of a list of blocks, the texts, a line each."""
        return plain_text(self.content)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("role", self.role), ("sequence", self.sequence)]


@dataclass(frozen=True, slots=True, repr=False)
class Remembered:
    """What storage held when a thread was loaded or saved: what `save()` compares with.

    `parts` are the fields and the canonical JSON of each top-level key; `messages` the content and the reactions of
    each stored message. A text is shared with the message, so remembering a thread holds no second copy of it.
    """

    parts: dict[tuple[str, str], Any]
    messages: dict[str, tuple[Any, frozenset[tuple[str, str]]]]


class Thread(_Model):
    """A stored conversation.

    Dumps as `{"messages": […], "reactions": {message_id: {emoji: [user_id, …]}}, …}` and loads back from that, equal.
    `source={"name": "slack", …}` is accepted and becomes `platforms`. Methods change the object alone; storage learns
    of it by `ThreadStore.save()`.
    """

    id: Id = Field(default_factory=new_id)
    title: Text = UNTITLED
    user_id: Id | None = None
    agent_name: Id | None = None
    attributes: JsonObject = Field(default_factory=dict)
    platforms: dict[Id, JsonObject] = Field(default_factory=dict)
    messages: list[Message] = Field(default_factory=list)
    created_at: Instant = Field(default_factory=utc_now)
    updated_at: Instant = Field(default_factory=utc_now)
    parent_id: Id | None = None
    forked_at: Count | None = None

    _remembered: Remembered | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thread) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # a thread changes

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("messages", len(self.messages))]

    @model_validator(mode="before")
    @classmethod
    def _read_other_shapes(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        source = data.pop("source", None)
        if isinstance(source, dict) and isinstance(source.get("name"), str):
            place = {key: value for key, value in source.items() if key != "name"}
            data["platforms"] = {**clean_object(data.get("platforms") or {}, "platforms"), source["name"]: place}
        elif source is not None:
            raise ValueError('source is an object with a "name", such as {"name": "slack", "channel": "C1"}')
        reactions = data.pop("reactions", None)
        if reactions is not None and isinstance(data.get("messages"), list):
            data["messages"] = _give_reactions(data["messages"], clean_object(reactions, "reactions"))
        return data

    @model_serializer(mode="wrap")
    def _dump(self, dump: Callable[[Self], dict[str, Any]]) -> dict[str, Any]:
        data = dump(self)
        reactions = {}
        for message, dumped in zip(self.messages, data.get("messages", ()), strict=False):
            dumped.pop("reactions", None)
            if message.reactions:
                reactions[message.id] = {emoji: list(users) for emoji, users in message.reactions.items()}
        return {**data, "reactions": reactions} if "messages" in data else data

    def add_message(self, message: Message | str, user_id: str | None = None) -> Message:
        """Put a message at the end and return it; a text becomes a user's message.

        Args: user_id: who wrote the text; becomes `source={"type": "user", "id": user_id}`.
        """
        if isinstance(message, str):
            source = {"type": "user", "id": user_id} if user_id is not None else None
            message = Message(role="user", content=message, source=source)
        self.messages.append(message)
        return message

    def add_reaction(self, message_id: str, emoji: str, user_id: str) -> bool:
        """Add one user's emoji; False when it stands there already or the message is not in this object."""
        message = self.get_message_by_id(message_id)
        emoji, user_id = check_id(emoji, "emoji"), check_id(user_id, "user_id")
        if message is None or user_id in message.reactions.get(emoji, ()):
            return False
        message.reactions.setdefault(emoji, []).append(user_id)
        return True

    def remove_reaction(self, message_id: str, emoji: str, user_id: str) -> bool:
        """Take one user's emoji away; False when it does not stand there."""
        message = self.get_message_by_id(message_id)
        if message is None or user_id not in message.reactions.get(emoji, ()):
            return False
        message.reactions[emoji].remove(user_id)
        if not message.reactions[emoji]:
            del message.reactions[emoji]
        return True

    def get_reactions(self, message_id: str) -> dict[str, list[str]]:
        """Return a message's reactions, `{emoji: [user_id, …]}`, first reactor first; empty for an unknown message."""
        message = self.get_message_by_id(message_id)
        return {} if message is None else {emoji: list(users) for emoji, users in message.reactions.items()}

    def get_message_by_id(self, message_id: str) -> Message | None:
        """Return the message with this id, or None."""
        return next((message for message in self.messages if message.id == message_id), None)

    def get_last_message_by_role(self, role: Role) -> Message | None:
        """Return the last message of a role, or None."""
        return next((message for message in reversed(self.messages) if message.role == role), None)

    def get_messages_in_sequence(self) -> list[Message]:
        """Return the messages in storage's order; those not stored yet stand last, as they were added."""
        return sorted(self.messages, key=lambda message: (message.sequence is None, message.sequence or 0))

    def generate_title(self) -> str:
        """Set the title to the start of the first user message's first line, and return it."""
        titles = (short_title(message.text) for message in self.messages if message.role == "user")
        self.title = next((title for title in titles if title is not None), self.title)
        return self.title

    def get_total_tokens(self) -> int:
        """Return the sum of the messages' tokens: `metrics["usage"]["total_tokens"]`, else `token_count`."""
        return sum(message_tokens(message) or 0 for message in self.messages)


def file_location(sha256: str) -> str:
    """Name the place of a content in the file store."""
    return f"sha256:{sha256}"


def plain_text(content: str | list[Block]) -> str:
    """Return a message's content as plain text: of a list of blocks, their `text`s, a line each."""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if isinstance(block.get("text"), str))


def short_title(text: str) -> str | None:
    """Return the start of a text's first line, at most 60 characters; None for a blank one."""
    line = " ".join(text.strip().partition("\n")[0].split())
    if not line:
        return None
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def message_tokens(message: Message) -> int | None:
    """Return the tokens that one message cost: `metrics["usage"]["total_tokens"]`, else `token_count`."""
    usage = message.metrics.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    counts = isinstance(total, int) and not isinstance(total, bool) and abs(total) <= INT64
    return total if counts else message.token_count


def message_model(message: Message) -> str | None:
    """Return the model that a message cost tokens of, `metrics["model"]`, a text of 1 to 500 characters, or None."""
    model = message.metrics.get("model")
    return model if isinstance(model, str) and 0 < len(model) <= ID_LENGTH else None


def _give_reactions(messages: list[Any], reactions: dict[str, Any]) -> list[Any]:
    return [_give_its_reactions(message, reactions) for message in messages]


def _give_its_reactions(message: Any, reactions: dict[str, Any]) -> Any:
    fields = message.__dict__ if isinstance(message, Message) else message
    message_id = fields.get("id") if isinstance(fields, dict) else None
    if not isinstance(message_id, str) or clean_text(message_id) not in reactions:
        return message
    return {**fields, "reactions": reactions[clean_text(message_id)]}
