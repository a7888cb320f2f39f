# Sourced by the set-up scripts: installing from the distribution, by the machine's own apt sources.

apt_was_read=/run/openbell-apt-was-read
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

is_debian() { command -v apt-get >/dev/null && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; }

# apt_install PACKAGE...: packages, or files of packages, without recommendations.
apt_install() {
    apt_refresh
    step "Installing ${*##*/}" 600 apt_quietly install --no-install-recommends "$@"
}

# What was read some minutes ago serves, unless the sources have changed: a set-up is several scripts, and each reading takes seconds.
apt_refresh() {
    [ -n "$(find "$apt_was_read" -mmin -10 2>/dev/null)" ] &&
        [ -z "$(find /etc/apt/sources.list* -newer "$apt_was_read" 2>/dev/null)" ] && return
    step "Reading the distribution's package lists" 300 apt_read
}

# A source that could not be read is but a warning: then the next script reads the lists again.
apt_read() {
    local said status=0
    said=$(apt_quietly update 2>&1) || status=$?
    printf '%s\n' "$said"
    [ "$status" != 0 ] || grep -q '^W:' <<<"$said" || touch "$apt_was_read"
    return "$status"
}

# A fresh server updates itself in the background: wait for that apt instead of failing. Reading the lists has a lock that apt
# does not wait for: the scripts of one set-up, or tests that start them at once, take turns.
apt_quietly() { DEBIAN_FRONTEND=noninteractive flock "${TMPDIR:-/tmp}/openbell-apt.lock" apt-get -y -q -o DPkg::Lock::Timeout=120 "$@"; }

# candidate PACKAGE: the version that apt would install, or nothing.
candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vx '(none)' || true; }

# debian_sources SUITE: this machine's sources of Debian, as they would be for another release of it.
debian_sources() {
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(CODENAME)' 'Created-By: Packages' |
        sed -nE "s/^Debian\|([^|]+)\|[a-z]+(-updates|-security)?$/deb [signed-by=${debian_keyring//\//\\/}] \1 $1\2 main/p" |
        sort -u
}

# install_from_release SUITE PACKAGE...: the packages alone from another release of Debian, what they need from this one.
install_from_release() {
    local aside
    aside=$(mktemp -d)
    fetch_from_release "$1" "$aside" "${@:2}"
    step "Installing ${*:2} of Debian $1" 300 apt_quietly install --no-install-recommends "$aside"/*.deb
    rm -rf "$aside"
}

# fetch_from_release SUITE FOLDER PACKAGE...: the packages' files from another release of Debian.
# apt has checked their signature. Its lists and its index of them are put aside: nothing else is ever taken from that release,
# and the machine's own index stays valid.
fetch_from_release() {
    local suite=$1 aside=$2
    shift 2
    mkdir -p "$aside/lists/partial" "$aside/cache/archives/partial"
    debian_sources "$suite" >"$aside/sources.list"
    [ -s "$aside/sources.list" ] || give_up "Install $* by hand: this machine's apt sources name no Debian archive to take it from."
    # As root: apt's own user may not write here, and says so at length.
    local apart=(-y -q -o APT::Sandbox::User=root -o Acquire::Languages=none -o "Dir::Cache=$aside/cache"
        -o "Dir::Etc::SourceList=$aside/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$aside/lists")
    step "Reading the package lists of Debian $suite" 300 apt-get "${apart[@]}" update
    step "Fetching $* of Debian $suite" 300 env --chdir="$aside" apt-get "${apart[@]}" download "$@"
}

# debian_tree SUITE FILE PACKAGES OPTION...: a file tree of Debian without its documentation, as a tar file, made by mmdebstrap.
# Until it is whole dpkg need not wait for the disk. Exclusions are set after the first packages are unpacked: before that
# mmdebstrap runs a program of its own for each package to obey them, which takes half of the time.
debian_tree() {
    local suite=$1 file=$2 packages=$3 aside sources status=0
    shift 3
    aside=$(mktemp -d)
    # Without a source of Debian (on Ubuntu) mmdebstrap knows by itself where Debian is.
    mapfile -t sources < <(debian_sources "$suite")
    # How this machine reaches its archive (a proxy, say) is how the tree's packages are reached.
    apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https Acquire::Check-Valid-Until Acquire::Check-Date >"$aside/apt.conf"
    printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$aside/excluded"
    # shellcheck disable=SC2016 # $1 is for the hooks, the folder of the tree to be
    mmdebstrap --quiet --variant=minbase --include="$packages" --keyring="$debian_keyring" \
        --aptopt="$aside/apt.conf" --aptopt='Acquire::Languages "none"' \
        --extract-hook="cp '$aside/excluded' \"\$1/etc/dpkg/dpkg.cfg.d/excluded\"" \
        --extract-hook='echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe"' \
        --customize-hook='rm -rf "$1"/etc/dpkg/dpkg.cfg.d/unsafe "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*' \
        "$@" "$suite" "$aside/tree.tar" "${sources[@]}" && mv "$aside/tree.tar" "$file" || status=$?
    rm -rf "$aside"
    return "$status"
}
