//! Calls of one struct each, the step, states and saved counts: what their formulas say.

use libalign::bt::{Ballots, Counts, Fit, Rankings, Rows, Ties};
use libalign::head::{Backward, Forward, Head, Tokens};
use libalign::judge::{Calibration, Elo, Labels, Pool, Slopes, Strength, TokenWeights, Wpo};
use libalign::norm::{Batch, Groups, Norm, Params as NormParams, Preset, Ring};
use libalign::process::{Advantages, Aspects, Claims, Followup, Lagrange, Pipeline, PopArt, Progress, Renorm};
use libalign::{reward, Exec, Loss, Params, Reduction, Result, State, Status, Step, View, ViewMut};
use std::sync::{Barrier, Mutex};

fn near(x: f64, y: f64) -> bool {
    (x - y).abs() <= 1e-12 * y.abs().max(1.0)
}

fn numbers(n: usize, step: usize) -> Vec<f64> {
    (0..n).map(|i| (i * step % 997) as f64 / 300.0 - 1.6).collect()
}

#[test]
fn a_step_is_head_and_loss() -> Result<()> {
    let mut exec = Exec::new();
    let (logits, target) = (numbers(4 * 3 * 8, 613), [[0_i64, 3, 7], [1, 2, 3], [4, 5, 6], [7, 7, 0]]);
    let reference = [[-7.0, -6.5], [-6.0, -8.0]];
    let tokens = Tokens::new(&target);
    let head = Head::dense(&tokens, View::shaped(&logits, [4, 3, 8])?);
    let ipo = Params::new("ipo")?.with("beta", 0.3)?;

    let (mut logp, mut dlogp, mut dlogits, mut value) = ([[0.0; 2]; 2], [[0.0; 2]; 2], vec![0.0; 96], [0.0]);
    let (mut token_logp, mut lse) = ([0.0; 12], [0.0; 12]);
    let loss = Loss::new(&ipo).ref_(&reference).value(&mut value);
    Step::new(&loss, &mut logp, &mut dlogp)
        .forward(Forward::new().token_logp(&mut token_logp).lse(&mut lse))
        .backward(Backward::new().dlogits(ViewMut::shaped(&mut dlogits, [4, 3, 8])?))
        .run(&mut exec, &head)?;

    let (mut apart, mut dapart, mut one_by_one) = ([0.0; 4], [[0.0; 2]; 2], vec![0.0; 96]);
    head.forward(&mut exec, Forward::new().logp(&mut apart).token_logp(&mut token_logp).lse(&mut lse))?;
    let pairs = View::shaped(&apart, [2, 2])?;
    let of_loss = Loss::new(&ipo).score(pairs).ref_(&reference).dscore(&mut dapart).eval(&mut exec)?;
    let back = [dapart[0][0], dapart[0][1], dapart[1][0], dapart[1][1]];
    let grads = Backward::new().dlogp(&back).token_logp(&token_logp).lse(&lse);
    head.backward(&mut exec, grads.dlogits(ViewMut::shaped(&mut one_by_one, [4, 3, 8])?))?;
    assert_eq!((value[0], dlogp, dlogits), (of_loss, dapart, one_by_one));

    let (mut wrong, mut other) = ([0.0; 4], [[0.0; 2]; 2]);
    let strided = ViewMut::strided(&mut wrong, 0, [2, 2], [1, 2])?;
    let plain = Loss::new(&ipo).ref_(&reference);
    let error = Step::new(&plain, strided, &mut other).run(&mut exec, &head).unwrap_err();
    assert_eq!(error.status, Status::Layout);
    Ok(())
}

