# Sourced by the scripts beside it: steps that are counted, each with its own time limit and a log that shows what it skipped.

passed=0 failed=0 skipped=0 failures=() skips=() strict=${strict:-false} child=
steps_folder=$(mktemp -d)

stop_child() {
  # `timeout` hands the signal on to everything that the step started.
  [ -z "$child" ] || kill "$child" 2>/dev/null
  rm -rf "$steps_folder"
}
trap stop_child EXIT
trap 'exit 130' INT TERM

# step NAME SECONDS COMMAND… runs a command without standard input, showing what it prints. Lines starting with "SKIPPED:" count
# as skipped; where nothing may be skipped (strict=true) they make the step fail.
step() {
  local name=$1 seconds=$2 log="$steps_folder/log" rc=0 started=$SECONDS
  shift 2
  echo
  echo "== $name"
  : >"$log"
  # A pipe would wait for anything that a step leaves running; a file does not.
  timeout --kill-after=20 "$seconds" "$@" </dev/null >"$log" 2>&1 &
  child=$!
  tail -n +1 -s 0.2 -f --pid="$child" "$log"
  wait "$child" || rc=$?
  child=
  [ "$rc" != 124 ] || echo "$name: stopped after $seconds s"
  # `swift test` prints a check's lines among others' and may print them twice.
  local lines
  lines=$(grep -a '^SKIPPED:' "$log" | sort -u)
  if [ -n "$lines" ]; then
    while IFS= read -r line; do
      skips+=("SKIPPED: $name: ${line#SKIPPED: }")
      skipped=$((skipped + 1))
    done <<<"$lines"
    if $strict && [ "$rc" = 0 ]; then
      echo "$name: nothing may be skipped here"
      rc=1
    fi
  fi
  if [ "$rc" = 0 ]; then
    passed=$((passed + 1))
    echo "-- passed: $name, $((SECONDS - started)) s"
  else
    failed=$((failed + 1))
    failures+=("$name (exit $rc)")
    echo "-- FAILED: $name, exit $rc, $((SECONDS - started)) s"
  fi
  return "$rc"
}

# skip NAME WHY counts a whole step as skipped; where nothing may be skipped, as failed.
skip() {
  echo
  echo "SKIPPED: $1: $2"
  skips+=("SKIPPED: $1: $2")
  skipped=$((skipped + 1))
  if $strict; then
    failed=$((failed + 1))
    failures+=("$1 ($2)")
  fi
}

# The last line is `N passed, M failed, K skipped`; exit 1 where a step failed.
summary() {
  local line
  echo
  for line in "${skips[@]}"; do echo "$line"; done
  for line in "${failures[@]}"; do echo "FAILED: $line"; done
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] || exit 1
  exit 0
}
