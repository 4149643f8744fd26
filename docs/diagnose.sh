#!/bin/bash
# Replays the commands of docs/diagnose.md and compares what they print with what the page says; numbers that stand alone
# may differ from machine to machine and are left out of it. Usage: docs/diagnose.sh BIN [--update]
# BIN: the folder of a `glint` that was built with -DGLINT_ZOO=ON. --update writes what it prints into the page.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$(realpath "$1"):$PATH
page=$PWD/docs/diagnose.md
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
ln -s "$PWD/tests/data/gemma3-shakespeare-Q4_K_M.gguf" "$here/model.gguf"
ln -s "$PWD/tests/data/gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors" "$here/reference.safetensors"
cd "$here"

if ! glint devices 2>/dev/null | grep -q gles:llvmpipe; then
    echo "skipped: no gles:llvmpipe"
    exit 77
fi

# In a console block a line that begins with "$ " is a command; what follows is what it prints.
replay() {
    local line inside=0
    while IFS= read -r line <&3; do
        case $line in
        '```console') inside=1 ;;
        '```') inside=0 ;;
        '$ '*) if [ $inside = 1 ]; then
            echo "$line"
            bash -c "${line#\$ }" 2>&1 | sed '$a\' || true
            continue
        fi ;;
        *) if [ $inside = 1 ]; then continue; fi ;;
        esac
        echo "$line"
    done 3<"$page"
}

replay >replayed
if [ "${2:-}" = --update ]; then
    cp replayed "$page"
    exit
fi

# Numbers become #, rows of blanks one.
words() {
    sed -E -e ':again' -e 's/(^|[ (,])-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?([ ),;:]|$)/\1#\4/; t again' -e 's/ +/ /g' "$1"
}
words "$page" >want
words replayed >got
diff want got
echo "diagnose: $(grep -c '^\$ ' "$page") commands print what docs/diagnose.md says"
