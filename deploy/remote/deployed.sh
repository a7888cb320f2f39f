#!/bin/sh
# deployed.sh FOLDER PROJECT: what a host runs, and what it knows of its releases. A fact a line: a word, a space, a value.
set -u
root=$1 project=$2

fact() { printf '%s %s\n' "$1" "$2"; }

docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False |
    xargs -r docker inspect --type container --format \
        'container {"id":{{json .Id}},"state":{{json .State.Status}},"labels":{{json .Config.Labels}}}' 2>/dev/null

[ -d "$root/releases" ] || exit 0
if [ -e "$root/current/release.json" ]; then
    fact current "$(basename "$(readlink "$root/current")")"
fi
for record in "$root"/releases/*; do
    [ -e "$record/done" ] && [ -s "$record/release.json" ] && fact release "$(cat "$record/release.json")"
done
# The transaction that was started last and how it ended, unless somebody was told.
last=$(find "$root/transactions" -mindepth 2 -maxdepth 2 -name pid 2>/dev/null | sort | tail -n 1)
if [ -n "$last" ] && [ ! -e "${last%/pid}/told" ]; then
    fact untold "$(basename "${last%/pid}") $(cat "${last%/pid}/state" 2>/dev/null)"
fi
exit 0
