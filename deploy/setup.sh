# Sourced by the scripts beside it: what the build needs beyond the Swift toolchain, installed on Debian where that is possible.

# Runs a command as root: directly, or through sudo where that asks no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# install_packages WHAT PACKAGE… installs Debian packages, or says what to install by hand.
install_packages() {
  local what=$1
  shift
  if command -v apt-get >/dev/null && can_be_root; then
    echo "installing $*" >&2
    # A list that is not there or too old is fetched once; a fresh one costs nothing.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 && return 0
    as_root apt-get update -q </dev/null >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 && return 0
  fi
  echo "$what is missing. Install it and run this again; on Debian: apt-get install $*" >&2
  return 1
}

need_toolchain() {
  if ! command -v swift >/dev/null; then
    echo "no swift in PATH: install the Swift 6.3 toolchain from https://www.swift.org/install/linux/" >&2
    return 1
  fi
  swift --version 2>&1 | head -n 1
}

has_yaml() {
  if command -v pkg-config >/dev/null; then pkg-config --exists yaml-0.1; else return 1; fi
}

# libyaml with its headers, and pkg-config, by which the package manager finds it.
need_yaml() {
  has_yaml || install_packages "libyaml (with headers) or pkg-config" libyaml-dev pkg-config || return 1
  has_yaml || { echo "pkg-config finds no yaml-0.1" >&2; return 1; }
}

need_python() {
  command -v python3 >/dev/null || install_packages "python3" python3
}

# Node 18 or later, which the JavaScript client's tests need.
has_node() {
  command -v node >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'
}

need_node() {
  has_node || install_packages "Node 18 or later" nodejs || return 1
  has_node || { echo "node is older than 18" >&2; return 1; }
}
