"""The machine's readings from fabricated trees, and that one that fails hides no other."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_agent.health.machine import (
    MachineReader,
    MachineReading,
    NetworkReading,
    StorageWear,
    kernel_clock_synced,
)

Entry = namedtuple("Entry", "address")  # noqa: PYI024  stands for psutil's own named tuple
Stats = namedtuple("Stats", "isup")  # noqa: PYI024  as above

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
WIRELESS = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0
 wlan1: 0000   54.  200.  -256        0      0      0      0      0        0
"""


class Machine:
    """A fabricated machine: files below a root, and a reader for it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def vcgencmd(self, script: str) -> str:
        file = self.root / "vcgencmd"
        file.write_text(f"#!/bin/sh\necho x >> {self.root}/calls\n{script}\n")
        file.chmod(0o755)
        return str(file)

    def calls(self) -> int:
        return len((self.root / "calls").read_text().splitlines())

    def reader(self, **more: Any) -> MachineReader:
        arguments = {"vcgencmd": None, "kernel_clock": lambda: None, "state_dir": self.root, **more}
        return MachineReader(sys_root=self.root, **arguments)

    def read(self, **more: Any) -> MachineReading:
        return self.reader(**more).read()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def broken(*_: object, **__: object) -> Any:
    raise OSError("out of order")


def test_any_linux_machine_says_the_common_things(machine: Machine) -> None:
    reader = machine.reader()
    first = reader.read(pids={"agent": os.getpid()})
    assert first.cpu_percent is None
    assert first.processes["agent"].cpu_percent is None
    reading = reader.read(pids={"agent": os.getpid()})
    assert reading.cpu_percent is not None
    assert 0 <= reading.cpu_percent <= 100
    assert reading.load_1m is not None
    assert reading.memory_total_bytes is not None
    assert reading.memory_available_bytes is not None
    assert 0 < reading.memory_available_bytes < reading.memory_total_bytes
    assert reading.disk_free_bytes is not None
    assert reading.processes["agent"].rss_bytes > 1_000_000
    assert reading.processes["agent"].open_files > 0
    assert reading.processes["agent"].cpu_percent is not None


def test_what_a_machine_does_not_have_is_null(machine: Machine) -> None:
    reading = machine.read()
    assert reading.cpu_temperature_c is None
    assert reading.under_voltage is None
    assert reading.throttled is None
    assert reading.clock_synced is None
    assert reading.processes == {}


@pytest.mark.parametrize(
    ("files", "temperature"),
    [
        ({"thermal/thermal_zone0/type": "cpu-thermal\n", "thermal/thermal_zone0/temp": "48312\n"}, 48.3),
        ({"thermal/thermal_zone0/type": "acpitz", "thermal/thermal_zone0/temp": "20000"}, None),
        ({"thermal/thermal_zone0/type": "cpu-thermal"}, None),
        ({"thermal/thermal_zone1/type": "x86_pkg_temp", "thermal/thermal_zone1/temp": "-5000"}, -5.0),
        ({"hwmon/hwmon2/name": "k10temp", "hwmon/hwmon2/temp1_input": "51000"}, 51.0),
    ],
)
def test_the_temperature_is_the_processors(
    machine: Machine, files: dict[str, str], temperature: float | None
) -> None:
    for path, text in files.items():
        machine.put(f"sys/class/{path}", text)
    assert machine.read().cpu_temperature_c == temperature


@pytest.mark.parametrize(
    ("flags", "under_voltage", "throttled"),
    [
        ("0", False, False),
        ("50000", False, False),  # what was since the boot is not what is
        ("50005", True, True),
        ("1", True, False),
        ("0x2", False, True),
        ("8", False, True),
    ],
)
def test_the_firmwares_flags_are_told_apart(
    machine: Machine, flags: str, under_voltage: bool, throttled: bool
) -> None:
    machine.put(THROTTLED, f"{flags}\n")
    reading = machine.read()
    assert (reading.under_voltage, reading.throttled) == (under_voltage, throttled)
    command = machine.vcgencmd(f"echo throttled=0x{flags.removeprefix('0x')}")
    (machine.root / THROTTLED).unlink()
    reading = machine.read(vcgencmd=command)
    assert (reading.under_voltage, reading.throttled) == (under_voltage, throttled)


@pytest.mark.parametrize(("alarm", "under_voltage"), [("0\n", False), ("1\n", True)])
def test_the_voltage_alarm_is_enough(machine: Machine, alarm: str, under_voltage: bool) -> None:
    machine.put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    machine.put("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    machine.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)
    reading = machine.read()
    assert (reading.under_voltage, reading.throttled) == (under_voltage, None)


def test_a_tool_that_fails_is_given_up(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    reader = machine.reader(vcgencmd=machine.vcgencmd("echo 'no permission' >&2; exit 1"))
    assert [reader.read().throttled for _ in range(5)] == [None] * 5
    assert machine.calls() == 3
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[1].endswith("vcgencmd failed 3 times and is not asked again")


def test_a_tool_that_hangs_is_cut_off(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.health.machine._VCGENCMD_TIMEOUT_S", 0.05)
    reading = machine.read(vcgencmd=machine.vcgencmd("exec sleep 50"))
    assert reading.throttled is None
    assert reading.load_1m is not None


@pytest.mark.parametrize("kernel", [True, False])
def test_the_kernel_knows_whether_the_clock_is_held(machine: Machine, kernel: bool) -> None:
    machine.put("run/systemd/timesync/synchronized", "")
    assert machine.read(kernel_clock=lambda: kernel).clock_synced is kernel


def test_timesyncds_mark_counts_where_the_kernel_is_silent(machine: Machine) -> None:
    machine.put("run/systemd/timesync/synchronized", "")
    assert machine.read(kernel_clock=lambda: None).clock_synced is True
    assert kernel_clock_synced() in {True, False, None}


def test_interfaces_that_others_can_reach_are_listed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.put("proc/net/wireless", WIRELESS)
    addresses = {
        "wlan0": ["192.168.1.5", "fe80::1%wlan0", "b8:27:eb:00:00:01"],
        "wlan1": ["2001:db8::1"],
        "lo": ["127.0.0.1", "::1"],
        "eth0": ["192.168.1.6"],
        "veth1": ["fe80::2%veth1"],
        "gone0": ["192.168.1.7"],
    }
    entries = {name: [Entry(address) for address in found] for name, found in addresses.items()}
    up = {name: Stats(name != "eth0") for name in addresses if name != "gone0"}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: entries)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    assert machine.read().network == (
        NetworkReading(interface="wlan0", addresses=("192.168.1.5",), wifi_signal_dbm=-56, wifi_quality=54),
        NetworkReading(interface="wlan1", addresses=("2001:db8::1",), wifi_signal_dbm=-56, wifi_quality=54),
    )


def test_the_disk_is_that_of_the_nearest_directory_there_is(machine: Machine) -> None:
    here, later = machine.read(), machine.read(state_dir=machine.root / "not" / "yet")
    assert later.disk_total_bytes == here.disk_total_bytes
    assert later.disk_total_bytes is not None


def test_a_process_that_is_gone_is_not_there(machine: Machine) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    reader = machine.reader()
    pids = {"agent": os.getpid(), "camera": child.pid}
    assert set(reader.read(pids=pids).processes) == {"agent", "camera"}
    child.communicate(b"\n")
    assert set(reader.read(pids=pids).processes) == {"agent"}


def test_a_restarted_process_begins_anew(machine: Machine) -> None:
    reader = machine.reader()
    reader.read(pids={"camera": os.getppid()})
    assert reader.read(pids={"camera": os.getpid()}).processes["camera"].cpu_percent is None
    assert reader.read(pids={"camera": os.getpid()}).processes["camera"].cpu_percent is not None


BREAKS: dict[str, list[str]] = {
    "psutil.cpu_percent": ["cpu_percent"],
    "os.getloadavg": ["load_1m"],
    "psutil.virtual_memory": ["memory_total_bytes", "memory_available_bytes"],
    "shutil.disk_usage": ["disk_total_bytes", "disk_free_bytes"],
    "psutil.net_if_stats": ["network"],
}


@pytest.mark.parametrize("broken_name", BREAKS)
def test_one_broken_reading_hides_no_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, broken_name: str
) -> None:
    reader = machine.reader(kernel_clock=lambda: True)
    machine.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    machine.put("sys/class/thermal/thermal_zone0/temp", "40000")
    machine.put(THROTTLED, "0")
    machine.put("sys/block/mmcblk0/device/life_time", "0x01 0x01")
    reader.read()
    monkeypatch.setattr(broken_name, broken)
    reading = reader.read(pids={"agent": os.getpid()})
    assert [name for name, value in reading if value is None] == BREAKS[broken_name]


@pytest.mark.parametrize(
    ("path", "text", "field"),
    [
        (THROTTLED, "what?", "throttled"),
        ("sys/class/thermal/thermal_zone0/temp", "hot", "cpu_temperature_c"),
        ("sys/class/hwmon/hwmon1/in0_lcrit_alarm/directory", "", "under_voltage"),
    ],
)
def test_nonsense_in_a_file_is_null(machine: Machine, path: str, text: str, field: str) -> None:
    machine.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    machine.put("sys/class/hwmon/hwmon1/name", "rpi_volt")
    machine.put(path, text)
    reading = machine.read()
    assert getattr(reading, field) is None
    assert reading.load_1m is not None


def test_nonsense_about_wifi_leaves_the_network(machine: Machine) -> None:
    machine.put("proc/net/wireless", "a\nb\nwlan0: what\n")
    assert machine.read().network is not None


def test_a_lost_reading_is_logged_once_and_its_return_once(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader = machine.reader()
    machine.put(THROTTLED, "what?")
    reader.read()
    reader.read()
    machine.put(THROTTLED, "0")
    reader.read()
    reader.read()
    assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
        ("WARNING", "the machine's throttling flags cannot be read"),
        ("INFO", "the machine's throttling flags can be read again"),
    ]


def test_a_broken_clock_reading_is_null(machine: Machine) -> None:
    assert machine.read(kernel_clock=broken).clock_synced is None


@pytest.mark.parametrize(
    ("life", "reserve", "wear"),
    [
        ("0x01 0x03\n", "0x01\n", (30, "normal")),
        ("0x0b 0x01\n", "0x03\n", (110, "urgent")),
        ("0x00 0x00\n", "0x02\n", (None, "warning")),
        ("0x02 0x02\n", None, (20, None)),
    ],
)
def test_a_card_that_tells_its_age(
    machine: Machine, life: str, reserve: str | None, wear: tuple[int | None, Any]
) -> None:
    machine.put("sys/block/mmcblk0/device/life_time", life)
    if reserve is not None:
        machine.put("sys/block/mmcblk0/device/pre_eol_info", reserve)
    assert machine.read().storage_wear == StorageWear(
        device="mmcblk0", life_used_percent=wear[0], state=wear[1]
    )


def test_a_card_that_says_nothing_or_nonsense(machine: Machine) -> None:
    assert machine.read().storage_wear is None
    machine.put("sys/block/mmcblk0/device/name", "SD32G")
    assert machine.read().storage_wear is None
    machine.put("sys/block/mmcblk0/device/life_time", "what")
    reading = machine.read()
    assert reading.storage_wear is None
    assert reading.load_1m is not None


def test_a_process_says_what_it_wrote(machine: Machine, tmp_path: Path) -> None:
    reader = machine.reader()
    before = reader.read({"agent": os.getpid()}).processes["agent"].written_bytes
    if before is None:
        pytest.skip("this kernel does not account for what processes write")
    with (tmp_path / "large").open("wb") as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        os.fsync(file.fileno())
    after = reader.read({"agent": os.getpid()}).processes["agent"].written_bytes
    # What is written to memory only (a tmpfs) counts as nothing.
    assert after is not None
    assert after >= before
