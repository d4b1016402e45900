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

# The C++17 layer knows each struct that has an init function: as initialised<...> or as a base.
for type in $(sed -n 's/.*\(align_[a-z_]*\)_init(\1 \*.*/\1/p' "$include"/libalign/*.h); do
    case $type in align_error | align_pool_args) continue ;; esac # made by the layer; of another library
    grep -Eq "initialised<$type,|: $type\$|: $type \{|bt_sums<$type," "$include/libalign/align.hpp" ||
        { echo "align.hpp does not know $type" && failed=1; }
done

# The C++17 layer likewise. It refuses to write to what is const.
cpp() { "$@" -x c++ -std=c++17 -Wall -Wextra -Wshadow -Wconversion -pedantic -Werror -I"$include" -fsyntax-only -; }
layer='#include <libalign/align.hpp>'
printf '%s\n%s\n' "$layer" "$layer" | cpp "$@" || { echo 'align.hpp fails' && failed=1; }
for type in double 'const double'; do
    printf '%s\nalign_tensor f(%s *x);\nalign_tensor f(%s *x) { return libalign::out(x, 3); }\n' "$layer" "$type" "$type" |
        cpp "$@" 2>/dev/null && echo "$type" || true
done | cmp -s - /dev/fd/3 3<<'END' || { echo 'align.hpp: out() takes what is const, or nothing' && failed=1; }
double
END
exit $failed
