#!/usr/bin/env bash
# Tries the Debian packages that scripts/build-packages.sh made, and ends with code 0 if all of this
# holds:
#
#   files    what is in the packages, by dpkg-deb, lintian, man and the shells
#   chroot   in a Debian 12 chroot without a network: install, start, append, read, upgrade, remove,
#            install again, purge
#
#   scripts/try-packages.sh [files] [chroot]      both when none is named
#
# BUILD is the build folder, build/release when unset; PACKAGES the folder of the packages,
# build/packages when unset. `chroot` needs root, debootstrap and a Debian mirror that this machine's
# apt knows. The chroot's base is kept below build/package-test, which can be removed at any time.
# systemd does not run in the chroot: there the test starts waldend as the unit would.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/host-apt.sh

build=${BUILD:-build/release}
packages=${PACKAGES:-build/packages}
work=$PWD/build/package-test
version=$(sed -nE 's/^project\(walden VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
next_version=$version+next
architecture=$(dpkg --print-architecture)

fail() {
  echo "try-packages.sh: $*" >&2
  exit 1
}

expect() {
  local what=$1 wanted=$2 got=$3
  [[ "$got" == "$wanted" ]] || fail "$what: expected '$wanted', got '$got'"
  echo "  ok: $what"
}

# holds WHAT COMMAND...
holds() {
  local what=$1
  shift
  "$@" || fail "does not hold: $what"
  echo "  ok: $what"
}

package() { echo "$packages/${1}_${2:-$version}_$architecture.deb"; }

# ---------------------------------------------------------------------------------------------------
# What is in the packages

# has PACKAGE PATH: a regular file.
has() { grep -qE "^-\S+ root/root .* \.$2\$" <<<"$(dpkg-deb --contents "$(package "$1")")"; }
field() { dpkg-deb --field "$(package "$1")" "$2"; }
depends_on() { grep -qE "(^|, )$2( |,|\$)" <<<"$(field "$1" Depends)"; }

check_contents() {
  local path program
  for path in /usr/bin/waldend /lib/systemd/system/waldend.service /etc/walden/waldend.yaml \
    /usr/share/man/man8/waldend.8.gz /usr/share/doc/waldend/copyright; do
    holds "waldend has $path" has waldend "$path"
  done
  for path in /usr/bin/walden /usr/share/man/man1/walden.1.gz /usr/share/zsh/vendor-completions/_walden \
    /usr/share/bash-completion/completions/walden /usr/share/fish/vendor_completions.d/walden.fish; do
    holds "walden has $path" has walden "$path"
  done
  expect "the configuration is a conffile" /etc/walden/waldend.yaml \
    "$(dpkg-deb --ctrl-tarfile "$(package waldend)" | tar --extract --to-stdout ./conffiles)"
  for program in waldend walden; do
    expect "$program has the project's version" "$version" "$(field "$program" Version)"
    holds "$program depends on gRPC's library" depends_on "$program" 'libgrpc\+\+1\.51'
  done
  holds "waldend depends on adduser" depends_on waldend adduser
}

check_symbols() {
  local program id root=$work/symbols
  rm -rf "$root"
  for program in waldend walden; do
    dpkg-deb --extract "$(package $program)" "$root"
    dpkg-deb --extract "$(package $program-dbgsym)" "$root"
    id=$(readelf --notes "$root/usr/bin/$program" | sed -nE 's/.*Build ID: //p')
    holds "$program-dbgsym has the symbols of $program" \
      test -s "$root/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
    holds "$program is stripped" grep -q 'no symbols' <(nm "$root/usr/bin/$program" 2>&1)
  done
  rm -rf "$root"
}

check_lintian() {
  local program found
  for program in waldend walden; do
    # CPack writes no Debian source package: no Debian bug closes, and there is no Debian revision. The
    # maintainer has no public mail address.
    found=$(lintian --no-cfg --fail-on none --tag-display-limit 0 --suppress-tags \
      bogus-mail-host,initial-upload-closes-no-bugs,no-changelog,debian-changelog-file-missing \
      "$(package $program)" | grep -E '^[EW]:' || true)
    expect "lintian finds nothing in $program" "" "$found"
  done
}

# completes 'WORDS' 'EXPECTED...': what bash offers for the last word.
completes() {
  local offered
  offered=$(bash -c '. "$1"; read -ra COMP_WORDS <<<"$2"; [[ $2 != *" " ]] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _walden; echo "${COMPREPLY[*]}"' \
    complete "$build/packaging/walden.bash" "$1")
  expect "bash completes '$1'" "$2" "$offered"
}

check_texts() {
  local page warnings
  for page in walden.1 waldend.8; do
    warnings=$(MANROFFSEQ='' MANWIDTH=80 man --warnings --local-file "$build/packaging/$page" 2>&1 >/dev/null)
    expect "man formats $page without a warning" "" "$warnings"
  done
  holds "walden.1 explains every command" check_commands
  holds "bash reads its completion" bash -n "$build/packaging/walden.bash"
  holds "zsh reads its completion" zsh -n "$build/packaging/_walden"
  holds "fish reads its completion" fish --no-execute "$build/packaging/walden.fish"
  completes "walden app" append
  completes "walden append --batch" "--batches --batch-records --batch-bytes"
  completes "walden --json read --fr" --from
  completes "walden read --from " ""
  completes "walden append --file LICEN" LICENSE
  completes "walden restore scri" scripts
}

# Every command of `walden --help` has a section of the man page.
check_commands() {
  local command
  for command in $("$build/bin/walden" --help | sed -nE '/^Subcommands:/,/^$/s/^  ([a-z-]+) .*/\1/p'); do
    grep -qx ".SS $command" "$build/packaging/walden.1" || fail "walden.1 does not explain $command"
  done
}

check_files() {
  check_contents
  check_symbols
  check_lintian
  check_texts
}

# ---------------------------------------------------------------------------------------------------
# In a chroot

make_base() {
  local base=$work/base
  [[ -e "$base.done" ]] && return
  command -v debootstrap >/dev/null || fail "chroot needs debootstrap: apt-get install debootstrap"
  mkdir -p "$work"
  debian_sources >"$work/sources.list"
  local mirror
  mirror=$(mirror_of "$work/sources.list")
  [[ -n "$mirror" ]] || fail "this machine's apt knows no source of Debian's suite $suite"
  echo "Making a root file system of Debian $suite from $mirror"
  rm -rf "$base"
  debootstrap --variant=minbase "$suite" "$base" "$mirror" >"$work/debootstrap.log"
  cp "$work/sources.list" "$base/etc/apt/sources.list"
  host_apt_settings >"$base/etc/apt/apt.conf.d/90host"
  # Else apt removes what was fetched for the packages that are installed without a network.
  echo 'APT::Keep-Downloaded-Packages "true"; Binary::apt::APT::Keep-Downloaded-Packages "true";' \
    >"$base/etc/apt/apt.conf.d/91keep"
  rm -f "$base/etc/apt/apt.conf.d/docker-clean"
  touch "$base.done"
}

# make_next PACKAGE: the same content as a package of a higher version.
make_next() {
  local root=$work/next/$1
  mkdir -p "$work/next"
  dpkg-deb --raw-extract "$(package "$1")" "$root"
  sed -i "s/^Version: .*/Version: $next_version/" "$root/DEBIAN/control"
  dpkg-deb --root-owner-group -Zgzip -z1 --build "$root" "$work/next" >/dev/null
  rm -rf "$root"
}

# Name spaces of our own: nothing of the chroot's mounts and ports reaches the machine.
enter_chroot() {
  root=$work/root
  rm -rf "$root"
  cp -a "$work/base" "$root"
  cp "$packages"/*.deb "$work"/next/*.deb "$root/root/"
  echo "Fetching what the packages depend on"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  chroot "$root" apt-get update -q >"$work/apt.log"
  chroot "$root" sh -c "apt-get install -q -y --no-install-recommends --download-only \
    /root/waldend_${version}_*.deb /root/walden_${version}_*.deb" >>"$work/apt.log"
  # The base has them next time.
  cp -a "$root/var/cache/apt/archives/." "$work/base/var/cache/apt/archives/"
  mkfifo "$work/ready"
  unshare --mount --net bash -euc '
    mount --make-rprivate /
    mount --bind "$1" "$1"
    mount --rbind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    ip link set lo up
    echo ready >"$2/ready"
    exec sleep infinity' sandbox "$root" "$work" &
  sandbox=$!
  [[ "$(timeout 20 cat "$work/ready")" == ready ]] || fail "could not make name spaces"
}

leave_chroot() {
  [[ -z "${daemon:-}" ]] || kill -s KILL "$daemon" 2>/dev/null || true
  [[ -z "${sandbox:-}" ]] || kill "$sandbox" 2>/dev/null || true
  wait
  rm -rf "$work/root" "$work/ready" "$work/next"
}

inside() { nsenter --mount --net --target "$sandbox" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

# apt COMMAND PACKAGE...: its output is in $work/apt.log and in $said.
apt() {
  said=$(inside apt-get "$1" -q -y --no-install-recommends "${@:2}" 2>&1) ||
    fail "apt-get $*: $said"
  echo "$said" >>"$work/apt.log"
}

deb() { echo "/root/${1}_${2}_$architecture.deb"; }
# As a user who has nothing to do with Walden.
as_user() { inside setpriv --reuid 12345 --regid 12345 --clear-groups "$@"; }
mode_of() { inside stat --format '%U:%G %a' "$1"; }

# What systemd does with the unit: runtime directory, user, environment, command.
start_daemon() {
  local unit=$root/lib/systemd/system/waldend.service command
  command=$(sed -nE 's/^ExecStart=//p' "$unit")
  inside install -d -o walden -g walden -m 0750 /run/walden
  # nsenter, chroot, env and setpriv each become the next.
  nsenter --mount --net --target "$sandbox" chroot "$root" env -i PATH=/usr/bin \
    "$(sed -nE 's/^Environment=//p' "$unit")" \
    setpriv --reuid walden --regid walden --clear-groups --no-new-privs $command >>"$work/waldend.log" 2>&1 &
  daemon=$!
  expect "waldend $1 serves" SERVING "$(as_user walden health --wait 30s || tail -5 "$work/waldend.log")"
}

stop_daemon() {
  local code=0
  kill -s TERM "$daemon"
  wait "$daemon" || code=$?
  daemon=""
  expect "SIGTERM ends it with code 0" 0 "$code"
}

read_records() { as_user walden read --region 1 --table 1 | xargs; }

try_install() {
  apt install "$(deb waldend "$version")" "$(deb walden "$version")"
  expect "the data directory is the user's alone" "walden:walden 700" "$(mode_of /var/lib/walden)"
  expect "the configuration is root's" "root:root 644" "$(mode_of /etc/walden/waldend.yaml)"
  holds "the unit is enabled" \
    inside test -L /etc/systemd/system/multi-user.target.wants/waldend.service
  holds "the program is of the version" \
    grep -qE "^waldend $version \(.+\)\$" <<<"$(as_user waldend --version)"
  start_daemon "$version"
  as_user walden append --region 1 --table 1 one two >/dev/null
  expect "another user appends and reads" "one two" "$(read_records)"
  stop_daemon
}

try_upgrade() {
  inside sh -c 'echo "# kept by the administrator" >>/etc/walden/waldend.yaml'
  apt install "$(deb waldend "$next_version")" "$(deb walden "$next_version")"
  expect "dpkg knows the next version" "$next_version" \
    "$(inside dpkg-query --show --showformat '${Version}' waldend)"
  holds "an upgrade keeps the configuration" \
    inside grep -q "kept by the administrator" /etc/walden/waldend.yaml
  start_daemon "$next_version"
  expect "an upgrade keeps the records" "one two" "$(read_records)"
  stop_daemon
}

try_remove() {
  apt remove waldend walden
  holds "remove takes the program away" inside test ! -e /usr/bin/waldend
  holds "remove keeps the configuration" inside test -e /etc/walden/waldend.yaml
  apt install "$(deb waldend "$next_version")" "$(deb walden "$next_version")"
  holds "installed again, the unit is enabled" \
    inside test -L /etc/systemd/system/multi-user.target.wants/waldend.service
  start_daemon "$next_version"
  expect "remove keeps the records" "one two" "$(read_records)"
  stop_daemon
}

try_purge() {
  apt purge waldend walden
  holds "purge removes the configuration" inside test ! -e /etc/walden
  holds "purge leaves nothing of the unit" \
    test -z "$(inside find /etc/systemd /var/lib/systemd -name '*waldend*' 2>/dev/null)"
  holds "purge keeps the log" test -n "$(inside find /var/lib/walden -type f)"
  holds "purge says that the log is kept" grep -q "/var/lib/walden is not empty and is kept" <<<"$said"
  holds "purge keeps the user who owns it" test -n "$(inside getent passwd walden)"
  inside find /var/lib/walden -mindepth 1 -delete
  apt install "$(deb waldend "$version")"
  apt purge waldend
  holds "purge removes an empty data directory" inside test ! -e /var/lib/walden
  expect "then it removes the user too" "" "$(inside getent passwd walden || true)"
}

check_chroot() {
  [[ $(id -u) -eq 0 ]] || fail "chroot needs root"
  rm -rf "$work/next" "$work/ready" "$work/root"
  : >"$work/waldend.log"
  make_next waldend
  make_next walden
  make_base
  trap leave_chroot EXIT
  enter_chroot
  try_install
  try_upgrade
  try_remove
  try_purge
}

[[ -e "$(package waldend)" ]] || fail "no $(package waldend); make package builds it"
mkdir -p "$work"
asked=("$@")
[[ ${#asked[@]} -gt 0 ]] || asked=(files chroot)
for check in "${asked[@]}"; do
  case "$check" in
    files | chroot) "check_$check" ;;
    *)
      echo "try-packages.sh: unknown check '$check'; checks are files and chroot" >&2
      exit 2
      ;;
  esac
done
echo "The packages are good."
