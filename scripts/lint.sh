#!/usr/bin/env bash
# Checks the source without running it.
#
#   scripts/lint.sh [format] [threads] [proto] [breaking] [tidy]      all of them when none is named
#
#   format   clang-format would change nothing
#   threads  the daemon and the client compile with clang, whose -Wthread-safety checks the annotations
#   proto    buf finds nothing in the API (proto/buf.yaml says what it looks for)
#   breaking stubs of the last release's API keep working with this one
#   tidy     clang-tidy finds nothing (.clang-tidy says what it looks for)
#
# LINT_PATHS narrows format and tidy to files whose path matches a regular expression. API_BASE is the
# commit that `breaking` compares with, instead of the last release.
set -euo pipefail
cd "$(dirname "$0")/.."

paths=${LINT_PATHS:-.}
jobs=1

check_format() {
  git ls-files '*.cc' '*.h' | grep -E "$paths" | xargs -r clang-format --dry-run -Werror
  echo "format: ok"
}

# Configures the preset and makes what its files include: generated headers, precompiled ones.
prepare_clang() {
  [[ -f build/clang/build.ninja ]] || cmake --preset clang
  cmake --build build/clang --target "$@"
  ninja -C build/clang -t targets all | sed -nE 's/^(.*cmake_pch\.hxx\.pch): .*/\1/p' |
    xargs ninja -C build/clang
}

check_threads() {
  prepare_clang walden_proto_sources
  # Every file of the programs and their libraries, without making code of it.
  python3 - <<'END' | xargs -r -d '\n' -P "$(nproc)" -n 1 sh -c
import json, os, re
ours = re.compile(re.escape(os.getcwd()) + "/(base|engine|config|server|cli)/")
for entry in json.load(open("build/clang/compile_commands.json")):
    if ours.match(entry["file"]):
        print(re.sub(r" -o \S+ -c ", " -fsyntax-only ", entry["command"]))
END
  echo "threads: ok"
}

# Runs buf, which the first call installs below build/.
buf() {
  local version=1.75.0 program=build/buf/node_modules/.bin/buf
  if [[ "$("$program" --version 2>/dev/null)" != "$version" ]]; then
    npm install --prefix build/buf --silent --no-save --no-package-lock --no-audit --no-fund \
      "@bufbuild/buf@$version"
  fi
  "$program" "$@"
}

check_proto() {
  buf lint proto
  echo "proto: ok"
}

check_breaking() {
  local base=${API_BASE:-$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)}
  if [[ -z "$base" ]]; then
    echo "breaking: ok, since nothing has been released"
    return
  fi
  rm -rf build/buf/base
  mkdir -p build/buf/base
  git archive "$base" proto | tar -x -C build/buf/base
  buf breaking proto --against build/buf/base/proto
  echo "breaking: ok"
}

check_tidy() {
  prepare_clang walden_proto walden_bench_report
  # What is compiled and ours; the rest is generated.
  comm -12 <(git ls-files '*.cc' | sort) \
    <(sed -nE "s|^  \"file\": \"$PWD/(.*)\".*|\1|p" build/clang/compile_commands.json | sort -u) |
    grep -E "$paths" | xargs -r -P "$jobs" -n 4 clang-tidy --quiet -p build/clang
  echo "tidy: ok"
}

stages=("$@")
[[ ${#stages[@]} -gt 0 ]] || stages=(format threads proto breaking tidy)
for stage in "${stages[@]}"; do
  case "$stage" in
    format | threads | proto | breaking | tidy) "check_$stage" ;;
    *)
      echo "lint.sh: unknown check '$stage'; checks are format, threads, proto, breaking and tidy" >&2
      exit 2
      ;;
  esac
done
