//! Bradley-Terry: strengths of items from comparisons between them.
//!
//! ```
//! use libalign::bt::{Counts, Fit, Rows, Ties};
//! use libalign::{Exec, Status};
//!
//! let mut exec = Exec::new();
//! // Items are numbers; outcome 1 is a win of first, 0 of second, 0.5 a tie.
//! let (first, second) = ([0_i64, 0, 1, 2, 2, 1], [1_i64, 2, 2, 0, 1, 0]);
//! let outcome = [1.0, 0.5, 1.0, 0.0, 1.0, 0.0];
//! let mut counts = Counts::new(3);
//! counts.update(&mut exec, Rows::new(&first, &second).outcome(&outcome))?;
//!
//! let board = Fit::new(&counts).ties(Ties::Davidson).se().run(&mut exec)?;
//! assert!(board.failure.is_none() && board.strength[0] > board.strength[2]);
//!
//! // Item 0 never lost: no finite answer, and it is said.
//! let board = Fit::of_rows(3, Rows::new(&[0_i64, 1, 2], &[1_i64, 2, 1])).run(&mut exec)?;
//! assert_eq!(board.failure.unwrap().status, Status::NoSolution);
//! # Ok::<(), libalign::Error>(())
//! ```

use std::marker::PhantomData;
use std::mem::size_of;

use libalign_sys as sys;

use crate::exec::NO_SCRATCH;
use crate::fields::{initialised, inputs, numbers};
use crate::{Error, Exec, Result, Status, View, ViewMut};

/// Comparisons, one a row.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    raw: sys::align_bt_rows,
    life: PhantomData<&'a [u8]>,
}

unsafe impl Send for Rows<'_> {}
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    /// Who met whom: `[M]` `i32` or `i64` each. Every first won, unless `outcome` says otherwise.
    pub fn new(first: impl Into<View<'a>>, second: impl Into<View<'a>>) -> Self {
        let mut raw = initialised!(align_bt_rows, align_bt_rows_init);
        raw.first = first.into().raw;
        raw.second = second.into().raw;
        Rows { raw, life: PhantomData }
    }

    inputs! {
        /// `[M]` reals in 0..1: the share of the point that first took; 0.5 is a tie.
        outcome
        /// `[M]` reals: how often each row counts.
        weight
    }

    pub(crate) fn raw(&self) -> &sys::align_bt_rows {
        &self.raw
    }
}

/// Rankings or choices, one a row, under Plackett and Luce.
#[derive(Clone, Copy)]
pub struct Rankings<'a> {
    raw: sys::align_bt_rankings,
    life: PhantomData<&'a [u8]>,
}

unsafe impl Send for Rankings<'_> {}
unsafe impl Sync for Rankings<'_> {}

impl<'a> Rankings<'a> {
    /// `[M+1]` `i64`: ranking r holds entries `offsets[r]..offsets[r+1]` of `item` `[T]`, the best first.
    pub fn new(offsets: impl Into<View<'a>>, item: impl Into<View<'a>>) -> Self {
        let mut raw = initialised!(align_bt_rankings, align_bt_rankings_init);
        raw.offsets = offsets.into().raw;
        raw.item = item.into().raw;
        Rankings { raw, life: PhantomData }
    }

    inputs! {
        /// `[T]` integers: the place of each entry, where their order does not say it.
        place
        /// `[M]` reals: how often each ranking counts.
        weight
    }
}

/// What sums of rows have in common: their size, and bytes.
macro_rules! sums {
    ($name:ident, $save:ident) => {
        // `raw` points into `memory`, which belongs to it and does not move; nothing is written through a shared reference.
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}

        impl $name {
            /// How many items there may be.
            pub fn n_items(&self) -> i64 {
                self.raw.n_items
            }

            /// Rows of positive weight that went in.
            pub fn rows(&self) -> i64 {
                self.raw.rows
            }

            /// What is held as bytes that mean the same on every machine.
            pub fn to_bytes(&self, exec: &mut Exec) -> Result<Vec<u8>> {
                let mut saved = 0;
                let sized = exec.call(NO_SCRATCH, |exec| unsafe {
                    sys::$save(exec, &self.raw, std::ptr::null_mut(), 0, &mut saved)
                });
                match sized {
                    Err(error) if error.status != Status::Scratch => return Err(error),
                    _ => {}
                }
                let mut bytes = vec![0_u8; saved];
                exec.call(NO_SCRATCH, |exec| unsafe {
                    sys::$save(exec, &self.raw, bytes.as_mut_ptr().cast(), bytes.len(), &mut saved)
                })?;
                Ok(bytes)
            }
        }
    };
}

