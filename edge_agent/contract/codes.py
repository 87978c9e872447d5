"""Every error code and every event there is: declared once, with what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ERROR_CODES", "EVENTS", "Code"]


@dataclass(frozen=True)
class Code:
    """What a code means, and what to do about it."""

    meaning: str
    advice: str


# What `error.code` in a reply, `code` in an event and in parts of `status` may be.
ERROR_CODES: Final[dict[str, Code]] = {
    # the message itself
    "not_utf8": Code("The payload is not UTF-8", "Send UTF-8 text"),
    "not_json": Code("The payload begins like JSON and is none", "Mend it; the message says where"),
    "too_large": Code("The payload is larger than this node takes", "Send less; `allowed` has the limit"),
    "invalid_envelope": Code(
        "One of the keys that every command takes is wrong", "Mend `id`, `expires_at`, `ttl_s`, ..."
    ),
    "retained": Code("A command was retained; it is never executed", "Publish commands without retain"),
    "expired": Code("The command came after the time it was good for", "Send it anew"),
    "unknown_command": Code("There is no such command", "See `allowed`; the nearest is named"),
    "invalid_arguments": Code("An argument is unknown, missing or wrong", "See `field` and `allowed`"),
    "invalid": Code("The request cannot be understood", "The message says what is wrong"),
    "denied": Code("This node does not take the command", "See `commands.deny` in its configuration"),
    "busy": Code("Too much is under way, or the node is stopping", "Send it again a moment later"),
    "interrupted": Code("The agent was stopped while it was under way", "See `status`; send it anew"),
    "duplicate_command": Code("Two features have a command of that name", "Remove one of them"),
    "rate_limited": Code("More commands come than this node takes", "Wait as the message says"),
    "read_only": Code("This node may only be looked at", "See `commands.read_only` in its configuration"),
    # settings
    "not_offered": Code("This camera or node does not have it", "See `capabilities.camera.unavailable`"),
    "out_of_range": Code("With `strict`: it would have been clamped", "Take a value that `allowed` has"),
    "contradiction": Code("Two values cannot both hold", "Give one of them, or values that agree"),
    # profiles, schedules, the wanted state
    "unknown_profile": Code("There is no such profile, or it has a fault", "See `status.profile.available`"),
    "profile_loop": Code("A profile extends itself", "Mend `extends`"),
    "not_deletable": Code("It was not saved by a command, or another needs it", "Change what needs it first"),
    "too_many": Code("There are as many as are kept", "Delete some"),
    "unknown_schedule": Code("There is no such schedule", "The command lists them: `action` list"),
    "invalid_schedule": Code("The schedule cannot be carried out", "See `field`"),
    "loop": Code("Schedules run each other", "Let one of them run something else"),
    "owners_file": Code("It comes from a file that the owner wrote", "Edit the file"),
    "version_conflict": Code("Somebody else edited the schedules meanwhile", "Read them anew, then edit"),
    # the camera
    "camera_unavailable": Code("The camera is not there right now", "Try again; see `status.camera.reason`"),
    "camera_failed": Code("The camera could not do it", "See the message"),
    "focus_timeout": Code("The scan did not end in time", "Give it longer, or set a position"),
    "unknown_driver": Code("There is no such driver", "`edge-agent cameras` lists them"),
    "invalid_options": Code("The driver's options are wrong", "Mend `camera.options`"),
    "gpio_failed": Code("A pin could not be switched", "See the message; check wiring and rights"),
    "gpio_missing": Code("The package for pins is not installed", "Install gpiozero"),
    "cancelled": Code("The pictures were given up", "Ask for them again"),
    # pictures and their store
    "unknown_picture": Code("There is no such picture", "`images` with `action` list"),
    "picture_exists": Code("There is a picture of that id already", "Send it once"),
    "picture_damaged": Code("A picture cannot be read any more", "Look at the disk"),
    "outside_the_store": Code("It is none of the store's own files", "Name a picture of the store"),
    "locked": Code("A picture is locked", "Unlock it, or give `force`"),
    "no_thumbnail": Code("The picture cannot be made small", "Get it in full"),
    "not_jpeg": Code("image/latest carries JPEG alone", "`images` with `action` get sends it"),
    "store_full": Code("The store takes no more", "Unlock or delete pictures, or raise `snapshots.limit_mb`"),
    "store_failed": Code("The store cannot be used", "See the message; check space and rights"),
    "disk_full": Code("The disk is full", "Free space"),
    "video_failed": Code("The video was not made", "See the message"),
    # uploads
    "not_configured": Code("This node has no uploads", "Set `upload.url`"),
    "upload_not_configured": Code(
        "There is nowhere to upload to", "Set `upload.url`, or give an allowed URL"
    ),
    "upload_not_allowed": Code("The URL is not allowed", "See `upload.allow` in the configuration"),
    "address_not_allowed": Code(
        "The URL leads into a private network", "Set `upload.allow_private` where that is meant"
    ),
    "invalid_url": Code("The URL makes no picture's address", "Mend `upload.url`"),
    "upload_failed": Code("The upload failed", "See the message; it is tried again"),
    "unreachable": Code("The server cannot be reached", "Check `upload.url` and the network"),
    "dns_failed": Code("The server's name cannot be looked up", "Check `upload.url` and the name server"),
    "broke_off": Code("The server broke off", "Nothing: it is tried again"),
    "bad_answer": Code("The server does not answer as HTTP says", "Check `upload.url` and the server"),
    "not_parked": Code("The upload is not parked", "See `status.upload`"),
    "spool_full": Code(
        "As many uploads wait as are kept", "See why nothing is uploaded, or raise `upload.limit_mb`"
    ),
    "spool_unusable": Code("The uploads cannot be kept", "See the message; check space and rights"),
    "content_damaged": Code("The upload's picture is damaged", "Look at the disk"),
    "record_damaged": Code("The upload's record is damaged", "Look at the disk"),
    # newer versions of the agent
    "update_not_allowed": Code("Nothing may be installed here", "The message says what allows it"),
    "update_source_failed": Code("The newest version is not known", "See `updates.source` and the message"),
    "update_refused": Code("The version is not installed, nothing was touched", "See the message"),
    "update_failed": Code("The installation failed", "See the message, `status.updates` and the journal"),
    "update_rolled_back": Code(
        "The new version did not come online: the old one was installed again", "See its log"
    ),
    # time-lapses, and the node itself
    "unknown_timelapse": Code("There is no such time-lapse", "`timelapse` with `action` list"),
    "already_running": Code("It is running already", "Stop it first, or give another name"),
    "not_stopped": Code("Only what was stopped can be resumed", "See `status.timelapse`"),
    "no_means": Code("The node has nothing to show itself by", "The message says why"),
    # the stream
    "stream_stopped": Code("The stream has to be started first", "`stream` with `action` start"),
    "stream_failed": Code("The server failed or refused", "See the message"),
    "stream_unreachable": Code("The server cannot be reached", "Check `stream.url` and the network"),
    "stream_timeout": Code("The server does not answer or takes nothing", "Check the server"),
    "stream_rejected": Code("The server refused the stream", "See the server's log"),
    "stream_not_found": Code("The server knows no such path", "Check the path in `stream.url`"),
    "stream_refused_credentials": Code("The server refused name or password", "Mend `stream.url`"),
    "server_refused": Code("The server's API refused", "Check `stream.server`'s name and password"),
    "server_nonsense": Code("The server's API answers what cannot be understood", "Is it MediaMTX's API?"),
    "stream_tls_failed": Code("The server's encryption failed", "Check certificates, names and the clock"),
    "stream_unsupported": Code("What is installed cannot publish so", "See the message"),
    # the link
    "broker_unreachable": Code("The broker cannot be reached", "Check `mqtt.host` and the network"),
    "broker_refused": Code("The broker refused the connection", "See the broker's log"),
    "broker_refused_credentials": Code("The broker refused name or password", "Mend `mqtt.username`, ..."),
    "broker_silent": Code("The broker does not answer", "Check the broker"),
    "broker_closed": Code("The broker closed the connection", "See the broker's log"),
    "broker_disconnected": Code("The broker ended the connection and said why", "See the message"),
    "broker_protocol": Code("What answers does not speak MQTT", "Check port and TLS"),
    "protocol_version": Code("The broker does not speak this version", "Nothing: the older one is tried"),
    "connection_lost": Code("The connection broke", "Nothing: it is made anew"),
    "birth_failed": Code("The node's documents could not be published", "See the log"),
    "dns": Code("The broker's name cannot be resolved", "Check `mqtt.host` and the name server"),
    "tls_failed": Code("TLS failed", "Check certificates, names and the clock"),
    "duplicate_client_id": Code("Another client has the same identity", "Give each node its own `node.id`"),
    "message_invalid": Code("A message cannot be sent as it is", "A fault of the program: report it"),
    "message_too_large": Code("It is larger than the broker takes", "Raise the broker's limit"),
    "publish_denied": Code("The broker refused the message", "Mend its access list; topics/acl has one"),
    "replaced": Code("A later message took its place", "Nothing: the later one counts"),
    # the program
    "config": Code("The configuration cannot be used", "`edge-agent check` says where"),
    "storage_failed": Code("The disk refused", "Check space and rights"),
    "process_failed": Code("A process of the agent's died", "Nothing: it is started anew"),
    "timeout": Code("A process of the agent's did not answer in time", "Try again"),
    "internal": Code("A fault of the agent's", "Its log has it: report it"),
    # only in the Python client
    "failed": Code("The command failed and said no more", "See the node's log"),
    "no_answer": Code("No answer came in time", "Is the node online?"),
}

_STREAM: Final = {
    "waiting": "It waits for packets of the camera, or for somebody who watches: `reason`",
    "connecting": "It connects to the server",
    "publishing": "Packets leave and nothing speaks against it",
    "failed": "It failed: `reason`, `code`",
    "stopped": "It was stopped",
    "bitrate_lowered": "The network takes less: the bit rate was lowered",
    "bitrate_raised": "The network takes more again: the bit rate was raised",
}

# `event/<kind>`: what may be in `event_type`, and what it means.
EVENTS: Final[dict[str, dict[str, str]]] = {
    "command": {"refused": "A command that cannot be answered was refused: `command`, `code`, `message`"},
    "problem": {
        "raised": "Something is wrong: `code`, `message`, as in `status.problems`",
        "solved": "It is no more",
    },
    "camera": {
        "starting": "It is being opened",
        "running": "It gives frames",
        "stalled": "It has given no frames for too long: `reason`",
        "restarting": "Its process is started anew: `reason`",
        "failed": "It cannot be used: `reason`",
        "stopped": "It was stopped",
    },
    "stream": _STREAM,
    "substream": _STREAM,
    "snapshot": {"taken": "A picture was taken: its facts, as in `status.snapshot`"},
    "profile": {
        "switched": "A profile was applied: `name`, `cause`",
        "failed": "A profile could not be applied: `name`, `cause`, `message`",
        "held": "What is set is held: `name`, `cause`, `until`",
        "released": "It is held no more: `name`, `cause`",
        "saved": "A profile was saved: `name`, `cause`",
        "deleted": "A profile was deleted: `name`, `cause`",
    },
    "schedule": {
        "done": "A schedule was carried out: `schedule`, `does`, `due`, `late_s`, `took_s`",
        "failed": "It failed: also `error`",
        "held": "Its profile comes later: what was set by hand holds for a while",
        "skipped": "It was missed, and is not made up for by its own rule",
        "overridden": "Another schedule holds by now",
        "by_hand": "Somebody set something else meanwhile",
        "ended_with_agent": "The agent was stopped while it was under way",
    },
    "day_night": {"day": "It became day: `because`", "night": "It became night: `because`"},
    "desired": {
        "applied": "The wanted state was brought about: `version`",
        "failed": "It could not be: `version`, `message`",
        "pending": "It waits for the camera: `version`",
        "none": "Nothing is wanted any more",
    },
    "upload": {
        "done": "A picture arrived: `ticket`, `id`, `origin`, `size_bytes`, `attempts`, `found`",
        "parked": "The server does not take it: also `code`, `message`; it is kept",
        "damaged": "It cannot be read any more: `ticket`, `code`, `message`; it is set aside",
    },
    "timelapse": {
        "started": "It began: `name`",
        "stopped": "It was stopped: `name`",
        "resumed": "It goes on: `name`",
        "finished": "It came to its end: `name`",
        "failing": "Pictures cannot be taken: `name`, `error`",
        "taking_again": "Pictures can be taken again: `name`",
        "missed": "Pictures were not taken in time: `name`, `count`, `reason`",
        "clock_jumped": "The clock was set: `name`; it goes on by the new time",
    },
    "update": {
        "available": "There is a newer version: `latest`, `installed`, `summary`, `url`",
        "installing": "It is being installed: `version`, `previous`",
        "done": "It is installed and online: `version`, `previous`",
        "failed": "It could not be installed: also `message`",
        "rolled_back": "It did not come online, the previous one was installed again: also `message`",
    },
    "identify": {"started": "It shows itself: `duration_s`, `means`", "ended": "It does no more"},
    "log": {"lines": "New lines: `lines`, `dropped`", "ended": "No more lines are told"},
}
