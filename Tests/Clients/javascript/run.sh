#!/bin/sh
# The JavaScript client's tests, by Node's own runner; nothing is installed. With --sdks also on the real `openai` and
# `@anthropic-ai/sdk`: from SHADOW_ROUTER_NODE_MODULES, else installed into a folder that is thrown away (needs npm's registry).
set -eu
cd "$(dirname "$0")"
node=${NODE:-node}
command -v "$node" >/dev/null || { echo "no node: Node 18 or later, on Debian: apt-get install nodejs" >&2; exit 1; }
"$node" -e 'if (parseInt(process.versions.node) < 18) { console.error("Node 18 or later is needed, here is " + process.version); process.exit(1) }'
echo "node $("$node" --version)"

if [ "${1:-}" = "--sdks" ]; then
  if [ -z "${SHADOW_ROUTER_NODE_MODULES:-}" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    (cd "$folder" && npm install --silent --no-audit --no-fund openai @anthropic-ai/sdk)
    export SHADOW_ROUTER_NODE_MODULES="$folder/node_modules"
  fi
  "$node" --test ./*.test.mjs sdks.mjs
else
  # Opt-in, for npm's registry is not everywhere: the wrapper is tested on the SDKs' requests as they are on the wire.
  echo "NOT RUN: the real JavaScript SDKs (opt-in: run.sh --sdks)"
  "$node" --test ./*.test.mjs
fi
