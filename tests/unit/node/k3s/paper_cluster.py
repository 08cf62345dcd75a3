"""The API of a cluster on paper: objects with versions, and nothing that acts on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from du_node.runtime.k3s.api import Api, Changed

Json: TypeAlias = dict[str, Any]


class PaperApi(Api):
    """Before each call ``meanwhile`` is told how many there were: others may do something then."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Json] = {}
        self.meanwhile: Callable[[int], None] = lambda _: None
        self.calls = 0
        self._version = 0

    def get(self, kind: str, name: str) -> Json | None:
        self._called()
        return copy.deepcopy(self.objects.get((kind, name)))

    def all(self, kind: str, labels: Mapping[str, str]) -> list[Json]:
        self._called()
        found = [made for (of, _), made in self.objects.items() if of == kind]
        return [
            copy.deepcopy(made) for made in found if labels.items() <= (made["metadata"].get("labels") or {}).items()
        ]

    def create(self, kind: str, made: Json) -> bool:
        self._called()
        key = kind, made["metadata"]["name"]
        if key in self.objects:
            return False
        self._write(key, made)
        return True

    def replace(self, kind: str, changed: Json) -> None:
        self._called()
        key = kind, changed["metadata"]["name"]
        self._same(key, changed["metadata"]["resourceVersion"])
        self._write(key, changed)

    def delete(self, kind: str, name: str, version: str = "") -> None:
        self._called()
        if (kind, name) in self.objects:
            if version:
                self._same((kind, name), version)
            del self.objects[kind, name]

    def _same(self, key: tuple[str, str], version: str) -> None:
        if key not in self.objects or self.objects[key]["metadata"]["resourceVersion"] != version:
            raise Changed

    def _write(self, key: tuple[str, str], made: Json) -> None:
        self._version += 1
        made = copy.deepcopy(made)
        made["metadata"]["resourceVersion"] = str(self._version)
        made["metadata"].setdefault("uid", f"u{self._version}")
        self.objects[key] = made

    def _called(self) -> None:
        calls, self.calls = self.calls, self.calls + 1
        self.meanwhile(calls)
