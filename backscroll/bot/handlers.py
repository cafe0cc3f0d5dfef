"""Handlers that come along."""

from backscroll.bot.turn import Turn


async def echo(turn: Turn) -> str:
    """Say what was said, and how much of the thread is remembered."""
    count = len(turn.thread.messages) - 1
    earlier = "1 earlier message" if count == 1 else f"{count} earlier messages"
    return f"You said: {turn.message.text}\nI remember {earlier} of this thread."
