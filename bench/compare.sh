#!/usr/bin/env bash
# Speed of `glint bench` beside llama.cpp's llama-bench on one model file, in one run: the two take turns, each round
# begins with the other one, and the medians of all rounds are compared. Both read the same file with the same threads.
#
#   LLAMA_BENCH=.../llama-bench [GLINT=build/glint] bench/compare.sh MODEL.gguf [-p 512] [-n 64] [-t 2] [-r 5]
#
# -p, -n: tokens of the prompt and new tokens; -t: threads; -r: rounds. Prints a line a test: test, Glint's and
# llama.cpp's median tokens a second with [lowest..highest], their ratio. Needs jq.
set -euo pipefail

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

prompt=512 decode=64 threads=2 rounds=5
[[ $# -ge 1 && $1 != -* ]] || usage
model=$1
shift
while getopts p:n:t:r: option; do
    case $option in
    p) prompt=$OPTARG ;;
    n) decode=$OPTARG ;;
    t) threads=$OPTARG ;;
    r) rounds=$OPTARG ;;
    *) usage ;;
    esac
done
[[ $OPTIND -gt $# ]] || usage
glint=${GLINT:-build/glint}
: "${LLAMA_BENCH:?names the llama-bench to compare with}"

# Both print lines of: engine, test, tokens a second.
run_glint() {
    "$glint" bench -m "$model" -d cpu -p "$prompt" -n "$decode" -t "$threads" -r 1 --json |
        jq -r '.tests[] | ["glint", .test, .median] | @tsv'
}
run_llama() {
    "$LLAMA_BENCH" -m "$model" -p "$prompt" -n "$decode" -t "$threads" -r 1 -o jsonl |
        jq -r '["llama.cpp", (if .n_gen > 0 then "tg\(.n_gen)" else "pp\(.n_prompt)" end), .avg_ts] | @tsv'
}

measure() {
    for ((round = 0; round < rounds; round++)); do
        if ((round % 2)); then
            run_llama && run_glint
        else
            run_glint && run_llama
        fi
    done
}

results=$(measure)
printf 'test\tglint\tllama.cpp\tratio\n'
jq -rRn '
    def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
    def digits: . * 100 | round / 100;
    def show: "\(median | digits) [\(min | digits)..\(max | digits)]";
    [inputs | split("\t") | {engine: .[0], test: .[1], rate: (.[2] | tonumber)}]
    | group_by(.test)[]
    | .[0].test as $test
    | (map(select(.engine == "glint").rate)) as $glint
    | (map(select(.engine == "llama.cpp").rate)) as $llama
    | [$test, ($glint | show), ($llama | show), (($glint | median) / ($llama | median) | digits)]
    | @tsv' <<<"$results"
