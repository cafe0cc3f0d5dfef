"""The provider that keeps everything in this process's memory, and forgets it with the process.

Only the six primitives: every other call is the contract's own default, to which keys alone are told without values.
Fields that `query` was asked for are indexed, so looking something up does not read all that is kept. Proved by
`tests/contract/`.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import VALUE_DEPTH, canonical_json, clean_object, new_id, to_json


class _Namespace:
    """Keyed values and lists as JSON texts, so that nobody holds what is stored; each queried field has an index."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lists: defaultdict[str, list[str]] = defaultdict(list)
        self._index: dict[str, defaultdict[str, dict[str, None]]] = {}

    def set(self, key: str, value: dict[str, Any] | None) -> None:
        if self._index:
            self._reindex(key, self.values.get(key), value)
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = to_json(value)

    def keys_with(self, filters: dict[str, Any]) -> Iterable[str]:
        if not filters:
            return self.values
        keys = [self._field(name).get(canonical_json(value), {}) for name, value in filters.items()]
        fewest = min(keys, key=len)
        return [key for key in fewest if all(key in others for others in keys)]

    def _field(self, name: str) -> defaultdict[str, dict[str, None]]:
        if name not in self._index:
            index = self._index[name] = defaultdict(dict)
            for key, text in self.values.items():
                value = json.loads(text)
                if name in value:
                    index[canonical_json(value[name])][key] = None
        return self._index[name]

    def _reindex(self, key: str, before: str | None, after: dict[str, Any] | None) -> None:
        old = {} if before is None else json.loads(before)
        for name, index in self._index.items():
            if name in old:
                mark = canonical_json(old[name])
                index[mark].pop(key, None)
                if not index[mark]:
                    del index[mark]
            if after is not None and name in after:
                index[canonical_json(after[name])][key] = None


class Provider(StorageProvider):
    """Storage in RAM."""

    def __init__(self) -> None:
        self._spaces: defaultdict[str, _Namespace] = defaultdict(_Namespace)

    async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
        text = self._spaces[namespace].values.get(key)
        return None if text is None else json.loads(text)

    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        self._spaces[namespace].set(key, clean_object(value, depth=VALUE_DEPTH))

    async def delete(self, namespace: str, key: str) -> None:
        self._spaces[namespace].set(key, None)

    async def append(self, namespace: str, key: str, item: dict[str, Any]) -> str:
        item = {"id": new_id()} | clean_object(item, depth=VALUE_DEPTH)
        self._spaces[namespace].lists[key].append(to_json(item))
        return str(item["id"])

    async def get_list(self, namespace: str, key: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self._spaces[namespace].lists.get(key, ())]

    async def query(self, namespace: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        space = self._spaces[namespace]
        found = [{**json.loads(space.values[key]), "key": key} for key in sorted(space.keys_with(filters))]
        equals = _filter(filters)
        items = (json.loads(text) for key in sorted(space.lists) for text in space.lists[key])
        return found + [item for item in items if equals(item)]

    async def _keys(self, namespace: str) -> Iterable[str]:
        return self._spaces[namespace].values


def _filter(filters: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    marks = {name: canonical_json(value) for name, value in filters.items()}
    return lambda item: all(name in item and canonical_json(item[name]) == mark for name, mark in marks.items())
