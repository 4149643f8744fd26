#!/usr/bin/env bash
# Speed of one device on three model shapes (Gemma 3 1B, Qwen2.5-0.5B, Llama-3.2-1B) in one mix of number formats, with
# random weights: the figures of docs/performance.md.
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] bench/shapes.sh DEVICE [q4_k_m|q8_0|f16] [-- BENCH OPTIONS]
#
# The models (0.4 to 2.5 GB each) lie in a temporary folder and go away at the end.
set -euo pipefail

[[ $# -ge 1 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
device=$1
mix=q4_k_m
shift
[[ $# -ge 1 && $1 != -- ]] && mix=$1 && shift
[[ $# -ge 1 ]] && shift
glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for shape in gemma3-1b qwen2.5-0.5b llama3.2-1b; do
    "$make_model" "$shape" "$mix" "$folder/$shape.gguf"
    "$glint" bench -d "$device" -m "$folder/$shape.gguf" -p 512 -n 128 -r 5 "$@"
    rm "$folder/$shape.gguf"
done
