"""The program with root's rights beside fakes of apt, dpkg and systemctl; see tests/packages/update, too."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "systemd" / "update"
_MODULES = ("messages", "packages", "units", "__main__")

# What is installed, and what the agent of a version does, is in files; each is a program of a line or two.
_PROGRAMS = {
    "dpkg-query": 'printf "installed %s" "$(cat installed)"',
    "dpkg": '[ "$1" != --compare-versions ] || exec expr "$2" ">" "$4" >/dev/null',
    "dpkg-deb": 'for file; do :; done; echo "edge-agent $(cat "$file")"',
    "apt-get": """
case "$*" in
  *download-only*) [ ! -e offline ] || { echo "E: Failed to fetch it"; exit 100; } ;;
  *" download "*) [ ! -e gone ] && printf 1.0 >"$OLDPWD_OR_HERE/edge-agent_1.0_all.deb" ;;
  *edge-agent=*) [ ! -e broken-package ] || { echo "E: Sub-process returned an error"; exit 100; }
    for word; do :; done; printf %s "${word#*=}" >installed; echo 200 >began ;;
  *.deb) for word; do :; done; cat "$word" >installed; echo 300 >began ;;
esac
""",
    "systemctl": """
case $1 in
  list-units) printf "%s loaded active running x\\n" edge-agent.service edge-agent-update@1.service ;;
  show) echo ActiveState=active; echo MainPID=77; echo "ExecMainStartTimestampMonotonic=$(cat began)" ;;
  restart) ;;
