//! Bad input: type, field, index and value of the error, and outputs untouched.

use libalign::advantage::Advantage;
use libalign::bt::{Counts, Fit, Rows};
use libalign::head::{Forward, Head, Tokens};
use libalign::norm::{Batch, Norm, Params as NormParams};
use libalign::{reward, Error, Exec, Loss, Params, Row, Status, View, ViewMut};

/// Everything that programs see of an error.
fn assert_error(error: Error, status: Status, field: &str, index: &[i64], value: f64) {
    assert_eq!((error.status, error.field.as_str(), error.index.as_slice()), (status, field, index), "{error}");
    assert!(error.value == value || error.value.is_nan() && value.is_nan(), "{error}");
    assert!(error.to_string().contains(field), "{error}");
}

#[test]
fn a_label_that_is_nan() {
    let label = [[0.0, 1.0], [f64::NAN, 2.0]];
    let mut dscore = [[7.0; 2]; 2];
    let params = Params::new("lipo_lambda").unwrap();
    let error = Loss::new(&params)
        .score(&[[0.1, 0.2], [0.3, 0.4]])
        .label(&label)
        .dscore(&mut dscore)
        .eval(&mut Exec::new())
        .unwrap_err();
    assert_error(error, Status::Range, "align_loss_args.label", &[1, 0], f64::NAN);
    assert_eq!(dscore, [[7.0; 2]; 2]);
}

#[test]
fn a_parameter_out_of_range() {
    let params = Params::new("dpo").unwrap().with("beta", -0.5).unwrap();
    let error = Loss::new(&params).score(&[[0.0, 1.0]]).eval(&mut Exec::new()).unwrap_err();
    assert_error(error, Status::Range, "align_loss_params.beta", &[], -0.5);
}

#[test]
fn a_parameter_that_the_row_does_not_have() {
    let aot = Params::new("aot").unwrap();
    let error = aot.with("divergence", "js").map(|_| ()).unwrap_err();
    assert_error(error.clone(), Status::Arg, "divergence", &[], 0.0);
    assert!(error.text.ends_with("and aot sorts policy and reference apart and has no log-ratios"), "{error}");
    let error = aot.with("nosuch", 1.0).map(|_| ()).unwrap_err();
    assert_eq!(error.text, "aot has no parameter \"nosuch\"");
}

#[test]
fn an_input_that_the_row_does_not_read_is_refused() {
    let params = Params::new("slic").unwrap();
    let error = Loss::new(&params).score(&[[0.0, 1.0]]).label(&[[0.0, 1.0]]).eval(&mut Exec::new()).unwrap_err();
    assert_error(error, Status::Arg, "align_loss_args.label", &[], 0.0);
}

#[test]
fn a_target_outside_the_vocabulary() {
    let (target, logits) = ([0_i64, 3, 1], [[0.0_f32; 3]; 3]);
    let mut logp = [5.0];
    let tokens = Tokens::new(&target);
    let head = Head::dense(&tokens, &logits);
    let error = head.forward(&mut Exec::new(), Forward::new().logp(&mut logp)).unwrap_err();
    assert_error(error, Status::Range, "align_tokens.target", &[1], 3.0);
    assert_eq!(logp, [5.0]);
}

#[test]
fn an_item_that_is_not_there() {
    let mut counts = Counts::new(3);
    let mut exec = Exec::new();
    let error = counts.update(&mut exec, Rows::new(&[0_i32, 2], &[1_i32, 5])).unwrap_err();
    assert_error(error, Status::Range, "align_bt_rows.second", &[1], 5.0);
    assert_eq!(counts.rows(), 0);
    let error = Fit::of_rows(3, Rows::new(&[0_i32, 2], &[1_i32, 5])).run(&mut exec).unwrap_err();
    assert_eq!((error.status, error.index.as_slice(), error.value), (Status::Range, &[1][..], 5.0));
}

