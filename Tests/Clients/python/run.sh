#!/bin/sh
# The Python client's tests. Without arguments: what the standard library alone can run. With --sdks (or --full): also against the
# real openai and anthropic SDKs, installed into a virtual environment that is thrown away afterwards (needs an index).
# PYTHON names the interpreter; the client promises 3.9 and later.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
cd "$here"

"$python" - <<'CHECK'
import ast
with open("../../../deploy/clients/python/shadow_router.py", encoding="utf-8") as file:
    ast.parse(file.read(), feature_version=(3, 9))
CHECK

"$python" -W ignore::ResourceWarning -m unittest test_observer test_rebuild

if [ "${1:-}" = "--sdks" ] || [ "${1:-}" = "--full" ]; then
  venv=$(mktemp -d)
  trap 'rm -rf "$venv"' EXIT
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check openai anthropic httpx
  "$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(openai|anthropic|httpx)'
  "$venv/bin/python" -W ignore::ResourceWarning -m unittest test_sdks test_sidecar
else
  echo "SKIPPED: tests with the real SDKs (run with --sdks)"
fi
