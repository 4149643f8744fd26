#!/usr/bin/env bash
# What a boundary between two devices costs in decoding: time a token over 1, 2, 4 and 8 boundaries, and the slope. The
# second device always has eight layers in all, in 1, 1, 2 and 4 stretches, so that the work stays the same. The same
# device twice is allowed; with "gles" and "gles:0", two names of one, each has a context of its own.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] [ROUNDS=6] bench/handover.sh FIRST SECOND [BENCH OPTIONS]
#
# On Llama 3.2 1B's shape (16 layers), random weights, with a narrow feed-forward and few tokens: what crosses is the same,
# and what a CPU does in a second, which depends on who else is there, is less. The best of several rounds counts. Needs jq.
set -euo pipefail

[[ $# -ge 2 ]] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
model=$folder/model.gguf
"$make_model" llama3.2-1b q4_k_m "$model" --ffn 1024 --vocab 4096

a=$1 b=$2
declare -A splits=(
    [1]="$b=embed,0-7,$a=8-15,head"
    [2]="$a=embed,0-3,$b=4-11,$a=12-15,head"
    [4]="$a=embed,0-1,$b=2-5,$a=6-8,$b=9-12,$a=13-15,head"
    [8]="$a=embed,0-1,$b=2-3,$a=4-5,$b=6-7,$a=8-9,$b=10-11,$a=12,$b=13-14,$a=15,head"
)
for ((round = 0; round < ${ROUNDS:-6}; round++)); do
    for n in 1 2 4 8; do
        rate=$("$glint" bench -m "$model" -p 0 -n 64 -r 10 --split "${splits[$n]}" --json "${@:3}" | jq -r '.tests[0].maximum')
        echo "$n $rate"
    done
done | awk '
    { us = 1e6 / $2; all[$1] = all[$1] sprintf(" %7.0f", us); if (!($1 in best) || us < best[$1]) best[$1] = us }
    END {
        for (n = 1; n <= 8; n *= 2) {
            printf "%d boundaries  %9.1f us a token; rounds:%s\n", n, best[n], all[n]
            N++; x += n; y += best[n]; xx += n * n; xy += n * best[n]
        }
        printf "slope: %.1f us a boundary\n", (N * xy - x * y) / (N * xx - x * x)
    }'
