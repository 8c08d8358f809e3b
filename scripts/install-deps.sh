#!/usr/bin/env bash
# Installs what Walden needs from Debian 12's packages, and only what is missing.
#
#   scripts/install-deps.sh [--print] GROUP...
#
#   build    compile everything, tests and benchmarks too
#   test     run the tests
#   browser  test the status page, with Chromium
#   dev      format and lint
#   proto    lint the API: npm, which brings buf
#   package  make Debian packages
#   package-test  try them in a chroot
#   runtime  run a waldend that was built elsewhere
#
# --print lists a group's packages instead. Installing needs root or sudo.
set -euo pipefail

packages_of() {
  case "$1" in
    build)
      echo g++ cmake ninja-build ccache mold pkg-config \
        libabsl-dev libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc \
        libspdlog-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev libisal-dev librocksdb-dev \
        libgtest-dev libgmock-dev prometheus-cpp-dev libssl-dev
      ;;
    test)
      echo python3 python3-grpcio python3-protobuf python3-yaml python3-cryptography python3-h2 \
        protobuf-compiler protobuf-compiler-grpc openssl prometheus
      ;;
    browser) echo chromium python3-websocket fonts-dejavu-core ;;
    package) echo dpkg-dev file gzip ;;
    package-test) echo debootstrap lintian man-db zsh fish bash-completion ;;
    dev) echo clang clang-format clang-tidy git ;;
    proto) echo nodejs npm ;;
    runtime)
      echo libgrpc++1.51 libgrpc29 libprotobuf32 libabsl20220623 libspdlog1.10 libfmt9 \
        libyaml-cpp0.7 libisal2 librocksdb7.8 libprometheus-cpp-core1.0 \
        libssl3
      ;;
    *)
      echo "install-deps.sh: unknown group '$1'; groups are build, test, browser, dev, proto, package, package-test and runtime" >&2
      return 2
      ;;
  esac
}

is_installed() {
  # A nodejs that is not Debian's has npm in itself, and conflicts with Debian's.
  [[ "$1" == npm ]] && command -v npm >/dev/null && return
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

print_only=no
if [[ "${1:-}" == --print ]]; then
  print_only=yes
  shift
fi
if [[ $# -eq 0 ]]; then
  echo "usage: scripts/install-deps.sh [--print] build|test|browser|dev|package|package-test|runtime..." >&2
  exit 2
fi

wanted=()
for group in "$@"; do
  list=$(packages_of "$group")
  read -r -a packages <<<"$list"
  wanted+=("${packages[@]}")
done
if [[ $print_only == yes ]]; then
  printf '%s\n' "${wanted[@]}" | sort -u
  exit
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-deps.sh: this is no Debian; it needs what these packages hold: ${wanted[*]}" >&2
  exit 1
fi
missing=()
for package in $(printf '%s\n' "${wanted[@]}" | sort -u); do
  is_installed "$package" || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps.sh: run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing ${#missing[@]} missing packages for $*: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
