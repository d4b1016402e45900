//! Raw bindings to [libalign](https://crates.io/crates/libalign): the C headers as bindgen reads them.
//!
//! What structs and functions mean, with shapes, units, ranges and sources, stands in the headers; a safe interface
//! is the crate `libalign`. Each struct but [`align_tensor`] is filled by its `align_*_init` function first.
//!
//! The build finds an installed library by pkg-config, or else compiles the sources that come with the crate
//! (feature `vendored`: always), which needs a C compiler and a CBLAS with LAPACK: OpenBLAS, or the pkg-config names
//! in the environment variable `LIBALIGN_BLAS`, separated by commas. Feature `static` links the installed
//! `libalign.a`. Feature `bindgen` reads the headers at hand again instead of taking the bindings that come with the
//! crate; it needs the program `bindgen`.
//!
//! ```
//! use libalign_sys::*;
//!
//! let mut error = align_error::default();
//! unsafe { align_error_init(&mut error, std::mem::size_of::<align_error>()) };
//! assert_eq!(error.size, 376);
//! assert_eq!(unsafe { align_loss_find(b"dpo\0".as_ptr().cast()) }, ALIGN_LOSS_DPO as align_loss_id);
//! ```
#![allow(non_camel_case_types)]
#![allow(clippy::all)]

#[cfg(not(feature = "bindgen"))]
#[rustfmt::skip]
mod bindings;
#[cfg(not(feature = "bindgen"))]
pub use bindings::*;

#[cfg(feature = "bindgen")]
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
