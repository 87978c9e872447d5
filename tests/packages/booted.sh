# shellcheck shell=bash
# The package on a Debian 13 that has really booted: systemd is PID 1 in a container made by systemd-nspawn.
#
# Sourced by `run`, whose functions and names it uses. The machine has a network of its own, which is nothing but a
# loopback, with a broker on it: MediaMTX can have its usual ports. MEDIAMTX_EXECUTABLE names an executable MediaMTX;
# without it its unit is left out.

# can_boot: or say why this machine cannot, and end with 77.
can_boot() {
  local program
  for program in systemd-nspawn ip nsenter mosquitto_passwd; do
    command -v "$program" >/dev/null || refuse "$program is missing; try: apt-get install systemd-container iproute2 util-linux mosquitto"
  done
  # Debian 13's systemd knows the second version of cgroups alone; what sees this mount is this script and its own.
  if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null || refuse "a systemd takes cgroups, and the second version of them"
  fi
  cgroup=/sys/fs/cgroup/edge-agent-packages.$$
  mkdir "$cgroup" 2>/dev/null || refuse "a systemd takes cgroups that may be written to (a container needs --privileged)"
  rmdir "$cgroup"
}

# unboot: end it at once, whatever it is at.
unboot() {
  if [ ! -d "${cgroup:-}" ]; then return 0; fi  # a bare one would be the status that the script ends with
  echo 1 >"$cgroup/cgroup.kill"
  local began=$SECONDS
  until find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || [ $((SECONDS - began)) -ge 10 ]; do sleep 0.2; done
}

# network: a namespace with a loopback and a broker: anonymous on 1883, with a password on 1884.
network() {
  local place=$scratch/broker
  mkdir -p "$place"
  mosquitto_passwd -b -c "$place/passwords" front-door Kaleidoscope-7 >>"$log" 2>&1
  mosquitto_passwd -b "$place/passwords" gate Kaleidoscope-8 >>"$log" 2>&1
  printf '%s\n' 'per_listener_settings true' 'user root' \
    'listener 1883 127.0.0.1' 'allow_anonymous true' \
    'listener 1884 127.0.0.1' 'allow_anonymous false' "password_file $place/passwords" >"$place/mosquitto.conf"
  unshare --net sh -c "ip link set lo up && exec mosquitto -c '$place/mosquitto.conf'" >>"$log" 2>&1 &
  network=$!
  pids+=("$network")
  local began=$SECONDS
  until [ "$(readlink "/proc/$network/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
    on_network mosquitto_pub -h 127.0.0.1 -p 1883 -t probe -m up 2>/dev/null; do
    [ $((SECONDS - began)) -lt 20 ] || fail "the broker does not start"
    sleep 0.2
  done
}

on_network() { nsenter --target "$network" --net "$@"; }
inside() {
  nsenter --target "$machine" --all --root --wd env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= "$@"
}
shown() { inside systemctl show --property "$1" --value "${2:-edge-agent}"; }

# comes SECONDS WHAT COMMAND...: wait until the command succeeds.
comes() {
  local seconds=$1 what=$2 began=$SECONDS
  shift 2
  until "$@"; do
    if [ $((SECONDS - began)) -ge "$seconds" ]; then
      inside systemctl --no-pager --full status 'edge-agent*' 2>&1 | head -n 40 >&2 || true
      inside journalctl --no-pager --lines 60 >&2 || true
      fail "$what (in $seconds s)"
    fi
    sleep 0.2
  done
}

# is_machine: whether $machine is the container's systemd already, and not what becomes that, with this machine's own.
is_machine() {
  [ -n "$machine" ] && [ "$(cat "/proc/$machine/comm" 2>/dev/null)" = systemd ] &&
    grep -qE '^NSpid:.*[[:space:]]1$' "/proc/$machine/status"
}

boot() {
  local device=() file
  # One that anybody may open, and that no unit lists.
  for file in /dev/fuse /dev/net/tun; do if [ -c "$file" ]; then device=("--bind=$file:/dev/probe"); fi; done
  mkdir -p "$cgroup"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    # bpf, which nspawn forbids by itself, is how systemd keeps a service to its devices.
    exec systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$root" --machine=edge-agent-test \
      --network-namespace-path="/proc/$network/ns/net" --system-call-filter=bpf --link-journal=no \
      --resolv-conf=off --timezone=off "${device[@]}" --console=read-only >"$scratch/console" 2>&1
  ) &
  nspawn=$!
  disown "$nspawn"  # it is ended by unboot, without a word
  local began=$SECONDS
  machine=
  until is_machine && inside systemctl is-system-running 2>/dev/null | grep -qxE 'running|degraded'; do
    if ! kill -0 "$nspawn" 2>/dev/null || [ $((SECONDS - began)) -ge 60 ]; then
      tail -n 5 "$scratch/console" >&2
      if [ "${1:-}" = again ]; then fail "it did not boot again"; fi
      refuse "systemd-nspawn does not boot a Debian here"
    fi
    machine=$(pgrep --parent "$nspawn" | head -n 1) || machine=
    sleep 0.2
  done
}

