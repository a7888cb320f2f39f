"""What ssh says when it fails, as one line for a person: what is wrong and what to do next. Pure."""

import re

# The first that is found in what ssh said, and what it means. {name} is the host, {ssh} the command to get there by hand.
_MEANINGS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        (
            "the host's key is not the one that you know: either the machine was reinstalled, or another machine answers between you and it. "
            "Compare the fingerprint ({fingerprint}) with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the "
            "host's own console; only if they are the same, drop the old key ({known}) and log in once with `{ssh}`"
        ),
    ),
    (
        r"Host key verification failed|host key is known for",
        (
            "the host's key is not known here, and is never accepted unseen: log in once with `{ssh}`, which shows the "
            "fingerprint and asks; compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host's own console"
        ),
    ),
    (
        r"Could not resolve hostname",
        "no machine of this name is known: check the spelling, or give it an entry `Host {name}` with its address in ~/.ssh/config",
    ),
    (
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions",
        "ssh does not use a key that others can read: chmod 600 the key file, then see that `{ssh}` works",
    ),
    (
        r"Too many authentication failures",
        "the host refused after too many keys: name the right one (IdentityFile, IdentitiesOnly yes) for {name} in ~/.ssh/config",
    ),
    (
        r"Permission denied",
        (
            "the host does not accept your key: see that `{ssh}` works without a password (ssh-add -l lists the agent's keys; "
            "ssh-copy-id {name} brings your public key there)"
        ),
    ),
    (
        r"Connection refused",
        "the machine answers, but no sshd listens there: check the port in ~/.ssh/config, and that sshd runs",
    ),
    (
        r"timed out|Network is unreachable|No route to host|Host is down",
        "the host cannot be reached: check its address, that it runs, and that its firewall lets ssh through",
    ),
    (
        r"[Bb]ad configuration option|bad configuration|Can't open user config|keyword .* extra arguments|Bad owner or permissions",
        "ssh cannot use its config file: fix it, and check that `{ssh}` works",
    ),
    (
        r"no matching .* found",
        "this ssh and the host's sshd have no common algorithm: update the older of the two",
    ),
    (
        r"[Cc]onnection (closed|reset)|kex_exchange_identification|Broken pipe",
        (
            "the connection was closed before the login: the host may be starting or refusing you for a while (fail2ban, "
            "MaxStartups); wait a minute, and see that `{ssh}` works"
        ),
    ),
)
# Lines of a connection that was there and of commands over it that give the reason, also if other lines follow.
_CAUSES = (
    *(pattern for pattern, _ in _MEANINGS),
    r"Timeout, server",
    r"No space left",
    r"Read-only file system",
    r"not found",
)
# Lines that ssh may write and that do not say what went wrong.
_NOISE = re.compile(r"^(Warning: Permanently added|\*\*|@|debug|Authorized uses only|Killed by signal)")


def explain(name: str, ssh: str, said: str) -> str:
    """Return why there is no connection, and the next step, from what ssh wrote to its standard error."""
    fingerprint = re.search(r"\b(SHA256:[\w+/=]+)", said)
    known = re.search(r"Offending .*key in (\S+:\d+)", said)
    words = reason(said)
    quoted = f" (ssh says: {words})" if words else ""
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, said):
            text = meaning.format(
                name=name,
                ssh=ssh,
                fingerprint=fingerprint[1] if fingerprint else "shown by ssh",
                known=known[1] if known else "see ssh-keygen -R",
            )
            return f"{name}: {text}{quoted}"
    return f"{name}: no connection{quoted or ': ssh ended without a word'}; see that `{ssh}` works"


def reason(said: str) -> str:
    """Return the line that says why: the first with a known meaning, since what follows it is often only its end."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    known = (line for line in lines if any(re.search(pattern, line) for pattern in _CAUSES))
    return next(known, lines[-1] if lines else "")


def added_key(said: str) -> str | None:
    """Return what ssh says about a host key that it took into known_hosts, or None if it took none."""
    found = re.search(r"Permanently added (.*) to the list of known hosts", said)
    return found[1] if found else None
