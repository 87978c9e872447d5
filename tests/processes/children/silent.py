"""A child that says nothing and never ends by itself."""

from __future__ import annotations

import time

while True:
    time.sleep(60)
