# Sourced by the set-up scripts: one line per step, a sign of life while it lasts, and an end to every wait.

say() { printf 'openbell: %s\n' "$*"; }

# give_up MESSAGE [FILE]: the last lines of FILE, then the message, and the end of the script.
give_up() {
    [ -s "${2:-}" ] && tail -n 20 "$2" | sed 's/^/    | /' >&2
    printf 'openbell: %s\n' "$1" >&2
    exit 1
}

# step MESSAGE SECONDS COMMAND...: runs COMMAND with its output in a file that is shown only if it fails or takes longer.
step() {
    local message=$1 limit=$2 log
    shift 2
    log=$(mktemp)
    if ! attempt "$message" "$limit" "$log" "$@"; then
        is_offline "$log" && give_up "no network: \"$message\" could not reach its server; check the connection, the DNS and the proxy of this machine, and try again"
        give_up "failed: $message (the last lines of its output are above)" "$log"
    fi
    rm -f "$log"
}

# is_offline FILE: whether a failed program's output says that a server could not be reached. Without a network pip ends with
# "No matching distribution found", which names an innocent package.
is_offline() {
    grep -Eq 'Temporary failure (in name resolution|resolving)|Name or service not known|Network is unreachable|No route to host|NewConnectionError|ConnectTimeoutError|Could not resolve|Could not connect' "$1"
}

# attempt MESSAGE SECONDS FILE COMMAND...: as `step`, but a failure is the caller's to judge. 124 says that time was up.
attempt() {
    local message=$1 limit=$2 log=$3 child started=$SECONDS sign=5
    shift 3
    say "$message ..."
    set -m # a process group of its own, so that the end of the wait ends all that COMMAND started
    "$@" >"$log" 2>&1 </dev/null &
    child=$!
    set +m
    # shellcheck disable=SC2064 # this child, not the next one
    trap "kill -TERM -- -$child 2>/dev/null; exit 130" INT TERM
    while kill -0 "$child" 2>/dev/null; do
        if ((SECONDS - started >= limit)); then
            kill -TERM -- "-$child" 2>/dev/null
            wait "$child" 2>/dev/null
            trap - INT TERM
            printf 'still not done after %s seconds, and ended\n' "$limit" >>"$log"
            return 124
        fi
        if ((SECONDS - started >= sign)); then
            say "    still working (${sign} s)"
            sign=$((sign + 5))
        fi
        sleep 0.2
    done
    trap - INT TERM
    wait "$child"
}

is_root() { [ "$(id -u)" = 0 ]; }
