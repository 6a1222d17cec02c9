#!/usr/bin/env bash
# The log and the router under faults, in full: deploy/faults.sh
#
# Prints a figure for each: 10,000 seeds of the crash model (SHADOW_ROUTER_POWER_CUTS), the last three records cut at every byte,
# every bit of a 16 KiB segment flipped, 1,000 kills under load (SHADOW_ROUTER_KILLS), every system call × every error. Half an
# hour on two cores; deploy/test runs a short version of each.
set -uo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/setup.sh

export SHADOW_ROUTER_BIN=$PWD/.build/release/shadow-router SWIFT_BACKTRACE=enable=no NO_COLOR=1 SHADOW_ROUTER_FAULTS=all
export SHADOW_ROUTER_POWER_CUTS=${SHADOW_ROUTER_POWER_CUTS:-10000} SHADOW_ROUTER_KILLS=${SHADOW_ROUTER_KILLS:-1000}
unset SHADOW_ROUTER_STATE_DIR SHADOW_ROUTER_RUNTIME_DIR SHADOW_ROUTER_POLICY SHADOW_ROUTER_TAP

log_tests() {
  local log=$steps_folder/unit rc=0
  swift test --filter 'JournalTests|PosixTests' >"$log" 2>&1 || rc=$?
  grep -aE '^(crash model|cuts through|bits of)|✘' "$log"
  [ "$rc" = 0 ] && grep -aqE 'Test run with [1-9][0-9]* tests' "$log"
}
export -f log_tests
export steps_folder

step "release build" 1500 swift build -c release || summary
step "crash model, cuts, flipped bits" 3600 bash -c log_tests
step "kill -9 under load" 7200 python3 Tests/EndToEnd/test_crash.py kills_under_load
step "every system call × every error" 3600 python3 Tests/EndToEnd/test_syscalls.py
step "full disks" 600 python3 Tests/EndToEnd/test_disk.py
summary
