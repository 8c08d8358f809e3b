#!/usr/bin/env bash
# Builds the container image from the Dockerfile, says how large it is.
#
#   scripts/build-image.sh                         with docker, podman or buildah, whichever there is
#   scripts/build-image.sh --base-from-debootstrap
#
# --base-from-debootstrap is for machines that reach a Debian mirror but no image registry. As root,
# with Debian's packages buildah and debootstrap, it makes Debian's base image itself, from where this
# machine's apt gets its packages, and builds on that. Images are kept below build/image, which can be
# removed at any time (the base is made again then); build/image/walden.tar is for `docker load`. It
# takes 10 minutes on two processors, and 6 GB.
#
# IMAGE and IMAGE_ENGINE: see image-engine.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image-engine.sh
. scripts/host-apt.sh

base=localhost/walden-base:$suite

usage() {
  echo "usage: scripts/build-image.sh [--base-from-debootstrap]" >&2
  exit 2
}

# What makes dpkg and apt leave out what no container needs: manuals, translations, caches.
write_slim_settings() {
  local root=$1
  cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'SETTINGS'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
SETTINGS
  cat >"$root/etc/apt/apt.conf.d/slim" <<'SETTINGS'
APT::Keep-Downloaded-Packages "false";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
SETTINGS
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  find "$root/usr/share/doc" -empty -delete
  rm -rf "$root"/usr/share/{info,locale,man}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
    "$root"/var/log/*.log
}

make_base() {
  local mirror root=$image_folder/base container
  mirror=$(mirror_of "$image_folder/apt/sources.list")
  [[ -n "$mirror" ]] || fail "this machine's apt knows no source of Debian's suite $suite"
  echo "Making a base image of Debian $suite from $mirror"
  rm -rf "$root"
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  write_slim_settings "$root"
  : >"$root/etc/apt/sources.list"  # not the image's business
  container=$(own_buildah from scratch)
  own_buildah copy --quiet "$container" "$root" /
  own_buildah config --cmd bash "$container"
  own_buildah run --isolation chroot "${host_apt[@]}" "$container" -- bash -euc \
    'apt-get update -q; apt-get upgrade -q -y; rm -rf /var/lib/apt/lists/*'
  own_buildah commit --quiet --rm "$container" "$base"
  rm -rf "$root"
}

build_on_own_base() {
  [[ $(id -u) -eq 0 ]] || fail "--base-from-debootstrap needs root"
  local program
  for program in buildah debootstrap apt-get; do
    command -v "$program" >/dev/null || fail "--base-from-debootstrap needs $program: apt-get install $program"
  done
  mkdir -p "$image_folder/apt/conf"
  debian_sources >"$image_folder/apt/sources.list"
  host_apt_settings >"$image_folder/apt/conf/host"
  # There while packages are installed, and not in the image.
  host_apt=(
    --volume "$PWD/$image_folder/apt/sources.list:/etc/apt/sources.list:ro"
    --volume "$PWD/$image_folder/apt/conf/host:/etc/apt/apt.conf.d/90host:ro"
  )
  own_buildah inspect --type image "$base" >/dev/null 2>&1 || make_base
  own_buildah bud --isolation chroot --network host --pull-never --format docker --layers \
    --build-arg BUILD_BASE="$base" --build-arg RUNTIME_BASE="$base" "${labels[@]}" \
    "${host_apt[@]}" --tag "$image" .
  rm -f "$image_folder/walden.tar"
  own_buildah push --quiet "$image" "docker-archive:$image_folder/walden.tar:$image:latest"
  echo "The image is in $image_folder/walden.tar. Sizes:"
  own_buildah images
}

build_on_pulled_base() {
  local engine
  engine=$(find_engine)
  case "$engine" in
    docker) docker build "${labels[@]}" --tag "$image" . ;;
    # Podman's and buildah's own format has no health check.
    podman) podman build --format docker "${labels[@]}" --tag "$image" . ;;
    buildah) buildah bud --format docker "${labels[@]}" --tag "$image" . ;;
  esac
  "$engine" images "$image"
}

labels=(
  --build-arg VERSION="$(sed -nE 's/^project\(walden VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)"
  --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
  --build-arg CREATED="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
)
case "$*" in
  "") build_on_pulled_base ;;
  --base-from-debootstrap) build_on_own_base ;;
  *) usage ;;
esac