#[test]
fn features_that_are_no_matrix() {
    let error = reward::Fit::new(&[1.0, 2.0], &[2.0, 1.0]).run(&mut Exec::new()).unwrap_err();
    assert_eq!((error.status, error.field.as_str()), (Status::Shape, "align_reward_args.first"));
    let second = [[1.0, f64::INFINITY]];
    let error = reward::Fit::new(&[[1.0, 2.0]], &second).run(&mut Exec::new()).unwrap_err();
    assert_error(error, Status::Range, "align_reward_args.second", &[0, 1], f64::INFINITY);
}

#[test]
fn rewards_that_are_refused() {
    let mut exec = Exec::new().finite();
    let mut norm = Norm::new(&NormParams::zscore()).unwrap();
    let error = norm.update(&mut exec, Batch::new(&[1.0, f64::NAN])).unwrap_err();
    assert_error(error, Status::Range, "align_norm_args.reward", &[1], f64::NAN);
    assert_eq!(norm.moments().count, 0);
    let error = Norm::new(&NormParams::zscore().eps(-1.0)).err().unwrap();
    assert_error(error, Status::Range, "align_norm_params.eps", &[], -1.0);
    let mut bytes = norm.to_bytes();
    bytes[30] ^= 1;
    assert_eq!(Norm::from_bytes(&mut exec, &bytes).err().map(|error| error.status), Some(Status::Range));
    assert_eq!(Norm::from_bytes(&mut exec, &bytes[..10]).err().map(|error| error.status), Some(Status::Scratch));
}

#[test]
fn advantages_of_wrong_shapes() {
    let mut out = [0.0; 3];
    let error = Advantage::gae(1.0, 0.95)
        .reward(&[0.0, 1.0])
        .value(&[0.0, 1.0])
        .advantage(&mut out)
        .eval(&mut Exec::new())
        .unwrap_err();
    assert_eq!(error.status, Status::Shape);
}

#[test]
fn views_outside_their_slice() {
    let mut flat = [0.0; 6];
    for (offset, shape, stride) in [(0, [3, 2], [2, 2]), (0, [2, 2], [-1, 1]), (6, [1, 1], [1, 1]), (5, [2, 2], [1, 1])]
    {
        assert_eq!(View::strided(&flat, offset, shape, stride).err().unwrap().status, Status::Shape);
        assert_eq!(ViewMut::strided(&mut flat, offset, shape, stride).err().unwrap().status, Status::Shape);
    }
    assert!(View::strided(&flat, 5, [3, 2], [-2, -1]).is_ok());
    assert!(View::strided(&flat, 6, [0, 2], [2, 1]).is_ok());
    assert!(View::shaped(&flat, [2, 2]).is_err());
    assert!(View::shaped(&flat, [usize::MAX, 3]).is_err());
    assert!(View::shaped(&flat, [6, 1, 1]).is_ok());
    assert!(View::shaped(&flat, [6, 1, 1, 1]).is_err());
}

#[test]
fn an_output_whose_elements_coincide() {
    let mut one = [0.0; 2];
    let dscore = ViewMut::strided(&mut one, 0, [3, 2], [0, 1]).unwrap();
    let params = Params::new("slic").unwrap();
    let error = Loss::new(&params).score(&[[0.0, 1.0]; 3]).dscore(dscore).eval(&mut Exec::new()).unwrap_err();
    assert_eq!((error.status, error.field.as_str()), (Status::Layout, "align_loss_args.dscore"));
}

#[test]
fn names_that_do_not_exist() {
    assert_eq!(Row::find("nosuch").unwrap_err().status, Status::Range);
    assert_eq!(Row::find("d\0po").unwrap_err().status, Status::Arg);
    assert_eq!(Params::preset("dpo", "nosuch").err().unwrap().status, Status::Arg);
    let params = Params::new("lipo_lambda").unwrap();
    assert_eq!(params.with("gain", "nosuch").err().unwrap().status, Status::Arg);
    assert_eq!(params.with("gain", 0.5).err().unwrap().status, Status::Arg);
    assert_eq!(params.with("margin", 0.5).err().unwrap().field, "margin");
}
