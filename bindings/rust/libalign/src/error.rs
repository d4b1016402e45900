use std::ffi::CStr;
use std::fmt;
use std::os::raw::c_char;

use libalign_sys as sys;

/// What has to be fixed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// A field is missing, contradicts another, or is not read by this call.
    Arg,
    /// A number of dimensions or a size.
    Shape,
    /// An element type that is not accepted in this place.
    Dtype,
    /// A stride, an alignment, or outputs that share elements with other tensors.
    Layout,
    /// A number outside its range: parameter, index, label, mask, NaN.
    Range,
    /// Memory for the call is missing.
    Scratch,
    /// The library that is linked is older than this crate, or bytes are of another format.
    Version,
    /// The parallel hook did not run every task.
    Parallel,
    /// The all-reduce hook failed.
    Comm,
    /// A fit stopped before its tolerance.
    NotConverged,
    /// No finite answer exists.
    NoSolution,
    /// The cancel hook asked to stop.
    Cancelled,
    /// A status of a later library.
    Unknown(i32),
}

impl Status {
    pub(crate) fn from_code(code: sys::align_status) -> Self {
        match code {
            sys::ALIGN_E_ARG => Status::Arg,
            sys::ALIGN_E_SHAPE => Status::Shape,
            sys::ALIGN_E_DTYPE => Status::Dtype,
            sys::ALIGN_E_LAYOUT => Status::Layout,
            sys::ALIGN_E_RANGE => Status::Range,
            sys::ALIGN_E_SCRATCH => Status::Scratch,
            sys::ALIGN_E_VERSION => Status::Version,
            sys::ALIGN_E_PARALLEL => Status::Parallel,
            sys::ALIGN_E_COMM => Status::Comm,
            sys::ALIGN_E_NOT_CONVERGED => Status::NotConverged,
            sys::ALIGN_E_NO_SOLUTION => Status::NoSolution,
            sys::ALIGN_E_CANCELLED => Status::Cancelled,
            code => Status::Unknown(code),
        }
    }
}

/// A call that failed: where, and what stood there. Outputs are as they were before it, unless the status is
/// [`NotConverged`](Status::NotConverged), [`NoSolution`](Status::NoSolution), [`Cancelled`](Status::Cancelled) or
/// [`Parallel`](Status::Parallel).
///
/// ```
/// use libalign::{Exec, Loss, Params, Status};
///
/// let mask = [1.0_f32, 3.0];
/// let error = Loss::new(&Params::new("sft")?).score(&[0.0, 1.0]).mask(&mask).eval(&mut Exec::new()).unwrap_err();
/// assert_eq!(error.status, Status::Range);
/// assert_eq!(error.field, "align_loss_args.mask");
/// assert_eq!(error.index, [1]);
/// assert_eq!(error.value, 3.0);
/// # Ok::<(), libalign::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What has to be fixed.
    pub status: Status,
    /// The field of the C interface that is wrong, such as `align_tokens.target`; empty where there is none.
    pub field: String,
    /// Where in it: a position along each axis, or empty for a whole field.
    pub index: Vec<i64>,
    /// What stood there, when it was a number; else 0.
    pub value: f64,
    /// One English sentence.
    pub text: String,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: Status, field: &str, text: String) -> Self {
        Error { status, field: field.into(), index: Vec::new(), value: 0.0, text }
    }

    pub(crate) fn from_raw(code: sys::align_status, raw: &sys::align_error) -> Self {
        let axes = (raw.axes as usize).min(raw.index.len());
        Error {
            status: Status::from_code(code),
            field: string_of(&raw.field),
            index: raw.index[..axes].to_vec(),
            value: raw.value,
            text: string_of(&raw.text),
        }
    }
}

fn string_of(chars: &[c_char]) -> String {
    chars.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect()
}

/// A string of the library's static storage.
pub(crate) fn static_str(text: *const c_char) -> &'static str {
    if text.is_null() {
        return "";
    }
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Status::Unknown(code) => write!(f, "status {code}")?,
            status => write!(f, "{status:?}")?,
        }
        if self.text.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.text)
        }
    }
}

impl std::error::Error for Error {}
