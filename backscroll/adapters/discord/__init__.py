"""Discord, on discord.py: gateway, channels and threads, answers.

What Discord sends comes in by `gateway`, is read by `translate`, and is kept by `receiving`; what goes out goes through
`sending`. discord.py keeps the connection and Discord's limits; what its events mean is read here, from the payloads.
"""

from backscroll.adapters.discord.app import DiscordAdapter

__all__ = ["DiscordAdapter"]
