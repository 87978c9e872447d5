from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.desired.house import House


@pytest.fixture(autouse=True)
def _disk_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write where the test can wait for it, in place of a thread."""

    async def at_once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)
