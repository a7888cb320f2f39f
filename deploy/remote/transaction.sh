#!/bin/sh
# transaction.sh FOLDER: puts a release in place service by service, or everything back. It runs by itself, with the
# project's lock in file 9; FOLDER has the plan, and is given the state. What it prints is its log.
set -u
umask 077
folder=$1
root=$(cd "$folder/../.." && pwd) || exit
project='' release='' previous='' strategies='' recreate='' remove='' steps='' by='' wait=soon
while read -r key value; do
    case $key in
    project) project=$value ;;
    release) release=$value ;;
    previous) previous=$value ;;
    strategies) strategies=$value ;; # those that are stopped and started, with commas
    switch | start) recreate="$recreate $value" steps="$steps $key:$value" ;;
    stop | check) steps="$steps $key:$value" ;;
    remove) remove="$remove $value" ;;
    by) by=$value ;;
    wait) wait=$value ;;
    esac
done <"$folder/plan"
soon=5        # seconds; a slot that is due within them is let pass before its strategy is stopped
patience=180  # seconds for a quiet moment; then a strategy is stopped all the same: it drains, and hands over its slots
away=30       # seconds; with wait=idle no slot may be due within them
idle_for=1800 # seconds for such a moment; then nothing is done
beat=60       # seconds for a new container's first beat
records=5     # releases that stay
transactions=20
output=$folder/output
touched='' reason=''

# What is told

say() { printf '%s\n' "$*"; }

state() { printf '%s\n' "$*" >"$folder/state.new" && mv "$folder/state.new" "$folder/state"; }

step() {
    say "$*"
    state "running $*"
    docker version >/dev/null 2>&1 || engine_is_back
    revive
}

quoted() { printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# audit OUTCOME REASON: the plan's side has left the line's beginning.
audit() {
    printf '%s, "at": "%s", "outcome": "%s", "reason": "%s"}\n' \
        "$(cat "$folder/audit")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$(quoted "$2")" >>"$root/audit.jsonl"
}

last_line() { grep -v '^[[:space:]]*$' "$output" | tail -n 1; }

# of SERVICE TEXT: the text, with the service's name in front of it once.
of() {
    case $2 in
    "$1: "*) printf '%s' "$2" ;;
    *) printf '%s: %s' "$1" "$2" ;;
    esac
}

# finish OUTCOME REASON: the end. A release that did not take over leaves nothing but its log.
finish() {
    [ -e "$root/releases/$release/done" ] || rm -rf "${root:?}/releases/$release"
    audit "$1" "$2"
    state "ended $1 $2"
    exit 0
}

# The engine

# patiently COMMAND...: again if the engine went away under it. What the command printed is in $output.
patiently() {
    for attempt in 1 2 3 4 5; do
        "$@" >"$output" 2>&1 </dev/null && return 0
        if docker version >/dev/null 2>&1 &&
            ! grep -qE '^(Cannot connect to the Docker daemon|error during connect|Error response from daemon: .*(shutting down|context canceled))|docker\.sock|^unexpected EOF' "$output"; then
            return 1
        fi
        say "the engine went away (attempt $attempt): waiting until it is back"
        engine_is_back || return 1
    done
    return 1
}

engine_is_back() {
    for _ in $(seq 180); do
        if docker version >/dev/null 2>&1; then
            revive
            return 0
        fi
        sleep 1
    done
    say 'the engine did not come back within 3 minutes'
    return 1
}

# revive: an engine that crashed takes what still ran for stopped by hand, and leaves it so: it starts again what ran.
revive() {
    while IFS= read -r ran; do
        [ "$(docker inspect --format '{{.State.Status}}' "$ran" 2>/dev/null </dev/null)" = exited ] &&
            docker start "$ran" >/dev/null 2>&1 </dev/null
    done <"$folder/ran"
}

