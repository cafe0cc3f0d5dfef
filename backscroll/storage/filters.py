"""Which threads a list is of: where they live, who wrote in them, when they changed.

Pure; knows no backend. Proved by `tests/contract/test_threads.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backscroll.storage.values import as_utc, canonical_json, check_id, clean_object


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFilter:
    """Conditions on threads, all of which have to be met.

    Args: platform: one that it lives on. place: properties that it has there, equal as in `find_by_attributes`.
        author: the id or the name of somebody of whom it has a message that is not deleted, as its `source` says.
        since: its last change is not before this. until: its last change is before this.
    Raises: ValueError: a place without a platform; an argument is of the wrong kind.
    """

    platform: str | None = None
    place: Mapping[str, Any] = field(default_factory=dict)
    author: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("platform", "author"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_id(getattr(self, name), name))
        for name in ("since", "until"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_utc(getattr(self, name)))
        object.__setattr__(self, "place", clean_object(self.place, "place"))
        if self.place and self.platform is None:
            raise ValueError("a place needs its platform")

    def fits(self, platforms: Mapping[str, Mapping[str, Any]], updated_at: datetime) -> bool:
        """Tell whether a thread meets all but the author."""
        if self.platform is not None:
            there = platforms.get(self.platform)
            if there is None or any(not _equal(there, name, value) for name, value in self.place.items()):
                return False
        return not (self.since and updated_at < self.since) and not (self.until and updated_at >= self.until)

    def has_author(self, messages: Iterable[Mapping[str, Any]]) -> bool:
        """Tell whether one of these messages' dumps is the author's, and not deleted."""
        for message in messages:
            source = message["source"] or {}
            if message["deleted_at"] is None and self.author in (source.get("id"), source.get("name")):
                return True
        return False


def _equal(there: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in there and canonical_json(there[name]) == canonical_json(value)
