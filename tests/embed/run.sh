#!/bin/sh
# libalign as its users meet it: a meson subproject of a wrap file, an installed copy found by pkg-config (shared, static,
# C, C++, the C++17 layer) and by CMake, and a staged install. Each builds examples/embed, which must print expected.txt.
# usage: run.sh SOURCE_ROOT
set -eu
source=$(cd "$1" && pwd)
here=$source/tests/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prints_expected() { # COMMAND: runs it and compares
    "$1" | diff -u "$here/expected.txt" - && echo "ok: $2"
}

# A subproject, by a wrap file and override_dependency. Its install is what the rest uses. The tarball holds what a build
# needs; that of a release is tried by dist.sh.
mkdir -p "$work/host/subprojects/packagefiles"
cp "$here/subproject/meson.build" "$source/examples/embed/embed.c" "$work/host"
cp "$source/examples/embed/embed.c" "$work/host/embed.cpp"
name=libalign-$("$source/tools/header_version.sh")
tarball=$work/host/subprojects/packagefiles/$name.tar.gz
tar -C "$source" --transform "s,^,$name/," -czf "$tarball" meson.build meson_options.txt include lib tools
"$source/tools/wrap.sh" "$tarball" >"$work/host/subprojects/libalign.wrap"
meson setup "$work/build" "$work/host" --buildtype=plain --prefix="$work/prefix" \
    --force-fallback-for=libalign >"$work/log" || { cat "$work/log" && exit 1; }
ninja -C "$work/build" >"$work/log" || { cat "$work/log" && exit 1; }
prints_expected "$work/build/embed-c" 'meson subproject, C'
prints_expected "$work/build/embed-cpp" 'meson subproject, C++'
meson install -C "$work/build" --no-rebuild >"$work/log"

# The installed copy. The static library is kept apart, so that nothing else can be what was linked.
pc=$(dirname "$(find "$work/prefix" -name libalign.pc)")
export PKG_CONFIG_PATH="$pc" LD_LIBRARY_PATH="$pc/.."
strict='-Wall -Wextra -Werror'
# shellcheck disable=SC2046,SC2086
{
    cc $strict -std=c99 "$work/host/embed.c" -o "$work/shared" $(pkg-config --cflags --libs libalign)
    prints_expected "$work/shared" 'shared, C'
    c++ $strict -std=c++11 "$work/host/embed.cpp" -o "$work/shared-cpp" $(pkg-config --cflags --libs libalign)
    prints_expected "$work/shared-cpp" 'shared, C++'
    c++ $strict -std=c++17 "$source/tests/cpp/align.cpp" -o "$work/layer" $(pkg-config --cflags --libs libalign) -pthread
    "$work/layer" && echo 'ok: the C++17 layer'
    readelf -d "$work/shared" | grep -q 'NEEDED.*libalign\.so\.' || { echo 'libalign.so is not needed' && exit 1; }

    printf '%s\n' '#include <libalign/threads.h>' 'int main(void) {' \
        'align_pool_args a; align_pool_args_init(&a, sizeof a); return a.size != sizeof a; }' >"$work/host/pool.c"
    cc $strict "$work/host/pool.c" -o "$work/pool" $(pkg-config --cflags --libs libalign-threads)
    "$work/pool" && echo 'ok: libalign-threads'

    cp "$here/cmake/CMakeLists.txt" "$work/host"
    cmake -G Ninja -S "$work/host" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1 &&
        cmake --build "$work/cmake" -j2 >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
    for program in shared-c shared-cpp static-c; do
        prints_expected "$work/cmake/$program" "CMake, $program"
    done
    "$work/cmake/pool" && echo 'ok: CMake, pool'
    ! ldd "$work/cmake/static-c" | grep libalign || { echo 'static-c needs the shared library' && exit 1; }

    mkdir "$work/apart"
    mv "$pc"/../libalign.so* "$work/apart"
    cc $strict "$work/host/embed.c" -o "$work/half" $(pkg-config --static --cflags --libs libalign)
    prints_expected "$work/half" 'static libalign, shared BLAS'
    cc $strict -static "$work/host/embed.c" -o "$work/static" $(pkg-config --static --cflags --libs libalign)
    prints_expected "$work/static" 'static, C'
    c++ $strict -static "$work/host/embed.cpp" -o "$work/static-cpp" $(pkg-config --static --cflags --libs libalign)
    prints_expected "$work/static-cpp" 'static, C++'
}

# The prefix may be moved; CMake follows.
mv "$work/prefix" "$work/moved"
mv "$work"/apart/* "$(find "$work/moved" -name libalign.a -printf %h)"
cmake -G Ninja -S "$work/host" -B "$work/again" -DCMAKE_PREFIX_PATH="$work/moved" >"$work/log" 2>&1 &&
    cmake --build "$work/again" --target shared-c >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
prints_expected "$work/again/shared-c" 'CMake, a moved prefix'
mv "$work/moved" "$work/prefix"

# A staged install: files under DESTDIR, and nothing in them that says so.
meson install -C "$work/build" --no-rebuild --destdir "$work/stage" >"$work/log"
for file in include/libalign/align.h "${pc#"$work/prefix/"}/libalign.pc"; do
    cmp "$work/stage$work/prefix/$file" "$work/prefix/$file"
done
! grep -rl "$work/stage" "$work/stage" || { echo 'the staged files name their stage' && exit 1; }
echo 'ok: staged install'
