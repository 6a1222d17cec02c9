#!/usr/bin/env bash
# Lays out the image's files: deploy/docker/root.sh [--https] PROGRAMS ROOT
#
# PROGRAMS is what deploy/static.sh made. In ROOT there is no shell and no package manager: the program, the system libraries that
# it loads, the starter policy, one user. With --https the helper, its libraries and the certificate authorities too.
set -euo pipefail
https=false
if [ "${1:-}" = --https ]; then
  https=true
  shift
fi
[ $# = 2 ] || { echo "usage: deploy/docker/root.sh [--https] PROGRAMS ROOT" >&2; exit 2; }
programs=$(realpath "$1") root=$2
sources=$(realpath "$(dirname "$0")/../..")

mkdir -p "$root"/{etc/shadow-router,usr/bin,usr/lib/shadow-router,usr/share/doc/shadow-router}
wanted=("$programs/shadow-router")
if $https; then
  wanted+=("$programs/shadow-router-https" "$programs"/*.so)
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
install -m 755 "${wanted[@]}" "$root/usr/lib/shadow-router"
strip --strip-unneeded "$root"/usr/lib/shadow-router/*
ln -s ../lib/shadow-router/shadow-router "$root/usr/bin/shadow-router"

# The loader and each library at the path by which it is asked for, as a file and not the link to it.
ldd "${wanted[@]}" | grep -oE '/[^ ]+' | grep -vE ":\$|^$programs/" | sort -u | while read -r library; do
  install -D -m 755 "$library" "$root$library"
  # What it may be passed on under.
  owner=$( (dpkg-query --search "$library" || dpkg-query --search "$(realpath "$library")") 2>/dev/null | head -n 1 | cut -d : -f 1) || true
  if [ -n "$owner" ] && [ -e "/usr/share/doc/$owner/copyright" ]; then
    install -D -m 644 "/usr/share/doc/$owner/copyright" "$root/usr/share/doc/$owner/copyright"
  fi
done

install -m 644 "$sources/LICENSE" "$root/usr/share/doc/shadow-router/LICENSE"
install -m 644 "$sources/policies/router-policy.yaml" "$root/etc/shadow-router/router-policy.yaml"
echo "shadow-router:x:65532:65532::/var/lib/shadow-router:/nonexistent" >"$root/etc/passwd"
echo "shadow-router:x:65532:" >"$root/etc/group"
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
# What a volume that is mounted here for the first time takes over.
install -d -m 700 -o 65532 -g 65532 "$root/var/lib/shadow-router"
install -d -m 755 -o 65532 -g 65532 "$root/run/shadow-router" "$root/run/shadow-router-tap"
