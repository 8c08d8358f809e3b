#!/usr/bin/env bash
# Checks the source without running it.
#
#   scripts/lint.sh [format] [threads] [tidy]      all three when none is named
#
#   format   clang-format would change nothing
#   threads  the daemon and the client compile with clang, whose -Wthread-safety checks the annotations
#   tidy     clang-tidy finds nothing (.clang-tidy says what it looks for)
#
# LINT_PATHS narrows format and tidy to files whose path matches a regular expression.
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

check_tidy() {
  prepare_clang walden_proto walden_bench_report
  # What is compiled and ours; the rest is generated.
  comm -12 <(git ls-files '*.cc' | sort) \
    <(sed -nE "s|^  \"file\": \"$PWD/(.*)\".*|\1|p" build/clang/compile_commands.json | sort -u) |
    grep -E "$paths" | xargs -r -P "$jobs" -n 4 clang-tidy --quiet -p build/clang
  echo "tidy: ok"
}

stages=("$@")
[[ ${#stages[@]} -gt 0 ]] || stages=(format threads tidy)
for stage in "${stages[@]}"; do
  case "$stage" in
    format | threads | tidy) "check_$stage" ;;
    *)
      echo "lint.sh: unknown check '$stage'; checks are format, threads and tidy" >&2
      exit 2
      ;;
  esac
done
