#!/bin/sh
# Each public header compiles alone, without a warning, in C99, C11 and C++11, and twice in one file.
# usage: headers.sh SOURCE_ROOT CC...
set -eu
include=$1/include
shift
failed=0
for header in "$include"/libalign/*.h; do
    name=libalign/$(basename "$header")
    for language in 'c -std=c99' 'c -std=c11' 'c++ -std=c++11'; do
        # shellcheck disable=SC2086
        printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
            "$@" -x $language -Wall -Wextra -Wshadow -Wconversion -pedantic -Werror \
                -I"$include" -fsyntax-only - || { echo "$name fails as $language" && failed=1; }
    done
done
exit $failed
