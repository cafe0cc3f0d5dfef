"""Slack's payloads: `{"source": …, "payload": …}` in a file each; `malformed.py` holds the broken ones."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    """Read one payload; each call gives a new one."""
    payload: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())["payload"]
    return payload
