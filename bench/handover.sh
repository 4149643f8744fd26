#!/usr/bin/env bash
# What a boundary between two devices costs in decoding: time a token over 1, 2, 4 and 8 boundaries, and the slope. The
# second device always has eight layers in all, in 1, 1, 2 and 4 stretches, so that the work stays the same. The same
# device twice is allowed (each stretch has a context of its own).
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] bench/handover.sh FIRST SECOND
#
# On Llama 3.2 1B's shape (16 layers), random weights. Needs jq.
set -euo pipefail

[[ $# -eq 2 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
first=$1 second=$2
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
model=$folder/model.gguf
"$make_model" llama3.2-1b q4_k_m "$model"

a=$first b=$second
declare -A splits=(
    [1]="$b=embed,0-7,$a=8-15,head"
    [2]="$a=embed,0-3,$b=4-11,$a=12-15,head"
    [4]="$a=embed,0-1,$b=2-5,$a=6-8,$b=9-12,$a=13-15,head"
    [8]="$a=embed,0-1,$b=2-3,$a=4-5,$b=6-7,$a=8-9,$b=10-11,$a=12,$b=13-14,$a=15,head"
)
for n in 1 2 4 8; do
    rate=$("$glint" bench -m "$model" -p 0 -n 128 -r 5 --split "${splits[$n]}" --json | jq -r '.tests[0].median')
    echo "$n $rate"
done | awk '
    { n[NR] = $1; us[NR] = 1e6 / $2; x += $1; y += us[NR]; xx += $1 * $1; xy += $1 * us[NR]
      printf "%d boundaries  %9.1f us a token\n", $1, us[NR] }
    END { printf "slope: %.1f us a boundary\n", (NR * xy - x * y) / (NR * xx - x * x) }'
