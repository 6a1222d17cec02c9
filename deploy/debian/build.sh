#!/usr/bin/env bash
# Builds the Debian packages: deploy/debian/build.sh [--binaries FOLDER] OUTPUT
#
# Needs the Swift toolchain, debhelper, libyaml-dev and libcurl4, and no network. shadow-router has Swift's libraries linked in; its https
# helper needs them as files (FoundationNetworking), which go into a package of their own. --binaries takes what deploy/static.sh
# made from FOLDER. The version is the program's own.
set -euo pipefail
cd "$(dirname "$0")/../.."

binaries=
if [ "${1:-}" = --binaries ] && [ $# = 3 ]; then
  binaries=$(realpath "$2")
  shift 2
fi
if [ $# != 1 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: deploy/debian/build.sh [--binaries FOLDER] OUTPUT" >&2
  exit 2
fi
mkdir -p "$1"
output=$(realpath "$1")
if [ -z "$binaries" ]; then
  deploy/static.sh
  binaries=$PWD/.build/static/installed
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/built/lib" "$tree/built/completions"
cp -r deploy/debian "$tree/debian"
cp "$binaries/shadow-router" "$binaries/shadow-router-https" "$tree/built"
cp "$binaries"/*.so "$tree/built/lib"
version=$("$binaries/shadow-router" --version | awk '{ print $2 }')
deploy/debian/man.sh "$binaries/shadow-router" "$version" >"$tree/built/shadow-router.1"
cp deploy/debian/bash-completion "$tree/built/completions/shadow-router"
cp policies/router-policy.yaml policies/every-key.yaml deploy/systemd/{no-network,hash-key}.conf \
  deploy/systemd/shadow-router-checkpoint.{path,service} "$tree/built"
for unit in service timer; do
  cp "deploy/systemd/shadow-router-report.$unit" "$tree/debian/shadow-router.shadow-router-report.$unit"
done
cp deploy/systemd/shadow-router.{service,sysusers,tmpfiles} "$tree/debian"
sed -i -e 's|/usr/local/bin/|/usr/bin/|' -e '/^Description=/a Documentation=man:shadow-router(1)' "$tree"/debian/*.service
sed -i '1,/^\[Unit\]/{/^# The sidecar/,/^# .*the tap\.$/d}' "$tree/debian/shadow-router.service"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
cat >"$tree/debian/changelog" <<CHANGES
shadow-router ($version) unstable; urgency=medium

  * The program's version $version.

 -- shadow-router maintainers <maintainers@shadow-router.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGES
(cd "$tree" && rm debian/build.sh debian/man.sh debian/bash-completion && debian/rules binary >"$tree/log" 2>&1) || {
  cat "$tree/log" >&2
  exit 1
}
cp "$tree"/packages/*.deb "$output"
(cd "$tree/packages" && ls -1 -- *.deb)