#[test]
fn a_vocabulary_on_two_processes() -> Result<()> {
    let (logits, target) = (numbers(2 * 8, 613), [[0_i64], [7]]);
    let tokens = Tokens::new(&target);
    let mut whole = [0.0; 2];
    let head = Head::dense(&tokens, View::shaped(&logits, [2, 1, 8])?);
    head.forward(&mut Exec::new(), Forward::new().logp(&mut whole))?;

    let (barrier, parts) = (Barrier::new(2), Mutex::new([Vec::new(), Vec::new()]));
    let found = std::thread::scope(|scope| {
        let run = |rank: usize| {
            let (barrier, parts, logits, tokens) = (&barrier, &parts, &logits, &tokens);
            move || {
                let exchange = |mine: Vec<f64>| {
                    parts.lock().unwrap()[rank] = mine;
                    barrier.wait();
                    let all = parts.lock().unwrap().clone();
                    barrier.wait();
                    all
                };
                let reduce = |reduction: Reduction| {
                    match reduction {
                        Reduction::Sum(x) => {
                            let all = exchange(x.to_vec());
                            x.iter_mut().enumerate().for_each(|(i, x)| *x = all[0][i] + all[1][i]);
                        }
                        Reduction::Max(x) => {
                            let all = exchange(x.to_vec());
                            x.iter_mut().enumerate().for_each(|(i, x)| *x = all[0][i].max(all[1][i]));
                        }
                        Reduction::SumInteger(x) => {
                            // Both halves of each word, so that f64 carries them exactly.
                            let halves = x.iter().flat_map(|&x| [(x >> 32) as f64, (x & 0xffff_ffff) as f64]).collect();
                            let all = exchange(halves);
                            x.iter_mut().enumerate().for_each(|(i, x)| {
                                let word =
                                    |rank: usize| ((all[rank][2 * i] as i64) << 32) + all[rank][2 * i + 1] as i64;
                                *x = word(0).wrapping_add(word(1));
                            });
                        }
                        _ => return false,
                    }
                    true
                };
                let mut logp = [0.0; 2];
                let part = View::strided(logits, 4 * rank, [2, 1, 4], [8, 8, 1]).unwrap();
                Head::dense(tokens, part)
                    .vocab_begin(4 * rank as i64)
                    .vocab_total(8)
                    .forward(&mut Exec::new().all_reduce(&reduce), Forward::new().logp(&mut logp))
                    .unwrap();
                logp
            }
        };
        let (first, second) = (scope.spawn(run(0)), scope.spawn(run(1)));
        [first.join().unwrap(), second.join().unwrap()]
    });
    assert_eq!(found[0], found[1]);
    assert!(near(found[0][0], whole[0]) && near(found[0][1], whole[1]));

    let mut logp = [0.0; 2];
    let half = Head::dense(&tokens, View::strided(&logits, 0, [2, 1, 4], [8, 8, 1])?).vocab_total(8);
    let fails = |_: Reduction| false;
    let error = half.forward(&mut Exec::new().all_reduce(&fails), Forward::new().logp(&mut logp)).unwrap_err();
    assert_eq!(error.status, Status::Comm);
    Ok(())
}

#[test]
fn states_of_losses() -> Result<()> {
    let mut exec = Exec::new();
    let kto = Params::new("kto")?.with("beta", 0.1)?;
    let label = [1.0, 1.0];
    let (mut one, mut two) = (State::new(&kto)?, State::new(&kto)?);
    one.update(&mut exec, &Loss::new(&kto).score(&[-9.0, -14.0]).ref_(&[-10.0, -20.0]).label(&label))?;
    two.update(&mut exec, &Loss::new(&kto).score(&[-5.0, -7.0]).ref_(&[-6.0, -8.0]).label(&label))?;
    one.merge(&mut exec, &two)?;
    let bytes = one.to_bytes(&mut exec)?;
    let mut again = State::new(&kto)?;
    again.load(&mut exec, &bytes)?;
    let z0 = one.offset(&mut exec, &kto)?;
    assert!(near(z0, 0.1 * (1.0 + 6.0 + 1.0 + 1.0) / 4.0) && again.offset(&mut exec, &kto)? == z0);
    assert_eq!(again.load(&mut exec, &bytes[..9]).unwrap_err().status, Status::Scratch);

    let beta_dpo = Params::new("beta_dpo")?;
    let mut state = State::new(&beta_dpo)?.moving(0.5, 0.0, 0.001);
    state.update(&mut exec, &Loss::new(&beta_dpo).score(&[[1.0, 0.0]]).ref_(&[[0.0, 0.0]]))?;
    assert!(state.beta(&mut exec, &beta_dpo).is_ok());
    assert_eq!(State::new(&Params::new("dpo")?).err().map(|error| error.status), Some(Status::Range));
    Ok(())
}

