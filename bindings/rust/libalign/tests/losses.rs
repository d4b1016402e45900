//! Every row of the table through the safe interface, and the promises about threads and memory.

use libalign::head::{Backward, Forward, Head, InPlace, Shared, Tokens};
use libalign::{bt, norm, reward, Arity, Bf16, Error, Exec, Loss, Params, Row, View, ViewMut, F16};

/// Numbers without a pattern, the same each time.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1 << 23) as f64 - 1.0
        })
        .collect()
}

/// Inputs of four groups of k that suit most rows.
struct Groups {
    k: usize,
    score: Vec<f64>,
    reference: Vec<f64>,
    label: Vec<f64>,
    count: Vec<f64>,
    aux: Vec<f64>,
}

impl Groups {
    fn new(arity: Arity) -> Self {
        let k = match arity {
            Arity::Single => 1,
            Arity::Pair => 2,
            _ => 3,
        };
        let n = 4 * k;
        Groups {
            k,
            score: numbers(n, 1).iter().map(|x| x - 3.0).collect(),
            reference: numbers(n, 2).iter().map(|x| x - 3.0).collect(),
            label: (0..n).map(|i| if k == 1 { (i % 2) as f64 } else { (i * 5 % 3) as f64 / 2.0 }).collect(),
            count: (0..n).map(|i| 3.0 + (i % 4) as f64).collect(),
            aux: numbers(n, 3).iter().map(|x| x - 2.0).collect(),
        }
    }

    fn view<'a>(&self, data: &'a [f64]) -> View<'a> {
        View::shaped(data, [4, self.k]).unwrap()
    }

    /// Value and gradient of a row at these scores.
    fn eval(&self, params: &Params, score: &[f64], dscore: &mut [f64]) -> Result<f64, Error> {
        let row = params.row();
        let mut loss = Loss::new(params).score(self.view(score)).dscore(ViewMut::shaped(dscore, [4, self.k])?);
        for need in row.needs() {
            loss = match need {
                "ref" => loss.ref_(self.view(&self.reference)),
                "old" => loss.old(self.view(&self.reference)),
                "label" => loss.label(self.view(&self.label)),
                "count" => loss.count(self.view(&self.count)),
                "aux" => loss.aux(self.view(&self.aux)),
                need => panic!("{} needs {need}", row.name()),
            };
        }
        loss.eval(&mut Exec::new())
    }
}

/// A value and its gradient, for every row that is smooth in its scores alone, by differences.
#[test]
fn gradients_of_all_rows() {
    let (mut rows, mut compared) = (0, 0);
    for row in Row::all() {
        let params = Params::new(row.name()).unwrap();
        let groups = Groups::new(row.arity());
        let mut dscore = vec![f64::NAN; groups.score.len()];
        let value = match groups.eval(&params, &groups.score, &mut dscore) {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", row.name()),
        };
        assert!(value.is_finite() && dscore.iter().all(|d| d.is_finite()), "{}", row.name());
        rows += 1;
        compared += differences(&groups, &params, &dscore) as usize;
    }
    assert!(rows >= 73, "{rows} rows");
    assert!(compared > rows * 2 / 3, "gradients of {compared} of {rows} rows agree with differences");
}

