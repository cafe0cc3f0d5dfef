"""Watching a running bot: what it logs and counts, its signs of life, and the port that shows how it is.

`condition.py` looks, `metrics.py` counts, `server.py` shows both; `heartbeat.py` and `logs.py` work without that port
too. Proved by `tests/unit/bot/watching/` and `tests/scenario/test_watching.py`.
"""
