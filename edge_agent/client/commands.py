"""Every command of a node as a typed method.

Written by `make contract` from the commands' declarations: not by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from edge_agent.client.reply import UNSET, Envelope, Reply, Unset

__all__ = ["NodeCommands"]


class NodeCommands:
    """The commands. What is left out is not sent; see `Envelope` for what every command takes."""

    async def send(self, command: str, arguments: Mapping[str, Any], /, **envelope: Any) -> Reply:
        """Send any command by its name."""
        raise NotImplementedError

    async def bitrate(
        self,
        bps: int | Literal["auto"],
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set the stream's bit rate, or let it follow size and frame rate."""
        return await self.send("bitrate", {"bps": bps}, **envelope)

    async def day_night(
        self,
        mode: Literal["auto", "day", "night", "off"] | Unset | None = UNSET,
        *,
        source: Literal["auto", "lux", "sun", "topic"] | Unset | None = UNSET,
        night_below_lux: float | Unset | None = UNSET,
        day_above_lux: float | Unset | None = UNSET,
        dwell_s: float | Unset | None = UNSET,
        sun_below_deg: float | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set day or night, or let the light that the camera measures, a sensor or the sun decide."""
        return await self.send(
            "day_night",
            {
                "mode": mode,
                "source": source,
                "night_below_lux": night_below_lux,
                "day_above_lux": day_above_lux,
                "dwell_s": dwell_s,
                "sun_below_deg": sun_below_deg,
            },
            **envelope,
        )

    async def encoder(
        self,
        *,
        profile: Literal["baseline", "main", "high"] | Unset = UNSET,
        level: Literal["auto", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2"] | Unset = UNSET,
        keyframe_interval_s: float | Unset = UNSET,
        quality: int | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set how the picture is encoded: profile, level, keyframes, and quality in place of a bit rate."""
        return await self.send(
            "encoder",
            {
                "profile": profile,
                "level": level,
                "keyframe_interval_s": keyframe_interval_s,
                "quality": quality,
            },
            **envelope,
        )

    async def exposure(
        self,
        mode: Literal["auto", "manual"] | Unset = UNSET,
        *,
        time_us: int | Unset | None = UNSET,
        gain: float | Unset | None = UNSET,
        ev: float | Unset = UNSET,
        min_time_us: int | Unset | None = UNSET,
        max_time_us: int | Unset | None = UNSET,
        constraint_mode: Literal["normal", "highlight", "shadows", "custom"] | Unset = UNSET,
        exposure_mode: Literal["normal", "short", "long", "custom"] | Unset = UNSET,
        metering_mode: Literal["centre_weighted", "spot", "matrix", "custom"] | Unset = UNSET,
        flicker: Literal["off", "50hz", "60hz"] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set how much light a frame gets: automatic, or by your time and gain."""
        return await self.send(
            "exposure",
            {
                "mode": mode,
                "time_us": time_us,
                "gain": gain,
                "ev": ev,
                "min_time_us": min_time_us,
                "max_time_us": max_time_us,
                "constraint_mode": constraint_mode,
                "exposure_mode": exposure_mode,
                "metering_mode": metering_mode,
                "flicker": flicker,
            },
            **envelope,
        )

    async def focus(
        self,
        mode: Literal["manual", "auto", "continuous"] | Unset = UNSET,
        *,
        position: float | Unset | None = UNSET,
        range: Literal["normal", "macro", "full"] | Unset = UNSET,
        speed: Literal["normal", "fast"] | Unset = UNSET,
        window: Mapping[str, Any] | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set where the picture is sharp, and who finds out."""
        return await self.send(
            "focus",
            {"mode": mode, "position": position, "range": range, "speed": speed, "window": window},
            **envelope,
        )

    async def focus_trigger(
        self,
        timeout_s: float | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Run one autofocus scan and say how it ended."""
        return await self.send("focus_trigger", {"timeout_s": timeout_s}, **envelope)

    async def framerate(
        self,
        fps: float | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set the frames a second."""
        return await self.send("framerate", {"fps": fps}, **envelope)

    async def hdr(
        self,
        mode: Literal["off", "auto", "sensor", "single_exposure", "night"] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set the high-dynamic-range mode."""
        return await self.send("hdr", {"mode": mode}, **envelope)

    async def identify(
        self,
        duration_s: float | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Make the node show itself: its lamps blink, its name is in the picture; then all is put back."""
        return await self.send("identify", {"duration_s": duration_s}, **envelope)

    async def image(
        self,
        *,
        brightness: float | Unset = UNSET,
        contrast: float | Unset = UNSET,
        saturation: float | Unset = UNSET,
        sharpness: float | Unset = UNSET,
        noise_reduction: Literal["off", "fast", "high_quality", "minimal", "zsl"] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set brightness, contrast, saturation, sharpness and noise reduction."""
        return await self.send(
            "image",
            {
                "brightness": brightness,
                "contrast": contrast,
                "saturation": saturation,
                "sharpness": sharpness,
                "noise_reduction": noise_reduction,
            },
            **envelope,
        )

    async def images(
        self,
        action: Literal["list", "get", "delete", "lock", "unlock", "upload", "video", "stats"]
        | Unset = UNSET,
        *,
        picture: str | Unset | None = UNSET,
        pictures: Sequence[str] | Unset = UNSET,
        before: str | Unset | None = UNSET,
        after: str | Unset | None = UNSET,
        limit: int | Unset = UNSET,
        format: Literal["jpeg", "png", "dng"] | Unset | None = UNSET,
        locked: bool | Unset | None = UNSET,
        reason: str | Unset | None = UNSET,
        size: Literal["full", "thumbnail"] | Unset = UNSET,
        url: str | Unset | None = UNSET,
        fps: float | Unset = UNSET,
        send: bool | Unset = UNSET,
        force: bool | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """List, send, delete, lock and upload what is in the store."""
        return await self.send(
            "images",
            {
                "action": action,
                "picture": picture,
                "pictures": pictures,
                "before": before,
                "after": after,
                "limit": limit,
                "format": format,
                "locked": locked,
                "reason": reason,
                "size": size,
                "url": url,
                "fps": fps,
                "send": send,
                "force": force,
            },
            **envelope,
        )

    async def lens_correction(
        self,
        enabled: bool | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Straighten the bent lines of a wide lens."""
        return await self.send("lens_correction", {"enabled": enabled}, **envelope)

    async def logs(
        self,
        lines: int | Unset = UNSET,
        *,
        level: Literal["debug", "info", "warning", "error"] | Unset = UNSET,
        logger: str | Unset | None = UNSET,
        contains: str | Unset | None = UNSET,
        follow_s: float | Unset = UNSET,
        set_level: Literal["debug", "info", "warning", "error"] | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Return the last log lines, follow new ones on event/log for a while, or set what is logged."""
        return await self.send(
            "logs",
            {
                "lines": lines,
                "level": level,
                "logger": logger,
                "contains": contains,
                "follow_s": follow_s,
                "set_level": set_level,
            },
            **envelope,
        )

    async def overlay(
        self,
        text: str | Unset = UNSET,
        *,
        enabled: bool | Unset = UNSET,
        position: Literal["top_left", "top_right", "bottom_left", "bottom_right"] | Unset = UNSET,
        size: float | Unset = UNSET,
        margin: float | Unset = UNSET,
        background: float | Unset = UNSET,
        snapshots: bool | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Show a text in the picture: names, date and time, what the camera reports, any field of status.

        Bare ON and OFF switch it, any other text is the text.
        """
        return await self.send(
            "overlay",
            {
                "enabled": enabled,
                "text": text,
                "position": position,
                "size": size,
                "margin": margin,
                "background": background,
                "snapshots": snapshots,
            },
            **envelope,
        )

    async def profile(
        self,
        name: str | Unset | None = UNSET,
        *,
        description: str | Unset = UNSET,
        extends: str | Unset | None = UNSET,
        partial: bool | Unset = UNSET,
        reset: Sequence[str] | Unset = UNSET,
        settings: Mapping[str, Any] | Unset | None = UNSET,
        stream: Mapping[str, Any] | Unset | None = UNSET,
        action: Literal["apply", "save", "delete", "reset", "diff", "hold", "release", "list"]
        | Unset = UNSET,
        hold: Literal["next_switch", "until_released"] | Unset | None = UNSET,
        hold_s: float | Unset | None = UNSET,
        profiles: Mapping[str, Any] | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Apply a profile, save what is set now as one, see what one would change, hold or release."""
        return await self.send(
            "profile",
            {
                "description": description,
                "extends": extends,
                "partial": partial,
                "reset": reset,
                "settings": settings,
                "stream": stream,
                "action": action,
                "name": name,
                "hold": hold,
                "hold_s": hold_s,
                "profiles": profiles,
            },
            **envelope,
        )

    async def refresh(
        self,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Publish every document again."""
        return await self.send("refresh", {}, **envelope)

    async def resolution(
        self,
        *,
        width: int | Unset = UNSET,
        height: int | Unset = UNSET,
        field_of_view: Literal["scale", "crop"] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set the size of the picture."""
        return await self.send(
            "resolution", {"width": width, "height": height, "field_of_view": field_of_view}, **envelope
        )

    async def restart(
        self,
        target: Literal["agent", "camera", "stream"] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Restart the agent, or only the camera or the stream; answered when it is done."""
        return await self.send("restart", {"target": target}, **envelope)

    async def roi(
        self,
        *,
        x: float | Unset = UNSET,
        y: float | Unset = UNSET,
        width: float | Unset = UNSET,
        height: float | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Show a part of the field of view (digital zoom), in fractions; `full` shows it all."""
        return await self.send("roi", {"x": x, "y": y, "width": width, "height": height}, **envelope)

    async def schedule(
        self,
        action: Literal["list", "set", "delete", "enable", "disable", "run_now"] | Unset = UNSET,
        *,
        description: str | Unset = UNSET,
        enabled: bool | Unset = UNSET,
        cron: str | Unset | None = UNSET,
        interval: Mapping[str, Any] | Unset | None = UNSET,
        at: Sequence[str] | Unset | None = UNSET,
        sun: Mapping[str, Any] | Unset | None = UNSET,
        days: Sequence[str] | Unset | None = UNSET,
        from_: str | Unset | None = UNSET,
        until: str | Unset | None = UNSET,
        except_: Sequence[str] | Unset | None = UNSET,
        profile: str | Unset | None = UNSET,
        command: str | Unset | None = UNSET,
        arguments: Any | Unset = UNSET,
        for_: str | Unset | None = UNSET,
        until_time: str | Unset | None = UNSET,
        priority: int | Unset = UNSET,
        misfire: Literal["skip", "run_once"] | Mapping[str, Any] | Unset | None = UNSET,
        name: str | Unset | None = UNSET,
        if_version: int | Unset | None = UNSET,
        offset: int | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """List the schedules, save one, delete it, switch it on or off, or run it now."""
        return await self.send(
            "schedule",
            {
                "description": description,
                "enabled": enabled,
                "cron": cron,
                "interval": interval,
                "at": at,
                "sun": sun,
                "days": days,
                "from": from_,
                "until": until,
                "except": except_,
                "profile": profile,
                "command": command,
                "arguments": arguments,
                "for": for_,
                "until_time": until_time,
                "priority": priority,
                "misfire": misfire,
                "action": action,
                "name": name,
                "if_version": if_version,
                "offset": offset,
            },
            **envelope,
        )

    async def settings(
        self,
        *,
        exposure: Mapping[str, Any] | Unset = UNSET,
        white_balance: Mapping[str, Any] | Unset = UNSET,
        focus: Mapping[str, Any] | Unset = UNSET,
        image: Mapping[str, Any] | Unset = UNSET,
        hdr: Literal["off", "auto", "sensor", "single_exposure", "night"] | Unset = UNSET,
        view: Mapping[str, Any] | Unset = UNSET,
        video: Mapping[str, Any] | Unset = UNSET,
        overlay: Mapping[str, Any] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Change any settings at once, as one: all of it or nothing."""
        return await self.send(
            "settings",
            {
                "exposure": exposure,
                "white_balance": white_balance,
                "focus": focus,
                "image": image,
                "hdr": hdr,
                "view": view,
                "video": video,
                "overlay": overlay,
            },
            **envelope,
        )

    async def snapshot(
        self,
        *,
        width: int | Unset | None = UNSET,
        height: int | Unset | None = UNSET,
        full: bool | Unset = UNSET,
        format: Literal["jpeg", "png", "dng"] | Unset = UNSET,
        quality: int | Unset | None = UNSET,
        focus_first: bool | Unset = UNSET,
        time_us: int | Unset | None = UNSET,
        gain: float | Unset | None = UNSET,
        profile: str | Unset | None = UNSET,
        count: int | Unset = UNSET,
        to: Sequence[Literal["mqtt", "store", "upload"]] | Unset | None = UNSET,
        url: str | Unset | None = UNSET,
        lock: bool | Unset = UNSET,
        reason: str | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Take pictures, the stream going on; publish them on image/latest, store them, upload them."""
        return await self.send(
            "snapshot",
            {
                "width": width,
                "height": height,
                "full": full,
                "format": format,
                "quality": quality,
                "focus_first": focus_first,
                "time_us": time_us,
                "gain": gain,
                "profile": profile,
                "count": count,
                "to": to,
                "url": url,
                "lock": lock,
                "reason": reason,
            },
            **envelope,
        )

    async def stream(
        self,
        action: Literal["start", "stop", "restart", "keyframe", "demand", "release"] | Unset | None = UNSET,
        *,
        mode: Literal["always", "on_demand", "manual"] | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Start, stop or restart the stream, ask for a keyframe, demand or release it, or set its mode."""
        return await self.send("stream", {"action": action, "mode": mode}, **envelope)

    async def timelapse(
        self,
        action: Literal["start", "stop", "resume", "list", "delete", "video"],
        *,
        name: str | Unset = UNSET,
        interval_s: float | Unset | None = UNSET,
        begins_at: Any | Unset | None = UNSET,
        ends_at: Any | Unset | None = UNSET,
        count: int | Unset | None = UNSET,
        between_from: str | Unset | None = UNSET,
        between_until: str | Unset | None = UNSET,
        snapshot: Mapping[str, Any] | Unset | None = UNSET,
        fps: float | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Take pictures at an interval, between times of the day, until an end; make a video of them."""
        return await self.send(
            "timelapse",
            {
                "action": action,
                "name": name,
                "interval_s": interval_s,
                "begins_at": begins_at,
                "ends_at": ends_at,
                "count": count,
                "between_from": between_from,
                "between_until": between_until,
                "snapshot": snapshot,
                "fps": fps,
            },
            **envelope,
        )

    async def transform(
        self,
        *,
        hflip: bool | Unset = UNSET,
        vflip: bool | Unset = UNSET,
        rotation: Literal[0, 90, 180, 270] | Unset = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Mirror or turn the picture."""
        return await self.send(
            "transform", {"hflip": hflip, "vflip": vflip, "rotation": rotation}, **envelope
        )

    async def update(
        self,
        action: Literal["check", "install"] | Unset = UNSET,
        *,
        version: str | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Look for a newer version of the agent, or install it; what does not come online is taken back."""
        return await self.send("update", {"action": action, "version": version}, **envelope)

    async def white_balance(
        self,
        mode: Literal[
            "auto",
            "manual",
            "incandescent",
            "tungsten",
            "fluorescent",
            "indoor",
            "daylight",
            "cloudy",
            "custom",
            "daylight_noir",
            "indoor_noir",
            "ir_850nm",
            "ir_940nm",
        ]
        | Unset = UNSET,
        *,
        red_gain: float | Unset | None = UNSET,
        blue_gain: float | Unset | None = UNSET,
        temperature_k: int | Unset | None = UNSET,
        **envelope: Unpack[Envelope],
    ) -> Reply:
        """Set what is white: automatic, a kind of light, a preset, or your gains."""
        return await self.send(
            "white_balance",
            {"mode": mode, "red_gain": red_gain, "blue_gain": blue_gain, "temperature_k": temperature_k},
            **envelope,
        )
