#!/bin/sh
# The Rust crates as their users meet them, over a copy of the library that is installed from BUILD.
#   msrv     Debian's rustc, which is the oldest supported, and crates of Debian: no network. Tests, README.md and
#            docs/bindings.md as written, features static and bindgen
#   docs     the same rustc: the examples of the documentation, and documentation without a library
#   stable   a newer cargo, that of PATH or of Debian, with Cargo.lock and its crates: the feature ndarray too, clippy
#   train    a model in candle, which takes minutes to compile; the program fails unless the model has learnt
#   package  libalign-sys as it is published: compiled from its own sources
# usage: run.sh MODE SOURCE_ROOT BUILD
set -eu
mode=$1 source=$(cd "$2" && pwd) build=$(cd "$3" && pwd)
oldest=1.63
work=$build/rust/$mode
mkdir -p "$work"
export CARGO_PROFILE_DEV_DEBUG=0
unset RUSTFLAGS RUSTDOCFLAGS CARGO_TARGET_DIR CARGO_BUILD_TARGET DOCS_RS LIBALIGN_BLAS

# ---- a cargo of Debian, with nothing but Debian's crates -------------------------------------------

use_debian() {
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO_HOME="$work/home" CARGO_NET_OFFLINE=true
    cargo=/usr/bin/cargo
    [ -x $cargo ] && [ -d /usr/share/cargo/registry ] || { echo 'skipped: no Rust of Debian 12' && exit 77; }
    case $($RUSTC --version) in
    "rustc $oldest."*) ;;
    *) echo "skipped: $($RUSTC --version) is not $oldest" && exit 77 ;;
    esac
    mkdir -p "$CARGO_HOME"
    printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "/usr/share/cargo/registry"\n' \
        >"$CARGO_HOME/config.toml"
}

# The workspace, without the lock file and the crate that Debian does not have.
copy_crates() {
    mkdir -p "$work/crates"
    for path in Cargo.toml rustfmt.toml libalign libalign-sys; do
        cp -pR "$source/bindings/rust/$path" "$work/crates"
    done
    sed -i '/^ndarray = /d' "$work/crates/libalign/Cargo.toml"
    grep -q "^rust-version = \"$oldest\"" "$work/crates/libalign/Cargo.toml"
    cd "$work/crates"
}

# ---- the library, installed ------------------------------------------------------------------------

install_library() {
    rm -rf "$work/stage"
    meson install -C "$build" --no-rebuild --quiet --tags devel,runtime --destdir "$work/stage"
    pc=$(find "$work/stage" -name libalign.pc)
    prefix=$(sed -n 's/^prefix=//p' "$pc")
    sed -i "s|^prefix=.*|prefix=$work/stage$prefix|" "$pc"
    PKG_CONFIG_PATH=$(dirname "$pc")
    LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
    export PKG_CONFIG_PATH LD_LIBRARY_PATH
}

# The Rust block of a page as a program of its own: what comes before it, and what must hold after it.
block() { # PAGE BEFORE AFTER
    echo "$2"
    echo 'fn main() -> Result<(), libalign::Error> {'
    sed -n '/^```rust$/,/^```$/p' "$source/$1" | sed '/^```/d'
    echo "$3 Ok(()) }"
}

# What README.md and docs/bindings.md show, as written, in the crate of a stranger.
as_written() {
    mkdir -p "$work/stranger/src/bin"
    printf '[package]\nname = "stranger"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\nlibalign = { path = "%s" }\n' \
        "$work/crates/libalign" >"$work/stranger/Cargo.toml"
    block README.md 'use libalign::{Exec, Loss, Params};' \
        'assert!((dscore[0][0] + 0.05 / (1.0 + 0.1_f64.exp())).abs() < 1e-8);
        assert!((dscore[1][1] - 0.05 / (1.0 + (-0.1_f64).exp())).abs() < 1e-8 && value > 0.69);' \
        >"$work/stranger/src/bin/start.rs"
    block docs/bindings.md 'use libalign::{head::{Forward, Head, Tokens}, Exec, Status, View};' \
        'assert_eq!((error.status, error.field.as_str()), (Status::Range, "align_tokens.target"));
        assert_eq!((error.index.as_slice(), error.value, logp), (&[0, 1][..], 50257.0, [0.0]));
        assert_eq!(error.to_string(), "Range: align_tokens.target[0,1] = 50257, expected 0..7 or ignore -100");' \
        >"$work/stranger/src/bin/bad.rs"
    for program in start bad; do
        $cargo run --quiet --manifest-path "$work/stranger/Cargo.toml" --bin $program
        echo "ok: $program, as written"
    done
}

