"""FakeDiscord: a Discord on loopback, REST and gateway, to which the real discord.py connects."""
