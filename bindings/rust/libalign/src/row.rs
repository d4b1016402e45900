use std::ffi::CString;
use std::mem::size_of;

use libalign_sys as sys;

use crate::error::static_str;
use crate::exec::NO_SCRATCH;
use crate::{Error, Exec, Result, Status};

/// A loss: a row of the library's table.
///
/// ```
/// use libalign::{Arity, Row};
///
/// for row in Row::all() {
///     println!("{:<16} {}  ({})", row.name(), row.brief(), row.source());
/// }
/// let row = Row::find("lipo_lambda")?;
/// assert_eq!(row.arity(), Arity::List);
/// assert_eq!(row.needs(), ["label"]);
/// assert!(row.params().any(|param| param.name == "beta" && param.standard > 0.0));
/// # Ok::<(), libalign::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    id: sys::align_loss_id,
}

/// How many sequences make a group.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arity {
    /// Any number: scores `[G,K]`, or `[S]` with `offsets`.
    List,
    /// One: scores `[G]` or `[G,1]`.
    Single,
    /// Two, the chosen one first: scores `[G,2]`.
    Pair,
}

/// What a row's parameter is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name, for [`Params::with`].
    pub name: &'static str,
    /// What it does.
    pub brief: &'static str,
    /// The default.
    pub standard: f64,
    /// The least value allowed.
    pub least: f64,
    /// The largest value allowed.
    pub most: f64,
    /// The names of the values 0, 1, ... of a choice; empty for a plain number.
    pub choices: Vec<&'static str>,
    offset: usize,
    dtype: sys::align_dtype,
}

/// What a column of `metrics` is: its mean is sum / count.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub brief: &'static str,
}

/// Names of the bits of `needs` and `reads`.
const FIELDS: [(u32, &str); 13] = [
    (sys::ALIGN_LOSS_READS_REF, "ref"),
    (sys::ALIGN_LOSS_READS_OLD, "old"),
    (sys::ALIGN_LOSS_READS_COUNT, "count"),
    (sys::ALIGN_LOSS_READS_AUX, "aux"),
    (sys::ALIGN_LOSS_READS_LABEL, "label"),
    (sys::ALIGN_LOSS_READS_PROB, "prob"),
    (sys::ALIGN_LOSS_READS_OFFSET, "offset"),
    (sys::ALIGN_LOSS_READS_OFFSETS, "offsets"),
    (sys::ALIGN_LOSS_WRITES_DAUX, "daux"),
    (sys::ALIGN_LOSS_WRITES_DPARAM, "dparam"),
    (sys::ALIGN_LOSS_WRITES_HSCORE, "hscore"),
    (sys::ALIGN_LOSS_READS_WEIGHT, "weight"),
    (sys::ALIGN_LOSS_READS_RANK, "rank"),
];

fn names_of(bits: u32) -> Vec<&'static str> {
    FIELDS.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name).collect()
}

fn c_string(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Status::Arg, what, format!("{what} with a zero byte: {text:?}")))
}

impl Row {
    /// The row of a name. [`Status::Range`] when there is none.
    pub fn find(name: &str) -> Result<Self> {
        let text = c_string("loss", name)?;
        match unsafe { sys::align_loss_find(text.as_ptr()) } {
            0 => Err(Error::new(Status::Range, "loss", format!("no loss is called {name:?}"))),
            id => Ok(Row { id }),
        }
    }

    /// The whole table.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=unsafe { sys::align_loss_count() }).map(|id| Row { id })
    }

    fn info(self) -> sys::align_loss_info {
        let mut info = sys::align_loss_info { size: size_of::<sys::align_loss_info>(), ..Default::default() };
        // Cannot fail: ids of rows come from the library only.
        let _ = unsafe { sys::align_loss_get_info(self.id, &mut info) };
        info
    }

    pub(crate) fn id(self) -> sys::align_loss_id {
        self.id
    }

    /// Its name, such as `dpo`.
    pub fn name(self) -> &'static str {
        static_str(self.info().name)
    }

    /// One line.
    pub fn brief(self) -> &'static str {
        static_str(self.info().brief)
    }

    /// Paper and equation.
    pub fn source(self) -> &'static str {
        static_str(self.info().source)
    }

    /// The loss of a group; `u`, `v` are log-ratios of chosen and rejected, `z` the margin, `s_i` scores of a list.
    pub fn formula(self) -> &'static str {
        static_str(self.info().formula)
    }

    /// Its derivative.
    pub fn gradient(self) -> &'static str {
        static_str(self.info().gradient)
    }

    /// Singles, pairs or lists.
    pub fn arity(self) -> Arity {
        match self.info().arity as u32 {
            sys::ALIGN_LOSS_SINGLE => Arity::Single,
            sys::ALIGN_LOSS_PAIR => Arity::Pair,
            _ => Arity::List,
        }
    }

    /// Inputs that it cannot do without, beside `score`.
    pub fn needs(self) -> Vec<&'static str> {
        names_of(self.info().needs)
    }

    /// Inputs that it may read and outputs that it can write, beside those of all rows.
    pub fn reads(self) -> Vec<&'static str> {
        names_of(self.info().reads)
    }

    /// Its parameters.
    pub fn params(self) -> impl Iterator<Item = Param> {
        (0..self.info().n_params).map(move |i| {
            let mut info = sys::align_param_info { size: size_of::<sys::align_param_info>(), ..Default::default() };
            let _ = unsafe { sys::align_loss_get_param(self.id, i, &mut info) };
            let choices = (0..info.n_choices as usize).map(|k| static_str(unsafe { *info.choices.add(k) }));
            Param {
                name: static_str(info.name),
                brief: static_str(info.brief),
                standard: info.standard,
                least: info.least,
                most: info.most,
                choices: choices.collect(),
                offset: info.offset as usize,
                dtype: info.dtype,
            }
        })
    }

    /// The columns of its metrics, in order.
    pub fn metrics(self) -> impl Iterator<Item = Metric> {
        (0..self.info().n_metrics).map(move |i| {
            let mut info = sys::align_metric_info { size: size_of::<sys::align_metric_info>(), ..Default::default() };
            let _ = unsafe { sys::align_loss_get_metric(self.id, i, &mut info) };
            Metric { name: static_str(info.name), brief: static_str(info.brief) }
        })
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.name())
    }
}

