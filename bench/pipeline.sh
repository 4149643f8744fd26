#!/usr/bin/env bash
# Do the chunks of a prompt overlap on two devices? 2,048 tokens in chunks of 512, half of the layers on each, beside the
# bound: (chunks + 1) times the slower stage, over 0.85, where a stage is half of what a chunk takes on that device alone.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] bench/pipeline.sh FIRST SECOND
#
# On Llama 3.2 1B's shape (16 layers), random weights. The exit status is 1 when the bound is exceeded. Needs jq.
set -euo pipefail

[[ $# -eq 2 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
model=$folder/model.gguf
"$make_model" llama3.2-1b q4_k_m "$model"

rate() { "$glint" bench -m "$model" -p 2048 -n 0 -b 512 -r 3 --json "$@" | jq -r '.tests[0].median'; }
awk -v a="$(rate -d "$1")" -v b="$(rate -d "$2")" -v both="$(rate --split "$1=0-7,$2=8-15")" 'BEGIN {
    slower = a < b ? a : b
    bound = (4 + 1) * 512 / slower / 2 / 0.85
    printf "alone %.1f and %.1f tokens/s; together %.1f: %.4f s, bound %.4f s\n", a, b, both, 2048 / both, bound
    exit 2048 / both > bound }'
