"""`backscroll import slack-export ZIP`: Slack's own export, read as the running bot reads Slack.

Proved by `tests/scenario/test_slack_export.py`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from backscroll.adapters.events import Event, MessageEdited, MessagePosted
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import counted, notice, print_json, print_text
from backscroll.cli.progressing import progressing
from backscroll.storage.models import Attachment, Message
from backscroll.transfer.slack_archive import Fields, SlackArchive, SlackBot, SlackChannel
from backscroll.transfer.slack_export import (
    SlackImport,
    SlackOptions,
    SlackPost,
    SlackReport,
    Translate,
    workspace_of,
)

LEFT_OUT = {
    "said_by_slack": ("message of Slack itself, such as who joined", "messages of Slack itself, such as who joined"),
    "alone": ("message that stands alone in a channel", "messages that stand alone in a channel"),
    "malformed": ("message that cannot be read", "messages that cannot be read"),
    "repeated": ("message that stands there twice", "messages that stand there twice"),
    "refused": ("message that the storage refuses", "messages that the storage refuses"),
    "unreadable_files": (
        "file that cannot be read, or not to its end",
        "files that cannot be read, or not to their end",
    ),
    "unknown_folders": ("folder of a channel that is in no list", "folders of channels that are in no list"),
    "unsafe_names": ("file with a name that leads elsewhere", "files with names that lead elsewhere"),
    "other_files": ("other file", "other files"),
}
"""Why something of an export is not kept, in words: of one, and of several."""

CANDIDATES = 5
"""Apps that are named as what the bot may be, at most."""

Export = Annotated[
    Path, typer.Argument(metavar="ZIP", help="The export, as Slack made it.", exists=True, dir_okay=False)
]
Workspace = Annotated[
    str | None,
    typer.Option(
        help="The workspace's id, T…; of an app that a whole organisation installed its id, E….", metavar="ID"
    ),
]
Bot = Annotated[
    str | None, typer.Option("--bot", help="The bot's user, U…: its messages are kept as answers.", metavar="ID")
]
Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", help="Only this channel, by id or name; may be repeated.", metavar="NAME"),
]
OnlyThreads = Annotated[bool, typer.Option("--only-threads", help="Leave out what stands alone in a channel.")]
AgentView = Annotated[
    bool, typer.Option("--agent-view", help="The app has the agent's view, in which direct messages have threads.")
]
FetchFiles = Annotated[
    bool, typer.Option("--fetch-files", help="Let the bot fetch the contents of files when it runs.")
]


def slack_export(
    export: Export,
    workspace: Workspace = None,
    bot: Bot = None,
    channel: Channels = None,
    only_threads: OnlyThreads = False,
    agent_view: AgentView = False,
    fetch_files: FetchFiles = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Import Slack's own export into threads that the bot then goes on with.

    Each message comes into the thread in which the bot would keep it, so what it keeps already is found there; a repeat
    changes nothing. Nobody gets an answer to what is imported. The bot may run meanwhile.
    """
    log_to_stderr(verbose)
    _must_be_id(workspace, "TE", "--workspace")
    _must_be_id(bot, "UW", "--bot")
    with SlackArchive(export) as archive:
        name = workspace or workspace_of(archive)
        translate = translator(archive, name, bot, has_threads_in_dms=agent_view)
        options = SlackOptions(_channels(archive, channel), only_threads, fetch_files)

        async def work(storage: Storage) -> SlackReport:
            with progressing() as show:

                def went_on(so_far: SlackReport) -> None:
                    told = f"{so_far.messages:,} messages read, {so_far.new_messages:,} of them new"
                    show(told, so_far.channels, len(archive.channels))

                return await SlackImport(storage.provider, archive, translate, options, went_on=went_on).run()

        report = with_storage(config, work, writes=True, url=url)
    if as_json:
        print_json({"workspace": name} | report.as_dict())
    else:
        _print(report)
    if bot is None and report.of_apps:
        _warn_of_apps(archive, report.of_apps)


def _must_be_id(value: str | None, letters: str, option: str) -> None:
    if value is not None and not re.fullmatch(rf"[{letters}][A-Z0-9]+", value, re.ASCII):
        raise typer.BadParameter(f"It is an id of Slack's, which begins with {letters[0]}.", param_hint=option)


def _channels(archive: SlackArchive, wanted: Sequence[str] | None) -> list[str] | None:
    """Check the channels that are named. Raises: typer.BadParameter: the export has none of this name or id."""
    if not wanted:
        return None
    names = [each.removeprefix("#") for each in wanted]
    known = {name for channel in archive.channels for name in (channel.id, channel.name)}
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"The export has no channel {name}.", param_hint="--channel")
    return names


