# Sourced by scripts that make a Debian root file system: where this machine's apt gets its packages.

suite=bookworm

# This machine's sources of Debian packages, as lines of a sources.list.
debian_sources() {
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' "Architecture: $(dpkg --print-architecture)" |
    awk -v suite="$suite" '$1 == "Debian" && index($3, suite) == 1 { print "deb", $2, $3, $4 }' |
    sort -u
}

# Proxies and the like; what is in apt's own defaults does no harm.
host_apt_settings() {
  apt-config dump | grep -E '^Acquire::(http|https|Check)' || true
}

# mirror_of SOURCES: the mirror of the suite itself in such a file.
mirror_of() {
  awk -v suite="$suite" '$3 == suite { print $2; exit }' "$1"
}
