"""Kills a process that stores, locks and deletes pictures, again and again, and looks at what is left.

python -m tests.snapshots.killed_writer DIRECTORY ROUNDS; prints what was seen as JSON, or fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from edge_agent.snapshots.files import PictureFiles
from edge_agent.snapshots.index import Index, Query
from edge_agent.snapshots.shelf import Shelf
from tests.snapshots.gallery import content, files_in, limits, picture

# How many lines a writer says before it is killed, and then some.
_LIVES_FOR = (1, 25)
_AND_S = 0.003


def new_shelf(path: Path) -> Shelf:
    return Shelf(
        files=PictureFiles(directory=path / "pictures"),
        index=Index(path=path / "index.sqlite3"),
        limits=limits(limit_count=150),
    )


def write(path: Path, first: int, said: int) -> None:
    """Store pictures and say, one line each, what is begun and what is done."""
    chance = random.Random(first)
    shelf = new_shelf(path)
    shelf.open()

    def say(*words: str) -> None:
        os.write(said, (" ".join(words) + "\n").encode())

    for number in range(first, first + 100_000):
        taken = content(number, chance.choice((10, 5000, 200_000)))
        new = picture(number, taken)
        shelf.add(new, taken)
        say("stored", new.id)
        if number % 5 == 1:
            say("locking", new.id)
            shelf.lock([new.id], locked=True)
            say("locked", new.id)
        if number % 5 == 2:
            say("deleting", new.id)
            shelf.delete([new.id])
            say("deleted", new.id)


def main() -> int:
    path, rounds = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(1)
    said: dict[str, str] = {}
    for round_ in range(rounds):
        hear, say = os.pipe()
        writer = os.fork()
        if writer == 0:
            os.close(hear)
            write(path, round_ * 100_000, say)
        os.close(say)
        with os.fdopen(hear) as lines:
            begun = [lines.readline() for _ in range(chance.randint(*_LIVES_FOR))]
            time.sleep(chance.uniform(0, _AND_S))
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
            for line in (*begun, *lines):
                word, id_ = line.split()
                said[id_] = word
        look(path, said)
    sys.stdout.write(json.dumps({word: list(said.values()).count(word) for word in set(said.values())}))
    return 0


def look(path: Path, said: dict[str, str]) -> None:
    shelf = new_shelf(path)
    shelf.open()
    for day in shelf.days():
        for _ in shelf.compare(day):
            pass
    known = {each.id: each for each in shelf.newest(Query(), limit=1000)}
    assert files_in(path) == {each.file_name for each in known.values()}
    # What has made room is the oldest, and was not locked.
    newest_first = sorted(said, reverse=True)
    kept = set(newest_first[:100])
    for id_, word in said.items():
        assert word != "deleted" or id_ not in known, f"{id_} came back"
        assert word != "locked" or known[id_].locked, f"{id_} was locked"
        assert word != "stored" or id_ not in kept or id_ in known, f"{id_} was lost"
    for id_, record in known.items():
        _, descriptor = shelf.open_picture(id_)
        with os.fdopen(descriptor, "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == record.sha256
    shelf.close()


if __name__ == "__main__":
    sys.exit(main())
