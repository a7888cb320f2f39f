"""What a host lacks and what would be done about it, as values. Nothing is run here."""

import shlex
from dataclasses import dataclass
from string import Template

from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.hosts.requirements import COMPOSE, ENGINE, PYTHON, megabytes, older
from deploy.provision import daemon
from deploy.ssh.connection import Host

SUPPORTED = ("debian", "ubuntu")


@dataclass(frozen=True)
class Step:
    """One part of being ready: how it is now and, if that is not enough, what makes it so."""

    part: str
    now: str
    then: str = ""  # in words; empty if nothing is to be done
    script: str = ""  # for root's bash, after scripts/progress.sh and scripts/debian.sh


# The engine takes its settings at its first start, so that it never has to be started again because of them.
_SETTINGS = Template("""\
mkdir -p /etc/docker
rm -f $file.before-openbell
[ ! -e $file ] || cp -p $file $file.before-openbell
put_back() { if [ -e $file.before-openbell ]; then mv $file.before-openbell $file; else rm $file; fi; }
printf %s $text >$file.new
chmod 644 $file.new
mv $file.new $file
""")
# SIGHUP makes a running engine reload some of its settings, including live-restore; containers are not affected.
_RELOAD = """\
reload() {
    if [ -d /run/systemd/system ]; then systemctl reload docker
    else kill -HUP "$(cat /run/docker.pid 2>/dev/null || pidof dockerd)"; fi
}
live_restore() { [ "$(docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ]; }
until_live_restore() { for _ in $(seq 40); do ! live_restore || return 0; sleep 0.25; done; return 1; }
reload
if ! until_live_restore; then
    ! declare -F put_back >/dev/null || { put_back && reload; }
    give_up "The engine did not take live-restore: see its log. Its settings are as they were."
fi
"""
_ENGINE = """\
packages=(docker.io)
apt_refresh
# Where the client is a package of its own, the engine only recommends it.
[ -z "$(candidate docker-cli)" ] || packages+=(docker-cli)
# A kernel that enforces AppArmor starts no container without its parser.
! grep -qs Y /sys/module/apparmor/parameters/enabled || command -v apparmor_parser >/dev/null || packages+=(apparmor)
apt_install "${packages[@]}"
"""
_CLIENT = "apt_refresh\napt_install docker-cli\n"
_START = """\
answers() { timeout 10 docker version >/dev/null 2>&1; }
until_answers() { until answers; do sleep 0.3; done; }
if [ -d /run/systemd/system ]; then systemctl enable --quiet --now docker
# A session and files of its own: it must not end with this connection, nor keep it.
else answers || { setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null & }; fi
step "Waiting for the engine's answer" 60 until_answers
"""
_COMPOSE = Template("""\
apt_refresh
for package in docker-compose-plugin docker-compose-v2 docker-compose; do
    version=$$(candidate $$package)
    if [ -n "$$version" ] && dpkg --compare-versions "$$version" ge $least; then
        apt_install $$package
        exit
    fi
done
install_from_release trixie docker-compose
""")
_CLOCK = """\
apt_install systemd-timesyncd
timedatectl set-ntp true
"""


def plan(host: Host, facts: Facts) -> tuple[Step, ...]:
    """Return all parts of being ready; CommandError if the host is not one that can be made so, or this user may not."""
    if not set(SUPPORTED) & set(facts.ids):
        msg = (
            f"{host.name}: is {facts.system}; `make provision` knows Debian and Ubuntu: install Docker {ENGINE} and Compose {COMPOSE} "
            f"or newer and Python {PYTHON} or newer there by hand, which is all that `make deploy` needs"
        )
        raise CommandError(msg)
    steps = (_python(host, facts), *_docker(host, facts), _group(facts), _clock(facts), *_untouched(facts))
    if any(step.script for step in steps) and not facts.root and facts.sudo != "free":
        asks = "sudo asks for a password" if facts.sudo else "there is no sudo"
        msg = f"{host.name}: you are {facts.user} there, and {asks}: provision it as root, such as HOST=root@{host.name.rpartition('@')[2]}, or let {facts.user} use sudo without a password meanwhile"
        raise CommandError(msg)
    return steps


