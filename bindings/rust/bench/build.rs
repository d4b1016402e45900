//! Compiles the C side against the headers of the libalign that pkg-config finds.

fn main() {
    println!("cargo:rerun-if-changed=src/dpo.c");
    let found = pkg_config::Config::new().cargo_metadata(false).probe("libalign").unwrap();
    cc::Build::new().file("src/dpo.c").includes(found.include_paths).opt_level(2).compile("dpo");
}
