"""A headless Chromium with one page, driven over a pipe."""

from __future__ import annotations

import json
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Browser"]

_TIMEOUT_S = 30.0


class Browser:
    """Opens pages, evaluates JavaScript in them and presses the mouse."""

    def __init__(self, program: str, directory: Path) -> None:
        # Chromium listens on descriptor 3 and answers on 4.
        shell = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command = [program, *options, f"--user-data-dir={directory}", "--window-size=1280,2400"]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", shell, "sh", *command, "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._count = 0
        self._buffer = b""
        self._session: str | None = None
        target = self._command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def open(self, url: str) -> None:
        self._command("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return an expression's value; null where it throws, as the page may not be there yet."""
        result = self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value") if "exceptionDetails" not in result else None

    def wait(self, expression: str) -> Any:
        """Return the expression's value once it is true."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression}:\n{self.evaluate('document.body.innerText')}")
            time.sleep(0.1)
        return value

    def press(self, selector: str, share: float = 0.5) -> None:
        """Press the mouse on an element, at that share of its width."""
        name = json.dumps(selector)
        self.wait(f"!!document.querySelector({name})")
        self.evaluate(f"document.querySelector({name}).scrollIntoView({{block: 'center'}})")
        x, y, width, height = self.evaluate(
            f"(r => [r.x, r.y, r.width, r.height])(document.querySelector({name}).getBoundingClientRect())"
        )
        where = {"x": x + width * share, "y": y + height / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self._command("Input.dispatchMouseEvent", type=kind, **where)

    def _command(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(method)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self, method: str) -> Any:
        assert self._process.stdout is not None
        while b"\0" not in self._buffer:
            if not select.select([self._process.stdout], [], [], _TIMEOUT_S)[0]:
                raise TimeoutError(f"the browser did not answer {method} within {_TIMEOUT_S:g} s")
            data = self._process.stdout.read(65536)
            if not data:
                raise RuntimeError("the browser has ended")
            self._buffer += data
        first, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(first)
