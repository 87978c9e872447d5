"""Every problem that there is, declared once: how grave it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["PROBLEM_CODES", "Grade", "ProblemKind", "kind_of"]

Grade = Literal["degraded", "failed"]


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """`failed` is for a node that does not do what it is for; `degraded` for one that does it less well."""

    grade: Grade
    advice: str


_DISK: Final = "see that the state directory is writable and the disk not full: 'edge-agent doctor'"

PROBLEM_CODES: Final[dict[str, ProblemKind]] = {
    # the broker
    "duplicate_node": ProblemKind("failed", "two agents have one node.id: give each node its own"),
    "duplicate_client_id": ProblemKind("failed", "two clients have one name: give each node its own node.id"),
    "subscription_denied": ProblemKind("failed", "mend the broker's access list; topics/acl has one"),
    "publish_denied": ProblemKind("degraded", "mend the broker's access list; topics/acl has one"),
    "silently_denied": ProblemKind("failed", "mend the broker's access list; topics/acl has one"),
    "message_too_large": ProblemKind("degraded", "raise the broker's limit, or ask for smaller pictures"),
    "mqtt_plain_text": ProblemKind("degraded", "set mqtt.tls, or mqtt.allow_plain_text where that is meant"),
    "certificate_expires": ProblemKind("degraded", "renew the file; it is taken up without a restart"),
    "broker_certificate_expires": ProblemKind("degraded", "renew it at the broker, or no node gets in"),
    "certificate_unusable": ProblemKind("degraded", "mend the file; the present connection goes on"),
    # the camera and the picture
    "camera_down": ProblemKind("failed", "look at the cable, and at 'edge-agent cameras'"),
    "camera_no_frames": ProblemKind("failed", "the camera is restarted; if it recurs, look at its cable"),
    "encoder_no_packets": ProblemKind("failed", "the camera is restarted; if it recurs, lower size or rate"),
    "overlay_failed": ProblemKind("degraded", "look at camera.overlay_font and the overlay's text"),
    # the stream
    "stream_down": ProblemKind("failed", "see that the server in stream.url runs and lets this node publish"),
    "server_no_bytes": ProblemKind("failed", "the publisher is restarted; if it recurs, restart the server"),
    "server_silent": ProblemKind("degraded", "restart the server if it stays so"),
    "server_path_missing": ProblemKind("degraded", "compare stream.server.api with stream.url"),
    "server_api_away": ProblemKind("degraded", "see that stream.server.api is right and the server runs"),
    "stream_contested": ProblemKind("failed", "give each camera a path of its own"),
    "substream_failed": ProblemKind("degraded", "restart the agent"),
    # profiles, schedules, the wanted state
    "profile_failed": ProblemKind(
        "degraded", "look at the profile: 'profile action=diff' shows what it sets"
    ),
    "profiles_invalid": ProblemKind("degraded", "mend the file; 'edge-agent check' shows every fault"),
    "schedules_invalid": ProblemKind("degraded", "mend the file; 'edge-agent check' shows every fault"),
    "schedule_failed": ProblemKind("degraded", "look at what the schedule does: 'schedule action=list'"),
    "clock_not_set": ProblemKind("degraded", "let the machine reach a time server: 'timedatectl'"),
    "day_night_failed": ProblemKind("degraded", "look at the profiles for day and for night"),
    "day_night_output": ProblemKind("degraded", "look at profiles.day_night.outputs"),
    "day_night_sensor": ProblemKind("degraded", "look at profiles.day_night.topic and topic_key"),
    "desired_failed": ProblemKind("degraded", "mend the document on 'desired', with a higher version"),
    # pictures
    "store_full": ProblemKind("degraded", "unlock or delete pictures, or raise snapshots.limit_mb"),
    "disk_full": ProblemKind("degraded", "free space, or lower snapshots.min_free_mb"),
    "store_failed": ProblemKind("degraded", _DISK),
    "upload_failing": ProblemKind("degraded", "see that upload.url is right and its server runs"),
    "upload_parked": ProblemKind("degraded", "mend what the server refuses; status.upload says what that is"),
    "upload_spool_full": ProblemKind("degraded", "see why nothing is uploaded, or raise upload.limit_mb"),
    "upload_damaged": ProblemKind("degraded", "look at the disk; what could not be read is set aside"),
    "upload_spool_unusable": ProblemKind("degraded", _DISK),
    "timelapse_failing": ProblemKind("degraded", "see status.timelapse, and the camera and the store"),
    "timelapse_failed": ProblemKind("degraded", "start the time-lapse anew"),
    # the machine
    "no_descriptors": ProblemKind(
        "degraded", "restart the agent; if it recurs raise LimitNOFILE in its unit, and report it"
    ),
    # the agent itself
    "update_failed": ProblemKind(
        "degraded", "see 'journalctl -u edge-agent-update@*', then send `update` with action install anew"
    ),
    "update_rolled_back": ProblemKind(
        "degraded", "see 'journalctl -u edge-agent' of that time; the next newer version clears this"
    ),
    # the disk
    "state_damaged": ProblemKind(
        "degraded", "see whether what was remembered has to be set anew; look at the disk, it may be dying"
    ),
    "timelapse_not_saved": ProblemKind("degraded", _DISK),
    "journal_not_written": ProblemKind("degraded", _DISK),
    "settings_not_saved": ProblemKind("degraded", _DISK),
    "stream_not_saved": ProblemKind("degraded", _DISK),
    "profile_not_saved": ProblemKind("degraded", _DISK),
    "day_night_not_saved": ProblemKind("degraded", _DISK),
    "desired_not_saved": ProblemKind("degraded", _DISK),
    "schedules_not_saved": ProblemKind("degraded", _DISK),
}

_FEATURE: Final = ProblemKind("degraded", "look at 'status.features' and the log")
_UNKNOWN: Final = ProblemKind("degraded", "look at the message and the log")


def kind_of(code: str) -> ProblemKind:
    """Return what is declared of a code; one of a third party's that is not declared is `degraded`."""
    declared = PROBLEM_CODES.get(code)
    if declared is not None:
        return declared
    if code.startswith("substream_"):
        # The same as the main stream's, of the smaller one.
        of_main = next((name for name in (code[3:], code[10:]) if name in PROBLEM_CODES), None)
        return ProblemKind("degraded", PROBLEM_CODES[of_main].advice) if of_main else _UNKNOWN
    return _FEATURE if code.startswith("feature_") else _UNKNOWN
