"""Pictures of a real camera process, while it streams to nobody."""

from __future__ import annotations

import io
import os
import signal
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.camera.messages import PictureTags, StillInfo, StillRequest
from edge_agent.errors import ProcessError
from tests.camera.living_camera import camera_at, eventually, up
from tests.camera.studio import exif_of

SHORT = {"exposure": {"time_us": 500, "gain": 8.0}}


async def test_pictures_of_every_kind_while_the_stream_goes_on(tmp_path: Path) -> None:
    async with camera_at(tmp_path) as camera:
        lasting = camera.settings
        sequence, lost = -1, 0
        for _ in range(20):
            info, content = await camera.still(StillRequest(exif=PictureTags(node="porch")))
            assert Image.open(io.BytesIO(content)).size == (640, 360)
            assert info.reading.sequence > sequence
            lost += info.interrupted_frames
            sequence = info.reading.sequence
        # A busy machine may lose one by itself; pictures that cost frames would cost one each.
        assert lost < 5
        info, content = await camera.still(StillRequest(full=True))
        assert Image.open(io.BytesIO(content)).size == (4608, 2592)
        info, content = await camera.still(StillRequest(format="png", width=320, height=320))
        assert (Image.open(io.BytesIO(content)).format, info.width, info.height) == ("PNG", 320, 320)
        info, content = await camera.still(StillRequest(format="dng", full=True))
        assert (info.width, info.height, len(content) > 4608 * 2592 * 2) == (4608, 2592, True)
        info, content = await camera.still(StillRequest(settings=SHORT))
        assert float(exif_of(content)[33434]) == pytest.approx(500e-6)
        assert info.settings.exposure.gain == 8.0
        assert camera.settings == camera.status().settings == lasting
        info, _ = await camera.still(StillRequest())
        assert info.reading.exposure_us != 500


async def test_a_burst_of_a_real_process(tmp_path: Path) -> None:
    infos: list[StillInfo] = []
    async with camera_at(tmp_path) as camera:
        async with aclosing(camera.burst(StillRequest(count=10, settings=SHORT))) as pictures:
            async for info, content in pictures:
                assert Image.open(io.BytesIO(content)).size == (640, 360)
                infos.append(info)
        numbers = [info.reading.sequence for info in infos]
        assert numbers == list(range(numbers[0], numbers[0] + 10))
        assert {info.reading.exposure_us for info in infos} == {500}
        assert camera.settings is not None
        assert camera.settings.exposure.mode == "auto"


async def test_a_process_that_is_killed_in_the_middle_comes_back_with_the_settings_that_last(
    tmp_path: Path,
) -> None:
    async with camera_at(tmp_path) as camera:
        await camera.change({"exposure": {"time_us": 9000, "gain": 2.0}}, cause="a test")
        pictures = camera.burst(StillRequest(count=30, settings=SHORT))
        assert (await anext(pictures))[0].reading.exposure_us == 500
        pid = camera.child.status.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProcessError):
            async for _ in pictures:
                pass
        await eventually(lambda: camera.child.status.pid not in {None, pid})
        await up(camera)
        info, _ = await camera.still(StillRequest())
        assert (info.reading.exposure_us, info.settings.exposure.gain) == (9000, 2.0)
        assert camera.settings is not None
        assert camera.settings.exposure.time_us == 9000
