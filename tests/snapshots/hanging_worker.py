"""A process that does nothing, for ever."""

import signal

while True:
    signal.pause()
