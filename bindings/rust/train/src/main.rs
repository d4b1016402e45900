//! A small language model in candle, tuned on ranked answers with libalign's `lipo_lambda`.
//!
//!     cargo run [STEPS]
//!
//! candle owns the model and its backward pass. In between, libalign turns logits into log-probabilities of answers, these
//! and the labels into the loss, and takes the gradient back to the logits. Answers are random; a hidden worth of every
//! token ranks them. Held out are lists that training never sees. Fails unless the loss falls and answers are ranked.

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use libalign::head::{Backward, Forward, Head, Tokens};
use libalign::{Exec, Loss, Params, View};

const VOCAB: usize = 24;
const LENGTH: usize = 8;
const WIDTH: usize = 32;
const ANSWERS: usize = 5; // of a list
const LISTS: usize = 16; // of a batch

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % n as u64) as usize
    }

    fn variable(&mut self, rows: usize, columns: usize, scale: f32) -> Result<Var> {
        let number = |_| (self.below(2001) as f32 / 1000.0 - 1.0) * scale;
        let numbers: Vec<f32> = (0..rows * columns).map(number).collect();
        Ok(Var::from_vec(numbers, (rows, columns), &Device::Cpu)?)
    }
}

/// Logits of the next token from the last one.
struct Model {
    embedding: Var,
    inner: Var,
    output: Var,
}

impl Model {
    fn new(random: &mut Random) -> Result<Self> {
        Ok(Model {
            embedding: random.variable(VOCAB + 1, WIDTH, 0.5)?,
            inner: random.variable(WIDTH, WIDTH, 0.3)?,
            output: random.variable(WIDTH, VOCAB, 0.3)?,
        })
    }

    fn variables(&self) -> Vec<Var> {
        vec![self.embedding.clone(), self.inner.clone(), self.output.clone()]
    }

    /// `[sequences, LENGTH, VOCAB]`.
    fn logits(&self, batch: &Batch) -> Result<Tensor> {
        let before = Tensor::from_slice(&batch.before, batch.before.len(), &Device::Cpu)?;
        let hidden = self.embedding.index_select(&before, 0)?.matmul(&self.inner)?.tanh()?;
        Ok(hidden.matmul(&self.output)?.reshape((batch.target.len() / LENGTH, LENGTH, VOCAB))?)
    }
}

/// Lists of answers: tokens, the token before each, and how good each answer is.
struct Batch {
    target: Vec<i64>,
    before: Vec<u32>,
    label: Vec<f64>,
}

impl Batch {
    fn new(random: &mut Random, lists: usize) -> Self {
        let sequences = lists * ANSWERS;
        let target: Vec<i64> = (0..sequences * LENGTH).map(|_| random.below(VOCAB) as i64).collect();
        let before = (0..target.len()).map(|i| if i % LENGTH == 0 { VOCAB as u32 } else { target[i - 1] as u32 });
        let worth = |&token: &i64| (token * 7 % 5) as f64 / 4.0;
        let label = target.chunks(LENGTH).map(|answer| answer.iter().map(worth).sum::<f64>() / LENGTH as f64);
        Batch { before: before.collect(), label: label.collect(), target }
    }

    fn lists<'a>(&self, data: &'a [f64]) -> std::result::Result<View<'a>, libalign::Error> {
        View::shaped(data, [data.len() / ANSWERS, ANSWERS])
    }
}

/// What the forward of a head leaves.
struct Scores {
    logits: Vec<f32>,
    logp: Vec<f64>,
    token_logp: Vec<f64>,
    lse: Vec<f64>,
}

fn scores(exec: &mut Exec, model: &Model, batch: &Batch) -> Result<(Tensor, Scores)> {
    let tensor = model.logits(batch)?;
    let logits: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
    let (rows, sequences) = (batch.target.len(), batch.target.len() / LENGTH);
    let (mut logp, mut token_logp, mut lse) = (vec![0.0; sequences], vec![0.0; rows], vec![0.0; rows]);
    let tokens = Tokens::new(View::shaped(&batch.target, [sequences, LENGTH])?);
    let head = Head::dense(&tokens, View::shaped(&logits, [sequences, LENGTH, VOCAB])?);
    head.forward(exec, Forward::new().logp(&mut logp).token_logp(&mut token_logp).lse(&mut lse))?;
    Ok((tensor, Scores { logits, logp, token_logp, lse }))
}