def _python(host: Host, facts: Facts) -> Step:
    part = "Python"
    if facts.python and older(facts.python, PYTHON):
        msg = (
            f"{host.name}: has Python {facts.python}; openbell needs {PYTHON} or newer there: upgrade the distribution"
        )
        raise CommandError(msg)
    if facts.python:
        return Step(part, facts.python)
    return Step(part, "missing", "install python3 from the distribution", "apt_refresh\napt_install python3\n")


def _docker(host: Host, facts: Facts) -> tuple[Step, ...]:
    if facts.engine and older(facts.engine.version, ENGINE):
        msg = f"{host.name}: has Docker engine {facts.engine.version}; openbell needs {ENGINE} or newer, and upgrades no engine that is there: do so by hand"
        raise CommandError(msg)
    return _settings(facts), _engine(facts), _compose(facts)


def _settings(facts: Facts) -> Step:
    part, engine = "engine's settings", facts.engine
    swarm = engine is not None and engine.swarm  # which does not know live-restore
    change = daemon.change(facts.daemon, live_restore=not swarm)
    if change is None:
        if engine and not engine.live_restore and not swarm:
            return Step(
                part, "live-restore is set and not yet in force", "tell the engine to read its settings", _RELOAD
            )
        return Step(
            part, "log rotation on; a swarm has no live-restore" if swarm else "live-restore and log rotation on"
        )
    write = _SETTINGS.substitute(file=daemon.FILE, text=shlex.quote(change.text))
    then = f"{daemon.FILE}: {'; '.join(change.words)}"
    if engine is None:
        return Step(part, "Docker's own" if facts.daemon is None else "others", then, write)
    now = f"live-restore {'on' if engine.live_restore else 'off'}, {engine.running} containers run"
    then += "; the engine reads it without a restart, containers keep running"
    return Step(part, now, then, write + ("" if swarm else _RELOAD))


def _engine(facts: Facts) -> Step:
    part = "Docker engine"
    if facts.engine:
        return Step(part, facts.engine.version)
    if facts.client and "permission denied" in facts.refusal.lower():
        return Step(part, f"there, and does not answer {facts.user}")
    at_boot = "" if facts.systemd else " (no systemd here: see to it that dockerd is started at boot)"
    if not facts.server:
        return Step(part, "missing", f"install docker.io from the distribution{at_boot}", _ENGINE + _START)
    if not facts.client:
        return Step(part, "its client is missing", "install docker-cli from the distribution", _CLIENT + _START)
    return Step(part, "does not run", f"start it{at_boot}", _START)


def _compose(facts: Facts) -> Step:
    part = "Docker Compose"
    if facts.compose and not older(facts.compose, COMPOSE):
        return Step(part, facts.compose)
    source = (
        "Debian 13, as this release has none that is new enough" if facts.codename == "bookworm" else "the distribution"
    )
    return Step(part, facts.compose or "missing", f"install it from {source}", _COMPOSE.substitute(least=COMPOSE))


def _group(facts: Facts) -> Step:
    part = "your user"
    if facts.root:
        return Step(part, "root")
    if facts.in_docker_group or (facts.engine and not facts.refusal):
        return Step(part, f"{facts.user} may use Docker")
    then = f"add {facts.user} to the group docker, which is as good as root there"
    return Step(part, f"{facts.user} may not use Docker", then, f"usermod -aG docker {shlex.quote(facts.user)}\n")


def _clock(facts: Facts) -> Step:
    part = "time"
    if facts.clock:
        return Step(part, f"kept right by {facts.clock}")
    if facts.container:
        return Step(part, f"a container ({facts.container}): the machine around it keeps the time")
    if not facts.systemd:
        return Step(part, "nothing that is known keeps it right, and there is no systemd: install chrony by hand")
    return Step(part, "nothing keeps it right", "install systemd-timesyncd and turn it on", _CLOCK)


def _untouched(facts: Facts) -> tuple[Step, ...]:
    return (
        Step("unattended upgrades", f"{'installed' if facts.upgrades else 'not installed'}; left as they are"),
        Step("firewall", "left as it is"),
    )


def described(host: Host, facts: Facts) -> str:
    """Return what the host is, in one line."""
    user = "root" if facts.root else f"{facts.user}{', who may use sudo' if facts.sudo == 'free' else ''}"
    return (
        f"{host.name}: {facts.system}, {facts.machine}, {facts.cpus} CPU{'s' * (facts.cpus != 1)}, {megabytes(facts.memory)} memory, "
        f"{megabytes(facts.disk_free)} of disk free; you are {user} there"
    )
