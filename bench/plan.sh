#!/usr/bin/env bash
# Does `--plan` predict what `bench` then measures? On three model shapes with random weights (as bench/shapes.sh): on the
# first device, and where a second one is given on that too and with the first half of the layers on the first.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] [REPEATS=5] [EVERY=1] [SHAPES="gemma3-1b ..."]
#       bench/plan.sh DEVICE [DEVICE]
#
# Prints test, predicted and measured tokens a second and their ratio; the exit status is 1 when a ratio of decoding is
# more than 25 % off. With a hardware GPU first and the CPU second it also caps the GPU's memory at half of the model,
# and compares the cut that the planner then takes with every EVERY-th other cut that fits: the GPU has the first layers,
# the last ones, or the last ones and the head. Both are measured once more, in turns, because what a CPU does in a second
# moves by more than most cuts differ. There must be no other GPU. Needs jq.
set -euo pipefail

[[ $# -eq 1 || $# -eq 2 ]] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
repeats=${REPEATS:-5}
every=${EVERY:-1}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wrong=0

# rates MODEL OPTIONS...: decode and prompt tokens a second, measured.
rates() {
    "$glint" bench -m "$1" -p 512 -n 128 -r "$repeats" --json "${@:2}" | jq -r '[(.tests[] | select(.test == "tg128")).median, (.tests[] | select(.test == "pp512")).median] | @tsv'
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

decode_rate() { # MODEL OPTIONS...: nothing where it does not fit
    "$glint" bench -m "$1" -p 0 -n 64 -r "$repeats" --json "${@:2}" 2>/dev/null | jq -r '.tests[0].median'
}
# The ways to give n of the layers to the first device.
cut_of() { # LAYERS N WAY
    local rest=$(($1 - $2))
    case $3 in
        first) echo "$first=embed,0-$(($2 - 1)),$second=$2-$(($1 - 1)),head" ;;
        last) echo "$second=embed,0-$((rest - 1)),$first=$rest-$(($1 - 1)),$second=head" ;;
        head) echo "$second=embed,0-$((rest - 1)),$first=$rest-$(($1 - 1)),head" ;;
    esac
}
larger() { awk -v a="$1" -v b="$2" 'BEGIN { print (a > b ? a : b) }'; }
cuts() { # SHAPE MODEL LAYERS
    local cap chosen best=0 best_cut=none n way cut rate now
    cap=$(($(stat -c %s "$2") / 2))
    chosen=$("$glint" bench -m "$2" -p 0 -n 64 --plan --memory "$first=$cap" --json | jq -r .split)
    for ((n = 1; n < $3; n += every)); do
        for way in first last head; do
            cut=$(cut_of "$3" "$n" "$way")
            rate=$(decode_rate "$2" --split "$cut" --memory "$first=$cap") || continue
            [[ -n $rate ]] || continue
            if awk -v a="$rate" -v b="$best" 'BEGIN { exit !(a > b) }'; then best=$rate best_cut=$cut; fi
        done
    done
    best=0 rate=0
    for _ in 1 2 3; do
        best=$(larger "$best" "$(decode_rate "$2" --split "$best_cut" --memory "$first=$cap")")
        if [[ $chosen == *=* ]]; then now=$(decode_rate "$2" --split "$chosen"); else now=$(decode_rate "$2" -d "$chosen"); fi
        rate=$(larger "$rate" "$now")
    done
    awk -v what="$1 $chosen" -v cut="$best_cut" -v best="$best" -v rate="$rate" 'BEGIN {
        printf "%s: %.1f chosen; best of the others %.1f (%s): %.2f\n", what, rate, best, cut, rate / best
        exit !(rate / best > 0.9) }' || wrong=1
}

first=$1 second=${2:-}
declare -A layers_of=([gemma3-1b]=26 [qwen2.5-0.5b]=24 [llama3.2-1b]=16)
for shape in ${SHAPES:-gemma3-1b qwen2.5-0.5b llama3.2-1b}; do
    layers=${layers_of[$shape]} model=$folder/$shape.gguf
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