#[test]
fn counts_are_saved() -> Result<()> {
    let mut exec = Exec::new();
    let first: Vec<i64> = (0..500).map(|i| i * 7919 % 30).collect();
    let second: Vec<i64> = (0..500).map(|i| (i * 7919 % 30 + 1 + i * 31 % 29) % 30).collect();
    let mut counts = Counts::new(30);
    counts.update(&mut exec, Rows::new(&first, &second))?;
    let bytes = counts.to_bytes(&mut exec)?;
    let mut loaded = Counts::from_bytes(&mut exec, &bytes)?;
    assert_eq!((loaded.n_items(), loaded.rows()), (30, 500));
    let strength = |exec: &mut Exec, counts: &Counts| Fit::new(counts).run(exec).map(|board| board.strength);
    assert_eq!(strength(&mut exec, &loaded)?, strength(&mut exec, &counts)?);
    loaded.load(&mut exec, &bytes)?;
    assert_eq!(loaded.rows(), 1000);
    assert!(Counts::from_bytes(&mut exec, &bytes[..20]).is_err());
    Ok(())
}

#[test]
fn ballots_are_saved_and_merged() -> Result<()> {
    let mut exec = Exec::new();
    let (offsets, item) = ([0_i64, 3, 5, 8, 11], [0_i64, 1, 2, 2, 0, 0, 1, 2, 1, 0, 2]);
    let place = [0_i64, 1, 1, 0, 1, 0, 1, 1, 0, 1, -1];
    let rankings = Rankings::new(&offsets, &item).place(&place);
    let mut ballots = Ballots::new(3);
    ballots.update(&mut exec, rankings)?;
    assert_eq!((ballots.rows(), ballots.rankings()), (4, 3));
    let bytes = ballots.to_bytes(&mut exec)?;
    let mut loaded = Ballots::from_bytes(&mut exec, &bytes)?;
    assert_eq!(loaded.to_bytes(&mut exec)?, bytes);
    let direct = Fit::of_rankings(3, rankings).ties(Ties::Davidson).run(&mut exec)?;
    let summed = Fit::of_ballots(&loaded).ties(Ties::Davidson).run(&mut exec)?;
    assert!(direct.failure.is_none());
    for (a, b) in direct.strength.iter().zip(&summed.strength) {
        assert!((a - b).abs() < 1e-12);
    }
    loaded.merge(&mut exec, &ballots)?;
    loaded.load(&mut exec, &bytes)?;
    assert_eq!((loaded.rows(), loaded.rankings()), (12, 3));
    let error = loaded.update(&mut exec, Rankings::new(&[0_i64, 2], &[0_i64, 7])).unwrap_err();
    assert_eq!((error.status, error.index.as_slice(), loaded.rows()), (Status::Range, &[1][..], 12));
    Ok(())
}

#[test]
fn rankings() -> Result<()> {
    let (offsets, item) = ([0_i64, 2, 4, 6], [0_i64, 1, 0, 1, 1, 0]);
    let board = Fit::of_rankings(2, Rankings::new(&offsets, &item)).run(&mut Exec::new())?;
    assert!((board.strength[0] - board.strength[1] - 2f64.ln()).abs() < 1e-8);
    Ok(())
}

#[test]
fn a_path_chooses_by_what_was_held_out() -> Result<()> {
    let mut exec = Exec::new();
    let (first, second) = (numbers(60 * 2, 613), numbers(60 * 2, 211));
    let prob: Vec<f64> =
        (0..60).map(|i| f64::from(u8::from(first[2 * i] + 0.4 * first[2 * i + 1] > second[2 * i] * 0.9))).collect();
    let (a, b) = (View::shaped(&first, [60, 2])?, View::shaped(&second, [60, 2])?);
    let (c, d) = (View::shaped(&first[80..], [20, 2])?, View::shaped(&second[80..], [20, 2])?);
    let fit = reward::Fit::new(a, b).prob(&prob);
    let l2 = [50.0, 2.0, 0.5];
    let path = fit.run_path(&mut exec, &reward::Fit::new(c, d).prob(&prob[40..]), &l2)?;
    for (i, &l2) in l2.iter().enumerate() {
        let coef = reward::Fit::new(a, b).prob(&prob).l2(l2).run(&mut exec)?.coef;
        let loss: f64 = (40..60)
            .map(|r| {
                let z: f64 = (0..2).map(|k| (first[2 * r + k] - second[2 * r + k]) * coef[k]).sum();
                (1.0 + (if prob[r] == 1.0 { -z } else { z }).exp()).ln() / 20.0
            })
            .sum();
        assert!((loss - path.loss[i]).abs() < 1e-9);
        assert!(path.loss[i] >= path.loss[path.best]);
        assert!(i != path.best || (coef[0] - path.coef[0]).abs() < 1e-9);
    }
    Ok(())
}

