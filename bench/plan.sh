#!/usr/bin/env bash
# Does `--plan` predict what `bench` then measures? On three model shapes with random weights (as bench/shapes.sh): on the
# first device, and where a second one is given on that too and with the first half of the layers on the first.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] bench/plan.sh DEVICE [DEVICE]
#
# Prints test, predicted and measured tokens a second and their ratio; the exit status is 1 when a ratio of decoding is
# more than 25 % off. With a hardware GPU first and the CPU second it also caps the GPU's memory at half of the model,
# and compares the cut that the planner then takes with every other cut that fits. Needs jq.
set -euo pipefail

[[ $# -eq 1 || $# -eq 2 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wrong=0

# rates MODEL OPTIONS...: decode and prompt tokens a second, measured.
rates() {
    "$glint" bench -m "$1" -p 512 -n 128 -r 5 --json "${@:2}" | jq -r '[(.tests[] | select(.test == "tg128")).median, (.tests[] | select(.test == "pp512")).median] | @tsv'
}
predicted() {
    "$glint" bench -m "$1" -p 512 -n 128 --plan --json "${@:2}" | jq -r '[.decode_tokens_per_second, .prompt_tokens_per_second] | @tsv'
}
compare() { # SHAPE MODEL OPTIONS...
    local pd pp md mp
    read -r pd pp < <(predicted "${@:2}")
    read -r md mp < <(rates "${@:2}")
    awk -v what="$1 ${*:3}" -v pd="$pd" -v md="$md" -v pp="$pp" -v mp="$mp" 'BEGIN {
        printf "%-60s tg128 %9.1f predicted %9.1f measured %5.2f   pp512 %9.1f %9.1f %5.2f\n", what, pd, md, pd / md, pp, mp, pp / mp
        exit !(pd / md > 0.75 && pd / md < 1.25) }' || wrong=1
}
cuts() { # SHAPE MODEL LAYERS: all cuts that hold no more of the model on the GPU than half of it
    local cap chosen best=0 n rate
    cap=$(($(stat -c %s "$2") / 2))
    chosen=$("$glint" bench -m "$2" -p 0 -n 128 --plan --memory "$first=$cap" --json | jq -r .split)
    for ((n = 0; n <= $3; n++)); do
        rate=$("$glint" bench -m "$2" -p 0 -n 128 -r 3 -d "$first" -ngl $n --memory "$first=$cap" --json 2>/dev/null | jq -r '.tests[0].median') || continue
        best=$(awk -v a="$best" -v b="$rate" 'BEGIN { print a > b ? a : b }')
    done
    if [[ $chosen == *=* ]]; then set -- "$1" "$2" --split "$chosen"; else set -- "$1" "$2" -d "$chosen"; fi
    rate=$("$glint" bench -m "$2" -p 0 -n 128 -r 3 "${@:3}" --json | jq -r '.tests[0].median')
    awk -v what="$1 $chosen" -v best="$best" -v rate="$rate" 'BEGIN {
        printf "%-60s chosen %9.1f best of the others %9.1f %5.2f\n", what, rate, best, rate / best
        exit !(rate / best > 0.9) }' || wrong=1
}

first=$1 second=${2:-}
for shape in gemma3-1b:26 qwen2.5-0.5b:24 llama3.2-1b:16; do
    layers=${shape#*:} shape=${shape%:*} model=$folder/$shape.gguf
    "$make_model" "$shape" q4_k_m "$model"
    compare "$shape" "$model" -d "$first"
    if [[ -n $second ]]; then
        half=$((layers / 2))
        compare "$shape" "$model" -d "$second"
        compare "$shape" "$model" --split "$first=0-$((half - 1)),$second=$half-$((layers - 1))"
        [[ $second == cpu && $first != gles:llvmpipe ]] && cuts "$shape" "$model" "$layers"
    fi
    rm "$model"
done
exit $wrong
