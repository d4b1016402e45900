#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod advantage;
pub mod bt;
mod element;
mod error;
mod exec;
mod fields;
pub mod head;
pub mod judge;
mod loss;
#[cfg(feature = "ndarray")]
mod ndarray;
pub mod norm;
pub mod process;
#[cfg(feature = "rayon")]
mod rayon;
pub mod reward;
mod row;
mod state;
mod step;
mod view;

#[cfg(feature = "rayon")]
pub use crate::rayon::Rayon;
pub use element::{Bf16, Element, F16};
pub use error::{Error, Result, Status};
pub use exec::{cpu, AllReduce, Exec, Parallel, Reduction};
pub use loss::Loss;
pub use row::{version, Arity, Metric, Param, Params, Row, Value};
pub use state::State;
pub use step::Step;
pub use view::{View, ViewMut};
