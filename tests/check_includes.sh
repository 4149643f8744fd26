#!/bin/bash
# Arrows run one way: each room includes only what docs/tour.md says it may. Prints every include that breaks a rule.
set -euo pipefail
cd "$(dirname "$0")/.."
broken=0

# allow "FILES" PATTERN...: every quoted include of these files must match one of the patterns (whole path).
allow() {
    local files=$1 line include pattern good
    shift
    while IFS= read -r line; do
        include=${line#*\"} include=${include%%\"*}
        good=0
        for pattern in "$@"; do
            # shellcheck disable=SC2053 # a pattern is meant to be one
            if [[ $include == $pattern ]]; then good=1; fi
        done
        if [ $good = 0 ]; then
            echo "${line%%:*}: must not include \"$include\""
            broken=$((broken + 1))
        fi
    done < <(grep -E '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null $files || true)
}

# forbid "FILES" PATTERN: no include of these files may match the extended regular expression.
forbid() {
    local found
    found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" /dev/null $1 || true)
    if [ -n "$found" ]; then
        echo "$found"
        broken=$((broken + $(wc -l <<<"$found")))
    fi
}

files() { find "$@" -name '*.[ch]' | sort | tr '\n' ' '; }

[ -n "$(files cli)" ] && [ -n "$(files core)" ] && [ -n "$(files backends)" ] || {
    echo "check_includes: a room is empty"
    exit 1
}

base=('core/base/*' glint.h)
allow "$(files cli)" 'cli/*' glint.h
allow include/glint.h
allow "$(files core/base)" "${base[@]}"
allow "$(files core/formats)" 'core/formats/*' "${base[@]}"
allow "$(files core/container)" 'core/container/*' 'core/formats/*' "${base[@]}"
allow "$(files core/tokenizer)" 'core/tokenizer/*' 'core/container/*' "${base[@]}"
allow "$(files core/arch)" core/tape.h core/model.h core/arch/arch.h glint.h
allow "$(files core)" 'core/*' backends/backend.h glint.h
for room in backends/*/; do
    own=${room%/}
    allowed=("$own/*" 'backends/*.h' core/tape.h 'core/formats/*' "${base[@]}")
    if [ "$own" = backends/cpu ]; then allowed+=('cpu/*'); fi
    allow "$(files "$own")" "${allowed[@]}"
done
allow "$(find backends -maxdepth 1 -name '*.[ch]' | tr '\n' ' ')" 'backends/*.h' core/tape.h 'core/formats/*' "${base[@]}"
allow "$(files cpu)" 'cpu/*' 'core/formats/*' "${base[@]}"
forbid "$(files core cli include)" 'omp\.h|.*cblas|EGL/|GLES|backends/[a-z]+/|immintrin'
forbid "$(files backends/ref backends/null)" 'omp\.h|.*cblas|EGL/|GLES|immintrin'

if [ $broken = 0 ]; then
    echo "check_includes: every include keeps the direction"
else
    echo "check_includes: $broken includes break the direction"
    exit 1
fi
