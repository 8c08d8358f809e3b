#!/usr/bin/env bash
# Builds the Debian packages of waldend and walden into build/packages. `make package` calls it.
#
#   scripts/build-packages.sh [BUILD_FOLDER]
#
# BUILD_FOLDER is a configured one, build/release when not given. Programs that it has already are not
# built again.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release}
packages=build/packages

echo "Building waldend, walden, their man pages and completions in $folder ..."
cmake --build "$folder" --target waldend walden walden_package_files
echo "Packing them into $packages ..."
mkdir -p "$packages"
rm -f "$packages"/walden*.deb "$packages"/walden*.ddeb
log=$packages/cpack.log
if ! cpack --config "$folder/CPackConfig.cmake" -B "$PWD/$packages" >"$log" 2>&1; then
  cat "$log" >&2
  echo "build-packages.sh: cpack failed; its output is above and in $log" >&2
  exit 1
fi
rm -rf "$packages/_CPack_Packages"
# apt installs files that are called .deb.
for symbols in "$packages"/*.ddeb; do
  mv "$symbols" "${symbols%.ddeb}.deb"
done
ls -l "$packages"/*.deb | awk '{ printf "  %-60s %.1f MB\n", $NF, $5 / 1e6 }'
