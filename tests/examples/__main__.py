"""`python -m tests.examples topics`: write topics/examples anew from a real run."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from edge_agent.storage import write_atomically
from tests.examples.recording import record


def main(directory: Path) -> None:
    specs = json.loads((directory / "commands.json").read_bytes())["commands"]
    with tempfile.TemporaryDirectory() as scratch:
        files = record(Path(scratch), specs).files()
    examples = directory / "examples"
    shutil.rmtree(examples, ignore_errors=True)
    for name, example in files.items():
        path = examples / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(example, indent=2, ensure_ascii=False) + "\n"
        write_atomically(path, text.encode(), mode=0o644)
    sys.stdout.write(f"{len(files)} examples written into {examples}\n")


main(Path(sys.argv[1] if len(sys.argv) > 1 else "topics"))
