#!/usr/bin/env bash
# Builds the documentation with warnings as errors: deploy/docs.sh [FOLDER]. Without a folder the result is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
output=${1:-$graphs/out}
swift package dump-symbol-graph --minimum-access-level package >"$graphs/log" 2>&1 || {
  cat "$graphs/log"
  exit 1
}
mkdir "$graphs/in"
find -L .build/debug/ .build/*/symbolgraph -path '*/symbolgraph/*' -name 'RouterCore*.symbols.json' -exec cp {} "$graphs/in" \;
ls "$graphs/in" | grep -q . || { echo "no symbol graph of RouterCore"; exit 1; }
docc convert Sources/RouterCore/RouterCore.docc --additional-symbol-graph-dir "$graphs/in" \
  --fallback-display-name RouterCore --fallback-bundle-identifier shadow-router.RouterCore \
  --warnings-as-errors --output-path "$output"
echo "documentation built: $(find "$output" -name '*.json' -path '*documentation*' | wc -l) pages"
