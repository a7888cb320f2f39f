# Sourced by the set-up scripts: installing from the distribution, by the machine's own apt sources.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

is_debian() { command -v apt-get >/dev/null && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; }

# apt_install PACKAGE...: without recommendations.
apt_install() {
    [ -n "${apt_is_fresh:-}" ] || apt_refresh
    step "Installing $*" 600 apt_quietly install --no-install-recommends "$@"
}

apt_refresh() {
    step "Reading the distribution's package lists" 300 apt_quietly update
    export apt_is_fresh=yes # for the scripts that this one calls, too
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

# install_from_release SUITE PACKAGE: the package alone from another release of Debian, what it needs from this one.
install_from_release() {
    local aside
    aside=$(mktemp -d)
    fetch_from_release "$1" "$2" "$aside"
    step "Installing $2 of Debian $1" 300 apt_quietly install --no-install-recommends "$aside"/*.deb
    rm -rf "$aside"
}

# fetch_from_release SUITE PACKAGE FOLDER: the package's file from another release of Debian.
# apt has checked its signature; its lists are put aside, so that nothing else is ever taken from that release.
fetch_from_release() {
    local suite=$1 package=$2 aside=$3
    mkdir "$aside/lists"
    debian_sources "$suite" >"$aside/sources.list"
    [ -s "$aside/sources.list" ] || give_up "Install $package by hand: this machine's apt sources name no Debian archive to take it from."
    local apart=(-o "Dir::Etc::SourceList=$aside/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$aside/lists")
    step "Reading the package lists of Debian $suite" 300 apt_quietly "${apart[@]}" update
    step "Fetching $package of Debian $suite" 300 fetch_into "$aside" "${apart[@]}" download "$package"
}

fetch_into() {
    cd "$1" && shift || return
    # As root: apt's own user may not write here, and says so at length.
    apt_quietly -o APT::Sandbox::User=root "$@"
}
