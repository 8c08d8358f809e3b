#!/usr/bin/env bash
# Generates stubs of proto/walden/v1 in five languages with their stock plugins, beside the official
# packages of google.rpc and grpc.health.v1, and uses them against waldend.
#
#   scripts/try-languages.sh [go] [java] [rust] [python] [node]      all five when none is named
#
# Needs waldend in build/release (WALDEND names another one), protoc, and the toolchains: go, a JDK 17
# and mvn, cargo, python3 with venv, node and npm. Each fetches packages from its own registry. The
# programs are tests/languages/. Everything is made anew in build/languages/.
set -euo pipefail
cd "$(dirname "$0")/.."

proto=$PWD/proto
sources=$PWD/tests/languages
waldend=${WALDEND:-$PWD/build/release/bin/waldend}
work=$PWD/build/languages

fail() {
  echo "try-languages.sh: $*" >&2
  exit 1
}

# needs LANGUAGE TOOL...
needs() {
  local language=$1 tool
  shift
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$language needs $tool, which is not in the PATH"
  done
}

# Each build_LANGUAGE runs in an empty folder with a copy of the program, generates the stubs and
# builds the program; run_LANGUAGE ADDRESS runs it there.

build_go() {
  needs go go protoc
  GOBIN=$PWD/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
  GOBIN=$PWD/bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.1
  PATH=$PWD/bin:$PATH protoc -I "$proto" "$proto"/walden/v1/*.proto \
    --go_out=. --go_opt=module=walden.example/clients/go \
    --go-grpc_out=. --go-grpc_opt=module=walden.example/clients/go
  go mod tidy
  go build -o bin/try .
}
run_go() { bin/try "$1"; }

build_java() {
  needs java mvn javac
  mvn -q -B -Dprotos="$proto" compile dependency:build-classpath -Dmdep.outputFile=classpath
}
run_java() { java -cp "target/classes:$(cat classpath)" Main "$1"; }

build_rust() {
  needs rust cargo protoc
  WALDEN_PROTO_DIR=$proto cargo build --quiet
}
run_rust() { target/debug/walden-try "$1"; }

build_python() {
  needs python python3
  python3 -m venv venv || fail "python needs the module venv (Debian: python3-venv)"
  venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  mkdir stubs
  venv/bin/python -m grpc_tools.protoc -I "$proto" "$proto"/walden/v1/*.proto \
    --python_out=stubs --pyi_out=stubs --grpc_python_out=stubs
}
run_python() { PYTHONPATH=stubs venv/bin/python main.py "$1"; }

build_node() {
  needs node node npm protoc
  npm install --silent --no-package-lock --no-audit --no-fund
  mkdir stubs
  # ts-proto has no official package of google.rpc to import, so it generates that too.
  PATH=$PWD/node_modules/.bin:$PATH protoc -I "$proto" "$proto"/walden/v1/*.proto \
    "$proto"/google/rpc/*.proto --ts_proto_out=stubs \
    --ts_proto_opt=outputServices=grpc-js,forceLong=bigint,esModuleInterop=true
  node_modules/.bin/tsc
}
run_node() { node out/main.js "$1"; }

# Starts waldend with an empty data directory, and sets `address`.
start_daemon() {
  local data=$1
  mkdir "$data"
  WALDEN_METRICS_LISTEN=127.0.0.1:0 "$waldend" --data-dir "$data" --listen 127.0.0.1:0 2>"$data.log" &
  daemon=$!
  until address=$(sed -nE 's/.* waldend is serving .* listen=(\S+) .*/\1/p' "$data.log"); [[ -n "$address" ]]; do
    kill -0 "$daemon" 2>/dev/null || fail "waldend did not start: $(cat "$data.log")"
    sleep 0.1
  done
}

stop_daemon() {
  [[ -n "${daemon:-}" ]] || return 0
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" || true
  daemon=
}
trap stop_daemon EXIT

try_language() {
  local language=$1 folder=$work/$1
  echo "=== $language"
  rm -rf "$folder"
  mkdir -p "$work"
  cp -r "$sources/$language" "$folder"
  cd "$folder"
  "build_$language"
  start_daemon "$folder/data"
  "run_$language" "$address" | tee "$folder/output.txt"
  stop_daemon
  diff "$sources/expected.txt" "$folder/output.txt" || fail "$language: the output is not as expected"
}

languages=("$@")
[[ ${#languages[@]} -gt 0 ]] || languages=(go java rust python node)
for language in "${languages[@]}"; do
  declare -F "build_$language" >/dev/null || fail "unknown language '$language'"
done
[[ -x "$waldend" ]] || fail "$waldend does not exist; build it: cmake --build build/release --target waldend"
for language in "${languages[@]}"; do
  try_language "$language"
done
echo "=== all passed: ${languages[*]}"
