"""The stream's entities."""

from __future__ import annotations

from typing import Final

from edge_agent.contract.entity import Entity

__all__ = ["STREAM_ENTITIES"]

STREAM_ENTITIES: Final = (
    Entity(
        key="stream",
        platform="switch",
        name="Stream",
        path="stream.enabled",
        command="stream",
        on="start",
        off="stop",
        icon="mdi:video",
    ),
    Entity(
        key="streaming",
        platform="binary_sensor",
        name="Streaming",
        path="stream.state",
        on_state="publishing",
        device_class="running",
    ),
    Entity(
        key="stream_state",
        platform="sensor",
        name="Stream state",
        path="stream.state",
        options=("stopped", "connecting", "publishing", "waiting", "failed"),
        icon="mdi:video-outline",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="stream_fps",
        platform="sensor",
        name="Stream frame rate",
        path="stream.fps",
        unit="fps",
        state_class="measurement",
        precision=1,
        icon="mdi:filmstrip",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="stream_bitrate",
        platform="sensor",
        name="Stream bit rate",
        path="stream.bitrate_bps",
        unit="Mbit/s",
        scale=0.000001,
        precision=2,
        device_class="data_rate",
        state_class="measurement",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="stream_reconnects",
        platform="sensor",
        name="Stream reconnects",
        path="stream.reconnects",
        state_class="total_increasing",
        icon="mdi:connection",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="stream_url",
        platform="sensor",
        name="Stream target",
        path="stream.url",
        icon="mdi:upload-network-outline",
        category="diagnostic",
        enabled=False,
    ),
    *(
        Entity(
            key=f"stream_{kind}_url",
            platform="sensor",
            name=f"{name} URL",
            path=f"stream.urls.{kind}",
            icon="mdi:link",
            category="diagnostic",
            # The one that go2rtc and Generic Camera take.
            enabled=kind == "rtsp",
        )
        for kind, name in (("rtsp", "RTSP"), ("webrtc", "WebRTC"), ("whep", "WHEP"), ("hls", "HLS"))
    ),
    Entity(
        key="stream_viewers",
        platform="sensor",
        name="Stream viewers",
        path="stream.server.readers",
        state_class="measurement",
        icon="mdi:account-eye-outline",
        category="diagnostic",
        enabled=False,
    ),
    Entity(
        key="restart_stream",
        platform="button",
        name="Restart stream",
        command="stream",
        arguments="restart",
        device_class="restart",
        category="diagnostic",
        enabled=False,
    ),
)
