"""The machine's vital signs, each read by itself: one that cannot be read is null and hides no other."""

from __future__ import annotations

import ctypes
import ipaddress
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import psutil

__all__ = [
    "MachineReader",
    "MachineReading",
    "NetworkReading",
    "ProcessReading",
    "StorageWear",
    "kernel_clock_synced",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NO_WIFI: Final = (None, None)
_VCGENCMD_TIMEOUT_S: Final = 1.0
_VCGENCMD_ATTEMPTS: Final = 3
_MAX_INTERFACES: Final = 16
_MAX_ADDRESSES: Final = 8
_UNDER_VOLTAGE: Final = 0x1
_THROTTLED: Final = 0x2 | 0x4 | 0x8  # frequency capped, throttled, soft temperature limit
_CPU_SENSORS: Final = ("cpu", "soc", "pkg", "coretemp", "k10temp")
_STA_UNSYNC: Final = 0x40
_PRE_EOL: Final[Mapping[int, Literal["normal", "warning", "urgent"]]] = {
    1: "normal",
    2: "warning",
    3: "urgent",
}


class _Reading(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkReading(_Reading):
    """One interface that is up and has an address."""

    interface: str = Field(description="Its name, like eth0")
    addresses: tuple[str, ...] = Field(description="Those that others can use")
    wifi_signal_dbm: float | None = Field(None, description="Null where it is no radio")
    wifi_quality: float | None = Field(None, description="0 to 70 with most drivers; 70 is best")


class ProcessReading(_Reading):
    """One process of the agent's."""

    pid: int = Field(description="The process's number")
    rss_bytes: int = Field(description="Memory in use")
    written_bytes: int | None = Field(description="To the disk, since its start; null where it is not told")
    open_files: int = Field(description="Descriptors of every kind, sockets too")
    cpu_percent: float | None = Field(description="Of one core, since the last reading; null at the first")


class StorageWear(_Reading):
    """What the card or the eMMC says of its age; SD cards mostly say nothing."""

    device: str = Field(description="Its name")
    life_used_percent: int | None = Field(description="Up to so much, in steps of ten; above 100 is worn out")
    state: Literal["normal", "warning", "urgent"] | None = Field(description="Of its reserve blocks")


class MachineReading(_Reading):
    """All of it at one moment. Null is what this machine does not say.

    `under_voltage` and `throttled` are about now, not about since the boot; a capped frequency and a reached
    soft temperature limit are throttling, too.
    """

    cpu_percent: float | None = Field(description="Of all cores, since the last reading; null at the first")
    load_1m: float | None = Field(description="Processes that ran or waited, averaged over a minute")
    memory_total_bytes: int | None = Field(description="What is built in")
    memory_available_bytes: int | None = Field(description="What programs may still take")
    cpu_temperature_c: float | None = Field(description="The processor's")
    disk_total_bytes: int | None = Field(description="Of the file system that holds the state directory")
    disk_free_bytes: int | None = Field(description="What this user may still write there")
    storage_wear: StorageWear | None = Field(description="Null where the disk does not tell")
    under_voltage: bool | None = Field(description="Whether the supply is too weak now")
    throttled: bool | None = Field(description="Whether the processor is slowed down now")
    clock_synced: bool | None = Field(description="Whether a time service holds the clock")
    network: tuple[NetworkReading, ...] | None = Field(description="Interfaces that are up")
    processes: dict[str, ProcessReading] = Field(description="By role; one that is gone is not there")


class MachineReader:
    """Reads the machine. Not for two threads at once; each call takes some milliseconds, at most 1.5 s.

    `sys_root` is where `proc`, `sys` and `run` are, `vcgencmd` the Raspberry Pi's tool, None for none.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        sys_root: Path = Path("/"),
        vcgencmd: str | None = "vcgencmd",
        kernel_clock: Callable[[], bool | None] | None = None,
    ) -> None:
        self._state_dir = state_dir
        self._root = sys_root
        self._vcgencmd = shutil.which(vcgencmd) if vcgencmd else None
        self._vcgencmd_failures = 0
        self._kernel_clock = kernel_clock or kernel_clock_synced
        self._cpu_primed = False
        self._processes: dict[str, psutil.Process] = {}
        self._failing: set[str] = set()

    def read(self, pids: Mapping[str, int] | None = None) -> MachineReading:
        """Return everything now; `pids` are the processes to look at by role. Never raises."""
        memory = self._try("memory", self._memory) or (None, None)
        disk = self._try("disk", self._disk) or (None, None)
        flags = self._try("throttling flags", self._throttled_flags)
        alarm = self._try("voltage alarm", self._voltage_alarm)
        return MachineReading(
            cpu_percent=self._try("CPU", self._cpu),
            load_1m=self._try("load", lambda: round(os.getloadavg()[0], 2)),
            memory_total_bytes=memory[0],
            memory_available_bytes=memory[1],
            cpu_temperature_c=self._try("temperature", self._temperature),
            disk_total_bytes=disk[0],
            disk_free_bytes=disk[1],
            storage_wear=self._try("storage wear", self._storage_wear),
            under_voltage=_any(alarm, None if flags is None else bool(flags & _UNDER_VOLTAGE)),
            throttled=None if flags is None else bool(flags & _THROTTLED),
            clock_synced=self._try("clock", self._clock_synced),
            network=self._try("network", self._network),
            processes=self._processes_now(pids or {}),
        )

    def _try(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            value = read()
        except Exception as error:  # noqa: BLE001  a broken sensor must not take the heartbeat with it
            if name not in self._failing:
                self._failing.add(name)
                logger.warning("the machine's %s cannot be read: %s", name, error)
            return None
        if name in self._failing:
            self._failing.discard(name)
            logger.info("the machine's %s can be read again", name)
        return value

    def _cpu(self) -> float | None:
        import psutil  # noqa: PLC0415  heavy, and the agent need not have it to start

        percent = psutil.cpu_percent(interval=None)
        primed, self._cpu_primed = self._cpu_primed, True
        return round(percent, 1) if primed else None

    @staticmethod
    def _memory() -> tuple[int, int]:
        import psutil  # noqa: PLC0415  as above

        memory = psutil.virtual_memory()
        return memory.total, memory.available

    def _disk(self) -> tuple[int, int]:
        # Before the first start the directory is not there yet: what will hold it is.
        existing = next(
            (path for path in (self._state_dir, *self._state_dir.parents) if path.exists()), Path("/")
        )
        usage = shutil.disk_usage(existing)
        return usage.total, usage.free

    def _storage_wear(self) -> StorageWear | None:
        for device in sorted(self._root.glob("sys/block/mmcblk*/device")):
            life, reserve = device / "life_time", device / "pre_eol_info"
            # Of both kinds of cells the worse one; 0 is a card that does not say.
            used = max((int(word, 16) for word in _text(life).split()), default=0) if life.is_file() else 0
            state = _PRE_EOL.get(int(_text(reserve), 16)) if reserve.is_file() else None
            if used or state:
                return StorageWear(
                    device=device.parent.name, life_used_percent=used * 10 if used else None, state=state
                )
        return None

    def _temperature(self) -> float | None:
        zones = [
            (zone / "type", zone / "temp")
            for zone in sorted(self._root.glob("sys/class/thermal/thermal_zone*"))
        ]
        chips = [
            (chip / "name", chip / "temp1_input")
            for chip in sorted(self._root.glob("sys/class/hwmon/hwmon*"))
        ]
        for name, value in zones + chips:
            if name.is_file() and value.is_file() and any(s in _text(name).lower() for s in _CPU_SENSORS):
                return round(int(_text(value)) / 1000, 1)
        return None

    def _throttled_flags(self) -> int | None:
        file = self._root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        if file.is_file():
            return int(_text(file), 16)
        if self._vcgencmd is None:
            return None
        try:
            done = subprocess.run(
                [self._vcgencmd, "get_throttled"],
                capture_output=True,
                check=True,
                text=True,
                timeout=_VCGENCMD_TIMEOUT_S,
            )
            flags = int(done.stdout.strip().removeprefix("throttled="), 16)
        except (OSError, ValueError, subprocess.SubprocessError):
            self._vcgencmd_failures += 1
            if self._vcgencmd_failures >= _VCGENCMD_ATTEMPTS:
                logger.warning(
                    "%s failed %d times and is not asked again", self._vcgencmd, _VCGENCMD_ATTEMPTS
                )
                self._vcgencmd = None
            raise
        self._vcgencmd_failures = 0
        return flags

    def _voltage_alarm(self) -> bool | None:
        for chip in sorted(self._root.glob("sys/class/hwmon/hwmon*")):
            if (chip / "name").is_file() and _text(chip / "name") == "rpi_volt":
                return _text(chip / "in0_lcrit_alarm") != "0"
        return None

    def _clock_synced(self) -> bool | None:
        synced = self._kernel_clock()
        if synced is not None:
            return synced
        # timesyncd's mark says that it was right once since the boot; without it nothing is known.
        return True if (self._root / "run/systemd/timesync/synchronized").exists() else None

    def _network(self) -> tuple[NetworkReading, ...]:
        import psutil  # noqa: PLC0415  as above

        signals = self._try("Wi-Fi signal", self._wifi_signals) or {}
        stats = psutil.net_if_stats()
        readings = []
        for interface, entries in sorted(psutil.net_if_addrs().items()):
            if interface not in stats or not stats[interface].isup:
                continue
            addresses = [text for entry in entries if (text := _routable(entry.address)) is not None]
            if addresses:
                readings.append(
                    NetworkReading(
                        interface=interface,
                        addresses=tuple(addresses[:_MAX_ADDRESSES]),
                        wifi_signal_dbm=signals.get(interface, _NO_WIFI)[0],
                        wifi_quality=signals.get(interface, _NO_WIFI)[1],
                    )
                )
        return tuple(readings[:_MAX_INTERFACES])

    def _wifi_signals(self) -> dict[str, tuple[float, float]]:
        file = self._root / "proc/net/wireless"
        if not file.is_file():
            return {}
        signals = {}
        for line in _text(file).splitlines()[2:]:
            interface, _, columns = line.partition(":")
            quality, level = (float(column.rstrip(".")) for column in columns.split()[1:3])
            # Old drivers write the byte unsigned.
            signals[interface.strip()] = (level - 256 if level > 63 else level, quality)
        return signals

    def _processes_now(self, pids: Mapping[str, int]) -> dict[str, ProcessReading]:
        for role in set(self._processes) - set(pids):
            del self._processes[role]
        readings = {
            role: self._try(f"process '{role}'", partial(self._process, role, pids[role])) for role in pids
        }
        return {role: reading for role, reading in readings.items() if reading is not None}

    def _process(self, role: str, pid: int) -> ProcessReading | None:
        import psutil  # noqa: PLC0415  as above

        process = self._processes.get(role)
        try:
            # is_running() tells a new process with the old one's number.
            known = process is not None and process.pid == pid and process.is_running()
            if process is None or not known:
                process = psutil.Process(pid)
            with process.oneshot():
                reading = ProcessReading(
                    pid=pid,
                    rss_bytes=process.memory_info().rss,
                    written_bytes=_written(process),
                    open_files=process.num_fds(),
                    cpu_percent=None,
                )
            percent = process.cpu_percent(interval=None)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            self._processes.pop(role, None)
            return None  # a child that died between two beats is its supervisor's to report
        self._processes[role] = process
        return reading.model_copy(update={"cpu_percent": round(percent, 1) if known else None})


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex, with room for all the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def kernel_clock_synced() -> bool | None:
    """Whether the kernel's clock is held by a time service, None where the kernel does not say."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    timex = _Timex()  # with no modes it reads only
    if adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & _STA_UNSYNC


def _written(process: psutil.Process) -> int | None:
    import psutil  # noqa: PLC0415  as above

    try:
        return int(process.io_counters().write_bytes)
    except (OSError, NotImplementedError, AttributeError, psutil.AccessDenied):
        return None  # a kernel without I/O accounting, or another user's process


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _any(*flags: bool | None) -> bool | None:
    known = [flag for flag in flags if flag is not None]
    return any(known) if known else None


def _routable(address: str) -> str | None:
    """Return an IP address that others can use; None for hardware addresses, loopback and link-local IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return None if ip.is_loopback or (ip.version == 6 and ip.is_link_local) else str(ip)
