"""What a host is and has, found out by its sh alone: a bare server has nothing else."""

from __future__ import annotations

SCRIPT = r"""# Runs on a host, in any kind of sh: prints what is there, a line `key=value` each. It changes nothing.
tell() { printf '%s=%s\n' "$1" "$(printf %s "$2" | tr '\n\r\t' '   ')"; }

survey() {
    export LC_ALL=C PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/snap/bin"
    (
        . /etc/os-release 2>/dev/null
        tell id "${ID:-}"
        tell like "${ID_LIKE:-}"
        tell codename "${VERSION_CODENAME:-}"
        tell system "${PRETTY_NAME:-$(uname -s)}"
    )
    tell machine "$(uname -m)"
    tell cpus "$(getconf _NPROCESSORS_ONLN)"
    tell memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    tell available "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    tell user "$(id -un)"
    tell uid "$(id -u)"
    tell groups "$(id -Gn)"
    tell member "$(id -Gn "$(id -un)")" # of groups that only the next login will have, too
    command -v sudo >/dev/null && tell sudo "$(sudo -n true 2>/dev/null && echo free || echo asks)"
    [ -d /run/systemd/system ] && tell systemd yes
    tell container "$(systemd-detect-virt --container 2>/dev/null || { [ -e /.dockerenv ] && echo docker; })"
    probe=/tmp/openbell-probe-$$
    { echo probe >"$probe"; } 2>/dev/null || tell tmp unwritable
    rm -f "$probe" 2>/dev/null
    tell python "$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)"
    clock
    tell upgrades "$(dpkg-query -W -f '${db:Status-Status}' unattended-upgrades 2>/dev/null)"
    engine
    tell disk "$(df -Pk "${root:-/}" 2>/dev/null | awk 'NR == 2 { print $4, $2 }')"
}

clock() {
    for service in systemd-timesyncd chrony chronyd ntpsec ntp ntpd openntpd; do
        systemctl is-active --quiet "$service" 2>/dev/null && tell clock "$service" && return
    done
    for process in chronyd ntpd; do
        pidof "$process" >/dev/null 2>&1 && tell clock "$process" && return
    done
}

engine() {
    daemon=$(cat /etc/docker/daemon.json 2>/dev/null || sudo -n cat /etc/docker/daemon.json 2>/dev/null) &&
        tell daemon "$(printf %s "$daemon" | base64 | tr -d '\n')"
    command -v dockerd >/dev/null && tell dockerd yes
    command -v docker >/dev/null || return
    tell docker yes
    case $(docker --version 2>&1) in *[Pp]odman*) tell podman yes && return ;; esac
    compose=$(timeout 20 docker compose version --short 2>/dev/null) && tell compose "$compose"
    if ! said=$(ask_engine 2>&1); then
        tell refusal "$(printf %s "$said" | tail -n 1)"
        said=$(ask_engine sudo -n 2>&1) || return # its engine is there, and answers root alone
    fi
    # What has been written before the answer are warnings.
    said=$(printf %s "$said" | tail -n 1)
    tell engine "$said"
    root=${said##*|}
}

# `docker info` alone says nothing about an engine that does not answer: 20.10 speaks of its template, 26.1 calls it a success.
ask_engine() {
    timeout 20 "$@" docker version --format '{{.Server.Version}}' >/dev/null &&
        timeout 20 "$@" docker info --format '{{.ServerVersion}}|{{.LiveRestoreEnabled}}|{{.ContainersRunning}}|{{.Swarm.LocalNodeState}}|{{.DockerRootDir}}'
}

# At once: each write is a packet on the line.
facts=$(survey </dev/null)
printf '%s\n' "$facts"
"""
