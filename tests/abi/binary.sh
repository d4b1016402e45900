#!/bin/sh
# The SONAME of each library is the ABI number of base.h, and each exported symbol carries a version node.
# usage: binary.sh SOURCE_ROOT LIBRARY...
set -eu
abi=$("$1/tools/header_version.sh" ABI)
shift
failed=0
for library in "$@"; do
    name=$(basename "$library")
    name=${name%%.so*}
    soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
    [ "$soname" = "$name.so.$abi" ] || { echo "$library: SONAME is '$soname'" && failed=1; }
    nm -D --defined-only "$library" | awk -v library="$library" '
        $3 ~ /^align/ { symbols++ }
        $3 ~ /^align/ && $3 !~ /@@LIBALIGN/ { print library ": " $3 " has no version node"; bad = 1 }
        END { exit bad || symbols == 0 }' || { echo "$library: symbols are not versioned" && failed=1; }
done
exit $failed
