"""Chat bots whose conversations are kept, and the thread store that keeps them."""

from backscroll.bot.app import run
from backscroll.bot.approvals import Decision
from backscroll.bot.turn import Turn
from backscroll.storage.files import FileStore, LocalFiles
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.records import Feedback
from backscroll.storage.store import FoundMessage, ThreadStore

__all__ = [
    "Attachment",
    "Decision",
    "Feedback",
    "FileStore",
    "FoundMessage",
    "LocalFiles",
    "Message",
    "Thread",
    "ThreadStore",
    "Turn",
    "run",
]
