#!/bin/sh
# The Python client's tests. Without arguments: what the standard library alone can run. With --sdks (or --full): also against the
# real openai and anthropic SDKs and LiteLLM, installed into virtual environments that are thrown away afterwards (needs an index).
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

"$python" -W ignore::ResourceWarning -m unittest test_observer test_rebuild test_decide

# with_packages TESTS PACKAGE… runs tests in an environment that has the packages.
with_packages() {
  tests=$1
  shift
  "$python" -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
  "$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(openai|anthropic|httpx|litellm)'
  # shellcheck disable=SC2086
  "$venv/bin/python" -W ignore::ResourceWarning -m unittest $tests
}

if [ "${1:-}" = "--sdks" ] || [ "${1:-}" = "--full" ]; then
  venv=$(mktemp -d)
  trap 'rm -rf "$venv"' EXIT
  with_packages "test_sdks test_live test_sidecar test_readme" openai anthropic httpx
  # LiteLLM holds an older openai: the same tests once more with that one. It wants mcp for calls with tools.
  with_packages "test_litellm test_sdks test_live test_readme" litellm mcp anthropic httpx
else
  echo "SKIPPED: tests with the real SDKs (run with --sdks)"
fi
