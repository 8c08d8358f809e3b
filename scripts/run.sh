#!/usr/bin/env bash
# Starts the waldend of a build folder, and builds walden there meanwhile. `make run` calls it.
#
#   scripts/run.sh BUILD_FOLDER [ARGUMENT_OF_WALDEND...]
#
# Ctrl-C ends both. This process becomes waldend, so that signals and the exit code are waldend's own.
set -euo pipefail
folder=$1
shift
daemon=$$

show_commands() {
  printf '%s\n' '' "walden is ready. In another terminal:" \
    "  $folder/bin/walden append --region 1 --table 1 hello" \
    "  $folder/bin/walden read --region 1 --table 1" \
    "  $folder/bin/walden --help" ''
}

# Ends with waldend at the latest.
build_client() {
  local log=$folder/walden-build.log builder watcher
  ninja -C "$folder" walden >"$log" 2>&1 &
  builder=$!
  (
    tail --pid="$daemon" -f /dev/null
    kill "$builder"
  ) 2>/dev/null &
  watcher=$!
  if wait "$builder"; then
    show_commands
  elif kill -0 "$daemon" 2>/dev/null; then
    echo "walden could not be built; $log says why. waldend is not affected." >&2
  fi
  pkill -P "$watcher" 2>/dev/null || true
}

echo "Starting waldend; Ctrl-C stops it."
echo "Status page: http://127.0.0.1:7071/ (and /metrics, /healthz, /readyz)"
[[ -x "$folder/bin/walden" ]] ||
  echo "Building walden, the client, in the background; a line says when it is ready."
build_client &
exec "$folder/bin/waldend" "$@"
