#!/usr/bin/env bash
# setup.sh ROOT: builds a Debian 13 root in ROOT in which the unmodified picamera2 and libcamera run on
# libcamera's virtual cameras, without a camera and without kernel drivers. Called by `run`; needs root and
# debootstrap, some minutes and 1.5 GB.
set -euo pipefail
root=$1
here=$(cd "$(dirname "$0")" && pwd)
picamera2=0.3.38
certificates=/etc/ssl/certs/ca-certificates.crt

apt() { # A machine's clock may be off by more than the repository's lists allow.
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq \
    -o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false "$@"
}
umount_proc() { if mountpoint -q "$root/proc"; then umount "$root/proc"; fi; }

debootstrap --variant=minbase --include=ca-certificates trixie "$root"
if [ -f "$certificates" ]; then cp "$certificates" "$root$certificates"; fi
mount -t proc proc "$root/proc"
trap umount_proc EXIT

apt update
# What picamera2 and the agent need, in Debian's versions, and what runs the tests.
apt install -y --no-install-recommends gcc libc6-dev python3-dev python3-venv \
  python3-libcamera python3-numpy python3-pil python3-av python3-prctl python3-piexif \
  python3-libarchive-c python3-tqdm python3-jsonschema \
  python3-apscheduler python3-paho-mqtt python3-psutil python3-pydantic python3-requests python3-rich \
  python3-typer python3-tzlocal python3-yaml \
  python3-pytest python3-pytest-asyncio python3-pytest-timeout
chroot "$root" python3 -m venv --system-site-packages /opt/venv
chroot "$root" env PIP_CERT="$certificates" PIP_FIND_LINKS= \
  /opt/venv/bin/pip install -q "picamera2==$picamera2"

cp "$here/pykms.py" "$root"/opt/venv/lib/python3.*/site-packages/
install -D -m 644 "$here/virtual.yaml" "$root/usr/share/libcamera/pipeline/virtual/virtual.yaml"
: >"$root/dev/video0" # with the preloaded library picamera2 takes this machine for a Pi 5
cp "$here/virtcam.c" "$root/opt/"
chroot "$root" gcc -O2 -Wall -Wextra -shared -fPIC -o /opt/virtcam.so /opt/virtcam.c
mkdir -p "$root/opt/frames" "$root/opt/edge-agent"
chroot "$root" /opt/venv/bin/python - <<'PY'
from PIL import Image, ImageDraw

for number in range(20):  # the camera "Images": still for ten pictures, then something moves
    image = Image.new("RGB", (1280, 720), (40, 60, 80))
    if number >= 10:
        left = 100 * (number - 9)
        ImageDraw.Draw(image).rectangle((left, 200, left + 200, 500), fill=(255, 240, 200))
    image.save(f"/opt/frames/{number}.jpg", quality=90)
PY