# compose RELEASE ARGUMENTS...: Docker Compose with a release's files.
# shellcheck disable=SC2317 # `patiently` calls it
compose() {
    at=$root/releases/$1
    shift
    for secrets in "$at"/secrets/*.json; do
        [ -e "$secrets" ] && set -- --file "$secrets" "$@"
    done
    timeout --kill-after=20 900 docker compose --ansi never --project-name "$project" --project-directory "$at" \
        --file "$at/compose.yaml" "$@"
}

# containers SERVICE [STATUS]: the ids of its containers, or of those in that state.
containers() {
    docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False \
        ${2:+--filter "status=$2"}
}

# inside SECONDS CONTAINER COMMAND...: one of our commands in a container; an engine that hangs does not hold everything up.
inside() {
    seconds=$1 where=$2
    shift 2
    timeout --kill-after=5 "$seconds" docker exec "$where" openbell "$@" </dev/null
}

has() { grep -qxF "$2" "$root/releases/$1/services" 2>/dev/null; }

is_strategy() { [ "$1" != supervisor ]; }

stop_containers() {
    for id in $(containers "$1"); do
        grep -vxF "$id" "$folder/ran" >"$folder/ran.new"
        mv "$folder/ran.new" "$folder/ran"
        patiently docker stop "$id" || return 1
    done
}

stop_and_remove() {
    stop_containers "$1" || return 1
    for id in $(containers "$1"); do
        patiently docker rm "$id" || return 1
    done
}

# The steps; each leaves the reason if it fails

preflight() {
    # shellcheck disable=SC2046 # tags have no spaces
    if ! patiently docker image inspect $(cat "$root/releases/$release/images"); then
        reason="an image is not there any more ($(last_line)): deploy its sources again"
        return 1
    fi
    for service in $recreate; do
        step "preflight of $service"
        rehearse=
        is_strategy "$service" && rehearse=--rehearse
        if ! patiently compose "$release" run --rm --no-deps --no-TTY --label openbell.preflight=1 \
            "$service" openbell preflight $rehearse; then
            reason="preflight of $(of "$service" "$(last_line)")"
            return 1
        fi
    done
}

# all_idle: a moment in which none of the strategies that are to be stopped has a run, or a slot soon.
all_idle() {
    end=$(($(date +%s) + idle_for))
    step 'waiting until no run is in progress and no slot is due soon'
    while [ "$(date +%s)" -lt "$end" ]; do
        busy=
        # Each in turn until it is quiet, then all at once.
        for round in "$((end - $(date +%s)))" 0; do
            for service in $recreate $remove; do
                id=$(containers "$service" running)
                if [ -n "$id" ] && is_strategy "$service"; then
                    inside "$((round + 30))" "$id" idle --strict --within "$away" --for "$round" || busy=$service
                fi
            done
        done
        [ -n "$busy" ] || return 0
        sleep 1
    done
    reason="$busy had no quiet moment within $idle_for s: try again, or without WAIT=idle"
    return 1
}

quiet() {
    id=$(containers "$1" running)
    [ -n "$id" ] && is_strategy "$1" || return 0
    step "waiting for a quiet moment of $1"
    inside "$((patience + 30))" "$id" idle --within "$soon" --for "$patience" || say "$1 is stopped when its runs have ended"
}

# gate SERVICE ARGUMENTS...: waits until the new container has shown that it works.
gate() {
    service=$1
    shift
    end=$(($(date +%s) + beat))
    while :; do
        id=$(containers "$service")
        inside 180 "$id" gate "$@" >"$output" 2>&1 && return 0
        code=$?
        reason=$(of "$service" "$(last_line)")
        [ "$code" = 3 ] && return 1
        if ! docker version >/dev/null 2>&1; then
            say 'the engine went away: waiting until it is back'
            engine_is_back || return 1
            end=$(($(date +%s) + beat))
            continue
        fi
        if [ "$(docker inspect --format '{{.RestartCount}}' "$id" 2>/dev/null || echo 0)" -gt 0 ] || [ "$(date +%s)" -ge "$end" ]; then
            reason="$service: $(why_it_ended "$id")"
            return 1
        fi
        sleep 0.3
    done
}

# why_it_ended CONTAINER: the last error in its output, or its last line.
why_it_ended() {
    docker logs --tail 50 "$1" >"$output" 2>&1
    said=$(sed -n 's/.*"level": "error".* "error": "\(\([^"\\]\|\\.\)*\)".*/\1/p' "$output" | tail -n 1)
    [ -n "$said" ] || said=$(last_line)
    printf 'its container ended: %s' "$said"
}

# switch SERVICE: the new container takes over from the old one between two runs, and beats.
switch() { start "$1" && check "$1"; }

# start SERVICE: its new container is there, and the old one of its name is not any more.
start() {
    quiet "$1"
    step "starting $1"
    touched="$touched $1"
    # Compose makes the new container before it stops the old one, so the gap is short.
    if ! patiently compose "$release" up --detach --no-deps --no-build "$1"; then
        reason="$1 could not be started: $(last_line)"
        return 1
    fi
    containers "$1" running >>"$folder/ran"
}

check() { gate "$1" --beat "$beat"; }

# stop SERVICE: it gives way to others that have its strategies from here on. It is removed when these have shown that they work.
stop() {
    quiet "$1"
    step "stopping $1"
    touched="$1 $touched" # in front: where everything returns, it is there again before those that took over are stopped
    stop_containers "$1" || {
        reason="$1 could not be stopped: $(last_line)"
        return 1
    }
}

