"""The chat platforms: each turns what happens there into events, and posts answers. None knows a database."""
