#!/usr/bin/env bash
# build-deb.sh [DIRECTORY]: build edge-agent_<version>_all.deb, by default into dist/.
#
# It takes dpkg-deb (package dpkg) and a Python, $PYTHON, that has the agent's dependencies, for the man page. The
# version is the agent's own; $DEB_VERSION overrides it. $SOURCE_DATE_EPOCH makes the times in it; without it they
# are the last commit's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
output=$(realpath -m "${1:-$checkout/dist}")
python=${PYTHON:-python3}
umask 022

command -v dpkg-deb >/dev/null || { echo "dpkg-deb is missing; try: apt-get install dpkg-dev" >&2; exit 1; }
version=${DEB_VERSION:-$(cd "$checkout" && sed -n 's/^__version__ = "\(.*\)"$/\1/p' edge_agent/__init__.py)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$checkout" log -1 --format=%ct 2>/dev/null || date +%s)}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

put() { install -D -m "$1" "$2" "$root/$3"; }

packages=usr/lib/python3/dist-packages
(cd "$checkout" && find edge_agent \( -name '*.py' -o -name py.typed \) -print) | while read -r file; do
  put 644 "$checkout/$file" "$packages/$file"
done
"$python" "$here/package_files.py" metadata "$root/$packages"
(cd "$checkout" && find schedules \( -name '*.yaml' -o -name README.md \) -print) | while read -r file; do
  put 644 "$checkout/$file" "usr/share/edge-agent/$file"
done
mkdir -p "$root/usr/bin"
cat >"$root/usr/bin/edge-agent" <<'PY'
#!/usr/bin/python3
from edge_agent.cli import main

main()
PY
chmod 755 "$root/usr/bin/edge-agent"

put 755 "$here/edge-agent-setup" usr/sbin/edge-agent-setup
put 644 "$here/config.yaml" usr/share/edge-agent/config.yaml
for file in "$here"/update/*.py; do put 644 "$file" "usr/libexec/edge-agent/update/${file##*/}"; done
for unit in edge-agent.service edge-agent@.service edge-agent-update.socket edge-agent-update@.service \
  edge-agent-update-resume.service; do put 644 "$here/$unit" "usr/lib/systemd/system/$unit"; done
put 644 "$here/edge-agent.sysusers" usr/lib/sysusers.d/edge-agent.conf
put 644 "$here/edge-agent.tmpfiles" usr/lib/tmpfiles.d/edge-agent.conf
put 644 "$here/completion/edge-agent.bash" usr/share/bash-completion/completions/edge-agent
put 644 "$here/completion/_edge-agent" usr/share/zsh/vendor-completions/_edge-agent
put 644 "$here/completion/edge-agent.fish" usr/share/fish/vendor_completions.d/edge-agent.fish
for example in mediamtx.yml mediamtx.service; do
  put 644 "$here/$example" "usr/share/doc/edge-agent/examples/$example"
done
put 644 "$here/README.md" usr/share/doc/edge-agent/README.md

mkdir -p "$root/usr/share/man/man1" "$root/usr/share/man/man8"
"$python" "$here/package_files.py" man "$root/usr/share/man/man1/edge-agent.1"
cp "$here/edge-agent-setup.8" "$root/usr/share/man/man8/"
gzip -9n "$root"/usr/share/man/man?/*

documents=$root/usr/share/doc/edge-agent
{
  printf 'edge-agent (%s) stable; urgency=medium\n\n  * What has changed is told in the project'"'"'s CHANGELOG.md.\n\n' "$version"
  printf ' -- The edge-agent maintainers <edge-agent@example.org>  %s\n' \
    "$(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" -R)"
} | gzip -9n >"$documents/changelog.gz"
license=$(sed 's/^$/./; s/^/ /' "$checkout/LICENSE")
while IFS= read -r line; do
  if [ "$line" = @LICENSE@ ]; then printf '%s\n' "$license"; else printf '%s\n' "$line"; fi
done <"$here/debian/copyright" >"$documents/copyright"
chmod -R u=rwX,go=rX "$root"

mkdir "$root/DEBIAN"
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
sed "s/@VERSION@/$version/; s/@SIZE@/$size/" "$here/debian/control" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do install -m 755 "$here/debian/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"

mkdir -p "$output"
deb=$output/edge-agent_${version}_all.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
