#!/bin/sh
# The libraries and the record of layouts against those of the last release, the last tag that is a version: while ALIGN_ABI
# stays, nothing that a program was built against may go. Before the first release they are compared with a copy of the
# last commit that exports one function more, whose loss has to be found. Skipped without repository or abidiff.
# usage: abidiff.sh SOURCE_ROOT LIBRARY...
set -eu
root=$1
shift
command -v abidiff >/dev/null || { echo 'skipped: no abidiff' && exit 77; }
[ -e "$root/.git" ] || { echo 'skipped: not a repository' && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --shared "$root" "$work/source"
if tag=$(git -C "$root" describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
    git -C "$work/source" -c advice.detachedHead=false checkout -q "$tag"
else
    tag='the last commit'
    printf '\nALIGN_API int32_t align_lost(void);\nint32_t align_lost(void) { return 0; }\n' >>"$work/source/lib/base/error.c"
    sed -i 's/align_abi;/align_abi; align_lost;/' "$work/source/lib/libalign.map"
fi
if [ "$("$work/source/tools/header_version.sh" ABI)" != "$("$root/tools/header_version.sh" ABI)" ]; then
    echo "ok: ALIGN_ABI is another than that of $tag"
    exit 0
fi
# abidiff cannot tell a field at the end from one in between; the records can.
python3 "$root/tools/abi.py" "$work/source/tests/abi/layout.txt" "$root/tests/abi/layout.txt"
meson setup "$work/build" "$work/source" -Dtests=false -Dexamples=false >"$work/log" && ninja -C "$work/build" >"$work/log" ||
    { cat "$work/log" && exit 1; }
for library; do
    name=$(basename "$library")
    name=${name%%.so*}
    old=$(find "$work/build" -name "$name.so")
    # Status bits: 1 and 2 are errors of abidiff, 8 is an incompatible change; 4 alone is an addition.
    status=0
    abidiff --headers-dir1 "$work/source/include" --headers-dir2 "$root/include" "$old" "$library" >"$work/diff" || status=$?
    if [ "$tag" = 'the last commit' ] && [ "$name" = libalign ]; then
        [ $((status & 11)) -eq 8 ] && grep -q "\[D\] .*align_lost()'" "$work/diff" || { cat "$work/diff" && echo 'a lost function is not found' && exit 1; }
        echo 'ok: a function that is lost is found'
        continue
    fi
    [ $((status & 11)) -eq 0 ] || { cat "$work/diff" && echo "$name: differs from $tag in what programs use" && exit 1; }
    echo "ok: $name against $tag"
done
