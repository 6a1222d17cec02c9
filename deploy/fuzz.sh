#!/usr/bin/env bash
# Fuzzes what reads bytes from outside: deploy/fuzz.sh [--seconds N] [--runs N] [--seed N] [--keep] [TARGET…]
#
# Each target runs for N seconds (60), or for N inputs, or for what ends first; with a seed it tries the same inputs again while
# program and corpus are the same. One target after another, on one core; it goes on from the corpus in
# Tests/Fuzz/corpus and from what earlier runs on this machine found (.build/fuzz-work). --keep then writes the smallest inputs
# that reach the same places back to Tests/Fuzz/corpus. Public suites are found in ../shared or where SHADOW_ROUTER_SHARED says.
#
# The last line is `N inputs, M targets, K found`; exit 1 where an input broke a property, crashed, or took more than 100 ms of
# processor time under the address sanitizer. Such inputs stay in .build/fuzz-work/found.
set -uo pipefail
cd "$(dirname "$0")/.."

bounds=() keep=false targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds | --runs | --seed)
      [[ "${2:-}" =~ ^[0-9]+$ ]] || { echo "$1 needs a number" >&2; exit 2; }
      case "$1" in
        --seconds) bounds+=("-max_total_time=$2") ;;
        --runs) bounds+=("-runs=$2") ;;
        --seed) bounds+=("-seed=$2") ;;
      esac
      shift
      ;;
    --keep) keep=true ;;
    -*) echo "usage: deploy/fuzz.sh [--seconds N] [--runs N] [--seed N] [--keep] [TARGET…]" >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done

[[ " ${bounds[*]} " == *" -max"* || " ${bounds[*]} " == *" -runs"* ]] || bounds+=("-max_total_time=60")

export SHADOW_ROUTER_FUZZ=1 SHADOW_ROUTER_SHARED=${SHADOW_ROUTER_SHARED:-$PWD/../shared}
# A crash report that hangs would take the whole run with it; what is found, libFuzzer reports itself.
export SWIFT_BACKTRACE=enable=no SWIFT_DETERMINISTIC_HASHING=1 ASAN_OPTIONS=detect_leaks=0
work=.build/fuzz-work
mkdir -p "$work/found" || exit 1

# Of several -sanitize options the compiler takes the last alone; SwiftPM has to know of both for C and for the link.
sanitizers=(--sanitize address --sanitize fuzzer -Xswiftc -sanitize=fuzzer,address --disable-dead-strip)
swift build -c release --product fuzz --scratch-path .build/fuzz "${sanitizers[@]}" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log"; exit 1; }
fuzz=.build/fuzz/release/fuzz
mapfile -t known < <("$fuzz" --list)
"$fuzz" --seeds "$work/seeds" || exit 1

inputs=0 tried=0 found=0 process=
trap '[ -z "$process" ] || kill "$process" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
for line in "${known[@]}"; do
  read -r target bytes <<<"$line"
  [ ${#targets[@]} = 0 ] || [[ " ${targets[*]} " == *" $target "* ]] || continue
  corpus=$work/corpus/$target log=$work/$target.log
  mkdir -p "$corpus" "$work/seeds/$target"
  words=()
  "$fuzz" --words "$target" >"$work/$target.dict" && [ -s "$work/$target.dict" ] && words=(-dict="$work/$target.dict")
  nice "$fuzz" "$target" "$corpus" "$work/seeds/$target" "${bounds[@]}" -max_len="$bytes" "${words[@]}" \
    -artifact_prefix="$work/found/$target-" -print_final_stats=1 -rss_limit_mb=4096 -timeout=300 -reload=0 >"$log" 2>&1 &
  process=$! rc=0
  wait "$process" || rc=$?
  rm -rf "/dev/shm/shadow-router-fuzz-$process"
  process=
  runs=$(awk '/^stat::number_of_executed_units:/ { n = $2 } END { print n + 0 }' "$log")
  places=$(grep -aoE ' cov: [0-9]+' "$log" | tail -1 | tr -dc 0-9)
  slowest=$(awk '/^slowest input:/ { n = $3 } END { print n + 0 }' "$log")
  printf '%-15s %10d inputs, %6d places, %5d kept, slowest %d ms\n' "$target" "$runs" "${places:-0}" \
    "$(find "$corpus" -type f | wc -l)" "$slowest"
  inputs=$((inputs + runs)) tried=$((tried + 1))
  if [ "$rc" != 0 ]; then
    found=$((found + 1))
    grep -aE '^FOUND|^==[0-9]+==ERROR|Fatal error|SUMMARY' "$log" | head -5
    grep -a 'Test unit written to' "$log" || tail -20 "$log"
  elif $keep; then
    rm -rf "$work/small/$target" && mkdir -p "$work/small/$target"
    "$fuzz" "$target" -set_cover_merge=1 "$work/small/$target" "$corpus" "$work/seeds/$target" -max_len="$bytes" \
      >"$work/$target.merge.log" 2>&1 || { tail -5 "$work/$target.merge.log"; found=$((found + 1)); }
  fi
done
$keep && { "$fuzz" --keep "$work/small" || exit 1; }
echo "$inputs inputs, $tried targets, $found found"
[ "$found" = 0 ]
