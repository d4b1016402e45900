//! Arrays of ndarray in any layout.
#![cfg(feature = "ndarray")]

use libalign::{Exec, Loss, Params};
use ndarray::{array, s, Array2};

#[test]
fn layouts_agree() {
    let params = Params::new("slic").unwrap();
    let mut exec = Exec::new();
    let score = array![[0.1_f32, 0.9], [0.4, 0.3], [0.2, 0.6]];
    let mut dscore = Array2::<f64>::zeros((3, 2));
    let value = Loss::new(&params).score(&score).dscore(&mut dscore).eval(&mut exec).unwrap();

    let transposed = score.t().as_standard_layout().into_owned();
    assert_eq!(Loss::new(&params).score(&transposed.t()).eval(&mut exec), Ok(value));
    let mut wide = Array2::<f64>::zeros((3, 5));
    let mut columns = wide.slice_mut(s![.., 1..;3]);
    Loss::new(&params).score(&score).dscore(&mut columns).eval(&mut exec).unwrap();
    assert_eq!(wide.slice(s![.., 1..;3]), dscore);
    assert_eq!(wide.column(0).sum() + wide.column(2).sum(), 0.0);

    let swapped = score.slice(s![.., ..;-1]);
    let by_hand = array![[0.9_f32, 0.1], [0.3, 0.4], [0.6, 0.2]];
    let expected = Loss::new(&params).score(&by_hand).eval(&mut exec).unwrap();
    assert_eq!(Loss::new(&params).score(&swapped).eval(&mut exec), Ok(expected));
}