#[test]
fn elo_and_tools_of_judges() -> Result<()> {
    let mut exec = Exec::new();
    let mut rating = [1000.0; 2];
    let (first, second) = ([0_i64], [1_i64]);
    let games = Rows::new(&first, &second);
    Elo::new().rows(&games).k(32.0).rating(&mut rating).run(&mut exec)?;
    assert_eq!(rating, [1016.0, 984.0]);

    let (mut mean, mut deviation) = ([0.0; 2], [0.0; 2]);
    let ensemble = [[1.0, 2.0], [3.0, 2.0]];
    Strength::new().first(&ensemble).mean(&mut mean).deviation(&mut deviation).run(&mut exec)?;
    assert_eq!((mean, deviation), ([2.0, 2.0], [1.0, 0.0]));

    let mut totals = [0.0; 5];
    Calibration::new().first(&[0.0, 0.0]).totals(&mut totals).run(&mut exec)?;
    assert!(near(totals[1], 0.5) && near(totals[2], 2.0 * 2f64.ln()));

    let (mut pooled, mut tau2) = ([0.0], [0.0]);
    let estimates = Pool::new().estimate(&[[1.0], [3.0]]).variance(&[[1.0], [1.0]]);
    estimates.mean(&mut pooled).tau2(&mut tau2).method(1).run(&mut exec)?;
    assert_eq!((pooled, tau2), ([2.0], [1.0]));

    let mut label = [[0.0; 3]];
    Labels::new().rank(&[[0_i64, 2, 1]]).label(&mut label).run(&mut exec)?;
    assert!(label[0][0] > label[0][2] && label[0][2] > label[0][1]);

    let target = [[3_i64, 1, 2, 0], [1, 2, -100, -100]];
    let (tokens, mut weight) = (Tokens::new(&target), [[0.0; 4]; 2]);
    let kind = libalign_sys::ALIGN_TOKEN_WEIGHTS_LD as i32;
    TokenWeights::new().tokens(&tokens).kind(kind).alpha(0.5).weight(&mut weight).run(&mut exec)?;
    assert_eq!(weight, [[1.0, 1.0, 0.5, 0.5], [1.0, 1.0, 0.0, 0.0]]);

    let pair = [[0_i64], [0]];
    let (tokens, mut weight) = (Tokens::new(&pair), [0.0]);
    let wpo = Wpo::new().tokens(&tokens).token_logp(&[-1.0, -2.0]).collision(&[-1.5, -1.5]);
    wpo.most(f64::INFINITY).weight(&mut weight).run(&mut exec)?;
    assert!(near(weight[0], 1.0));
    Ok(())
}

#[test]
fn slopes_of_annotators() -> Result<()> {
    let mut exec = Exec::new();
    let (first, second) = (numbers(200, 613), numbers(200, 411));
    let (first, second) = (View::shaped(&first, [100, 2])?, View::shaped(&second, [100, 2])?);
    let fit = reward::Fit::new(first, second).l2(1.0);
    let coef = fit.run(&mut exec)?.coef;
    let annotator: Vec<i64> = (0..100).map(|i| i % 2).collect();
    let (mut slope, mut existence) = ([[0.0_f64]; 2], [0_i64; 2]);
    Slopes::new()
        .annotator(&annotator)
        .select(&[0_i64])
        .precision(&[1.0])
        .slope(&mut slope)
        .existence(&mut existence)
        .run_on(&mut exec, &fit, &coef)?;
    assert_eq!(existence, [libalign_sys::ALIGN_REWARD_FINITE as i64; 2]);
    assert!(slope.iter().all(|slope| slope[0].is_finite()));
    Ok(())
}

