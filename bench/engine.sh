#!/usr/bin/env bash
# What the engine itself costs, on Gemma 3 1B's shape in Q4_K_M: time a token without any arithmetic (device null), and the
# peak memory of `run` in exact beside what it may be (file + cache + activations of a batch + 64 MB).
#
#   [GLINT=build/bin/glint] [MAKE_MODEL=build/glint_make_model] bench/engine.sh
#
# Needs jq and GNU time.
set -euo pipefail

glint=${GLINT:-build/bin/glint}
make_model=${MAKE_MODEL:-build/glint_make_model}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
model=$folder/gemma3-1b.gguf
"$make_model" gemma3-1b q4_k_m "$model"

"$glint" bench -d null -m "$model" -p 0 -n 128 -r 5 --json 2>/dev/null |
    jq -r '.. | objects | select(.test? == "tg128") | "engine: \(1e6 / .median) us a token"'

# 26 layers, keys and values of 256 floats; a batch of 512 rows holds at most gate, up and their product (3 x 6912), and
# what is alive beside them (4 x 1152), and there is one row of logits a program.
context=1024
cache=$((26 * context * 2 * 256 * 4))
activations=$((512 * (3 * 6912 + 4 * 1152) * 4 + 3 * 262144 * 4))
allowed=$(($(stat -c %s "$model") + cache + activations + 64000000))
peak=$(/usr/bin/time -f %M "$glint" run -q -d cpu --precision exact -m "$model" -c $context -p 'Hello world' -n 2 2>&1 >/dev/null | tail -1)
echo "memory: $((peak * 1024)) bytes at most, $allowed allowed"
[[ $((peak * 1024)) -le $allowed ]]