def _print(report: SlackReport) -> None:
    print_text(
        f"{counted(report.new_messages, 'new message')} and {counted(report.new_threads, 'new thread')}"
        f" from {counted(report.channels, 'channel')}; {counted(report.changed_messages, 'kept message')} changed."
    )
    read = counted(report.messages, "message was", "messages were")
    print_text(f"{read} read, with {counted(report.files, 'file')} by link.")
    if report.left_out:
        print_text("Left out:")
    for reason, count in sorted(report.left_out.items()):
        print_text(f"  {counted(count, *LEFT_OUT[reason])}")


def _warn_of_apps(archive: SlackArchive, of_apps: Counter[str]) -> None:
    """Say that the bot's own words may be among what others wrote."""
    users = {bot.bot_id: user for user, bot in archive.bots.items() if bot.bot_id is not None}
    counts = Counter[str]()
    for its_id, count in of_apps.items():
        counts[users.get(its_id, its_id)] += count
    most = counts.most_common(CANDIDATES)
    named = [f"{its_id} ({archive.people.get(its_id) or 'no name'}, {count:,})" for its_id, count in most]
    more = f" and {counted(len(counts) - len(most), 'more app')}" if len(counts) > len(most) else ""
    are = counted(counts.total(), "message is", "messages are")
    notice(f"{are} of apps, kept as what others say: {', '.join(named)}{more}.")
    notice(
        "  If one of them is this bot: its words become answers with --bot, at their first import alone. Import into an"
        " empty database then."
    )


class _Names:
    """The names in an export, as `mrkdwn.Names`. Direct messages have none, as everywhere."""

    def __init__(self, archive: SlackArchive) -> None:
        self._people = archive.people
        self._channels = {each.id: each.name for each in archive.channels if each.kind in ("channel", "group")}

    def person(self, user_id: str) -> str | None:
        return self._people.get(user_id)

    def channel(self, channel_id: str) -> str | None:
        return self._channels.get(channel_id)


def translator(archive: SlackArchive, workspace: str, bot: str | None, *, has_threads_in_dms: bool) -> Translate:
    """Return what reads messages as the adapter does, and makes of them what the bot would keep."""
    from backscroll.adapters.slack.translate import Us, message_event  # noqa: PLC0415  # a second that --help need not wait

    known = archive.bots.get(bot or "", SlackBot(None, None))
    # Without --bot nobody is us: no user has an empty id.
    us, names = Us(workspace, bot or "", known.bot_id, known.app_id, has_threads_in_dms), _Names(archive)

    def translate(fields: Fields, channel: SlackChannel) -> SlackPost | None:
        is_deleted = fields.get("subtype") == "tombstone"
        told = {name: value for name, value in fields.items() if not is_deleted or name not in ("subtype", "hidden")}
        events = message_event(told, channel.id, us, names, is_direct=channel.is_direct)
        if not events:
            return None
        return _post(events, is_deleted=is_deleted, is_alone=not channel.is_direct and "thread_ts" not in fields)

    return translate


def _post(events: Sequence[Event], *, is_deleted: bool, is_alone: bool) -> SlackPost:
    """Make of what the adapter tells of a message what `ConversationManager` would keep of it."""
    posted = next(event for event in events if isinstance(event, MessagePosted))
    edited_at = next((event.edited_at for event in events if isinstance(event, MessageEdited)), None)
    if posted.author_kind != "person":
        # A kept answer has its own wording, of which a post may be a part, and bots write by editing: no edit of theirs
        # may take its place.
        edited_at = None
    if is_deleted:  # Slack does not say when, nor any more who wrote it
        message = Message(
            role="user",
            platforms=posted.external.platforms,
            created_at=posted.created_at,
            deleted_at=posted.created_at,
        )
        return SlackPost(posted.key, posted.external, message, is_alone)
    source = {
        "type": "user" if posted.author_kind == "person" else "agent",
        "id": posted.author_id,
        "name": posted.author_name,
    }
    message = Message(
        role="assistant" if posted.author_kind == "self" else "user",
        content=posted.text,
        source=source,
        platforms=posted.external.platforms,
        attributes=posted.attributes,
        attachments=[_without_token(file) for file in posted.files],
        reactions=posted.reactions,
        created_at=posted.created_at,
        edited_at=edited_at,
    )
    return SlackPost(posted.key, posted.external, message, is_alone)


def _without_token(file: Attachment) -> Attachment:
    """Take the export's own token out of a file's address: whoever has it could read the file, for years."""
    address, _, query = (file.location or "").partition("?")
    kept = "&".join(each for each in query.split("&") if not each.startswith("t=xox"))
    location = f"{address}?{kept}" if kept else address
    return file.model_copy(update={"location": location or None})
