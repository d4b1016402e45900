//! Methods that fill fields of the C structs, each under the name of its field.

/// Views that a call reads.
macro_rules! inputs {
    ($($(#[$doc:meta])* $field:ident)*) => {
        $(
            $(#[$doc])*
            pub fn $field(mut self, view: impl Into<crate::View<'a>>) -> Self {
                self.raw.$field = view.into().raw;
                self
            }
        )*
    };
}

/// Views that a call writes.
macro_rules! outputs {
    ($($(#[$doc:meta])* $field:ident)*) => {
        $(
            $(#[$doc])*
            pub fn $field(mut self, view: impl Into<crate::ViewMut<'a>>) -> Self {
                self.raw.$field = view.into().raw;
                self
            }
        )*
    };
}

/// Plain numbers.
macro_rules! numbers {
    ($($(#[$doc:meta])* $field:ident: $type:ty)*) => {
        $(
            $(#[$doc])*
            pub fn $field(mut self, $field: $type) -> Self {
                self.raw.$field = $field;
                self
            }
        )*
    };
}

/// A C struct with its defaults.
macro_rules! initialised {
    ($type:ident, $init:ident) => {{
        let mut raw = libalign_sys::$type::default();
        unsafe { libalign_sys::$init(&mut raw, std::mem::size_of::<libalign_sys::$type>()) };
        raw
    }};
}

pub(crate) use {initialised, inputs, numbers, outputs};
