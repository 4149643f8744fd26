#!/bin/bash
# Installs into an empty prefix, uses the program from there, and builds and runs a program against the library.
# Usage: test_install.sh BUILD_FOLDER C_COMPILER [COMPILER FLAGS]
set -euo pipefail
build=$1 compiler=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

fail() {
    echo "test_install: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$prefix" >"$prefix/log" || fail "$(cat "$prefix/log")"
glint=$prefix/bin/glint
model=$prefix/share/glint/gemma3-shakespeare-Q4_K_M.gguf

# The program finds its model from any folder, and answers alike.
cd /
expected=$("$glint" run -q --temp 0 -n 16 -p $'ROMEO:\n')
[ -n "$expected" ] || fail "the installed program generates nothing"
"$glint" inspect --json | grep -qF "\"model\": \"$model\"" || fail "the default model is not the installed one"

# A man page and completions for every command that the overview names.
commands=$("$glint" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
[ "$(wc -w <<<"$commands")" -ge 7 ] || fail "the overview names too few commands: $commands"
for command in $commands; do
    [ -s "$prefix/share/man/man1/glint-$command.1" ] || fail "glint-$command.1 is missing"
    for file in bash-completion/completions/glint zsh/site-functions/_glint fish/vendor_completions.d/glint.fish; do
        grep -qw -- "$command" "$prefix/share/$file" || fail "$file does not know $command"
    done
done
bash -n "$prefix/share/bash-completion/completions/glint"

# The library through pkg-config.
pc=$(find "$prefix" -name glint.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2046 # the words of pkg-config are meant to be split
"$compiler" -std=c11 -Wall -Wextra -Werror "$@" "$here/install/hello.c" -o "$prefix/hello" \
    $(pkg-config --cflags --libs glint)
got=$("$prefix/hello" "$model")
[ "$got" = "$expected" ] || fail "the library says '$got', the program '$expected'"
echo "test_install: passed"
