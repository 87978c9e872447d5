from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upload_server import UploadServer


@pytest.fixture
def server() -> Iterator[UploadServer]:
    with UploadServer() as running:
        yield running
