"""Says something that is no message."""

from __future__ import annotations

import socket
import sys
import threading

if __name__ == "__main__":
    socket.socket(fileno=int(sys.argv[1])).sendall(b"\x00\x00\x00\x02\x00\x00\x00\x00[]")
    threading.Event().wait(60)
