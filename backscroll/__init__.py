"""Chat bots whose conversations are kept, and the thread store that keeps them."""

from backscroll.bot.app import run
from backscroll.bot.turn import Turn
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.store import ThreadStore

__all__ = ["Attachment", "Message", "Thread", "ThreadStore", "Turn", "run"]