sums!(Counts, align_bt_counts_save);
sums!(Ballots, align_bt_ballots_save);

/// Comparisons summed by pair and outcome, exactly: shards add up to the same bits in any order and any split. The
/// memory grows by itself.
pub struct Counts {
    raw: sys::align_bt_counts,
    memory: Vec<u8>,
}

impl Counts {
    /// Empty counts of items `0..n_items`, which may be a bound.
    pub fn new(n_items: i64) -> Self {
        let bytes = unsafe { sys::align_bt_counts_get_bytes(n_items, 64) };
        let mut memory = vec![0; bytes];
        let mut raw = sys::align_bt_counts::default();
        unsafe { sys::align_bt_counts_init(&mut raw, memory.as_mut_ptr().cast(), bytes, n_items) };
        Counts { raw, memory }
    }

    fn grow(&mut self, exec: &mut Exec) -> Result<()> {
        let pairs = self.raw.room.max(32).saturating_mul(2);
        let bytes = unsafe { sys::align_bt_counts_get_bytes(self.raw.n_items, pairs) }.max(self.memory.len() + 64);
        let mut memory = vec![0; bytes];
        let (counts, to) = (&mut self.raw, memory.as_mut_ptr());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_counts_grow(exec, counts, to.cast(), bytes) })?;
        self.memory = memory;
        Ok(())
    }

    /// Adds rows. On an error nothing has changed.
    pub fn update(&mut self, exec: &mut Exec, rows: Rows) -> Result<()> {
        let mut rest = rows.raw;
        loop {
            let counts = &mut self.raw;
            let done = exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_counts_update(exec, counts, &rest) });
            match done {
                Err(Error { status: Status::Scratch, .. }) => {
                    let taken = self.raw.taken;
                    for column in [&mut rest.first, &mut rest.second, &mut rest.outcome, &mut rest.weight] {
                        skip(column, taken);
                    }
                    self.grow(exec)?;
                }
                done => return done,
            }
        }
    }

    /// Adds what such bytes hold, of as many items or fewer.
    pub fn load(&mut self, exec: &mut Exec, bytes: &[u8]) -> Result<()> {
        loop {
            let counts = &mut self.raw;
            let (data, n) = (bytes.as_ptr().cast(), bytes.len());
            let done = exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_counts_load(exec, counts, data, n) });
            match done {
                Err(Error { status: Status::Scratch, .. }) => self.grow(exec)?,
                done => return done,
            }
        }
    }

    /// Counts of such bytes, of as many items as they say.
    pub fn from_bytes(exec: &mut Exec, bytes: &[u8]) -> Result<Self> {
        let mut said = sys::align_bt_counts { size: size_of::<sys::align_bt_counts>(), ..Default::default() };
        let (data, n) = (bytes.as_ptr().cast(), bytes.len());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_counts_get_saved(exec, data, n, &mut said) })?;
        let mut counts = Counts::new(said.n_items);
        counts.load(exec, bytes)?;
        Ok(counts)
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, exec: &mut Exec, other: &Counts) -> Result<()> {
        loop {
            let counts = &mut self.raw;
            let done = exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_counts_merge(exec, counts, &other.raw) });
            match done {
                Err(Error { status: Status::Scratch, .. }) => self.grow(exec)?,
                done => return done,
            }
        }
    }
}

/// Rankings summed by what they say, exactly, as [`Counts`] sum comparisons: equal rankings are equal bytes, whatever the
/// order of shards. The memory grows by itself.
pub struct Ballots {
    raw: sys::align_bt_ballots,
    memory: Vec<u8>,
}

impl Ballots {
    /// Empty ballots of items `0..n_items`, which may be a bound.
    pub fn new(n_items: i64) -> Self {
        let mut raw = sys::align_bt_ballots::default();
        unsafe { sys::align_bt_ballots_init(&mut raw, std::ptr::null_mut(), 0, n_items) };
        Ballots { raw, memory: Vec::new() }
    }

    /// How many different rankings are held.
    pub fn rankings(&self) -> i64 {
        self.raw.rankings
    }

