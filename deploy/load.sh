#!/usr/bin/env bash
# The router under load, in full: deploy/load.sh
#
# Prints a figure for each: a burst of 20,000 calls a second for 10 s (SHADOW_ROUTER_BURST_SECONDS), 2,000 calls a second of 2 KiB for
# 30 minutes with memory's steady growth within 5 % (SHADOW_ROUTER_STEADY_SECONDS), 10,000 reloads, half of them refused, under 2,000 calls a
# second (SHADOW_ROUTER_RELOADS), and every flood. An hour on two cores, and 8 GB of disk for the log meanwhile; deploy/test runs a
# short version of each.
set -uo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/setup.sh

export SHADOW_ROUTER_BIN=$PWD/.build/release/shadow-router NO_COLOR=1
export SHADOW_ROUTER_BURST_SECONDS=${SHADOW_ROUTER_BURST_SECONDS:-10} SHADOW_ROUTER_STEADY_SECONDS=${SHADOW_ROUTER_STEADY_SECONDS:-1800}
export SHADOW_ROUTER_RELOADS=${SHADOW_ROUTER_RELOADS:-10000}
unset SHADOW_ROUTER_STATE_DIR SHADOW_ROUTER_RUNTIME_DIR SHADOW_ROUTER_POLICY SHADOW_ROUTER_TAP

step "release build" 1500 swift build -c release || summary
step "burst" 300 python3 Tests/EndToEnd/test_load.py burst
step "steady stream" 3600 python3 Tests/EndToEnd/test_load.py steady
step "reload storm" 3600 python3 Tests/EndToEnd/test_load.py reloads
step "floods" 1200 python3 Tests/EndToEnd/test_overload.py
step "who may connect" 300 python3 Tests/EndToEnd/test_access.py
summary
