#!/bin/sh
# The amalgamation compiles under two compilers without a warning, and gives the bits of the library: both of it and the
# shared library in one program, each copy under its own name.
# usage: amalgamation.sh LEVEL SOURCE_ROOT SHARED_LIBRARY CC...
set -eu
level=$1 source=$2 shared=$(realpath "$3")
shift 3
here=$source/tests/embed/amalgamation
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$source/tools/amalgamate.py" .
[ -z "$(find . -name '*.c' -o -name '*.h' | xargs grep -l "$source")" ] || { echo 'names its folder' && exit 1; }

other=$(command -v clang || echo "$1")
strict='-Wall -Wextra -Werror -Wno-missing-field-initializers'
[ "$level" != 0 ] || strict="$strict -Wno-maybe-uninitialized -Wno-unknown-warning-option" # gcc guesses where it does not look
# shellcheck disable=SC2086
{
    "$other" -std=gnu11 $strict -O$level -DALIGN_NAMESPACE=two_ -c libalign.c -o two.o &
    "$@" -std=c11 $strict -O$level -DALIGN_NAMESPACE=one_ -c libalign.c -o one.o
    wait $!
    for copy in one two; do
        "$@" -std=c11 $strict -I. -DALIGN_NAMESPACE=${copy}_ -DLIBALIGN_HEADER='"libalign.h"' -DBITS=${copy}_bits \
            -c "$here/bits.c" -o $copy-bits.o
        nm -g --defined-only $copy.o | sed '/^$/d' | grep -v " ${copy}_align_" && { echo 'a name is not renamed' && exit 1; }
    done
    "$@" -std=c11 $strict -I"$source/include" -DLIBALIGN_HEADER='<libalign/align.h>' -DBITS=bits -c "$here/bits.c" -o bits.o
    "$@" "$here/copies.c" ./*.o "$shared" $(pkg-config --libs openblas) -lm -o copies
}
LD_LIBRARY_PATH=$(dirname "$shared") ./copies
echo 'ok: three copies, equal bits'