#[test]
fn process_rewards() -> Result<()> {
    let mut exec = Exec::new();
    let mut reward = [0.0; 3];
    let scores = Renorm::new().score(&[1.0, 2.0, 4.0]).most(&[4.0, 4.0, 4.0]);
    scores.offsets(&[0_i64, 2, 3]).outcome(&[1.0, 0.0]).reward(&mut reward).run(&mut exec)?;
    assert_eq!(reward, [0.25, 1.0, 0.0]);

    let mut advantage = [0.0; 3];
    let chance = Progress::new().prover(&[0.5, 0.25, 1.0]).offsets(&[0_i64, 3]);
    chance.advantage(&mut advantage).run(&mut exec)?;
    assert_eq!(advantage[2], 0.75);

    let (logp, mut reward) = ([-1.0, -2.0, -4.0], [0.0]);
    let said = Followup::new().logp(View::shaped(&logp, [1, 3, 1])?).sign(&[1_i64, -1, 1]);
    said.reward(&mut reward).run(&mut exec)?;
    assert_eq!(reward, [-0.5]);

    let mut reward = [0.0; 2];
    let claims = Claims::new().accept(&[0.9, 0.2, 0.5]).reject(&[0.1, 0.8, 0.5]);
    claims.offsets(&[0_i64, 2, 3]).reward(&mut reward).run(&mut exec)?;
    assert_eq!(reward, [-1.0, -1.0]);

    let mut score = [0.0; 2];
    Aspects::new().rating(&[[5.0, 3.0], [1.0, 2.0]]).score(&mut score).run(&mut exec)?;
    assert_eq!(score, [4.0, 1.5]);

    let (mut weight, mut bias) = ([[1.0]], [0.0]);
    PopArt::new().new_deviation(2.0).weight(&mut weight).bias(&mut bias).run(&mut exec)?;
    assert_eq!((weight, bias), ([[0.5]], [0.0]));

    let mut lagrange = Lagrange::new();
    (lagrange.raw.rate, lagrange.raw.bound) = (0.1, 0.5);
    lagrange.update(&mut exec, 2.5)?;
    assert!(near(lagrange.raw.multiplier, 0.2));
    Ok(())
}

#[test]
fn pipelines_of_trainers() -> Result<()> {
    let mut exec = Exec::new();
    let score = [1.0, 3.0, 10.0, 20.0];
    let advantages = |pipeline: &Pipeline, exec: &mut Exec| -> Result<[[f64; 2]; 4]> {
        let (mut shaped, mut advantage) = ([0.0; 4], [[0.0; 2]; 4]);
        Advantages::new()
            .pipeline(pipeline)
            .score(&score)
            .group_size(2)
            .mask(&[[true; 2]; 4])
            .shaped(&mut shaped)
            .advantage(&mut advantage)
            .run(exec)?;
        Ok(advantage)
    };
    let steps = [libalign_sys::ALIGN_PIPELINE_GROUP, libalign_sys::ALIGN_PIPELINE_BROADCAST];
    let centred = Pipeline::new(&steps)?.group(&NormParams::center());
    assert_eq!(advantages(&centred, &mut exec)?, [[-1.0; 2], [1.0; 2], [-5.0; 2], [5.0; 2]]);
    let moved = Box::new(Pipeline::preset("nemo_rl_grpo")?);
    assert!(advantages(&moved, &mut exec)?[0][0] < 0.0);
    assert_eq!(Pipeline::preset("nobody").err().map(|error| error.status), Some(Status::Arg));
    assert_eq!(Pipeline::new(&[1; 12]).err().map(|error| error.status), Some(Status::Shape));
    Ok(())
}

#[test]
fn windows_and_presets_of_normalisers() -> Result<()> {
    let mut exec = Exec::new();
    let (mut norm, mut held) = (Norm::new(&NormParams::zscore())?, [0.0; 3]);
    let mut ring = Ring::new(&mut held);
    norm.update_ring(&mut exec, &mut ring, Batch::new(&[1.0, 2.0, 4.0, 9.0]))?;
    assert_eq!((norm.moments().mean, ring.filled()), (5.0, 3));

    let mut out = [[0.0; 3]];
    Groups::new(&[[1.0, 2.0, 3.0]]).out(&mut out).run_preset(&mut exec, &Preset::new("trl", "rloo")?)?;
    assert_eq!(out, [[-1.5, 0.0, 1.5]]);
    assert!(Preset::new("trl", "nothing").is_err());
    assert_ne!(libalign::cpu(), u64::MAX);
    Ok(())
}