    /// Makes room for so many more, if all of them are new.
    fn reserve(&mut self, exec: &mut Exec, rankings: i64, entries: i64) -> Result<()> {
        let more = unsafe { sys::align_bt_ballots_get_bytes(self.raw.n_items, rankings, entries) };
        if self.memory.len() - self.raw.used >= more {
            return Ok(());
        }
        let mut memory = vec![0_u8; (self.raw.used + more).max(self.memory.len() * 2)];
        let (ballots, to, bytes) = (&mut self.raw, memory.as_mut_ptr(), memory.len());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_ballots_grow(exec, ballots, to.cast(), bytes) })?;
        self.memory = memory;
        Ok(())
    }

    /// Adds rankings. On an error nothing has changed.
    pub fn update(&mut self, exec: &mut Exec, rankings: Rankings) -> Result<()> {
        self.reserve(exec, rankings.raw.offsets.shape[0], rankings.raw.item.shape[0])?;
        let ballots = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_ballots_update(exec, ballots, &rankings.raw) })
    }

    /// Adds what such bytes hold, of as many items or fewer.
    pub fn load(&mut self, exec: &mut Exec, bytes: &[u8]) -> Result<()> {
        let said = Self::said(exec, bytes)?;
        self.reserve(exec, said.rankings, said.entries)?;
        let (ballots, data, n) = (&mut self.raw, bytes.as_ptr().cast(), bytes.len());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_ballots_load(exec, ballots, data, n) })
    }

    fn said(exec: &mut Exec, bytes: &[u8]) -> Result<sys::align_bt_ballots> {
        let mut said = sys::align_bt_ballots { size: size_of::<sys::align_bt_ballots>(), ..Default::default() };
        let (data, n) = (bytes.as_ptr().cast(), bytes.len());
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_ballots_get_saved(exec, data, n, &mut said) })?;
        Ok(said)
    }

    /// Ballots of such bytes, of as many items as they say.
    pub fn from_bytes(exec: &mut Exec, bytes: &[u8]) -> Result<Self> {
        let mut ballots = Ballots::new(Self::said(exec, bytes)?.n_items);
        ballots.load(exec, bytes)?;
        Ok(ballots)
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, exec: &mut Exec, other: &Ballots) -> Result<()> {
        self.reserve(exec, other.raw.rankings, other.raw.entries)?;
        let ballots = &mut self.raw;
        exec.call(NO_SCRATCH, |exec| unsafe { sys::align_bt_ballots_merge(exec, ballots, &other.raw) })
    }
}

/// The column without its first `rows` elements.
fn skip(column: &mut sys::align_tensor, rows: i64) {
    if column.ndim > 0 {
        let bytes = i64::from(unsafe { sys::align_dtype_bytes(column.dtype) });
        column.data = column.data.cast::<u8>().wrapping_offset((rows * column.stride[0] * bytes) as isize).cast();
        column.shape[0] -= rows;
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $value:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[non_exhaustive]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name { $($(#[$item_doc])* $item = sys::$value as isize,)* }
        )*
    };
}

choices! {
    /// What a tie says.
    Ties {
        /// Half a win each way.
        Half = ALIGN_BT_TIES_HALF,
        /// Davidson's model.
        Davidson = ALIGN_BT_TIES_DAVIDSON,
        /// Rao and Kupper's model.
        RaoKupper = ALIGN_BT_TIES_RAO_KUPPER,
    }
    /// Where errors come from.
    Variance {
        /// The inverse of the information.
        Fisher = ALIGN_BT_FISHER,
        /// The sandwich, right where weights are no frequencies.
        Sandwich = ALIGN_BT_SANDWICH,
    }
    /// Whether the likelihood has a finite maximum.
    Existence {
        /// It has.
        Finite = ALIGN_BT_FINITE,
        /// Levels between components are unknown.
        Islands = ALIGN_BT_ISLANDS,
        /// Some part never lost to the rest.
        Separated = ALIGN_BT_SEPARATED,
        /// Finite strengths, with the tie parameter at its end.
        Boundary = ALIGN_BT_BOUNDARY,
        /// Home or tie has no finite or no unique maximum.
        Unbounded = ALIGN_BT_UNBOUNDED,
    }
}

impl Existence {
    fn from_code(code: i32) -> Self {
        match code as u32 {
            sys::ALIGN_BT_ISLANDS => Existence::Islands,
            sys::ALIGN_BT_SEPARATED => Existence::Separated,
            sys::ALIGN_BT_BOUNDARY => Existence::Boundary,
            sys::ALIGN_BT_UNBOUNDED => Existence::Unbounded,
            _ => Existence::Finite,
        }
    }
}

/// A density that the likelihood is multiplied with.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Prior {
    /// Each strength is normal.
    Gaussian { mean: f64, precision: f64 },
    /// The exponential of each strength is gamma.
    Gamma { shape: f64, rate: f64 },
    /// Each item won and lost so many games against an item of strength 0.
    Ghost { games: f64 },
    /// Each pair that met also split so many wins.
    Edge { games: f64 },
}

/// A fit to be run: the comparisons and the model.
pub struct Fit<'a> {
    raw: sys::align_bt_args,
    rows: Option<Rows<'a>>,
    counts: Option<&'a Counts>,
    rankings: Option<Rankings<'a>>,
    ballots: Option<&'a Ballots>,
    se: bool,
    covariance: bool,
    draws: usize,
}