shut_down() {
  local began=$SECONDS
  inside systemctl poweroff --no-block >>"$log" 2>&1  # without a login manager it says so, and does it
  while kill -0 "$nspawn" 2>/dev/null; do
    [ $((SECONDS - began)) -lt 60 ] || fail "the machine did not shut down"
    sleep 0.2
  done
  find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

status_is() { shown StatusText "$2" | grep -qE "$1"; }
restarted() { [ "$(shown MainPID)" != 0 ] && [ "$(shown MainPID)" != "$1" ] && [ "$(shown ActiveState)" = active ]; }
# retained NODE STATE: what the broker has of it.
retained() {
  on_network timeout 5 mosquitto_sub -h 127.0.0.1 -p 1883 -t "edge/v1/$1/availability" -C 1 -W 3 2>/dev/null |
    grep -q "\"$2\""
}
online() {
  comes 60 "${1:-edge-agent} is not running with its camera" status_is '^broker online, camera running' "${1:-edge-agent}"
}

drop_in() {
  mkdir -p "$root/etc/systemd/system/edge-agent.service.d"
  printf '%s\n' '[Service]' "${@:2}" >"$root/etc/systemd/system/edge-agent.service.d/$1.conf"
  inside systemctl daemon-reload
}
no_drop_in() {
  rm "$root/etc/systemd/system/edge-agent.service.d/$1.conf"
  inside systemctl daemon-reload
}

booted() {
  echo "== Debian 13, booted: the package under systemd"
  can_boot
  built
  clean_root trixie
  cp -r "$scratch/one" "$scratch/next" "$root/opt/"
  step "what the package depends on is fetched before: the machine has no network beyond itself"
  quietly apt-get install -y --no-install-recommends --download-only "/opt/one/edge-agent_${version}_all.deb"
  umount -R "$root/dev" "$root/proc"
  network
  boot
  step "$(inside systemctl --version | head -n 1) is $(inside systemctl is-system-running || true)"

  installed
  sandboxed
  credentials
  recovers
  several
  upgraded
  if [ -n "${MEDIAMTX_EXECUTABLE:-}" ]; then mediamtx; else step "MediaMTX is left out: MEDIAMTX_EXECUTABLE names none"; fi
  rebooted
  purged
  shut_down
}

installed() {
  step "apt install starts it, and shows it online"
  inside env EDGE_AGENT_BROKER=127.0.0.1:1883 EDGE_AGENT_NODE="Front door" \
    apt-get install -y --no-install-recommends "/opt/one/edge-agent_${version}_all.deb" >"$scratch/apt" 2>&1 ||
    { tail -n 40 "$scratch/apt"; fail "apt install"; }
  grep -q 'online' "$scratch/apt" || { tail -n 20 "$scratch/apt"; fail "apt install did not show it online"; }
  online
  retained front-door online || fail "the broker was not told that it is online"
  [ "$(shown Type) $(shown ActiveState) $(shown NRestarts)" = "notify active 0" ] || fail "it is not running as it should"
  [ "$(shown UnitFileState)" = enabled ] || fail "it is not enabled"
  inside systemctl --no-pager status edge-agent | sed -n '/Active:/p; /Status:/p; /Tasks:/p; /Memory:/p'
  step "a picture is stored"
  inside edge-agent send snapshot >>"$log" 2>&1 || fail "no picture"
  [ -n "$(inside find /var/lib/edge-agent -name '*.jpg' -user edge-agent -perm 600)" ] || fail "no picture in /var/lib/edge-agent"
  step "the journal has levels"
  [ -n "$(inside journalctl -u edge-agent -p info..info -o cat)" ] || fail "nothing of the level info in the journal"
  [ -n "$(inside journalctl -u edge-agent -p warning..err -o cat)" ] || fail "no warning in the journal, of a stream without a server"
  if inside journalctl -u edge-agent -o cat | grep -E '^<[0-9]>'; then fail "levels are part of the text"; fi
}

sandboxed() {
  local figure pid status name
  figure=$(inside systemd-analyze security --no-pager edge-agent.service | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  awk -v figure="$figure" -v max="$max_exposure" 'BEGIN { exit !(figure != "" && figure <= max) }' ||
    fail "the exposure of the running service is '$figure', at most $max_exposure is allowed"
  step "the sandbox of the running service: exposure $figure"
  pid=$(shown MainPID)
  status=$(inside cat "/proc/$pid/status")
  for name in 'NoNewPrivs:	1' 'Seccomp:	2' 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000' 'CapPrm:	0000000000000000'; do
    grep -qx "$name" <<<"$status" || fail "the agent's process is not '$name'"
  done
  for name in mnt ipc uts; do
    [ "$(inside readlink "/proc/$pid/ns/$name")" != "$(inside readlink "/proc/1/ns/$name")" ] || fail "it shares its namespace $name"
  done
  [ "$(inside stat -c %U "/proc/$pid")" = edge-agent ] || fail "it is not run by its user"
  inside touch /tmp/probe
  inside chmod 666 /dev/probe || step "there is no device here to be kept from"
  drop_in probe "ExecStartPre=/usr/bin/python3 /source/tests/packages/sandbox.py"
  inside systemctl restart edge-agent || { inside journalctl -u edge-agent -o cat -t python3 | tail -n 45; fail "the sandbox is not as it should be"; }
  inside journalctl -u edge-agent -o cat -t python3 | tail -n 45
  no_drop_in probe
  step "its limits: memory $(shown MemoryHigh) and $(shown MemoryMax) bytes, tasks $(shown TasksMax)"
  limits
}

# limits: see in the kernel what the unit says; a kernel that has the first version's controllers has none of these.
limits() {
  local place controllers
  place=/sys/fs/cgroup$(shown ControlGroup)
  controllers=$(inside cat "$place/cgroup.controllers")
  if [[ " $controllers " == *" memory "* ]]; then
    [ "$(inside cat "$place/memory.max")" -le "$(shown MemoryMax)" ] || fail "memory.max is not what the unit says"
  fi
  if [[ " $controllers " == *" pids "* ]]; then
    [ "$(inside cat "$place/pids.max")" = "$(shown TasksMax)" ] || fail "pids.max is not what the unit says"
  fi
  echo "   controllers that this kernel leaves to it: ${controllers:-none: the limits of memory and tasks are shown, not in force}"
}

credentials() {
  step "a password from /etc/credstore"
  inside edge-agent-setup --no-start --broker 127.0.0.1:1884 >>"$log" 2>&1
  inside systemctl restart edge-agent
  comes 30 "a refused password is not shown" status_is 'broker refused' edge-agent
  (umask 077 && printf Kaleidoscope-7 >"$root/etc/credstore/edge-agent.mqtt.password")
  inside sed -i '0,/^  #username: null/ s//  username: front-door/' /etc/edge-agent/config.yaml
  inside systemctl restart edge-agent
  online
  inside edge-agent-setup --show >>"$log" 2>&1 || fail "edge-agent-setup does not see it online with the password"
  if inside journalctl -u edge-agent -o cat | grep Kaleidoscope; then fail "the password is in the journal"; fi
}

recovers() {
  local pid began count
  step "killed, it comes back, and is never given up"
  pid=$(shown MainPID)
  inside systemctl kill --kill-whom=main --signal=KILL edge-agent
  comes 30 "it was not started again" restarted "$pid"
  online
  # More often and faster than systemd puts up with by itself: five in ten seconds.
  drop_in hurry RestartSec=100ms RestartSteps=0
  for count in 1 2 3 4 5 6 7 8; do
    comes 10 "it was given up after $count kills" new_process "$pid"
    pid=$(shown MainPID)
    inside systemctl kill --kill-whom=main --signal=KILL edge-agent
  done
  comes 30 "it was given up" restarted "$pid"
  online
  echo "   $(shown NRestarts) restarts"
  no_drop_in hurry

  step "stopped in its tracks, the watchdog ends it"
  drop_in watchdog WatchdogSec=6
  inside systemctl restart edge-agent
  online
  pid=$(shown MainPID)
  inside systemctl kill --kill-whom=main --signal=STOP edge-agent
  began=$SECONDS
  comes 60 "the watchdog did not start it again" restarted "$pid"
  echo "   a new one after $((SECONDS - began)) s, with WatchdogSec=6"
  inside journalctl -u edge-agent -o cat | grep -i 'watchdog timeout' || fail "it was not the watchdog"
  online
  no_drop_in watchdog
  inside systemctl restart edge-agent
  online

  step "systemctl stop is a clean stop"
  began=$SECONDS
  inside systemctl stop edge-agent
  [ "$(shown Result) $(shown ExecMainStatus) $(shown ActiveState)" = "success 0 inactive" ] || fail "it did not end well"
  retained front-door stopped || fail "the broker was not told that it stopped"
  if processes; then fail "processes are left"; fi
  echo "   after $((SECONDS - began)) s"
}
processes() { pgrep --ns "$machine" --nslist pid --list-full --full 'edge-agent run|edge_agent[.]'; }
new_process() {
  local pid
  pid=$(shown MainPID "${2:-edge-agent}")
  [ "$pid" != 0 ] && [ "$pid" != "$1" ]
}

several() {
  local name
  step "two instances, each with its own configuration, state and password"
  inside systemctl disable --now edge-agent >>"$log" 2>&1
  for name in porch gate; do
    inside sh -c "sed 's/front-door/$name/' /etc/edge-agent/config.yaml >/etc/edge-agent/$name.yaml"
    inside chgrp edge-agent "/etc/edge-agent/$name.yaml"
    inside chmod 640 "/etc/edge-agent/$name.yaml"
  done
  (umask 077 && printf Kaleidoscope-8 >"$root/etc/credstore/edge-agent-gate.mqtt.password")
  inside sed -i 's/^  username:.*//; s/^  port: 1884/  port: 1883/' /etc/edge-agent/porch.yaml
  inside systemctl enable --now edge-agent@porch edge-agent@gate >>"$log" 2>&1 || fail "the instances do not start"
  online edge-agent@porch
  online edge-agent@gate
  for name in porch gate; do
    retained "$name" online || fail "$name is not online"
    inside test -n "$(inside ls "/var/lib/edge-agent/$name")" || fail "$name keeps nothing in its own directory"
  done
  inside systemctl stop edge-agent@porch
  retained porch stopped || fail "porch did not stop"
  retained gate online || fail "gate did not go on"
  inside test -d /run/edge-agent-gate || fail "gate lost its runtime directory"
  inside systemctl start edge-agent@porch
  online edge-agent@porch
}

upgraded() {
  local gate
  step "apt upgrade restarts it, and the instances"
  inside systemctl enable --now edge-agent >>"$log" 2>&1
  online
  local pid
  pid=$(shown MainPID)
  gate=$(shown MainPID edge-agent@gate)
  inside apt-get install -y --no-install-recommends "/opt/next/edge-agent_$version+1_all.deb" >>"$log" 2>&1 || fail "apt upgrade"
  restarted "$pid" || fail "the upgrade did not restart it"
  [ "$(shown MainPID edge-agent@gate)" != "$gate" ] || fail "the upgrade did not restart the instance"
  online
  online edge-agent@gate
}

mediamtx() {
  step "MediaMTX beside it, with its unit and configuration"
  install -D -m 755 "$MEDIAMTX_EXECUTABLE" "$root/usr/local/bin/mediamtx"
  inside cp /usr/share/doc/edge-agent/examples/mediamtx.service /etc/systemd/system/
  inside sh -c 'mkdir -p /usr/local/etc && sed s/porch/front-door/g /usr/share/doc/edge-agent/examples/mediamtx.yml >/usr/local/etc/mediamtx.yml'
  inside systemctl daemon-reload
  inside systemctl enable --now mediamtx >>"$log" 2>&1 || fail "MediaMTX does not start"
  inside sed -i 's|^    #api: null|    api: http://127.0.0.1:9997|' /etc/edge-agent/config.yaml
  inside systemctl restart edge-agent
  comes 60 "the stream is not published" status_is 'stream publishing' edge-agent
  comes 20 "MediaMTX does not count the stream's bytes" served
  shown StatusText
  [ "$(shown NRestarts mediamtx)" = 0 ] || fail "MediaMTX was restarted"
  step "MediaMTX killed: it comes back, and the stream"
  local pid
  pid=$(shown MainPID mediamtx)
  inside systemctl kill --kill-whom=main --signal=KILL mediamtx
  comes 20 "MediaMTX was not started again" new_process "$pid" mediamtx
  comes 60 "the stream did not come back" served
  comes 20 "the stream is not told to be back" status_is 'stream publishing' edge-agent
}
served() {
  inside python3 - 2>/dev/null <<'PY'
import json, sys, urllib.request

with urllib.request.urlopen("http://127.0.0.1:9997/v3/paths/get/front-door", timeout=5) as answer:
    path = json.load(answer)
sys.exit(not (path["ready"] and path.get("inboundBytes", path["bytesReceived"]) > 100000))
PY
}

rebooted() {
  step "the machine is shut down: that is a clean stop, too; and booted: everything is there by itself"
  shut_down
  for name in front-door porch gate; do retained "$name" stopped || fail "$name was not told to have stopped"; done
  boot again
  online
  online edge-agent@porch
  online edge-agent@gate
}

purged() {
  step "purge stops it and leaves nothing"
  inside rm -rf /etc/systemd/system/edge-agent.service.d
  inside apt-get purge -y edge-agent >>"$log" 2>&1 || fail "apt purge"
  for name in front-door porch gate; do retained "$name" stopped || fail "$name goes on"; done
  if processes; then fail "processes are left"; fi
  local left
  # MediaMTX's unit names the one.
  left=$(inside systemctl list-units --all --plain --no-legend 'edge-agent*' | grep -vE '^edge-agent.service +not-found' || true)
  [ -z "$left" ] || fail "units are left: $left"
  inside rm -rf /opt/one /opt/next /tmp/probe
  leftovers
}