/// One step: the loss before it.
fn step(
    exec: &mut Exec,
    params: &Params,
    model: &Model,
    reference: &Model,
    batch: &Batch,
    by: &mut AdamW,
) -> Result<f64> {
    let (tensor, policy) = scores(exec, model, batch)?;
    let (_, before) = scores(exec, reference, batch)?;
    let mut dlogp = vec![[0.0; ANSWERS]; batch.label.len() / ANSWERS];
    let loss = Loss::new(params)
        .score(batch.lists(&policy.logp)?)
        .ref_(batch.lists(&before.logp)?)
        .label(batch.lists(&batch.label)?)
        .dscore(&mut dlogp)
        .eval(exec)?;

    // The gradient takes the place of the logits, and goes on into candle as that of sum(logits * gradient).
    let (sequences, flat) = (batch.label.len(), dlogp.concat());
    let mut gradient = policy.logits;
    let tokens = Tokens::new(View::shaped(&batch.target, [sequences, LENGTH])?);
    let head = Head::dense_mut(&tokens, libalign::ViewMut::shaped(&mut gradient, [sequences, LENGTH, VOCAB])?);
    let backward = Backward::new().dlogp(&flat).token_logp(&policy.token_logp).lse(&policy.lse);
    head.backward_in_place(exec, backward)?;
    let gradient = Tensor::from_vec(gradient, (sequences, LENGTH, VOCAB), &Device::Cpu)?;
    by.backward_step(&(tensor * gradient)?.sum_all()?.to_dtype(DType::F32)?)?;
    Ok(loss)
}

/// The loss of lists, and the share of pairs that the policy has moved apart in the right order.
fn judge(exec: &mut Exec, params: &Params, model: &Model, reference: &Model, batch: &Batch) -> Result<(f64, f64)> {
    let (policy, before) = (scores(exec, model, batch)?.1.logp, scores(exec, reference, batch)?.1.logp);
    let loss = Loss::new(params)
        .score(batch.lists(&policy)?)
        .ref_(batch.lists(&before)?)
        .label(batch.lists(&batch.label)?)
        .eval(exec)?;
    let (mut right, mut pairs) = (0, 0);
    for list in 0..policy.len() / ANSWERS {
        for i in list * ANSWERS..(list + 1) * ANSWERS {
            for j in list * ANSWERS..(list + 1) * ANSWERS {
                if batch.label[i] > batch.label[j] {
                    pairs += 1;
                    right += (policy[i] - before[i] > policy[j] - before[j]) as usize;
                }
            }
        }
    }
    Ok((loss, right as f64 / pairs as f64))
}

fn main() -> Result<()> {
    let steps = std::env::args().nth(1).map_or(Ok(150), |text| text.parse())?;
    let (mut exec, mut random) = (Exec::new(), Random(7));
    let params = Params::new("lipo_lambda")?;
    let (model, reference) = (Model::new(&mut Random(1))?, Model::new(&mut Random(1))?);
    let held_out = Batch::new(&mut random, 200);
    let mut adam = AdamW::new(model.variables(), ParamsAdamW { lr: 0.01, weight_decay: 0.0, ..Default::default() })?;

    let (first, _) = judge(&mut exec, &params, &model, &reference, &held_out)?;
    for i in 1..=steps {
        let batch = Batch::new(&mut random, LISTS);
        let loss = step(&mut exec, &params, &model, &reference, &batch, &mut adam)?;
        if i % 25 == 0 {
            println!("step {i}: loss {loss:.4}");
        }
    }
    let (last, accuracy) = judge(&mut exec, &params, &model, &reference, &held_out)?;
    println!("held out: loss {first:.4} -> {last:.4}, pair accuracy {accuracy:.3}");
    if last < 0.8 * first && accuracy > 0.9 {
        Ok(())
    } else {
        Err("expected the loss to fall by a fifth and an accuracy above 0.9".into())
    }
}
