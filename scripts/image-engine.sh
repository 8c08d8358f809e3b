# Sourced by build-image.sh and try-image.sh: what builds and runs images here, and where it keeps them.
#
#   IMAGE         the image's name, "walden" when unset
#   IMAGE_ENGINE  docker, podman or buildah; the first one that works when unset

image=${IMAGE:-walden}
image_folder=build/image

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

engine_works() {
  case "$1" in
    docker) docker info ;;
    podman) podman info ;;
    buildah) buildah --version ;;
    *) false ;;
  esac >/dev/null 2>&1
}

# Prints the image engine to use.
find_engine() {
  if [[ -n "${IMAGE_ENGINE:-}" ]]; then
    engine_works "$IMAGE_ENGINE" ||
      fail "IMAGE_ENGINE is '$IMAGE_ENGINE', which does not work here (docker, podman or buildah)"
    echo "$IMAGE_ENGINE"
    return
  fi
  local engine
  for engine in docker podman buildah; do
    if engine_works "$engine"; then
      echo "$engine"
      return
    fi
  done
  fail "needs docker (with its daemon running), podman or buildah"
}

# buildah with images of our own below build/image, apart from those of the machine. chroot and vfs
# ask nothing of the kernel, so that it works inside containers too.
own_buildah() {
  buildah --root "$PWD/$image_folder/storage" --runroot "$PWD/$image_folder/run" \
    --storage-driver vfs "$@"
}
