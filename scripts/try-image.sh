#!/usr/bin/env bash
# Starts the image that build-image.sh made, as an operator who trusts nothing would: as its own user,
# without a capability, without a network, on a root file system that cannot be written. Then uses it
# by its own `walden`, asks its probes, stops it by SIGTERM, and finds everything again after another
# start. Ends with code 0 if all of that held.
#
#   scripts/try-image.sh                          docker or podman
#   scripts/try-image.sh --base-from-debootstrap  what build-image.sh made with that option; as root
#
# IMAGE and IMAGE_ENGINE: see image-engine.sh. Needs python3; beside docker and podman
# also util-linux and iproute2. Nothing of it is left behind.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image-engine.sh

name=walden-try-$$
socket=/run/walden/walden.sock

# config_of EXPRESSION: from the image's configuration, one line for each item of a list.
config_of() {
  python3 -c '
import json, sys
value = eval(sys.argv[2], {"config": json.loads(sys.argv[1])})
print("\n".join(value) if isinstance(value, list) else value)' "$config" "$1"
}

expect() {
  local what=$1 wanted=$2 got=$3
  [[ "$got" == "$wanted" ]] || fail "$what: expected '$wanted', got '$got'$(show_log)"
  echo "  ok: $what"
}

# ---------------------------------------------------------------------------------------------------
# By docker or podman

engine_prepare() {
  # Podman has the health check beside the configuration, docker in it.
  config=$("$engine" image inspect "$image" | python3 -c '
import json, sys
image = json.load(sys.stdin)[0]
print(json.dumps({**image, **image["Config"]}))')
}

# engine_start [VARIABLE=VALUE...]
engine_start() {
  local variable options=()
  for variable in "$@"; do options+=(--env "$variable"); done
  "$engine" rm --force "$name" >/dev/null 2>&1 || true
  "$engine" run --detach --name "$name" --read-only --cap-drop ALL \
    --security-opt no-new-privileges --network none "${options[@]}" \
    --volume "$name-data:/var/lib/walden" --volume "$name-run:/run/walden" "$image" >/dev/null
}

engine_inside() { "$engine" exec "$name" "$@"; }
engine_signal() { "$engine" kill --signal "$1" "$name" >/dev/null; }
engine_wait() { "$engine" wait "$name"; }
engine_log() { "$engine" logs "$name" 2>&1; }

engine_clean() {
  "$engine" rm --force --volumes "$name" >/dev/null 2>&1 || true
  "$engine" volume rm --force "$name-data" "$name-run" >/dev/null 2>&1 || true
}

# ---------------------------------------------------------------------------------------------------
# By hand, in name spaces of our own

own_prepare() {
  [[ $(id -u) -eq 0 ]] || fail "--base-from-debootstrap needs root"
  config=$(own_buildah inspect --type image "$image" |
    python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["Docker"]["config"]))')
  container=$(own_buildah from --pull-never "$image")
  root=$(own_buildah mount "$container")
  scratch=$(mktemp -d)
  install -d -o 7070 -g 7070 -m 0750 "$scratch/data" "$scratch/run"
  mkfifo "$scratch/ready"
  unshare --mount --net bash -euc '
    mount --make-rprivate /
    mount --bind "$1" "$1"
    mount --rbind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    mount --bind "$2/data" "$1/var/lib/walden"
    mount --bind "$2/run" "$1/run/walden"
    mount -o remount,bind,ro "$1"
    ip link set lo up
    echo ready >"$2/ready"
    exec sleep infinity' sandbox "$root" "$scratch" &
  sandbox=$!
  [[ "$(timeout 10 cat "$scratch/ready")" == ready ]] || fail "could not make name spaces"
  mapfile -t variables < <(config_of 'config["Env"]')
  mapfile -t entrypoint < <(config_of 'config["Entrypoint"]')
  user=$(config_of 'config["User"]')
}

