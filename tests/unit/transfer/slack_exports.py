"""Exports of Slack, made as small as a test wants them."""

import json
import zipfile
from pathlib import Path
from typing import Any

Json = Any

USERS: Json = [
    {"id": "U1", "team_id": "T1", "name": "anna", "profile": {"display_name": "anna", "real_name": "Anna A."}},
    {"id": "U2", "team_id": "T1", "name": "ben", "profile": {"display_name": "", "real_name": "Ben B."}},
    {
        "id": "UBOT",
        "team_id": "T1",
        "name": "helper",
        "is_bot": True,
        "profile": {"display_name": "helper", "bot_id": "BBOT", "api_app_id": "A1"},
    },
]
CHANNELS: Json = [{"id": "C1", "name": "general", "members": ["U1", "U2"]}]


def said(ts: str, text: str, user: str = "U1", **more: Json) -> Json:
    """Make a message as exports have it."""
    return {"type": "message", "user": user, "text": text, "ts": ts, "team": "T1", "user_team": "T1"} | more


def write_export(path: Path, members: dict[str, Json] | None = None, **days: list[Json]) -> Path:
    """Write an export with two people and #general.

    Args: members: further files by name, each bytes as they are or JSON; None leaves one out that is there by itself.
        days: the messages of #general, by day such as `d2024_03_01`.
    """
    every = {"users.json": USERS, "channels.json": CHANNELS}
    every |= {f"general/{day[1:].replace('_', '-')}.json": messages for day, messages in days.items()}
    every |= members or {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, value in every.items():
            if value is not None:
                made.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return path
