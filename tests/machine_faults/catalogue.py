"""Every fault there is, what it needs, and how long it lasts in the quick form and in the slow one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.brokers import mosquitto_executable
from tests.machine_faults import brokers, clock, damage, disks, identity, limits, power
from tests.machine_faults.house import Outcome
from tests.machine_faults.machine import why_no_machine

__all__ = ["FAULTS", "Fault", "quick_ones"]


def _nothing() -> str | None:
    return None


@dataclass(frozen=True)
class Fault:
    """One fault. `why_not` says why it cannot be done here, None where it can.

    `quick_s` and `slow_s` are how long it lasts; without `quick_s` the quick form leaves it out. `many` are
    the arguments that only the slow form has.
    """

    name: str
    do: Callable[..., Outcome | Sequence[Outcome]]
    quick_s: float | None
    slow_s: float
    why_not: Callable[[], str | None] = _nothing
    many: Callable[..., Outcome | Sequence[Outcome]] | None = None

    def quick(self, directory: Path) -> list[Outcome]:
        """Do it for a moment."""
        return _listed(self.do(directory, self.quick_s or 0.0))

    def slow(self, directory: Path) -> list[Outcome]:
        """Do it for as long as it may be in life."""
        return _listed((self.many or self.do)(directory, self.slow_s))

    def impossible(self) -> str | None:
        """Return why it cannot be done here."""
        if mosquitto_executable() is None:
            return "needs mosquitto: apt-get install mosquitto"
        return self.why_not()


def _listed(found: Outcome | Sequence[Outcome]) -> list[Outcome]:
    return [found] if isinstance(found, Outcome) else list(found)


FAULTS = (
    # In the quick form the next one is enough.
    Fault("broker killed", brokers.killed, None, 30),
    Fault("broker restarted empty", brokers.restarted_empty, 1, 30),
    # In the quick form the next one is enough: it looks the same to the agent.
    Fault("broker frozen", brokers.frozen, None, 60),
    Fault("broker cut off", brokers.cut_off, 0, 60, why_no_machine),
    Fault("name gone", brokers.name_gone, 1, 30, why_no_machine),
    Fault("name server silent", brokers.names_unanswered, 0, 60, why_no_machine),
    Fault("second client", identity.second_client, 0, 60),
    Fault("broker's certificate expired", identity.broker_expired, 0, 30),
    # It looks at its files once a minute: that is too long for the quick form, which tests/security has.
    Fault("certificates renewed", identity.both_renewed, None, 5),
    Fault("clock jumps", clock.jump, 0, 20, clock.why_no_jumping_clock),
    Fault("disk full", disks.full, 0, 30, why_no_machine),
    Fault("read-only state directory", disks.read_only, 0, 30, why_no_machine),
    Fault("file system gone bad", disks.gone_bad, None, 10, why_no_machine),
    # The suite has some lengths of each file in tests/integration/test_damaged_state.py.
    Fault("damaged state files", damage.cut_at_every_length, None, 0),
    Fault("out of descriptors", limits.out_of_descriptors, 0, 20),
    Fault("camera out of memory", limits.camera_out_of_memory, 0, 5, limits.why_no_memory_group),
    Fault("power cut", power.power_cuts, 4, 60, why_no_machine, partial(power.power_cuts, cuts=20)),
)


def quick_ones(*modules: str) -> list[Fault]:
    """Return the faults of some modules here that have a quick form: each file of tests has its own."""
    return [
        fault
        for fault in FAULTS
        if fault.quick_s is not None and fault.do.__module__.rpartition(".")[2] in modules
    ]
