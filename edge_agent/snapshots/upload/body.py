"""What is sent: the picture, read as it goes, with what a multipart form puts around it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from edge_agent.errors import StorageError

__all__ = ["BLOCK", "Body", "multipart"]

BLOCK: Final = 262_144


class Body:
    """A body that is read in blocks, and anew from the start where a server wants it again.

    `before_block` is called before each with the bytes that are read then, and may wait or raise. With
    `sha256` that is checked before the picture's last byte goes: a damaged file is never sent whole.
    `source` is the picture's descriptor, which is taken over, or its bytes. Raises StorageError
    `content_damaged`.
    """

    def __init__(
        self,
        source: int | bytes,
        *,
        size_bytes: int,
        sha256: str | None,
        before_block: Callable[[int], None],
        block_bytes: int = BLOCK,
        prefix: bytes = b"",
        suffix: bytes = b"",
    ) -> None:
        self._source = source
        self._size_bytes = size_bytes
        self._sha256 = sha256
        self._before_block = before_block
        self._block_bytes = block_bytes
        self._prefix = prefix
        self._suffix = suffix
        self.was_sent = False
        self._begin()

    def __len__(self) -> int:
        return len(self._prefix) + self._size_bytes + len(self._suffix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._source, int):
            os.close(self._source)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(self._block_bytes):
            yield block

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def seek(self, position: int) -> int:
        """Begin anew; there is no other place to go to."""
        if position != 0:
            raise OSError("a body is read from its start")
        self._begin()
        return 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end."""
        size = self._block_bytes if size < 0 else min(size, self._block_bytes)
        rest = len(self) - self._position
        if rest == 0 or size == 0:
            return b""
        self._before_block(min(size, rest))
        block = self._take(size)
        self._position += len(block)
        # From here on a server may have it all, whatever becomes of the connection.
        self.was_sent = self.was_sent or self._position == len(self)
        return block

    def _begin(self) -> None:
        self._position = 0
        self._hash = hashlib.sha256()

    def _take(self, size: int) -> bytes:
        block = self._prefix[self._position : self._position + size]
        offset = self._position + len(block) - len(self._prefix)
        if len(block) < size and offset < self._size_bytes:
            block += self._picture(offset, size - len(block))
            offset = self._position + len(block) - len(self._prefix)
        if len(block) < size and offset >= self._size_bytes:
            begin = offset - self._size_bytes
            block += self._suffix[begin : begin + size - len(block)]
        return block

    def _picture(self, offset: int, size: int) -> bytes:
        size = min(size, self._size_bytes - offset)
        if isinstance(self._source, bytes):
            return self._source[offset : offset + size]
        try:
            block = os.pread(self._source, size, offset)
        except OSError as error:
            raise StorageError(
                f"its picture cannot be read: {error.strerror}", code="content_damaged"
            ) from error
        damaged = not block
        if self._sha256 is not None:
            self._hash.update(block)
            ends = offset + len(block) >= self._size_bytes
            damaged = damaged or (ends and self._hash.hexdigest() != self._sha256)
        if damaged:
            raise StorageError("its picture is not what it was when it was taken", code="content_damaged")
        return block


def multipart(*, field: str, file_name: str, media_type: str, boundary: str) -> tuple[bytes, bytes, str]:
    """Return what goes before the picture and after it, and the body's media type."""
    prefix = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{file_name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return prefix.encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
