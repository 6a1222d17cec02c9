#!/usr/bin/env bash
# The long checks, before a release: everything that deploy/test --full does, then the tests under the thread and the address
# sanitizer, three quarters of an hour of fuzzing, the benchmarks, an agent beside a sidecar in every bad state, faults and load in full, and the documentation with warnings as errors.
# About five hours on two cores.
set -uo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh
. deploy/setup.sh

step "everything of deploy/test --full" 3600 deploy/test --full
step "tests, thread sanitizer" 3600 swift test --sanitize=thread --scratch-path .build/thread
# Swift keeps what is made once behind pointers with marks in them, which the search for leaks does not follow.
step "tests, address sanitizer" 3600 env ASAN_OPTIONS=detect_leaks=0 swift test --sanitize=address --scratch-path .build/address
step "fuzzing, two minutes a target" 7200 deploy/fuzz.sh --seconds 120
step "the log and the router under faults" 14400 deploy/faults.sh
step "the router under load" 10800 deploy/load.sh
step "100,000 calls against the classifier" 1800 env SHADOW_ROUTER_FLAT_CALLS=100000 python3 Tests/EndToEnd/test_flat.py
step "every planted secret, in every field" 3600 env SHADOW_ROUTER_PLANTED=all python3 Tests/EndToEnd/test_planted.py
step "benchmarks" 3600 python3 Tests/Benchmarks/run.py
step "nginx, the contrast to the next" 300 bash -c '. deploy/setup.sh; command -v nginx >/dev/null || install_packages "nginx" nginx-core'
step "the agent is never hurt" 5400 python3 Tests/Benchmarks/never_hurt.py
step "observing in Python" 600 python3 Tests/Benchmarks/python_observe.py
step "what the packages and the image need" 600 bash -c '. deploy/setup.sh; install_packages "what this needs" debhelper lintian debootstrap systemd-container crun shellcheck binutils'
step "a build that needs no toolchain" 1800 deploy/static.sh
step "the Debian packages under a real systemd" 1800 python3 Tests/Deploy/test_package.py
step "the image in a container" 300 python3 Tests/Deploy/test_image.py
step "documentation" 900 deploy/docs.sh
summary
