"""The substream as the agent has it: a second service beside the main stream's, under names of its own."""

from __future__ import annotations

import logging
from typing import Any, Protocol
from urllib.parse import urlsplit

from edge_agent.camera.messages import Beat, StreamName
from edge_agent.contract.command import Call, Command, Outcome, bound
from edge_agent.contract.events import Events
from edge_agent.errors import ConfigError, EdgeAgentError
from edge_agent.health.problems import Problems
from edge_agent.masking import mask_url
from edge_agent.stream.service import StreamService

__all__ = ["SubCamera", "SubEvents", "SubProblems", "Substream", "TwoStreamCamera", "sub_url"]

logger = logging.getLogger(__name__)

_BY_PATH = ("rtsp", "rtsps", "rtmp", "rtmps")


def sub_url(url: str) -> str:
    """Return where the substream of a stream goes: the same place, `_sub` added to its path.

    Raises ConfigError where the URL has no path to add it to.
    """
    parts = urlsplit(url)
    if parts.scheme not in _BY_PATH or not parts.path.strip("/"):
        raise ConfigError(
            f"stream.sub.url: beside '{mask_url(url)}' it cannot be guessed; say where the substream goes",
            field="stream.sub.url",
        )
    return parts._replace(path=f"{parts.path.rstrip('/')}_sub").geturl()


class TwoStreamCamera(Protocol):
    """A camera that encodes two streams."""

    beat: Beat

    async def set_encoding(self, *, enabled: bool, stream: StreamName = "main") -> None:
        """Encode for a stream, or spare the work."""
        ...

    async def request_keyframe(self, *, stream: StreamName = "main") -> None:
        """Make the next frame a keyframe."""
        ...


class SubCamera:
    """The camera as the substream's service sees it: a camera whose one stream is the small one."""

    def __init__(self, camera: TwoStreamCamera) -> None:
        self._camera = camera

    @property
    def beat(self) -> Beat:
        """What was measured, of the small stream where that is another thing."""
        beat, sub = self._camera.beat, self._camera.beat.sub
        if sub is None:
            return Beat(frames=beat.frames)
        encoded = sub.encoded
        return Beat(
            frames=beat.frames,
            fps=beat.fps,
            last_frame_age_s=beat.last_frame_age_s,
            packets=sub.packets,
            last_packet_age_s=sub.last_packet_age_s,
            encoder=encoded.encoder if encoded else None,
            encoded=encoded,
            encoding=sub.encoding,
            dropped_packets=sub.dropped_packets,
            left_out_packets={"queue_full": sub.dropped_packets},
        )

    @property
    def failure(self) -> str | None:
        """Why there are no packets of it, None where there are."""
        sub = self._camera.beat.sub
        return sub.failure if sub is not None else None

    async def set_encoding(self, *, enabled: bool) -> None:
        """Encode it, or spare the work."""
        await self._camera.set_encoding(enabled=enabled, stream="sub")

    async def request_keyframe(self) -> None:
        """Make its next frame a keyframe."""
        await self._camera.request_keyframe(stream="sub")


class SubEvents(Events):
    """Tells what happens to the substream on `event/substream`: `event/stream` is the main one's."""

    def __init__(self, events: Events) -> None:
        self._main = events

    def emit(self, kind: str, event_type: str, **fields: Any) -> None:
        """Tell that something happened."""
        self._main.emit("substream" if kind == "stream" else kind, event_type, **fields)


class SubProblems(Problems):
    """The substream's problems, under codes of its own: `stream_down` becomes `substream_down`."""

    def __init__(self, problems: Problems) -> None:
        self._main = problems

    def set(self, code: str, message: str | None) -> None:
        """Say that a problem is there, or with None that it is not."""
        own = f"sub{code}" if code.startswith("stream_") else f"substream_{code}"
        self._main.set(own, None if message is None else f"the substream: {message}")


class Substream:
    """The service of the small stream, and what it shares with the main one's: the `stream` command."""

    def __init__(self, *, service: StreamService, camera: SubCamera, problems: Problems) -> None:
        self.service = service
        self._camera = camera
        self._problems = problems

    async def run(self) -> None:
        """Keep it published until cancelled; its end is a problem, and no other's."""
        try:
            await self.service.run()
        except Exception as error:
            logger.exception("The substream's supervision ended")
            self._problems.set(
                "substream_failed", f"the substream is gone until the agent is restarted: {error}"
            )

    def status(self) -> dict[str, Any]:
        """Return `status.stream.sub`."""
        document = self.service.status().model_dump(mode="json", exclude={"adaptive"})
        failure = self._camera.failure
        if failure is not None and document["state"] not in ("stopped", "failed"):
            document["reason"] = failure
        return document

    def along_with(self, main: Command) -> Command:
        """Return a command of the main stream's that is carried out on this one, too.

        The main stream's outcome counts: what fails here is logged, and seen in `status.stream.sub`.
        """
        own = next(entry.handler for entry in bound(self.service) if entry.spec.name == main.spec.name)

        async def both(call: Call) -> Outcome:
            outcome = await main.handler(call)
            try:
                await own(call)
            except EdgeAgentError as error:
                logger.warning("The substream does not follow '%s': %s", main.spec.name, error.message)
            return outcome

        return Command(main.spec, both)
