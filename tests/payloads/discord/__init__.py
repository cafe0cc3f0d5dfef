"""Discord's frames: `{"source": …, "payload": …}` in a file each; `malformed.py` holds the broken ones.

`history` is no frame, but a message as the API returns it.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.json"))
FRAMES = [name for name in NAMES if name != "history"]


def load(name: str) -> dict[str, Any]:
    """Read one payload; each call gives a new one."""
    payload: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())["payload"]
    return payload