/// Whether the gradient agrees with central differences. Rows that hold part of the loss constant do not.
fn differences(groups: &Groups, params: &Params, dscore: &[f64]) -> bool {
    let step = 1e-5;
    let mut unused = vec![0.0; dscore.len()];
    (0..dscore.len()).all(|i| {
        let mut at = |by: f64| {
            let mut score = groups.score.clone();
            score[i] += by;
            groups.eval(params, &score, &mut unused).unwrap()
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        (slope - dscore[i]).abs() <= 1e-6 * (1.0 + slope.abs())
    })
}

#[test]
fn gradients_are_added_and_values_are_not() {
    let params = Params::new("slic").unwrap();
    let score = [[0.2, 0.1], [0.4, 0.5]];
    let (mut once, mut twice) = ([[0.0; 2]; 2], [[0.0; 2]; 2]);
    let mut exec = Exec::new();
    let value = Loss::new(&params).score(&score).dscore(&mut once).eval(&mut exec).unwrap();
    let mut adding = Loss::new(&params).score(&score).dscore(&mut twice).add();
    assert_eq!(adding.eval(&mut exec), Ok(value));
    assert_eq!(adding.eval(&mut exec), Ok(value));
    assert_eq!(twice[1][0], 2.0 * once[1][0]);
    assert_ne!(once[1][0], 0.0);
}

#[test]
fn groups_by_index_offsets_and_strides_agree() {
    let params = Params::new("softmax").unwrap();
    let (score, label) = ([0.1, 0.9, 0.4, 0.3, 0.2, 0.6], [1.0, 0.0, 2.0, 0.0, 1.0, 2.0]);
    let mut exec = Exec::new();
    let views = |data| View::shaped(data, [2, 3]).unwrap();
    let value = Loss::new(&params).score(views(&score)).label(views(&label)).eval(&mut exec).unwrap();
    let offsets = [0_i64, 3, 6];
    let ragged = Loss::new(&params).score(&score).label(&label).offsets(&offsets).eval(&mut exec);
    assert_eq!(ragged, Ok(value));
    let index = [[0_i32, 1, 2], [3, 4, 5]];
    let indexed = Loss::new(&params).score(&score).label(&label).index(&index).eval(&mut exec);
    assert_eq!(indexed, Ok(value));
    let backwards = |data| View::strided(data, 5, [2, 3], [-3, -1]).unwrap();
    let reversed = Loss::new(&params).score(backwards(&score)).label(backwards(&label)).eval(&mut exec).unwrap();
    assert!((reversed - value).abs() < 1e-15);
}

#[test]
fn elements_of_16_bits() {
    let params = Params::new("slic").unwrap();
    let (bf16, f16) = ([0x3f80_u16, 0x4000], [0x3c00_u16, 0x4000]); // 1 and 2 in both
    let mut exec = Exec::new();
    let mut eval = |view| Loss::new(&params).score(view).eval(&mut exec).unwrap();
    let expected = eval(View::from(&[[1.0_f32, 2.0]]));
    assert_eq!(eval(View::shaped(Bf16::slice(&bf16), [1, 2]).unwrap()), expected);
    assert_eq!(eval(View::shaped(F16::slice(&f16), [1, 2]).unwrap()), expected);
}

#[test]
fn linear_heads_agree_with_dense_ones() {
    let (hidden, weight): (Vec<f64>, Vec<f64>) = (numbers(4 * 5, 4), numbers(7 * 5, 5));
    let mut logits = vec![0.0; 4 * 7];
    for n in 0..4 {
        for v in 0..7 {
            logits[n * 7 + v] = (0..5).map(|d| hidden[n * 5 + d] * weight[v * 5 + d]).sum();
        }
    }
    let target = [[1_i32, 4], [0, 6]];
    let tokens = Tokens::new(&target);
    let mut exec = Exec::new();
    let run = |exec: &mut Exec, head: &Head| {
        let (mut logp, mut token_logp, mut lse) = ([0.0_f64; 2], [0.0; 4], [0.0; 4]);
        let out = Forward::new().logp(&mut logp).token_logp(&mut token_logp).lse(&mut lse);
        head.forward(exec, out).unwrap();
        (logp, token_logp, lse)
    };
    let dense = Head::dense(&tokens, View::shaped(&logits, [2, 2, 7]).unwrap());
    let (hidden, weight) = (View::shaped(&hidden, [2, 2, 5]).unwrap(), View::shaped(&weight, [7, 5]).unwrap());
    let linear = Head::linear(&tokens, hidden, weight);
    let (logp, token_logp, lse) = run(&mut exec, &dense);
    let (fused, fused_token_logp, fused_lse) = run(&mut exec, &linear);
    assert!((logp[0] - fused[0]).abs() < 1e-12 && (logp[1] - fused[1]).abs() < 1e-12);
    assert!(exec.scratch_bytes() > 0);

    // d logits in place, and d hidden of the linear head as its product with weight.
    let (dlogp, mut dhidden, mut dweight) = ([0.3, -0.7], [[[0.0_f64; 5]; 2]; 2], [[0.0; 5]; 7]);
    let flat: &mut [f64] = unsafe { std::slice::from_raw_parts_mut(dhidden.as_mut_ptr().cast(), 20) };
    let grads = Backward::new().dlogp(&dlogp).token_logp(&fused_token_logp).lse(&fused_lse);
    let grads = grads.dhidden(ViewMut::shaped(flat, [2, 2, 5]).unwrap()).dweight(&mut dweight);
    linear.backward(&mut exec, grads).unwrap();
    let mut copy = logits.clone();
    let head = Head::dense_mut(&tokens, ViewMut::shaped(&mut copy, [2, 2, 7]).unwrap());
    let grads = Backward::new().dlogp(&dlogp).token_logp(&token_logp).lse(&lse);
    head.backward_in_place(&mut exec, grads).unwrap();
    let weight = numbers(7 * 5, 5);
    for d in 0..5 {
        let product: f64 = (0..7).map(|v| copy[v] * weight[v * 5 + d]).sum();
        assert!((product - dhidden[0][0][d]).abs() < 1e-12);
    }
}

#[test]
fn counts_in_shards_fit_the_same() {
    let mut exec = Exec::new();
    let n = 40_usize;
    let items = numbers(4000, 6);
    let first: Vec<i64> = items.iter().map(|x| ((x + 1.0) * 0.5 * n as f64) as i64).collect();
    let second: Vec<i64> = first.iter().enumerate().map(|(i, f)| (f + 1 + (i % (n - 1)) as i64) % n as i64).collect();
    let mut whole = bt::Counts::new(n as i64);
    whole.update(&mut exec, bt::Rows::new(&first, &second)).unwrap();
    assert_eq!(whole.rows(), 4000);
    let (mut left, mut right) = (bt::Counts::new(n as i64), bt::Counts::new(n as i64));
    right.update(&mut exec, bt::Rows::new(&first[1000..], &second[1000..])).unwrap();
    left.update(&mut exec, bt::Rows::new(&first[..1000], &second[..1000])).unwrap();
    left.merge(&mut exec, &right).unwrap();
    let (a, b) = (bt::Fit::new(&whole).se().run(&mut exec).unwrap(), bt::Fit::new(&left).se().run(&mut exec).unwrap());
    assert!(a.failure.is_none());
    assert_eq!((a.strength, a.se), (b.strength, b.se));
    let rows = bt::Rows::new(&first, &second);
    let direct = bt::Fit::of_rows(n as i64, rows).covariance().draws(3, 7).run(&mut exec).unwrap();
    assert_eq!((direct.covariance.len(), direct.draws.len()), (n * n, 3 * n));
}

#[test]
fn what_may_cross_threads() {
    fn send_and_sync<T: Send + Sync>() {}
    fn send<T: Send>() {}
    send_and_sync::<View>();
    send_and_sync::<ViewMut>();
    send_and_sync::<Params>();
    send_and_sync::<Loss>();
    send_and_sync::<Head<Shared>>();
    send_and_sync::<Head<InPlace>>();
    send_and_sync::<norm::Norm>();
    send_and_sync::<bt::Counts>();
    send_and_sync::<reward::Fit>();
    send_and_sync::<Error>();
    send::<Exec>();

    let norm = norm::Norm::new(&norm::Params::zscore()).unwrap();
    let values: Vec<f64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|seed| {
                let mut norm = norm.clone();
                scope.spawn(move || {
                    norm.update(&mut Exec::new(), norm::Batch::new(&numbers(100, seed))).unwrap();
                    norm.moments().mean
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(values.iter().all(|mean| mean.abs() < 0.3));
}
