"""The kernel's view of this process's real connections over the loopback, and tables as it writes them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.stream.sock_diag import Address, SockDiag, Waiting
from edge_agent.stream.sockets import Connection, Connections, address_of, connections
from tests.rtsp_servers import wait_until

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's end and a server's; `mapped` is a server of both families with a client of the old one."""
    host = str(request.param)
    family = socket.AF_INET if host == "127.0.0.1" else socket.AF_INET6
    listening = "" if host == "mapped" else host
    try:
        listener = socket.create_server((listening, 0), family=family, dualstack_ipv6=host == "mapped")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    target = "127.0.0.1" if host == "mapped" else host
    with listener, socket.create_connection((target, listener.getsockname()[1])) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


@pytest.mark.parametrize("look", [connections, Connections()], ids=["tables", "asked"])
def test_what_a_server_has_not_read_is_pending(
    pair: tuple[socket.socket, socket.socket], look: Callable[[int, int], tuple[Connection, ...]]
) -> None:
    client, server = pair
    port = client.getpeername()[1]

    def seen() -> Connection:
        (only,) = look(os.getpid(), port)
        return only

    assert seen().local == client.getsockname()[:2]
    assert seen().remote == client.getpeername()[:2]
    assert seen().here
    client.sendall(b"x" * 5000)
    wait_until(lambda: seen().pending_bytes >= 5000, what="what was sent")
    server.recv(2000, socket.MSG_WAITALL)
    wait_until(lambda: seen().pending_bytes == 3000, what="what is left")


class Kernel:
    """Counts what is asked of the kernel; `error` is raised instead of asking."""

    def __init__(self, error: OSError | None = None) -> None:
        self.asked = 0
        self.error = error

    def diag(self) -> SockDiag:
        kernel = self

        class Counting(SockDiag):
            def find(self, local: Address, remote: Address) -> Waiting | None:
                kernel.asked += 1
                if kernel.error is not None:
                    raise kernel.error
                return super().find(local, remote)

        return Counting()


def test_the_tables_are_read_once_and_the_known_connection_is_asked_for(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, _ = pair
    port, kernel = client.getpeername()[1], Kernel()
    look = Connections(new_diag=kernel.diag)
    first = look(os.getpid(), port)
    assert (len(first), kernel.asked) == (1, 0)
    assert look(os.getpid(), port) == first
    # Its own end, and the server's.
    assert kernel.asked == 2


def test_a_connection_that_ended_is_not_shown_and_a_new_one_is() -> None:
    look = Connections()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            first = client.getsockname()[:2]
            assert [connection.local for connection in look(os.getpid(), port)] == [first]
            accepted, _ = listener.accept()
            # As with a publisher that has not noticed yet: the socket is there, the connection is not.
            accepted.close()
            wait_until(lambda: look(os.getpid(), port) == (), what="the end of the connection")
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert [connection.local for connection in look(os.getpid(), port)] == [client.getsockname()[:2]]


def test_where_the_kernel_is_not_asked_the_tables_are_read(pair: tuple[socket.socket, socket.socket]) -> None:
    client, _ = pair
    port, kernel = client.getpeername()[1], Kernel(OSError(1, "not permitted"))
    look = Connections(new_diag=kernel.diag)
    first = look(os.getpid(), port)
    client.sendall(b"x" * 700)
    wait_until(lambda: look(os.getpid(), port)[0].pending_bytes == 700, what="what was sent")
    assert first[0].pending_bytes == 0
    assert kernel.asked


def test_who_listens_is_no_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    client, _ = pair
    local, remote = client.getsockname()[:2], client.getpeername()[:2]
    with contextlib.closing(SockDiag()) as diag:
        assert diag.find(local, remote) is not None
        # Nothing of this port is connected there, but the server listens.
        assert diag.find(remote, (local[0], 1)) is None
        assert diag.find(local, ("192.0.2.1", 1)) is None


def test_another_process_s_connections_are_not_ours(pair: tuple[socket.socket, socket.socket]) -> None:
    client, _ = pair
    assert connections(os.getppid(), client.getpeername()[1]) == ()
    assert connections(2**22 + 1, client.getpeername()[1]) == ()


def _proc(directory: Path, table: str) -> Path:
    (directory / "7" / "fd").mkdir(parents=True)
    (directory / "7" / "net").mkdir()
    (directory / "7" / "fd" / "3").symlink_to("socket:[4711]")
    (directory / "7" / "fd" / "4").symlink_to("/dev/null")
    (directory / "7" / "net" / "tcp").write_text(_HEAD + table)
    return directory


def _row(local: str, remote: str, *, state: str = "01", queues: str = "00000010:00000020") -> str:
    return f"   0: {local} {remote} {state} {queues} 00:00000000 00000000  1000        0 4711 1 0 20 4 0\n"


def test_a_server_elsewhere_has_what_is_not_acknowledged(tmp_path: Path) -> None:
    # 192.0.2.1:8554 in the byte order of the machine that wrote it
    far = int.from_bytes(socket.inet_aton("192.0.2.1"), "little" if _little() else "big")
    near = int.from_bytes(socket.inet_aton("192.0.2.9"), "little" if _little() else "big")
    proc = _proc(tmp_path, _row(f"{near:08X}:1000", f"{far:08X}:216A"))
    (only,) = connections(7, 8554, proc=proc)
    assert only == Connection(
        local=("192.0.2.9", 4096), remote=("192.0.2.1", 8554), pending_bytes=16, here=False
    )
    assert connections(7, 8555, proc=proc) == ()


@pytest.mark.parametrize(
    "table",
    [
        "",
        "nonsense\n",
        _row("0100007F:1000", "0100007F:216A", state="06"),
        _row("0100007F:1000", "0100007F:216A")[:40],
        _row("XX00007F:1000", "0100007F:216A"),
        _row("0100007F:1000", "0100007F:216A", queues="-"),
    ],
    ids=["empty", "nonsense", "closing", "cut", "no address", "no numbers"],
)
def test_what_is_no_connection_is_passed_over(tmp_path: Path, table: str) -> None:
    assert connections(7, 8554, proc=_proc(tmp_path, table)) == ()


def _little() -> bool:
    return socket.htons(1) != 1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:80", ("192.0.2.1", 80)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("[::ffff:127.0.0.1]:5", ("127.0.0.1", 5)),
        ("[fe80::1%eth0]:5", ("fe80::1", 5)),
        ("porch:80", None),
        ("192.0.2.1", None),
        ("", None),
        ("192.0.2.1:x", None),
    ],
)
def test_addresses(text: str, address: tuple[str, int] | None) -> None:
    assert address_of(text) == address