# Every function of the library is called by the safe crate, but what it has no use for: views are made of slices,
# strings and statuses are Rust's, and tests of libalign-sys compare the ABI.
reaches_all() {
    for function in $(grep -o 'align_[a-z0-9_]*' "$source/lib/libalign.map"); do
        case $function in
        align_[123]d | align_abi | align_status_name | align_error_init | align_exec_init) ;;
        *) grep -rqw "$function" "$source/bindings/rust/libalign/src" || { echo "$function is not reached" && exit 1; } ;;
        esac
    done
}

msrv() {
    use_debian
    reaches_all
    copy_crates
    install_library
    export CARGO_TARGET_DIR="$work/target"
    $cargo test --quiet --workspace --features rayon --lib --tests
    echo "ok: tests under $($RUSTC --version)"
    as_written

    program=$(RUSTFMT=/usr/bin/rustfmt $cargo test --quiet -p libalign-sys --features static,bindgen --test library \
        --no-run --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    ! ldd "$program" | grep libalign || { echo 'feature static needs the shared library' && exit 1; }
    "$program" >"$work/log" || { cat "$work/log" && exit 1; }
    echo 'ok: feature static'
    cmp "$(find "$work/target" -name bindings.rs -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)" \
        libalign-sys/src/bindings.rs
    echo 'ok: feature bindgen makes what is committed'
}

docs() {
    use_debian
    copy_crates
    install_library
    export CARGO_TARGET_DIR="$work/target"
    $cargo test --quiet --workspace --features rayon --doc
    echo 'ok: examples of the documentation'
    DOCS_RS=1 PKG_CONFIG=false RUSTDOCFLAGS='-D warnings' CARGO_TARGET_DIR="$work/docs" \
        $cargo doc --quiet --no-deps --workspace --features rayon
    echo 'ok: documentation without a library'
}

# ---- a cargo that can build the crates of the lock files ---------------------------------------------

minor() { "$1" --version | sed 's/^[a-z]* 1\.\([0-9]*\).*/\1/'; }

# That of PATH, or the one that Debian 12 has for its browsers. It cannot be installed beside Debian's older one, so it
# is unpacked in the build folder, with the libraries of its own that it needs. Cargo prefers subcommands of its home.
use_newer() {
    install_library
    export CARGO_TARGET_DIR="$work/target"
    cargo=$(command -v cargo) && [ "$(minor "$cargo")" -ge 85 ] && return
    [ -n "$(apt-cache show rustc-web 2>/dev/null)" ] || { echo 'skipped: no cargo 1.85 or later' && exit 77; }
    newer=$build/rust/newer
    [ -x "$newer/usr/bin/cargo" ] || unpack_newer
    export CARGO_HOME="$build/rust/home" RUSTC="$newer/usr/bin/rustc" RUSTDOC="$newer/usr/bin/rustdoc"
    export LD_LIBRARY_PATH="$newer/usr/lib/$(uname -m)-linux-gnu:$LD_LIBRARY_PATH" PATH="$newer/usr/bin:$PATH"
    cargo=$newer/usr/bin/cargo
}

unpack_newer() (
    rm -rf "$newer.debs" "$newer.part"
    mkdir -p "$newer.debs"
    cd "$newer.debs"
    # shellcheck disable=SC2046
    apt-get -qq -o APT::Sandbox::User=root download cargo-web rustc-web rust-web-clippy libstd-rust-web-dev \
        $(apt-cache depends --recurse --important rustc-web | grep -E '^(libstd-rust-web-[0-9.]+|libllvm[0-9]+)$')
    for package in *.deb; do
        dpkg -x "$package" "$newer.part"
    done
    mv "$newer.part" "$newer"
    rm -r "$newer.debs"
)

stable() {
    use_newer
    cd "$source/bindings/rust"
    $cargo test --quiet --locked --workspace --features ndarray,rayon --lib --tests
    echo "ok: tests under $($cargo --version)"
    $cargo clippy --quiet --locked --workspace --all-targets --features ndarray,rayon -- -D warnings
    echo 'ok: clippy'
}

train() {
    use_newer
    $cargo run --quiet --locked --manifest-path "$source/bindings/rust/train/Cargo.toml"
    echo 'ok: a model in candle, trained with lipo_lambda'
}

package() {
    use_debian
    copy_crates
    "$source/tools/amalgamate.py" libalign-sys/vendor
    $cargo package --quiet --no-verify --allow-dirty -p libalign-sys --target-dir "$work/target"
    rm -rf "$work/published"
    mkdir "$work/published"
    tar -C "$work/published" --strip-components 1 -xf "$work"/target/package/libalign-sys-*.crate
    cd "$work/published"
    CARGO_TARGET_DIR="$work/target" $cargo test --quiet --features vendored
    echo 'ok: the published sources, compiled'
}

case $mode in
msrv | docs | stable | train | package) "$mode" ;;
*) echo "no such mode: $mode" >&2 && exit 1 ;;
esac