esac
""",
}


class Root:
    """A machine with 1.0; `online` says whether the agent of a version comes online."""

    def __init__(self, directory: Path, modules: dict[str, Any]) -> None:
        self.state, self.run = directory / "state", directory / "run"
        self.modules = modules
        for made in (self.state, self.run / "edge-agent", directory / "bin", directory / "archives"):
            made.mkdir(parents=True)
        for name, text in _PROGRAMS.items():
            program = directory / "bin" / name
            program.write_text(f"#!/bin/sh\nOLDPWD_OR_HERE=$PWD; cd {self.state}\n{text}\n")
            program.chmod(0o755)
        self.put("installed", "1.0")
        self.put("began", "100")
        self.says(77)

    def put(self, name: str, text: str = "") -> None:
        (self.state / name).write_text(text)

    def installed(self) -> str:
        return (self.state / "installed").read_text()

    def says(self, pid: int | None) -> None:
        """Let the agent say that this process is online."""
        file = self.run / "edge-agent" / "online.json"
        file.unlink(missing_ok=True)
        if pid is not None:
            file.write_text(json.dumps({"pid": pid}))

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state / "result.json").read_bytes())
        return found

    def ask(self, line: bytes) -> list[Any]:
        """Send a line as the agent does; returns what is answered."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(line)
            self.modules["__main__"].main(theirs)
            theirs.shutdown(socket.SHUT_WR)
            return [json.loads(answer) for answer in ours.makefile("rb")]

    def install(self, version: str = "2.0") -> Any:
        request = {"action": "install", "id": "0a", "version": version}
        return self.ask(json.dumps(request).encode() + b"\n")[-1]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(PROGRAM))
    found: dict[str, ModuleType] = {}
    before = dict(sys.modules)
    for name in _MODULES[:-1]:
        found[name] = importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("update_main", PROGRAM / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    found["__main__"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found["__main__"])
    yield found
    for name in _MODULES[:-1]:
        sys.modules.pop(name)
    assert set(before) - set(sys.modules) == set()


@pytest.fixture
def root(tmp_path: Path, modules: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Root:
    me = pwd.getpwuid(os.getuid()).pw_name
    for module in modules.values():
        for name, value in (
            ("STATE", tmp_path / "state"),
            ("USER", me),
            ("RUN", tmp_path / "run"),
            ("ARCHIVES", tmp_path / "archives"),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setitem(modules["packages"].ENVIRON, "PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(modules["__main__"].time, "monotonic_ns", lambda: 150_000)
    monkeypatch.setenv("ONLINE_S", "0.2")
    monkeypatch.setenv("SETTLE_S", "0")
    return Root(tmp_path, modules)


def test_a_version_that_comes_online_stays(root: Root) -> None:
    answers = root.ask(b'{"action": "install", "id": "0a", "version": "2.0"}\n')
    assert [answer.get("step", answer["state"]) for answer in answers] == [
        "accepted",
        "save",
        "download",
        "install",
        "online",
        "done",
    ]
    assert root.installed() == "2.0"
    assert {"id": "0a", "version": "2.0", "previous": "1.0", "state": "done"}.items() <= root.result().items()
    assert not (root.state / "pending.json").exists()


@pytest.mark.parametrize("pid", [None, 78])
def test_one_that_does_not_is_taken_back(
    root: Root, pid: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = root.modules["units"].Units
    come_online = units.come_online

    def after_the_installation(self: Any, *arguments: Any, **more: Any) -> Any:
        root.says(77 if root.installed() == "1.0" else pid)
        return come_online(self, *arguments, **more)

    monkeypatch.setattr(units, "come_online", after_the_installation)
    final = root.install()
    assert final["state"] == root.result()["state"] == "rolled_back"
    assert final["message"] == (
        "edge-agent.service did not come online, and stay so, within 0 s; 1.0 is back"
    )
    assert root.installed() == "1.0"


def test_a_process_of_before_is_not_the_new_one(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing restarts it: not the package, and systemd does not either.
    monkeypatch.setattr(root.modules["__main__"].time, "monotonic_ns", lambda: 400_000)
    final = root.install()
    assert final["state"] == "rolled_back"
    assert "is not online either" in final["message"]


def test_what_cannot_be_installed_is_taken_back(root: Root) -> None:
    root.put("broken-package")
    final = root.install()
    assert final["state"] == "rolled_back"
    assert "E: Sub-process returned an error" in final["message"]


@pytest.mark.parametrize(
    ("file", "state", "message"),
    [
        ("offline", "failed", "apt-get: E: Failed to fetch it"),
        ("gone", "refused", "there would be no way back: .*dpkg-repack"),
    ],
)
def test_what_goes_wrong_before_touches_nothing(root: Root, file: str, state: str, message: str) -> None:
    root.put(file)
    final = root.install()
    assert final["state"] == root.result()["state"] == state
    assert re.search(message, final["message"])
    assert root.installed() == "1.0"
    assert not (root.state / "pending.json").exists()


def test_without_anybody_online_or_newer_it_is_not_begun(root: Root) -> None:
    assert root.install("1.0")["message"] == "1.0 is not newer than 1.0, which is installed"
    root.says(None)
    assert "no unit of the agent's is online" in root.install()["message"]
    assert not (root.state / "result.json").exists()


def test_two_at_once_are_one(root: Root) -> None:
    with (root.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert root.install()["message"] == "another one is under way"


@pytest.mark.parametrize(
    ("present", "online", "state"),
    [
        ("2.0", True, "done"),
        ("2.0", False, "rolled_back"),
        ("1.0", True, "failed"),
        ("1.5", True, "rolled_back"),
    ],
)
def test_what_a_power_cut_left_is_brought_to_its_end(
    root: Root, present: str, online: bool, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESUMED_ONLINE_S", "0.1")
    pending = {"id": "0a", "version": "2.0", "previous": "1.0", "units": ["edge-agent.service"]}
    root.put("pending.json", json.dumps(pending))
    root.put("edge-agent_1.0_all.deb", "1.0")
    root.put("installed", present)
    if not online:
        root.says(None)
    assert root.modules["__main__"].main(None) == 0
    assert root.result()["state"] == state
    assert root.installed() == ("2.0" if state == "done" else "1.0")
    assert not (root.state / "pending.json").exists()
    # And then there is nothing more to do.
    (root.state / "result.json").unlink()
    assert root.modules["__main__"].main(None) == 0
    assert not (root.state / "result.json").exists()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b"[" * 1000 + b"\n",
        b"x" * 2000,
        b'{"action": "remove"}\n',
        b'{"action": "refresh", "more": 1}\n',
        b'{"action": "install", "id": "0a"}\n',
        b'{"action": "install", "id": "0a", "version": ["2.0"]}\n',
        b'{"action": "install", "id": "0a", "version": "2.0", "more": 1}\n',
        *(
            json.dumps({"action": "install", "id": "0a", "version": version}).encode() + b"\n"
            for version in ("", "-y", "2.0 x", "2.0\n", "2.0-", "2.0+", "2.0/stable", "$(id)", "2" * 80, "v2")
        ),
        b'{"action": "install", "id": "../a", "version": "2.0"}\n',
    ],
)
def test_a_request_that_is_none_is_refused(root: Root, line: bytes) -> None:
    [answer] = root.ask(line)
    assert answer["state"] == "refused"
    assert root.installed() == "1.0"


def test_only_the_agent_s_user_may_ask(root: Root) -> None:
    someone = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True, check=True).stdout

    class Stranger(socket.socket):
        def getsockopt(self, *_: Any) -> bytes:  # type: ignore[override]
            return struct.pack("3i", 1, int(someone), 1)

    ours, theirs = socket.socketpair()
    with ours, Stranger(fileno=theirs.detach()) as stranger:
        ours.sendall(b'{"action": "refresh"}\n')
        root.modules["__main__"].main(stranger)
        stranger.shutdown(socket.SHUT_WR)
        answers = [json.loads(answer) for answer in ours.makefile("rb")]
    assert [answer["state"] for answer in answers] == ["refused"]


def test_the_agent_may_go_while_it_is_installed(root: Root) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(b'{"action": "install", "id": "0a", "version": "2.0"}\n')
        ours.shutdown(socket.SHUT_WR)
        # Gone before it is begun: nothing is done for nobody.
        ours.close()
        root.modules["__main__"].main(theirs)
    assert root.installed() == "1.0"


def test_what_the_agent_s_directory_holds_is_not_followed(root: Root, tmp_path: Path) -> None:
    online_pid = root.modules["units"].online_pid
    directory = root.run / "edge-agent"
    file = directory / "online.json"
    assert online_pid(directory, os.getuid()) == 77
    assert online_pid(directory, os.getuid() + 1) is None
    elsewhere = tmp_path / "elsewhere.json"
    file.rename(elsewhere)
    assert online_pid(directory, os.getuid()) is None
    file.symlink_to(elsewhere)
    assert online_pid(directory, os.getuid()) is None
    file.unlink()
    os.mkfifo(file)
    assert online_pid(directory, os.getuid()) is None
    file.unlink()
    for content in (b"", b"[" * 5000, b'{"pid": "77"}', b'{"pid": 77}' + b" " * 70_000, b"\xff", b"[77]"):
        file.write_bytes(content)
        assert online_pid(directory, os.getuid()) is None
    file.write_text('{"pid": 77}')
    link = root.run / "edge-agent-porch"
    link.symlink_to(directory)
    assert online_pid(link, os.getuid()) is None
