#!/usr/bin/env bash
# install.sh [--broker HOST[:PORT]] [--node NAME] [--no-start]   install, or bring up to date
# install.sh --uninstall [--purge]                               take it away; with --purge what it kept, too
#
# For Debian 12 and Raspberry Pi OS 12, whose archive has too old a Python world for the package: a virtual
# environment in /opt/edge-agent that sees the system's own picamera2. Debian 13 and Raspberry Pi OS 13 have the
# package: `make deb`. It is run from a checkout, as root; a second time it upgrades and keeps the configuration.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
prefix=/opt/edge-agent
units=/etc/systemd/system

fail() { echo "install.sh: $*" >&2; exit 1; }
running() { [ -d /run/systemd/system ]; }
instances() { find "$units/multi-user.target.wants" -name 'edge-agent@*.service' -printf '%f\n' 2>/dev/null || true; }

setup=()
action=install
purge=no
start=yes
while [ $# -gt 0 ]; do
  case $1 in
    --broker | --node) [ $# -ge 2 ] || fail "$1 needs a value"; setup+=("$1" "$2"); shift ;;
    --broker=* | --node=*) setup+=("$1") ;;
    --no-start) start=no ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) fail "unknown argument '$1'; see install.sh --help" ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || fail "it takes root; try: sudo $0"

uninstall() {
  if running; then
    for unit in edge-agent.service $(instances); do systemctl disable --now "$unit" 2>/dev/null || true; done
  fi
  rm -f "$units"/multi-user.target.wants/edge-agent.service "$units"/multi-user.target.wants/edge-agent@*.service
  rm -f "$units/edge-agent.service" "$units/edge-agent@.service" /etc/sysusers.d/edge-agent.conf \
    /etc/tmpfiles.d/edge-agent.conf /usr/local/bin/edge-agent /usr/local/sbin/edge-agent-setup \
    /usr/local/share/man/man1/edge-agent.1 /usr/local/share/man/man8/edge-agent-setup.8 \
    /etc/bash_completion.d/edge-agent
  rm -rf "$prefix"
  if running; then systemctl daemon-reload; fi
  if [ "$purge" = yes ]; then
    rm -f /etc/credstore/edge-agent.* /etc/credstore/edge-agent-*.*
    rm -rf /etc/edge-agent /var/lib/edge-agent
    if getent passwd edge-agent >/dev/null; then userdel edge-agent; fi
    if getent group edge-agent >/dev/null; then groupdel edge-agent; fi
    echo "edge-agent is gone, with its configuration and pictures."
  else
    echo "edge-agent is gone; /etc/edge-agent and /var/lib/edge-agent are kept (--purge takes them, too)."
  fi
}

# What systemd cannot know yet is left out, not warned of at each start.
put_unit() {
  local version
  version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  sed "s|^ExecStart=/usr/bin/edge-agent|ExecStart=$prefix/venv/bin/edge-agent|" "$here/$1" |
    if [ "${version:-0}" -ge 254 ]; then
      cat
    else
      # Without steps every restart waits equally long.
      sed '/^RestartSteps=/d; /^RestartMaxDelaySec=/d; s/^RestartSec=.*/RestartSec=5/'
    fi >"$units/$1"
}

if [ "$action" = uninstall ]; then
  uninstall
  exit
fi
if dpkg-query -W -f '${db:Status-Status}' edge-agent 2>/dev/null | grep -qx installed; then
  fail "the package edge-agent is installed already; upgrade that, or remove it: apt remove edge-agent"
fi
command -v systemctl >/dev/null || fail "there is no systemd here"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "it takes Python 3.11 or newer"
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  echo "Installing python3-venv ..."
  apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
if apt-cache show python3-picamera2 >/dev/null 2>&1 && ! python3 -c 'import picamera2' 2>/dev/null; then
  echo "Installing python3-picamera2, for Raspberry Pi cameras ..."
  apt-get install -y -qq --no-install-recommends python3-picamera2 >/dev/null
fi

echo "Installing edge-agent into $prefix ..."
mkdir -p "$prefix"
[ -x "$prefix/venv/bin/python" ] || python3 -m venv --system-site-packages "$prefix/venv"
# Of a copy: pip leaves its own files beside what it builds.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$checkout" && tar -c --exclude=__pycache__ edge_agent schedules pyproject.toml README.md LICENSE) | tar -x -C "$copy"
"$prefix/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$copy"
# The same version anew, from a checkout that has changed.
"$prefix/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$copy"

install -D -m 644 "$here/config.yaml" "$prefix/config.yaml"
install -D -m 644 "$here/edge-agent.sysusers" /etc/sysusers.d/edge-agent.conf
install -D -m 644 "$here/edge-agent.tmpfiles" /etc/tmpfiles.d/edge-agent.conf
install -D -m 644 "$here/completion/edge-agent.bash" /etc/bash_completion.d/edge-agent
sed "s|/usr/share/edge-agent/config.yaml|$prefix/config.yaml|" "$here/edge-agent-setup" >"$prefix/edge-agent-setup"
install -D -m 755 "$prefix/edge-agent-setup" /usr/local/sbin/edge-agent-setup
rm "$prefix/edge-agent-setup"
mkdir -p /usr/local/bin /usr/local/share/man/man1
ln -sfn "$prefix/venv/bin/edge-agent" /usr/local/bin/edge-agent
install -D -m 644 "$here/edge-agent-setup.8" /usr/local/share/man/man8/edge-agent-setup.8
"$prefix/venv/bin/python" "$here/package_files.py" man /usr/local/share/man/man1/edge-agent.1

systemd-sysusers edge-agent.conf
for group in render gpio; do
  if getent group "$group" >/dev/null; then usermod --append --groups "$group" edge-agent; fi
done
install -d -m 700 /etc/credstore
systemd-tmpfiles --create edge-agent.conf || true
put_unit edge-agent.service
put_unit edge-agent@.service
systemctl enable --quiet edge-agent.service

if running && [ "$start" = yes ]; then
  systemctl daemon-reload
  for unit in $(instances); do systemctl restart "$unit"; done
  exec /usr/local/sbin/edge-agent-setup "${setup[@]}"
fi
/usr/local/sbin/edge-agent-setup --no-start "${setup[@]}"
