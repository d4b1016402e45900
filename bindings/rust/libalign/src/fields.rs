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

/// Calls that are a struct of views and numbers: a builder each, with methods under the names of its fields and with
/// the defaults of the header.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $name:ident: $args:ident, $init:ident, $run:ident $(, $scratch:ident)?;
        reads $($input:ident)*;
        writes $($output:ident)*;
        numbers $($number:ident: $type:ty)*;
    )*) => {
        $(
            $(#[$doc])*
            pub struct $name<'a> {
                raw: libalign_sys::$args,
                life: std::marker::PhantomData<&'a mut [u8]>,
            }

            unsafe impl Send for $name<'_> {}
            unsafe impl Sync for $name<'_> {}

            impl Default for $name<'_> {
                fn default() -> Self {
                    Self::new()
                }
            }

            impl<'a> $name<'a> {
                /// The defaults, with nothing to read or write yet.
                pub fn new() -> Self {
                    let raw = crate::fields::initialised!($args, $init);
                    $name { raw, life: std::marker::PhantomData }
                }

                crate::fields::inputs! { $(#[doc = concat!("Reads `", stringify!($args), ".", stringify!($input), "`.")] $input)* }
                crate::fields::outputs! { $(#[doc = concat!("Writes `", stringify!($args), ".", stringify!($output), "`.")] $output)* }
                crate::fields::numbers! { $(#[doc = concat!("`", stringify!($args), ".", stringify!($number), "`.")] $number: $type)* }

                /// Makes the call.
                pub fn run(mut self, exec: &mut crate::Exec) -> crate::Result<()> {
                    self.run_raw(exec)
                }

                fn run_raw(&mut self, exec: &mut crate::Exec) -> crate::Result<()> {
                    let _asked = self.raw;
                    let sizes: crate::exec::Sizes = crate::fields::sizes!(_asked $($scratch)?);
                    exec.call(sizes, |exec| unsafe { libalign_sys::$run(exec, &mut self.raw) })
                }
            }
        )*
    };
}

/// How much scratch a call wants, where it wants any.
macro_rules! sizes {
    ($asked:ident $scratch:ident) => {
        &|exec, least, best| unsafe { libalign_sys::$scratch(exec, &$asked, least, best) }
    };
    ($asked:ident) => {
        crate::exec::NO_SCRATCH
    };
}

pub(crate) use {calls, initialised, inputs, numbers, outputs, sizes};
