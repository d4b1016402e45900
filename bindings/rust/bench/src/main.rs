//! What the safe interface costs: DPO of a million pairs through it and through C, in turns in one process.
//!
//!     cargo run --release [PAIRS [ROUNDS]]

use libalign::{Exec, Loss, Params, View, ViewMut};

extern "C" {
    fn bench_dpo(pairs: i64, score: *const f64, reference: *const f64, dscore: *mut f64, value: *mut f64) -> i32;
    fn bench_seconds() -> f64;
}

struct Batch {
    pairs: usize,
    score: Vec<f64>,
    reference: Vec<f64>,
    dscore: Vec<f64>,
}

impl Batch {
    fn new(pairs: usize) -> Self {
        let numbers = |step: usize| (0..2 * pairs).map(|i| (i * step % 4093) as f64 / 512.0 - 12.0).collect();
        Batch { pairs, score: numbers(7919), reference: numbers(6007), dscore: vec![0.0; 2 * pairs] }
    }

    fn by_c(&mut self) -> f64 {
        let mut value = 0.0;
        let (score, reference) = (self.score.as_ptr(), self.reference.as_ptr());
        let status = unsafe { bench_dpo(self.pairs as i64, score, reference, self.dscore.as_mut_ptr(), &mut value) };
        assert_eq!(status, 0);
        value
    }

    fn by_rust(&mut self) -> Result<f64, libalign::Error> {
        let shape = [self.pairs, 2];
        Loss::new(&Params::new("dpo")?)
            .score(View::shaped(&self.score, shape)?)
            .ref_(View::shaped(&self.reference, shape)?)
            .dscore(ViewMut::shaped(&mut self.dscore, shape)?)
            .eval(&mut Exec::new())
    }
}

/// Processor time of a call.
fn seconds<T>(body: impl FnOnce() -> T) -> f64 {
    let begin = unsafe { bench_seconds() };
    body();
    unsafe { bench_seconds() - begin }
}

fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn main() -> Result<(), libalign::Error> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (pairs, rounds) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(101));
    let mut batch = Batch::new(pairs);
    assert_eq!(batch.by_c(), batch.by_rust()?);
    let (mut c, mut rust, mut ratio) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        // C, Rust, Rust, C, and the other way round in the next: a drift of the machine counts for both alike.
        let (mut of_c, mut of_rust) = (0.0, 0.0);
        for turn in 0..4 {
            if (turn == 0 || turn == 3) == (round % 2 == 0) {
                of_c += seconds(|| batch.by_c()) / 2.0;
            } else {
                of_rust += seconds(|| batch.by_rust()) / 2.0;
            }
        }
        c.push(of_c);
        rust.push(of_rust);
        ratio.push(of_rust / of_c);
    }
    let (c, rust, ratio) = (sorted(c), sorted(rust), sorted(ratio));
    println!("dpo of {pairs} pairs, {rounds} rounds in turns, processor time");
    println!("best     C {:.3} ms, safe Rust {:.3} ms, ratio {:.4}", 1e3 * c[0], 1e3 * rust[0], rust[0] / c[0]);
    let half = rounds / 2;
    // Order statistics around the median hold the true one with 95 %, whatever the noise is.
    let reach = (0.98 * (rounds as f64).sqrt()).ceil() as usize;
    let (low, high) = (ratio[half.saturating_sub(reach)], ratio[(half + reach).min(rounds - 1)]);
    println!(
        "median   C {:.3} ms, safe Rust {:.3} ms, ratio {:.4}, 95 % of {low:.4} to {high:.4}",
        1e3 * c[half],
        1e3 * rust[half],
        ratio[half]
    );
    Ok(())
}