first_runs() {
    for service in $recreate; do
        if is_strategy "$service"; then
            step "waiting for the first run of $service"
            gate "$service" --beat "$beat" --runs || return 1
            say "$(sort -u "$output")"
        fi
    done
}

# announce start|end RELEASE: the supervisor learns of it from the control volume, which every container of ours has.
announce() {
    for service in supervisor $recreate; do
        id=$(containers "$service" running)
        [ -n "$id" ] || continue
        # shellcheck disable=SC2086 # a number of words
        set -- "$1" "$2" $recreate $remove
        inside 60 "$id" deployment "$1" --release "$2" --strategies "$strategies" --by "$by" \
            --for "$((300 * ($# - 1)))" && return 0
    done
    [ -z "$previous" ] || say 'nobody could be told of the deployment: the supervisor may report a gap'
}

take_over() {
    mark=$root/releases/$release
    : >"$mark/done"
    sync "$mark/release.json" "$mark/compose.yaml" "$mark/done" "$mark"
    ln -sfn "releases/$release" "$root/current.new" && mv -T "$root/current.new" "$root/current" && sync "$root"
}

give_back() {
    why=$reason failed=''
    [ -n "$touched" ] && say "$why" && step "returning to ${previous:-nothing}"
    for service in $touched; do
        quiet "$service"
        if [ -n "$previous" ] && has "$previous" "$service"; then
            patiently compose "$previous" up --detach --no-deps --no-build "$service" || failed="$failed $service"
        else
            stop_and_remove "$service" || failed="$failed $service"
        fi
    done
    for service in $touched; do
        if [ -n "$previous" ] && has "$previous" "$service"; then
            gate "$service" --beat "$beat" || failed="$failed $service"
        fi
    done
    announce end "${previous:-none}"
    [ -z "$failed" ] || finish failed "$why; and these could not be put back:$failed"
    [ -n "$touched" ] || finish refused "$why"
    finish returned "$why"
}

# prune: the newest records stay, and what they and containers use. Only what a deploy has brought is ever removed.
prune() {
    kept=0 removed=''
    for record in $(find "$root/releases" -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort -r); do
        if [ "$record" = "$release" ] || { [ -e "$root/releases/$record/done" ] && [ "$kept" -lt "$records" ]; }; then
            kept=$((kept + 1))
        else
            rm -rf "${root:?}/releases/$record" && removed="$removed $record"
        fi
    done
    : >"$root/shipped.new"
    while IFS= read -r tag; do
        if cat "$root"/releases/*/images | grep -qxF "$tag" || [ -n "$(docker ps --all --quiet --filter "ancestor=$tag")" ]; then
            printf '%s\n' "$tag" >>"$root/shipped.new"
        elif docker rmi "$tag" >"$output" 2>&1; then
            removed="$removed $tag"
        elif docker image inspect "$tag" >/dev/null 2>&1; then
            printf '%s\n' "$tag" >>"$root/shipped.new"
        fi
    done <"$root/shipped"
    mv "$root/shipped.new" "$root/shipped"
    for file in "$root"/files/*; do
        [ -e "$file" ] || continue
        cat "$root"/releases/*/files | grep -qxF "${file##*/}" || rm -f "$file"
    done
    find "$root/transactions" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -r | tail -n "+$((transactions + 1))" |
        while IFS= read -r old; do rm -rf "${root:?}/transactions/$old"; done
    [ -z "$removed" ] && return
    say "pruned:$removed"
    printf '{"action": "prune", "by": "%s", "at": "%s", "outcome": "succeeded", "reason": "%s"}\n' \
        "$by" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(quoted "removed${removed}")" >>"$root/audit.jsonl"
}

# The transaction

docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False >"$folder/ran"
docker ps --all --quiet --filter label=openbell.preflight --filter "label=com.docker.compose.project=$project" |
    xargs -r docker rm --force >/dev/null 2>&1 # what one that was cut off has left
preflight || give_back
if [ "$wait" = idle ]; then
    all_idle || give_back
fi
announce start "$release"
for one in $steps; do
    case $one in
    switch:*) switch "${one#*:}" ;;
    start:*) start "${one#*:}" ;;
    stop:*) stop "${one#*:}" ;;
    check:*) check "${one#*:}" ;;
    esac || give_back
done
first_runs || give_back
for one in $remove; do
    quiet "$one"
    step "removing $one"
    stop_and_remove "$one" || say "$one could not be removed: $(last_line)"
done
step 'taking over'
take_over
announce end "$release"
prune
finish succeeded ''
