"""A provider that has the six primitives and nothing else, as somebody's first one would."""

import json
from collections import defaultdict
from typing import Any
from uuid import uuid4

from backscroll.storage.provider import StorageProvider


class SixProvider(StorageProvider):
    """Plain dictionaries; every other call is the contract's default."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = defaultdict(dict)
        self._lists: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
        text = self._values[namespace].get(key)
        return None if text is None else json.loads(text)

    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        self._values[namespace][key] = _object_text(value)

    async def delete(self, namespace: str, key: str) -> None:
        self._values[namespace].pop(key, None)

    async def append(self, namespace: str, key: str, item: dict[str, Any]) -> str:
        text = _object_text({"id": uuid4().hex} | json.loads(_object_text(item)))
        self._lists[namespace][key].append(text)
        return str(json.loads(text)["id"])

    async def get_list(self, namespace: str, key: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self._lists[namespace][key]]

    async def query(self, namespace: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        values, lists = self._values[namespace], self._lists[namespace]
        found = [json.loads(values[key]) | {"key": key} for key in sorted(values)]
        found += [json.loads(text) for key in sorted(lists) for text in lists[key]]
        return [value for value in found if all(_same(value, name, wanted) for name, wanted in filters.items())]


def _object_text(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError(f"a value is a JSON object, got {type(value).__name__}")
    try:
        return json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise ValueError("a value is a JSON object") from error


def _same(value: dict[str, Any], name: str, wanted: Any) -> bool:
    return name in value and json.dumps(value[name], sort_keys=True) == json.dumps(wanted, sort_keys=True)
