#!/usr/bin/env bash
# Two GPUs of one host: what decoding costs when half of a model lies on each, beside one GPU alone, and whether a model
# that neither holds alone runs on both, with the same text.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] [SHAPES="llama3.2-1b gemma3-1b"]
#       bench/two.sh FIRST SECOND [BENCH OPTIONS]
#
# Random weights. The exit status is 1 when the split costs more than 200 us a token, or the second part fails. Needs jq.
set -euo pipefail

[[ $# -ge 2 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
first=$1 second=$2
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wrong=0

decode_rate() { "$glint" bench -m "$model" -p 0 -n 128 -r 5 --json "$@" | jq -r '.tests[0].median'; }
text() { "$glint" run -q -m "$model" -p Hello -n 32 -c 256 --temp 0 --precision exact "$@"; }
bytes_needed() {
    "$glint" run -m "$model" -p Hello -n 32 -c 256 --precision exact --plan --json -d "$first" |
        jq -r '[.parts[] | .weight_bytes + .cache_bytes + .scratch_bytes] | add | floor'
}

declare -A layers_of=([gemma3-1b]=26 [qwen2.5-0.5b]=24 [llama3.2-1b]=16)
for shape in ${SHAPES:-llama3.2-1b gemma3-1b}; do
    layers=${layers_of[$shape]} model=$folder/$shape.gguf
    half=$((layers / 2))
    "$make_model" "$shape" q4_k_m "$model"
    alone=$(decode_rate -d "$first" "${@:3}")
    both=$(decode_rate --split "$first=0-$((half - 1)),$second=$half-$((layers - 1))" "${@:3}")
    awk -v what="$shape" -v a="$alone" -v b="$both" 'BEGIN {
        more = 1e6 / b - 1e6 / a
        printf "%s: alone %.1f us a token, on both %.1f: %.1f more\n", what, 1e6 / a, 1e6 / b, more
        exit more > 200 }' || wrong=1

    each=$(($(bytes_needed) * 4 / 5))
    if text -d "$first" --memory "$first=$each" >"$folder/none" 2>&1; then
        echo "$shape: $each bytes should not be enough for one GPU"
        wrong=1
    fi
    text -d "$first" >"$folder/one"
    "$glint" run -m "$model" -p Hello -n 32 -c 256 --precision exact --plan --memory "$first=$each,$second=$each,cpu=1M"
    text --memory "$first=$each,$second=$each,cpu=1M" >"$folder/two"
    if cmp -s "$folder/one" "$folder/two"; then
        echo "$shape: $each bytes of each GPU: the same text as with one"
    else
        echo "$shape: $each bytes of each GPU: another text than with one"
        wrong=1
    fi
done
exit $wrong
