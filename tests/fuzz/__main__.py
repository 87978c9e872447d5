"""Hostile messages on every topic that an agent reads: `python -m tests.fuzz [messages] [seed]`.

It starts a broker and an agent, sends, and fails where the agent dies, grows, or answers badly.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from edge_agent.catalogue import command_specs
from edge_agent.contract.reply import FINAL_STATES
from edge_agent.feature import discover
from tests.agent_process import AgentProcess
from tests.brokers import Mosquitto
from tests.listener import Listener

# Less than the agent queues of replies: what it drops it counts, and here every answer is looked at.
_BATCH: Final = 100
_MAY_GROW_KIB: Final = 16 * 1024
# These do what they say, which is no fault: the agent would be gone, or asleep in the middle of it.
_SPARED: Final = {"restart"}
_REPLY_KEYS: Final = {
    "id", "command", "state", "time", "duration_ms", "requested", "applied", "clamped", "result", "error",
}  # fmt: skip


class Attacker:
    """Makes payloads: noise, broken JSON, deep and wide JSON, almost right arguments."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._specs = [spec for spec in command_specs(discover()) if spec.name not in _SPARED]

    def message(self, base: str) -> tuple[str, bytes]:
        """Return a topic and what to send on it."""
        draw = self._random
        topics = (
            f"{base}/desired",
            f"{base}/availability",
            "homeassistant/status",
            f"{base}/cmd/{self._odd()}",
        )
        if draw.random() < 0.1:
            return draw.choice(topics), self._payload({})
        spec = draw.choice(self._specs)
        where = draw.choice((base, base, base, "edge/v1/@all", "edge/v1/@group/outdoor"))
        return f"{where}/cmd/{spec.name}", self._payload(spec.arguments.model_fields)

    def _odd(self) -> str:
        return self._random.choice(("x" * 200, "Exposure", "a b", "$SYS", "ümlaut", "-", "0"))

    def _payload(self, fields: Any) -> bytes:
        draw = self._random
        kind = draw.randrange(8)
        if kind == 0:
            return draw.randbytes(draw.randrange(400))
        if kind == 1:
            return b"[" * draw.randrange(1, 5000)
        if kind == 2:
            return draw.randbytes(1) * draw.choice(
                (1000, 70_000, 300_000) if draw.random() < 0.02 else (50, 500)
            )
        if kind == 3:
            return json.dumps(self._junk(4)).encode()
        arguments = {name: self._junk(2) for name in fields if draw.random() < 0.4}
        envelope = {
            key: self._junk(1)
            for key in ("id", "ttl_s", "expires_at", "dry_run", "strict", "version", "no_such")
            if draw.random() < 0.2
        }
        text = json.dumps({**arguments, **envelope}).encode()
        if kind == 4:
            cut = draw.randrange(len(text))
            return text[:cut] + draw.randbytes(1) + text[cut + 1 :]
        return text

    def _junk(self, depth: int) -> Any:
        draw = self._random
        kind = draw.randrange(10 if depth else 7)
        if kind == 7:
            return [self._junk(depth - 1) for _ in range(draw.randrange(5))]
        if kind >= 8:
            return {self._word(): self._junk(depth - 1) for _ in range(draw.randrange(5))}
        return (
            None,
            draw.random() < 0.5,
            draw.choice((0, -1, 1 << 70, 10**400, 25)),
            draw.choice((float("nan"), float("inf"), 1e308, -0.0, 0.5)),
            self._word(),
            draw.choice(("auto", "list", "day", "../../etc/passwd", "{time:%s}", "http://a:b@c/")),
            draw.randrange(-5, 5000),
        )[kind]

    def _word(self) -> str:
        return "".join(
            chr(self._random.choice((0, 10, 34, 92, 97, 0xD800, 0x20AC, 0x1F4A9))) for _ in range(4)
        )


def rss_kib(pid: int) -> int:
    """Return a process's resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def badly_formed(payload: bytes) -> str | None:
    """Return what is wrong with an answer, None where it is as the contract says."""
    try:
        reply = json.loads(payload, parse_constant=lambda word: [][word])  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return "no JSON"
    if _REPLY_KEYS - set(reply):
        return f"keys are missing: {_REPLY_KEYS - set(reply)}"
    if reply["state"] in ("rejected", "expired", "failed") and not (reply["error"] or {}).get("message"):
        return "a refusal without its reason"
    return "it is too long" if len(payload) > 400_000 else None


def main(count: int, seed: int) -> int:
    """Run it; returns the exit code."""
    attacker = Attacker(seed)
    wrong: list[str] = []
    answers = 0
    with (
        tempfile.TemporaryDirectory(prefix="edge-agent-fuzz-") as place,
        Mosquitto(Path(place), "max_queued_messages 0\nmax_inflight_messages 0") as broker,
        Listener(broker.port, "edge/v1/porch/#") as listener,
        AgentProcess(Path(place), port=broker.port, listener=listener) as agent,
    ):
        agent.online()
        agent.running()
        begun_s = time.monotonic()
        memory: list[int] = []
        for first in range(0, count, _BATCH):
            for _ in range(min(_BATCH, count - first)):
                listener.publish(*attacker.message(agent.base))
            # What comes after all of them is answered: they were all dealt with.
            reply = agent.command("schedule", {"action": "list"}, timeout_s=60)
            if reply["state"] not in FINAL_STATES:
                wrong.append(str(reply))
            for seen in listener.seen:
                if seen.topic.startswith(f"{agent.base}/reply/"):
                    answers += 1
                    if fault := badly_formed(seen.payload):
                        wrong.append(f"{seen.topic}: {fault}: {seen.payload[:200]!r}")
            del listener.seen[:]
            memory.append(rss_kib(agent.pid))
        settled = memory[len(memory) // 4]
        spent_s = time.monotonic() - begun_s
        sys.stdout.write(
            f"{count} messages (seed {seed}) in {spent_s:.0f} s, {answers} answers; "
            f"the agent's memory: {memory[0]} KiB first, {settled} after a quarter, {max(memory)} at most, "
            f"{memory[-1]} in the end\n"
        )
        if memory[-1] - settled > _MAY_GROW_KIB:
            wrong.append(f"the memory grew by {memory[-1] - settled} KiB")
        if "Traceback" in agent.log():
            wrong.append(
                "there is a traceback in the log:\n" + agent.log()[agent.log().index("Traceback") :][:3000]
            )
    for line in wrong[:20]:
        sys.stdout.write(line + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(numbers[0] if numbers else 100_000, numbers[1] if len(numbers) > 1 else 1))