/// What a parameter is set to: a number, or the name of a choice.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'s> {
    /// A number.
    Number(f64),
    /// A choice.
    Choice(&'s str),
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Number(number.into())
    }
}

impl<'s> From<&'s str> for Value<'s> {
    fn from(choice: &'s str) -> Self {
        Value::Choice(choice)
    }
}

/// The parameters of a row, by name.
///
/// ```
/// use libalign::Params;
///
/// let params = Params::new("lipo_lambda")?.with("beta", 0.5)?.with("discount", "log2")?;
/// assert_eq!(params.get("beta")?, 0.5);
/// assert!(params.with("nosuch", 1.0).is_err());
/// let as_rax_does = Params::preset("lipo_lambda", "rax")?;
/// # Ok::<(), libalign::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Params {
    pub(crate) raw: sys::align_loss_params,
}

impl Params {
    /// A row with the parameters of its paper.
    pub fn new(loss: &str) -> Result<Self> {
        Self::preset(loss, "paper")
    }

    /// A row with the parameters of a preset that `docs/losses.md` lists for it.
    pub fn preset(loss: &str, preset: &str) -> Result<Self> {
        let row = Row::find(loss)?;
        let text = c_string("preset", preset)?;
        let mut raw = sys::align_loss_params::default();
        let size = size_of::<sys::align_loss_params>();
        match unsafe { sys::align_loss_params_init(&mut raw, size, row.id, text.as_ptr()) } {
            sys::ALIGN_E_NONE => Ok(Params { raw }),
            code => {
                let text = format!("{loss} has no preset {preset:?}");
                Err(Error::new(Status::from_code(code), "preset", text))
            }
        }
    }

    /// The row.
    pub fn row(&self) -> Row {
        Row { id: self.raw.loss }
    }

    fn find(&self, name: &str) -> Result<Param> {
        self.row().params().find(|param| param.name == name).ok_or_else(|| {
            Error::new(
                Status::Arg,
                name,
                format!("{} has no parameter {name:?}{}", self.row().name(), self.why_not(name)),
            )
        })
    }

    /// What the library says when a divergence is set that the row does not read.
    fn why_not(&self, name: &str) -> String {
        let mut raw = self.raw;
        match name {
            "divergence" => raw.divergence = sys::ALIGN_DIVERGENCE_JS as i32,
            "order" => raw.order = 1.0,
            _ => return String::new(),
        }
        let size = size_of::<sys::align_loss_args>();
        let args = sys::align_loss_args { size, loss: raw.loss, params: &raw, ..Default::default() };
        match Exec::new().call(NO_SCRATCH, |exec| unsafe { sys::align_loss_eval(exec, &args) }) {
            Err(error) => format!(": {}", error.text),
            Ok(()) => String::new(),
        }
    }

    fn bytes(&self) -> *const u8 {
        (&self.raw as *const sys::align_loss_params).cast()
    }

    /// The same with another value of a parameter. [`Status::Arg`] when the row has none of that name, or it is a
    /// choice without that value. Ranges are checked by the calls that read them.
    pub fn with<'s>(mut self, name: &str, value: impl Into<Value<'s>>) -> Result<Self> {
        let param = self.find(name)?;
        let number = match value.into() {
            Value::Number(number) => number,
            Value::Choice(choice) => match param.choices.iter().position(|&known| known == choice) {
                Some(at) => at as f64,
                None => {
                    let text = format!("{name} = {choice:?}, expected one of {:?}", param.choices);
                    return Err(Error::new(Status::Arg, name, text));
                }
            },
        };
        let is_whole = param.dtype == sys::ALIGN_I32 as sys::align_dtype;
        if is_whole && f64::from(number as i32) != number {
            return Err(Error::new(Status::Arg, name, format!("{name} = {number}, expected a whole number")));
        }
        unsafe {
            let field = (&mut self.raw as *mut sys::align_loss_params).cast::<u8>().add(param.offset);
            if is_whole {
                field.cast::<i32>().write(number as i32);
            } else {
                field.cast::<f64>().write(number);
            }
        }
        Ok(self)
    }

    /// The value of a parameter; of a choice, its number.
    pub fn get(&self, name: &str) -> Result<f64> {
        let param = self.find(name)?;
        Ok(unsafe {
            let field = self.bytes().add(param.offset);
            if param.dtype == sys::ALIGN_I32 as sys::align_dtype {
                f64::from(field.cast::<i32>().read())
            } else {
                field.cast::<f64>().read()
            }
        })
    }
}

/// The version of the library that is linked: major, minor, patch.
pub fn version() -> (u32, u32, u32) {
    let version = unsafe { sys::align_version() };
    (version >> 16, version >> 8 & 0xff, version & 0xff)
}
