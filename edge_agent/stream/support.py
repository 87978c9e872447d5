"""Which targets the installed PyAV can publish to."""

from __future__ import annotations

from typing import Final

__all__ = ["NO_PROOF", "unsupported"]

NO_PROOF: Final = (
    "libav does not check certificates for WHIP; set stream.tls.verify to false where the network can be "
    "trusted, or publish by rtsps"
)

# What libav must have for each scheme: a muxer, and protocols. RTSP is not libav's here.
_NEEDS: Final = {
    "rtmp": ("flv", ("rtmp",)),
    "rtmps": ("flv", ("rtmps", "tls")),
    "srt": ("mpegts", ("srt",)),
    "whip": ("whip", ("dtls",)),
    "whips": ("whip", ("dtls", "tls")),
}
_INSTEAD: Final = {
    "srt": "another build may have it, Debian's python3-av does",
    "whip": "it takes FFmpeg 8 or newer, built with DTLS",
    "whips": "it takes FFmpeg 8 or newer, built with DTLS",
}


def unsupported(scheme: str, *, verify: bool = False) -> str | None:
    """Return why a URL with this scheme cannot be published to, None where it can. Loads libav for it.

    `verify` tells whether the server has to prove who it is.
    """
    if scheme not in _NEEDS:
        return None
    import av  # noqa: PLC0415 - the agent must not carry libav

    muxer, protocols = _NEEDS[scheme]
    missing = [] if {muxer, "fifo"} <= av.formats_available else [f"the muxer '{muxer}'"]
    missing += [f"the protocol '{name}'" for name in protocols if not _has_protocol(name)]
    if not missing:
        return f"'{scheme}' cannot be published to: {NO_PROOF}" if verify and scheme == "whips" else None
    version = getattr(av, "ffmpeg_version_info", "unknown")
    instead = f": {_INSTEAD[scheme]}" if scheme in _INSTEAD else ""
    return (
        f"'{scheme}' cannot be published to: PyAV {av.__version__} (FFmpeg {version}) lacks "
        f"{' and '.join(missing)}{instead}"
    )


def _has_protocol(name: str) -> bool:
    """Ask libav to open a URL that names nothing to connect to: it knows the protocol, or it does not."""
    import av  # noqa: PLC0415 - see unsupported()
    import av.error  # noqa: PLC0415 - see unsupported()

    try:
        av.open(f"{name}://127.0.0.1:0", "r", format="h264", timeout=1.0).close()
    except av.error.ProtocolNotFoundError:
        return False
    except (av.FFmpegError, OSError, ValueError):
        return True
    return True
