use libalign_sys as sys;

mod sealed {
    pub trait Sealed {}
}

/// A type of numbers that tensors may hold: `f32`, `f64`, [`Bf16`], [`F16`], `i32`, `i64`, `u8`, `bool`.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    #[doc(hidden)]
    const DTYPE: sys::align_dtype;
}

macro_rules! elements {
    ($($element:ty => $dtype:ident)*) => {
        $(
            impl sealed::Sealed for $element {}
            impl Element for $element {
                const DTYPE: sys::align_dtype = sys::$dtype as sys::align_dtype;
            }
        )*
    };
}

elements! {
    f32 => ALIGN_F32
    f64 => ALIGN_F64
    i32 => ALIGN_I32
    i64 => ALIGN_I64
    u8 => ALIGN_U8
    bool => ALIGN_BOOL
    Bf16 => ALIGN_BF16
    F16 => ALIGN_F16
}

macro_rules! halves {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[repr(transparent)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name(pub u16);

            impl $name {
                /// The bits that another crate holds, seen as these numbers.
                pub fn slice(bits: &[u16]) -> &[Self] {
                    // The same layout, by repr(transparent).
                    unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
                }

                /// The same for outputs.
                pub fn slice_mut(bits: &mut [u16]) -> &mut [Self] {
                    unsafe { std::slice::from_raw_parts_mut(bits.as_mut_ptr().cast(), bits.len()) }
                }
            }
        )*
    };
}

halves! {
    /// The bits of a bfloat16. Storage only: the library computes in `f32` or wider.
    Bf16
    /// The bits of an IEEE half. Storage only: the library computes in `f32` or wider.
    F16
}
