//! Finds libalign by pkg-config, or compiles the sources that come with the crate. Never uses the network.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest library whose structs these bindings can hand over.
const OLDEST: &str = "0.1";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBALIGN_BLAS");
    if env::var_os("DOCS_RS").is_some() {
        return; // Documentation needs neither the library nor a BLAS.
    }
    let header = if feature("vendored") { vendored() } else { installed().unwrap_or_else(vendored) };
    if feature("bindgen") {
        bindgen(&header);
    }
}

fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some()
}

fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").unwrap())
}

/// What a program says to include the library, and where from.
struct Header {
    name: &'static str,
    folders: Vec<PathBuf>,
}

/// An installed library, by pkg-config. The lines for cargo are written here because the crate pkg-config takes
/// a shared library for a static one that lies in a folder of the system.
fn installed() -> Option<Header> {
    let is_static = feature("static");
    let found = pkg_config::Config::new()
        .atleast_version(OLDEST)
        .statik(is_static)
        .cargo_metadata(false)
        .probe("libalign")
        .ok()?;
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    for path in &found.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    for name in &found.libs {
        let kind = if is_static && name == "align" { "static" } else { "dylib" };
        println!("cargo:rustc-link-lib={}={}", kind, name);
    }
    Some(Header { name: "<libalign/align.h>", folders: found.include_paths })
}

/// The amalgamation in vendor/, or in a checkout made from the sources there and then.
fn vendored() -> Header {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let mut folder = root.join("vendor");
    let amalgamate = root.join("../../../tools/amalgamate.py");
    if !folder.join("libalign.c").exists() && amalgamate.exists() {
        folder = out_dir().join("vendor");
        println!("cargo:rerun-if-changed={}", root.join("../../../lib").display());
        println!("cargo:rerun-if-changed={}", root.join("../../../include").display());
        run(Command::new("python3").arg(&amalgamate).arg(&folder));
    }
    let source = folder.join("libalign.c");
    assert!(source.exists(), "no libalign by pkg-config, and no sources in {}", folder.display());
    println!("cargo:rerun-if-changed={}", source.display());
    let mut build = cc::Build::new();
    build.file(&source).include(&folder).flag("-std=c11").flag_if_supported("-fno-math-errno").warnings(false);
    if matches!(env::var("OPT_LEVEL").as_deref(), Ok("0") | Ok("1")) {
        build.opt_level(2); // The kernels; a debug build of the caller is no reason to wait for them.
    }
    build.compile("align");
    link_blas();
    Header { name: "\"libalign.h\"", folders: vec![folder] }
}

/// CBLAS and LAPACK for the vendored build: the pkg-config names in LIBALIGN_BLAS, or OpenBLAS.
fn link_blas() {
    let names = env::var("LIBALIGN_BLAS").unwrap_or_else(|_| "openblas".into());
    for name in names.split(',') {
        if pkg_config::Config::new().probe(name).is_err() {
            println!("cargo:rustc-link-lib={}", name);
        }
    }
    if env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("unix") {
        println!("cargo:rustc-link-lib=m");
    }
}

/// Writes bindings.rs of this header to OUT_DIR, with the arguments that made the one in src/.
fn bindgen(header: &Header) {
    println!("cargo:rerun-if-changed=bindgen.args");
    let wrapper = out_dir().join("wrapper.h");
    std::fs::write(&wrapper, format!("#include {}\n", header.name)).unwrap();
    let arguments = std::fs::read_to_string("bindgen.args").unwrap();
    let mut command = Command::new("bindgen");
    command.args(arguments.lines()).arg("--output").arg(out_dir().join("bindings.rs")).arg(&wrapper).arg("--");
    command.args(header.folders.iter().map(|folder| include_option(folder)));
    run(&mut command);
}

fn include_option(folder: &Path) -> String {
    format!("-I{}", folder.display())
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{:?}: {}", command, error));
    assert!(status.success(), "{:?}: {}", command, status);
}