# own_exec COMMAND...: becomes it, as the image's user.
own_exec() {
  exec nsenter --mount --net --target "$sandbox" chroot "$root" \
    setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all env -i "${variables[@]}" "$@"
}

own_start() {
  (own_exec "$@" "${entrypoint[@]}") >>"$scratch/log" 2>&1 &
  daemon=$!
}

own_inside() { (own_exec "$@"); }
own_signal() { kill -s "$1" "$daemon"; }

own_wait() {
  local code=0
  # The daemon is this shell's child, and so not one of a command substitution.
  wait "$daemon" || code=$?
  daemon=""
  echo "$code" >"$scratch/code"
}

own_log() { cat "$scratch/log"; }

own_clean() {
  [[ -z "${daemon:-}" ]] || kill -s KILL "$daemon" 2>/dev/null || true
  [[ -z "${sandbox:-}" ]] || kill "$sandbox" 2>/dev/null || true
  wait
  [[ -z "${container:-}" ]] || own_buildah rm "$container" >/dev/null
  [[ -z "${scratch:-}" ]] || rm -rf "$scratch"
}

# ---------------------------------------------------------------------------------------------------
# The same for both

start() { "${kind}_start" "$@"; }
inside() { "${kind}_inside" "$@"; }
show_log() { printf '\n--- the log of waldend:\n%s' "$("${kind}_log" || true)"; }

# Its exit code.
exit_code() {
  if [[ $kind == own ]]; then
    own_wait
    code=$(<"$scratch/code")
  else
    code=$(engine_wait)
  fi
}

# The first line of the answer to GET PATH on the HTTP port.
http_status() {
  inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/7071
    printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3; head -1 <&3 | cut -d" " -f2' http "$1"
}

use_it() {
  local health
  mapfile -t health < <(config_of 'config["Healthcheck"]["Test"][1:]')
  expect "it serves" SERVING "$(inside walden health --wait 30s)"
  expect "the image's health check passes" SERVING "$(inside "${health[@]}")"
  expect "it runs as uid 7070" 7070 "$(inside id -u)"
  inside touch /etc/walden/probe 2>/dev/null && fail "the root file system can be written"
  echo "  ok: the root file system cannot be written"
  inside walden append --region 1 --table 1 one two three >/dev/null
  expect "what was appended is read" "one two three" \
    "$(inside walden read --region 1 --table 1 | xargs)"
  expect "loopback serves too" "one two three" \
    "$(inside walden read --address 127.0.0.1:7070 --region 1 --table 1 | xargs)"
}

ask_probes() {
  local path
  for path in /healthz /readyz /metrics; do
    expect "GET $path" 200 "$(http_status "$path")"
  done
}

stop_it() {
  "${kind}_signal" TERM
  exit_code
  expect "SIGTERM ends it with code 0" 0 "$code"
}

find_it_again() {
  start
  expect "it serves again" SERVING "$(inside walden health --wait 30s)"
  expect "everything is still there" "one two three" \
    "$(inside walden read --region 1 --table 1 | xargs)"
  stop_it
}

refuse_open_network() {
  start WALDEN_LISTEN=0.0.0.0:7070,unix:$socket
  exit_code
  [[ "$code" != 0 ]] || fail "it served a network without TLS and authentication$(show_log)"
  echo "  ok: a network without TLS and authentication is refused"
}

case "$*" in
  "")
    engine=$(find_engine)
    [[ "$engine" != buildah ]] ||
      fail "buildah cannot run an image; needs docker or podman, or --base-from-debootstrap"
    kind=engine
    ;;
  --base-from-debootstrap) kind=own ;;
  *)
    echo "usage: scripts/try-image.sh [--base-from-debootstrap]" >&2
    exit 2
    ;;
esac
trap '"${kind}_clean"' EXIT
"${kind}_prepare"
start
use_it
ask_probes
stop_it
find_it_again
refuse_open_network
echo "The image is good."
