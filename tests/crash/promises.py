"""What an agent has promised: read from its replies and events, and compared with what there is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agent_process import FINAL

__all__ = ["Broken", "Promises"]


@dataclass
class Broken:
    """Which promises were not kept, by the pictures' ids; and which commands were answered in two ways.

    `lost` is not on the server, `gone` not in the store; `twice` was taken by either more than once.
    """

    lost: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.lost, self.gone, self.wrong, self.twice, self.contradicted, self.unclear))


class Promises:
    """Heard so far. With `locked_only` the store may delete what is not locked, to make room."""

    def __init__(self, *, locked_only: bool = False) -> None:
        self._locked_only = locked_only
        self._pictures: dict[str, Mapping[str, Any]] = {}
        self._outcomes: dict[str, Mapping[str, Any]] = {}
        self._contradicted: set[str] = set()
        self._unclear: set[str] = set()
        self._asked: dict[str, int] = {}
        self._let_go: set[str] = set()
        self.for_upload: set[str] = set()
        self.for_store: set[str] = set()
        self.refused: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """How many commands were carried out."""
        return sum(reply["state"] == "done" for reply in self._outcomes.values())

    def asked(self, id_: str, count: int) -> None:
        """Note that a command was sent that asks for so many pictures."""
        self._asked[id_] = count

    def unanswered(self, ids: Iterable[str]) -> list[str]:
        """Return the commands that had no final reply."""
        return [id_ for id_ in ids if id_ not in self._outcomes]

    def let_go(self, ids: Iterable[str]) -> None:
        """Note that pictures of the store may be deleted from now on."""
        self._let_go.update(ids)

    def locked(self) -> list[str]:
        """Return what is locked in the store."""
        return sorted(self.for_store - self._let_go)

    def hear(self, document: Mapping[str, Any]) -> None:
        """Take in a reply to `snapshot`, or an event that one was taken."""
        if document.get("event_type") == "taken":
            self._promised(document)
        elif document.get("state") in FINAL:
            self._answered(document)

    def _answered(self, reply: Mapping[str, Any]) -> None:
        # A repeated id is answered with the first outcome, which is heard once.
        first = self._outcomes.setdefault(reply["id"], reply)
        if first is not reply:
            if (first["state"], first["result"]) != (reply["state"], reply["result"]):
                self._contradicted.add(f"{_told(first)}, then {_told(reply)}")
            return
        if reply["state"] == "done":
            result = reply["result"]
            for picture in result.get("pictures", [result]):
                self._promised(picture)
                for reason in picture["not_sent"].values():
                    self._refused(reply["id"], reason)
        else:
            self._refused(reply["id"], reply["error"])

    def _promised(self, picture: Mapping[str, Any]) -> None:
        id_ = picture["id"]
        self._pictures[id_] = picture
        if picture["upload_ticket"] is not None and "upload" in picture["sent_to"]:
            self.for_upload.add(id_)
        if "store" in picture["sent_to"] and (picture["locked"] or not self._locked_only):
            self.for_store.add(id_)

    def _refused(self, id_: str, error: Mapping[str, Any] | None) -> None:
        if not error or not error.get("code") or not error.get("message"):
            self._unclear.add(id_)
            return
        self.refused[error["code"]] += 1
        if error["code"] in {"internal", "error"}:
            self._unclear.add(id_)

    def compare(
        self, *, server: Mapping[str, bytes], listed: Iterable[Mapping[str, Any]], store: Path
    ) -> Broken:
        """Compare with the server's pictures by their paths, and with what the store lists and has."""
        broken = Broken(contradicted=sorted(self._contradicted), unclear=sorted(self._unclear))
        on_server: dict[str, list[str]] = {}
        for path, content in server.items():
            on_server.setdefault(hashlib.sha256(content).hexdigest(), []).append(path)
        broken.twice += [path for paths in on_server.values() if len(paths) > 1 for path in paths]
        for id_ in sorted(self.for_upload):
            picture = self._pictures[id_]
            if f"/{_file_name(picture)}" not in server:
                broken.lost.append(id_)
            elif f"/{_file_name(picture)}" not in on_server.get(picture["sha256"], []):
                broken.wrong.append(id_)
        in_store = {picture["id"]: picture for picture in listed}
        for id_ in sorted(self.for_store - self._let_go):
            picture = self._pictures[id_]
            file = store / id_[:4] / id_[4:6] / id_[6:8] / _file_name(picture)
            if id_ not in in_store or not file.exists():
                broken.gone.append(id_)
            elif {hashlib.sha256(file.read_bytes()).hexdigest(), in_store[id_]["sha256"]} != {
                picture["sha256"]
            }:
                broken.wrong.append(id_)
        # Without room for the journal a repeated id is forgotten at a restart, as `problems` says then.
        taken = Counter(
            picture["cause"] for picture in (in_store | self._pictures).values() if not self._locked_only
        )
        broken.twice += [id_ for id_, count in self._asked.items() if taken[f"command {id_}"] > count]
        return broken


def _told(reply: Mapping[str, Any]) -> str:
    return f"{reply['id']}: {reply['state']} {(reply['error'] or {}).get('code', '')}".rstrip()


def _file_name(picture: Mapping[str, Any]) -> str:
    return f"{picture['id']}.{'jpg' if picture['format'] == 'jpeg' else picture['format']}"
