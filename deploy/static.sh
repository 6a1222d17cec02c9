#!/usr/bin/env bash
# Builds both programs so that they run where no Swift toolchain is, into .build/static/installed: shadow-router with Swift's
# libraries linked in; the https helper, which cannot have that (FoundationNetworking), with the libraries beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --static-swift-stdlib --scratch-path .build/static --product shadow-router
swift build -c release -Xswiftc -no-toolchain-stdlib-rpath --scratch-path .build/dynamic --product shadow-router-https
mkdir -p .build/static/installed
rm -f .build/static/installed/*
install -m 755 .build/static/release/shadow-router .build/dynamic/release/shadow-router-https .build/static/installed
libraries=$(dirname "$(realpath "$(command -v swift)")")/../lib/swift/linux
LD_LIBRARY_PATH=$libraries ldd .build/static/installed/shadow-router-https |
  awk -v folder="$libraries/" 'index($3, folder) == 1 { print $3 }' |
  xargs install -m 644 -t .build/static/installed
