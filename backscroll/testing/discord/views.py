"""How Discord shows what it knows: the objects of REST answers and gateway events.

Source: docs.discord.com/developers/resources/message, channel, guild.
Proved by `tests/unit/testing/discord/test_messages.py` and
`test_places.py`.
"""

import hashlib
import hmac
import time
from datetime import datetime
from urllib.parse import quote

from backscroll.testing.discord.models import (
    DM,
    FORUM,
    NEWS,
    PERMISSIONS,
    VOICE,
    Channel,
    File,
    Guild,
    Json,
    Message,
    Role,
    Thread,
    User,
)
from backscroll.testing.discord.world import World

JOINED_AT = "2024-01-01T00:00:00.000000+00:00"


def written(moment: datetime | None) -> str | None:
    """Return a moment as Discord writes it."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


class Views:
    """Shows what a World holds. Everything it returns is the caller's own."""

    def __init__(self, world: World) -> None:
        self._world = world

    def user(self, user: User) -> Json:
        """Return a user object."""
        shown: Json = {
            "id": user.id,
            "username": user.name,
            "global_name": user.global_name,
            "discriminator": user.discriminator,
            "avatar": None,
            "public_flags": 0,
        }
        return {**shown, "bot": True} if user.is_bot else shown

    def member(self, user: User, guild: Guild, *, with_user: bool = False) -> Json:
        """Return a guild member object; `with_user` with the user in it."""
        shown: Json = {
            "nick": None,
            "avatar": None,
            "roles": [role.id for role in guild.bot_roles] if user is self._world.bot else [],
            "joined_at": JOINED_AT,
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }
        return {**shown, "user": self.user(user)} if with_user else shown

    def role(self, role: Role) -> Json:
        """Return a role object."""
        shown: Json = {
            "id": role.id,
            "name": role.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": role.position,
            "permissions": str(role.permissions),
            "managed": role.bot_id is not None,
            "mentionable": role.is_mentionable,
            "flags": 0,
        }
        return {**shown, "tags": {"bot_id": role.bot_id}} if role.bot_id else shown

    def guild(self, guild: Guild) -> Json:
        """Return a guild object without channels and members."""
        return {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "owner_id": guild.owner.id,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": [self.role(role) for role in guild.roles.values()],
            "emojis": [],
            "features": [],
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "vanity_url_code": None,
            "description": None,
            "banner": None,
            "premium_tier": 0,
            "preferred_locale": "en-US",
            "public_updates_channel_id": None,
            "nsfw_level": 0,
            "premium_progress_bar_enabled": False,
            "safety_alerts_channel_id": None,
            "stickers": [],
        }

    def whole_guild(self, guild: Guild) -> Json:
        """Return a guild as GUILD_CREATE has it: with its channels, its active threads, and the bot as its member."""
        world = self._world
        threads = [thread for thread in world.threads_of(guild) if not thread.is_archived and thread.is_readable]
        return {
            **self.guild(guild),
            "joined_at": JOINED_AT,
            "large": False,
            "unavailable": False,
            "member_count": len(world.users),
            "voice_states": [],
            "members": [self.member(world.bot, guild, with_user=True)],
            "channels": [self.channel(channel) for channel in world.channels_of(guild)],
            "threads": [self.channel(thread) for thread in threads],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def channel(self, channel: Channel) -> Json:
        """Return a channel object: of a thread, of direct messages, or of a guild's channel."""
        shown: Json = {"id": channel.id, "type": channel.type, "last_message_id": channel.last_message_id, "flags": 0}
        if channel.type == DM:
            recipients = [self.user(channel.recipient)] if channel.recipient else []
            return {**shown, "recipients": recipients}
        assert channel.guild is not None  # noqa: S101 - only direct messages have none
        shown.update(guild_id=channel.guild.id, name=channel.name, rate_limit_per_user=0)
        if isinstance(channel, Thread):
            return {**shown, **self._thread(channel)}
        shown.update(
            position=list(self._world.channels_of(channel.guild)).index(channel) if not channel.is_deleted else 0,
            parent_id=None,
            topic=channel.topic,
            nsfw=False,
            permission_overwrites=self._overwrites(channel, channel.guild),
        )
        if channel.type == FORUM:
            shown.update(available_tags=[], default_reaction_emoji=None, default_sort_order=None)
            shown.update(default_forum_layout=0, default_auto_archive_duration=4320)
        elif channel.type == VOICE:
            shown.update(bitrate=64_000, user_limit=0, rtc_region=None)
        elif channel.type == NEWS:
            shown.update(default_auto_archive_duration=4320)
        return shown

    def _overwrites(self, channel: Channel, guild: Guild) -> list[Json]:
        shown = []
        if not channel.bot_can_read:
            shown.append({"id": guild.id, "type": 0, "allow": "0", "deny": str(PERMISSIONS["VIEW_CHANNEL"])})
        if channel.forbidden:
            denied = sum(PERMISSIONS[name] for name in channel.forbidden)
            shown.append({"id": self._world.bot.id, "type": 1, "allow": "0", "deny": str(denied)})
        return shown

    def _thread(self, thread: Thread) -> Json:
        shown: Json = {
            "parent_id": thread.parent.id,
            "owner_id": thread.owner.id,
            "member_count": min(len(thread.members), 50),
            "message_count": thread.message_count,
            "total_message_sent": thread.total_count,
            "thread_metadata": {
                "archived": thread.is_archived,
                "auto_archive_duration": thread.auto_archive_minutes,
                "archive_timestamp": written(thread.archived_at),
                "locked": thread.is_locked,
                "create_timestamp": written(thread.created_at),
            },
        }
        if thread.parent.type == FORUM:
            shown["applied_tags"] = []
        if self._world.bot.id in thread.members:
            shown["member"] = self.thread_member(thread, self._world.bot)
        return shown

    def thread_member(self, thread: Thread, user: User) -> Json:
        """Return a thread member object."""
        return {
            "id": thread.id,
            "user_id": user.id,
            "join_timestamp": written(thread.created_at),
            "flags": 0,
            "muted": False,
            "mute_config": None,
        }

    def message(self, message: Message, *, live: bool = False, bare: bool = False, nested: bool = False) -> Json:
        """Return a message object.

        Args:
            live: as the gateway has it, with the guild and its members.
            bare: as a bot sees it that may not read contents; the exceptions are made here.
            nested: as the referenced message of another, without one of its own.
        """
        guild = message.channel.guild if live and not message.is_ephemeral else None
        shown: Json = {
            "id": message.id,
            "channel_id": message.channel.id,
            "author": self.user(message.author),
            "content": message.content,
            "timestamp": written(message.created_at),
            "edited_timestamp": written(message.edited_at),
            "tts": False,
            "mention_everyone": message.mention_everyone,
            "mentions": [self._mentioned(user, guild) for user in message.mentions],
            "mention_roles": [role.id for role in message.mention_roles],
            "attachments": [self.attachment(message, file) for file in message.files],
            "embeds": list(message.embeds),
            "components": list(message.components),
            "pinned": message.is_pinned,
            "type": message.type,
            "flags": message.flags,
        }
        if guild is not None:
            shown["guild_id"] = guild.id
            if message.webhook_id is None or message.author is self._world.bot:
                shown["member"] = self.member(message.author, guild)
        if message.poll is not None:
            shown["poll"] = message.poll
        self._show_rest(message, shown)
        if bare and self._world.needs_content(message):
            shown.update(content="", embeds=[], attachments=[], components=[])
            shown.pop("poll", None)
            if message.snapshots:
                shown["message_snapshots"] = [{"message": _emptied(snapshot)} for snapshot in message.snapshots]
        if not nested:
            self._show_reference(message, shown, bare)
        return shown

    def _show_rest(self, message: Message, shown: Json) -> None:
        if message.stickers:
            shown["sticker_items"] = message.stickers
        if message.reactions:
            shown["reactions"] = self._reactions(message)
        if message.webhook_id is not None:
            shown["webhook_id"] = message.webhook_id
        if message.application_id is not None:
            shown["application_id"] = message.application_id
        if message.interaction_metadata is not None:
            shown["interaction_metadata"] = message.interaction_metadata
        if message.thread is not None:
            shown["thread"] = self.channel(message.thread)
        if message.snapshots:
            shown["message_snapshots"] = [{"message": snapshot} for snapshot in message.snapshots]

    def _show_reference(self, message: Message, shown: Json, bare: bool) -> None:
        if message.reference is None:
            return
        shown["message_reference"] = message.reference
        if message.referenced is not None:
            gone = message.referenced.is_deleted
            shown["referenced_message"] = None if gone else self.message(message.referenced, bare=bare, nested=True)

    def _mentioned(self, user: User, guild: Guild | None) -> Json:
        shown = self.user(user)
        return shown if guild is None else {**shown, "member": self.member(user, guild)}

    def _reactions(self, message: Message) -> list[Json]:
        return [
            {
                "emoji": reaction.emoji,
                "count": len(reaction.users),
                "count_details": {"burst": 0, "normal": len(reaction.users)},
                "me": self._world.bot in reaction.users,
                "me_burst": False,
                "burst_colors": [],
            }
            for reaction in message.reactions.values()
        ]

    def attachment(self, message: Message, file: File) -> Json:
        """Return an attachment object, its address signed anew."""
        url = self.file_url(f"/attachments/{message.channel.id}/{file.id}/{quote(file.name, safe='')}")
        shown: Json = {
            "id": file.id,
            "filename": file.name,
            "size": file.size,
            "url": url,
            "proxy_url": url,
            "content_type": file.mimetype,
        }
        if file.description is not None:
            shown["description"] = file.description
        return {**shown, "ephemeral": True} if message.is_ephemeral else shown

    def file_url(self, path: str) -> str:
        """Return the address of a file, signed for as long as `attachment_ttl_s` says."""
        now_s = int(time.time())
        ends = f"{now_s + int(self._world.switches.attachment_ttl_s):x}"
        return f"{self._world.base_url}{path}?ex={ends}&is={now_s:x}&hm={self.signature(path, ends)}&"

    def signature(self, path: str, ends: str) -> str:
        """Return the `hm` of an address; it holds until files are expired."""
        told = f"{path} {ends} {self._world.file_age}".encode()
        return hmac.new(self._world.secret, told, hashlib.sha256).hexdigest()


def _emptied(snapshot: Json) -> Json:
    return {**snapshot, "content": "", "embeds": [], "attachments": []}
