#!/bin/bash
# A library that people get has nothing of the zoo in it, neither code nor names. Usage: no_zoo.sh LIBRARY
set -euo pipefail
if nm "$1" 2>/dev/null | grep -i zoo || grep -a -i -o 'glint_zoo[a-z_]*' "$1"; then
    echo "no_zoo: $1 has parts of the zoo"
    exit 1
fi
echo "no_zoo: nothing of the zoo is in $1"
