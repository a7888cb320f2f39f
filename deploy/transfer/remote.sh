# Functions for a host's own sh. Both print a line for each trouble on standard error, and return 0 if all is well.
# Their variables stay in subshells, and they rely on no shell option.

# openbell_receive COMPRESSION BYTES: loads the images that the next so many bytes of standard input are. It reads all of
# them and none more, even if the load fails, so that what follows them is still in step.
openbell_receive() (
    case $1 in
    zstd) unpack=zstd ;;
    gzip) unpack=gzip ;;
    *) echo "openbell: cannot unpack $1" >&2 && exit 1 ;;
    esac
    # The engine is never given packed bytes: of zstd some ages know nothing, and others fall over.
    said=$(head -c "$2" | {
        $unpack -dc 2>&3 | docker load 2>&1
        code=$?
        cat >/dev/null
        exit $code
    } 3>&1)
    code=$?
    # Its exit code says too little: some engines return 0 for a layer that was not there. What it prints counts as well.
    said=$(printf '%s\n' "$said" | grep -v '^Loaded image' | grep -i 'error\|fail\|invalid\|unexpected\|no such\|not found\|denied\|space\|zstd:\|gzip:\|cannot' | tail -n 3)
    if [ $code != 0 ] || [ -n "$said" ]; then
        echo "openbell: the images could not be loaded: ${said:-exit code $code}" >&2
        exit 1
    fi
)

# openbell_verify TAG IDS new|kept [TAG IDS new|kept ...]: tells whether the engine has these images whole. IDS are those
# that an image may have there, with commas between them. A new one that is whole loses its second name, which says that
# nobody has looked yet; one that is not loses both.
openbell_verify() (
    checks='' kept=''
    while [ $# -gt 2 ]; do
        if [ "$3" = new ]; then
            openbell_verify_new "$1" "$2" &
            checks="$checks $!"
        else
            kept="$kept $1 $2"
        fi
        shift 3
    done
    broken=0
    # shellcheck disable=SC2086 # words: neither a tag nor an id has a blank
    openbell_verify_kept $kept || broken=1
    for check in $checks; do
        wait "$check" || broken=1
    done
    exit $broken
)

# openbell_verify_kept [TAG IDS ...]: was seen to be whole when it came; the engine is asked for all at once.
openbell_verify_kept() (
    [ $# -gt 0 ] || exit 0
    tags=$(printf '%s\n' "$@" | sed -n 'p;n')
    # shellcheck disable=SC2086
    there=$(docker image inspect --format '{{range .RepoTags}}{{.}}={{$.Id}} {{end}}' $tags 2>/dev/null)
    # shellcheck disable=SC2086,SC2116 # all lines become one
    there=" $(echo $there) "
    broken=0
    while [ $# -gt 1 ]; do
        found=${there#*" $1="}
        [ "$found" != "$there" ] || found=nothing
        openbell_is "$1" "$2" "${found%% *}" || broken=1
        shift 2
    done
    exit $broken
)

# openbell_verify_new TAG IDS: whether all of its layers are there shows when a container is made of it.
openbell_verify_new() (
    name=openbell-verify-${1##*:}
    said=$(mktemp) || exit 1
    trap 'rm -f "$said"' EXIT
    # A container of this name may be left from a crash.
    { openbell_make "$name" "$1" || { docker rm --force --volumes "$name" && openbell_make "$name" "$1"; }; } >"$said" 2>&1 &
    found=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null) || found=nothing
    if ! wait $!; then
        echo "openbell: image $1 is not whole: $(tail -n 1 "$said")" >&2
    elif openbell_is "$1" "$2" "$found"; then
        docker image rm "$1-unchecked" >/dev/null 2>&1 &
        docker rm --force --volumes "$name" >/dev/null 2>&1
        wait
        exit 0
    fi
    docker rm --force --volumes "$name" >/dev/null 2>&1
    docker image rm "$1" "$1-unchecked" >/dev/null 2>&1
    exit 1
)

openbell_make() { docker create --pull never --name "$1" --network none "$2" true; }

# openbell_is TAG IDS FOUND
openbell_is() {
    case ",$2," in
    *",$3,"*) return 0 ;;
    esac
    echo "openbell: image $1 is not whole: the engine has $3 by this name, and not $2" >&2
    return 1
}
