"""Raspberry Pi's cameras, by picamera2 and libcamera.

`options` and `presence` are light and may be imported anywhere; `driver` belongs into the camera child. Both
picamera2 and libcamera are imported only when a camera is opened, see `backend`.
"""
