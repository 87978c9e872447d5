"""The stream: packets from the camera child, through a local socket, to an RTSP server."""