/// What a fit found, in the order of the items.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Board {
    /// Strengths; with NaN or only within parts where `failure` says so.
    pub strength: Vec<f64>,
    /// Their standard errors, or empty.
    pub se: Vec<f64>,
    /// Their covariance, `n_items` rows after each other, or empty.
    pub covariance: Vec<f64>,
    /// Components that no comparison connects, numbered by their smallest item.
    pub component: Vec<i64>,
    /// Parts that strengths are known within.
    pub part: Vec<i64>,
    /// Draws of the Bayesian bootstrap, `n_items` numbers each, or empty.
    pub draws: Vec<f64>,
    /// Whether there is a finite maximum.
    pub existence: Existence,
    /// None, or [`Status::NotConverged`] or [`Status::NoSolution`] in words: the best there is was written all the same.
    pub failure: Option<Error>,
    /// Nu of Davidson or theta of Rao and Kupper.
    pub tie: f64,
    /// The standard error of its logarithm.
    pub tie_se: f64,
    /// The advantage of the first place.
    pub home: f64,
    /// Its standard error.
    pub home_se: f64,
    /// The sum of weight times log-probability.
    pub log_likelihood: f64,
    /// Twice what free probabilities for every pair would add to it.
    pub deviance: f64,
    /// Newton steps.
    pub iterations: i64,
    /// The largest slope at the answer.
    pub score_norm: f64,
    /// About how far the objective is from its maximum.
    pub decrement: f64,
}

impl<'a> Fit<'a> {
    fn with(n_items: i64, rows: Option<Rows<'a>>, counts: Option<&'a Counts>) -> Self {
        let mut raw = initialised!(align_bt_args, align_bt_args_init);
        raw.n_items = n_items;
        Fit { raw, rows, counts, rankings: None, ballots: None, se: false, covariance: false, draws: 0 }
    }

    /// Of counts.
    pub fn new(counts: &'a Counts) -> Self {
        Self::with(counts.n_items(), None, Some(counts))
    }

    /// Of rows among items `0..n_items`.
    pub fn of_rows(n_items: i64, rows: Rows<'a>) -> Self {
        Self::with(n_items, Some(rows), None)
    }

    /// Of rankings among items `0..n_items`.
    pub fn of_rankings(n_items: i64, rankings: Rankings<'a>) -> Self {
        let mut fit = Self::with(n_items, None, None);
        fit.rankings = Some(rankings);
        fit
    }

    /// Of ballots.
    pub fn of_ballots(ballots: &'a Ballots) -> Self {
        let mut fit = Self::with(ballots.n_items(), None, None);
        fit.ballots = Some(ballots);
        fit
    }

    /// What ties say; half a win each way.
    pub fn ties(mut self, ties: Ties) -> Self {
        self.raw.ties = ties as i32;
        self
    }

    /// A prior; none.
    pub fn prior(mut self, prior: Prior) -> Self {
        let raw = &mut self.raw;
        let kind = match prior {
            Prior::Gaussian { mean, precision } => {
                (raw.prior_mean, raw.prior_precision) = (mean, precision);
                sys::ALIGN_BT_PRIOR_GAUSSIAN
            }
            Prior::Gamma { shape, rate } => {
                (raw.prior_shape, raw.prior_rate) = (shape, rate);
                sys::ALIGN_BT_PRIOR_GAMMA
            }
            Prior::Ghost { games } => {
                raw.prior_games = games;
                sys::ALIGN_BT_PRIOR_GHOST
            }
            Prior::Edge { games } => {
                raw.prior_games = games;
                sys::ALIGN_BT_PRIOR_EDGE
            }
        };
        raw.prior = kind as i32;
        self
    }

    /// Fit an advantage of the first place too.
    pub fn home(mut self) -> Self {
        self.raw.flags |= sys::ALIGN_BT_HOME;
        self
    }

    /// Shift strengths so that this item has the strength `offset`.
    pub fn anchor(mut self, item: i64) -> Self {
        self.raw.anchor = item;
        self.raw.flags |= sys::ALIGN_BT_ANCHOR;
        self
    }

    /// Where errors come from.
    pub fn variance(mut self, variance: Variance) -> Self {
        self.raw.variance = variance as i32;
        self
    }

    numbers! {
        /// Strengths are offset + scale * theta; 1. Elo's is 400 / ln 10.
        scale: f64
        /// Strengths are offset + scale * theta; 0.
        offset: f64
        /// Of the last step; 1e-9.
        tolerance: f64
        /// 100.
        max_iterations: i64
    }

    /// Standard errors too.
    pub fn se(mut self) -> Self {
        self.se = true;
        self
    }

    /// The covariance too.
    pub fn covariance(mut self) -> Self {
        self.covariance = true;
        self
    }

    /// So many draws of the Bayesian bootstrap, the same for a seed.
    pub fn draws(mut self, draws: usize, seed: u64) -> Self {
        self.draws = draws;
        self.raw.seed = seed;
        self
    }

    /// Runs the fit.
    pub fn run(&self, exec: &mut Exec) -> Result<Board> {
        let n = self.raw.n_items.clamp(0, i64::from(i32::MAX)) as usize;
        let sized = |wanted: bool, size: usize| vec![0.0; if wanted { size } else { 0 }];
        let (mut strength, mut se) = (vec![0.0; n], sized(self.se, n));
        let (mut covariance, mut draws) = (sized(self.covariance, n * n), vec![0.0; self.draws * n]);
        let (mut component, mut part) = (vec![0_i64; n], vec![0_i64; n]);

        let mut raw = self.raw;
        raw.rows = self.rows.as_ref().map_or(std::ptr::null(), |rows| &rows.raw);
        raw.counts = self.counts.map_or(std::ptr::null(), |counts| &counts.raw);
        raw.rankings = self.rankings.as_ref().map_or(std::ptr::null(), |rankings| &rankings.raw);
        raw.ballots = self.ballots.map_or(std::ptr::null(), |ballots| &ballots.raw);
        raw.strength = ViewMut::from(&mut strength).raw;
        raw.component = ViewMut::from(&mut component).raw;
        raw.part = ViewMut::from(&mut part).raw;
        if self.se {
            raw.se = ViewMut::from(&mut se).raw;
        }
        if self.covariance {
            raw.covariance = ViewMut::shaped(&mut covariance, [n, n])?.raw;
        }
        if self.draws > 0 {
            raw.draws = ViewMut::shaped(&mut draws, [self.draws, n])?.raw;
        }
        let asked = raw;
        let run = exec
            .call(&|exec, least, best| unsafe { sys::align_bt_scratch(exec, &asked, least, best) }, |exec| unsafe {
                sys::align_bt_fit(exec, &mut raw)
            });
        let failure = failure_of(run)?;
        Ok(Board {
            strength,
            se,
            covariance,
            component,
            part,
            draws,
            existence: Existence::from_code(raw.existence),
            failure,
            tie: raw.tie,
            tie_se: raw.tie_se,
            home: raw.home,
            home_se: raw.home_se,
            log_likelihood: raw.log_likelihood,
            deviance: raw.deviance,
            iterations: raw.iterations,
            score_norm: raw.score_norm,
            decrement: raw.decrement,
        })
    }
}

/// The two answers of a fit that are no fault of its arguments.
pub(crate) fn failure_of(run: Result<()>) -> Result<Option<Error>> {
    match run {
        Ok(()) => Ok(None),
        Err(error) if matches!(error.status, Status::NotConverged | Status::NoSolution) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}
