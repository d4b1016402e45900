/* libalign/loss.h - preference losses: scores of groups in; value, gradient and metrics out.
 *
 * A loss is a row of one table. A row takes groups of K sequences (or tokens), each with one number, its
 * score: a log-probability, a reward or a value. K is 1 for singles, 2 for pairs (the chosen one first),
 * and free for lists. A row says which further numbers it needs or may read, and which parameters it
 * has. What it does not read is refused, never ignored. docs/losses.md prints the table. What a row takes
 * from a whole batch is kept by an align_loss_state; labels of lists are made by align_loss_labels_apply.
 *
 * What a call computes, for groups g = 0..G-1 of which some are live (see mask):
 *
 *     value     = scale / denom * sum over live g of weight_g L_g
 *     dscore_i  = scale / denom * sum over live g that hold i of weight_g dL_g / dscore_i
 *
 * in f64, in the order of the groups, so that the bits depend on the arguments alone.
 *
 * Infinities and NaN, the same for every row (docs/numerics.md has the table):
 *  - -inf is a value (a sequence of probability 0), never a mask. A difference of two equal infinities
 *    (score - ref, or chosen - rejected) is 0, and the metric non_finite counts the group.
 *  - No result is NaN unless a NaN came in, but for the value where groups at +inf and at -inf meet.
 *    A NaN in score, ref, old, aux or count makes the value and the gradients of that group NaN, and
 *    those of no other group. ALIGN_FLAG_FINITE refuses both NaN and infinities in these with RANGE
 *    and their index.
 *  - label, prob, weight and offset must be finite, always.
 */
#ifndef LIBALIGN_LOSS_H
#define LIBALIGN_LOSS_H

#include <libalign/base.h>

/* ---- the rows ----------------------------------------------------------------------------- */

/* Ids of rows: 1 .. align_loss_count(). Never renumbered; 0 is no row. */
typedef int32_t align_loss_id;

enum {
    ALIGN_LOSS_DPO = 1,            /* pair */
    ALIGN_LOSS_HINGE = 2,          /* pair */
    ALIGN_LOSS_SLIC = 3,           /* pair */
    ALIGN_LOSS_BRADLEY_TERRY = 4,  /* pair */
    ALIGN_LOSS_PAIR_LOGISTIC = 5,  /* list */
    ALIGN_LOSS_PAIR_HINGE = 6,     /* list */
    ALIGN_LOSS_LIST_MLE = 7,       /* list */
    ALIGN_LOSS_SOFTMAX = 8,        /* list */
    ALIGN_LOSS_POINT_MSE = 9,      /* list */
    ALIGN_LOSS_POINT_SIGMOID = 10, /* list */
    ALIGN_LOSS_LIPO_LAMBDA = 11,   /* list */
    ALIGN_LOSS_SFT = 12,           /* single */
    /* pairs with a reference */
    ALIGN_LOSS_IPO = 13,
    ALIGN_LOSS_EXO = 14,
    ALIGN_LOSS_NCA_PAIR = 15,
    ALIGN_LOSS_ROBUST = 16,
    ALIGN_LOSS_BCO_PAIR = 17,
    ALIGN_LOSS_SPPO = 18,
    ALIGN_LOSS_AOT = 19,
    ALIGN_LOSS_AOT_UNPAIRED = 20,
    ALIGN_LOSS_APO_ZERO = 21,
    ALIGN_LOSS_APO_DOWN = 22,
    ALIGN_LOSS_DISCOPOP = 23,
    ALIGN_LOSS_SIGMOID_NORM = 24,
    ALIGN_LOSS_DPOP = 25,
    ALIGN_LOSS_CAL_DPO = 26,
    ALIGN_LOSS_BETA_DPO = 27,
    ALIGN_LOSS_RPO_BWD = 28,
    ALIGN_LOSS_RPO_FWD = 29,
    ALIGN_LOSS_RPO_SQ = 30,
    ALIGN_LOSS_R_DPO = 31,
    ALIGN_LOSS_TDPO = 32,
    /* pairs without one */
    ALIGN_LOSS_SLIC_MARGIN = 33,
    ALIGN_LOSS_SIMPO = 34,
    ALIGN_LOSS_CPO = 35,
    ALIGN_LOSS_ALPHA_PO = 36,
    ALIGN_LOSS_ORPO = 37,
    ALIGN_LOSS_ASFT = 38,
    ALIGN_LOSS_ARPO = 39,
    ALIGN_LOSS_RRHF = 40,
    ALIGN_LOSS_TPO = 41,
    /* pairs of rewards */
    ALIGN_LOSS_BT_TIES_RK = 42,
    ALIGN_LOSS_BT_TIES_DAVIDSON = 43,
    ALIGN_LOSS_ORDINAL = 44,
    ALIGN_LOSS_COST_MODEL = 45,
    ALIGN_LOSS_FOCAL = 46,
    ALIGN_LOSS_MSE_PAIR = 47,
    /* singles */
    ALIGN_LOSS_KTO = 48,
    ALIGN_LOSS_BCO = 49,
    ALIGN_LOSS_APO_ZERO_SINGLE = 50,
    ALIGN_LOSS_NPO = 51,
    ALIGN_LOSS_BCE = 52,
    ALIGN_LOSS_MSE = 53,
    ALIGN_LOSS_NBPO = 54,
    ALIGN_LOSS_W2S_CONFIDENCE = 55,
    ALIGN_LOSS_W2S_PRODUCT = 56,
    /* tokens, each a single */
    ALIGN_LOSS_PPO_CLIP = 57,
    ALIGN_LOSS_REINFORCE = 58,
    ALIGN_LOSS_VALUE_CLIP = 59,
    ALIGN_LOSS_GRPO = 60,
    /* lists */
    ALIGN_LOSS_PAIR_MSE = 61,
    ALIGN_LOSS_LISTNET = 62,
    ALIGN_LOSS_INFO_NCA = 63,
    ALIGN_LOSS_NCA = 64,
    ALIGN_LOSS_NDCG_LOSS2 = 65,
    ALIGN_LOSS_NDCG_LOSS2PP = 66,
    ALIGN_LOSS_APPROX_NDCG = 67,
    ALIGN_LOSS_NEURAL_NDCG = 68,
    ALIGN_LOSS_PRO = 69,
    ALIGN_LOSS_LIRE = 70,
    ALIGN_LOSS_SPPO_LIST = 71,
    ALIGN_LOSS_ROBUST_PL = 72,
    ALIGN_LOSS_S_DPO = 73
};

/* align_loss_info.arity */
enum { ALIGN_LOSS_LIST = 0, ALIGN_LOSS_SINGLE = 1, ALIGN_LOSS_PAIR = 2 };

/* ---- options with names ------------------------------------------------------------------- */

/* params.length: a sequence's score as it stands, or divided by its `count` tokens. */
enum { ALIGN_LENGTH_SUM = 0, ALIGN_LENGTH_MEAN = 1 };

/* params.gain, from label y: 2^y - 1, or y itself. */
enum { ALIGN_GAIN_EXP2 = 0, ALIGN_GAIN_LINEAR = 1 };

/* params.discount at rank r = 1, 2, ...: 1 / ln(1 + r), 1 / log2(1 + r), 1 / r. */
enum { ALIGN_DISCOUNT_LN = 0, ALIGN_DISCOUNT_LOG2 = 1, ALIGN_DISCOUNT_RECIPROCAL = 2 };

/* params.normalise, what the loss of one list is divided by: nothing; its items; its pairs of unequal
 * label; its pairs / items (what RAX's lambda weights amount to); the DCG of its best order. */
enum {
    ALIGN_NORMALISE_SUM = 0,
    ALIGN_NORMALISE_ITEMS = 1,
    ALIGN_NORMALISE_PAIRS = 2,
    ALIGN_NORMALISE_RAX = 3,
    ALIGN_NORMALISE_MAX_DCG = 4
};

/* params.top with top_n = n > 0: places beyond n have discount 0; only pairs with both places up to n
 * count; only pairs with one place up to n count; all count, those with a place beyond n by 1 / (1 - the
 * discount at the lower of their places) as much. The DCG of the best order is then that of n places. */
enum { ALIGN_TOP_CUT = 0, ALIGN_TOP_BOTH = 1, ALIGN_TOP_EITHER = 2, ALIGN_TOP_BEYOND = 3 };

/* params.score_ties, which places equal scores take: in the order given; in an order drawn from `seed`
 * and the positions of list and item; or all orders equally, the pair weight being its expectation. */
enum { ALIGN_SCORE_TIES_STABLE = 0, ALIGN_SCORE_TIES_SEEDED = 1, ALIGN_SCORE_TIES_EXPECTED = 2 };

/* params.label_ties, what equal labels mean to an order: the order given; no comparison with each other;
 * Breslow's and Efron's approximations of all orders. */
enum {
    ALIGN_LABEL_TIES_INDEX = 0,
    ALIGN_LABEL_TIES_SKIP = 1,
    ALIGN_LABEL_TIES_BRESLOW = 2,
    ALIGN_LABEL_TIES_EFRON = 3
};

/* params.places, what the term of place k = 1 .. K weighs: 1; 2^(K - k) - 1; the discount at k. */
enum { ALIGN_PLACES_EVEN = 0, ALIGN_PLACES_POWER = 1, ALIGN_PLACES_DISCOUNT = 2 };

/* params.pair_weight, what a pair of a list weighs: 1; what exchanging its items would change in the DCG of
 * the order of the scores, whose places are constants, or rank. */
enum { ALIGN_PAIR_WEIGHT_EVEN = 0, ALIGN_PAIR_WEIGHT_DCG = 1 };

/* params.rescale, what a list's pair weights are multiplied by: 1; log2(1 + L) / L, where L is the sum over
 * pairs of the size of both derivatives by scores times beta. A constant to the gradient. */
enum { ALIGN_RESCALE_NONE = 0, ALIGN_RESCALE_LOG = 1 };

/* params.unit of logarithms of probabilities: natural, or base 2. */
enum { ALIGN_UNIT_NAT = 0, ALIGN_UNIT_BIT = 1 };

/* params.divergence, what stands for a log-ratio u in all of a row: its worth S(u) - S(0), which is f'(e^u) for
 * an f-divergence with f'(1) = 0 (f-DPO, arXiv 2309.16240; chi-PO, arXiv 2407.13399). S is, for reverse KL, u;
 * forward KL, -e^-u; Jensen-Shannon, log s(u); the alpha family of TRL 0.29 and later, e^((alpha - 1) u) /
 * (alpha - 1), or that of the f-DPO paper and TRL up to 0.28, (1 - e^(-alpha u)) / alpha; chi-PO, u + e^u. Lengths
 * divide the worth. S grows with u, so orders and places are those of u; metrics are of u, but for the margin.
 * In a list a worth of 2^1000 or more counts as infinite, and keeps its order. TRL up to 1.9 leaves S(0) in, which
 * cancels in a difference alone: its ipo, sigmoid_norm and bco_pair are those here with offset -S(0) times what it
 * counts. */
enum {
    ALIGN_DIVERGENCE_REVERSE_KL = 0,
    ALIGN_DIVERGENCE_FORWARD_KL = 1,
    ALIGN_DIVERGENCE_JS = 2,
    ALIGN_DIVERGENCE_ALPHA = 3,
    ALIGN_DIVERGENCE_ALPHA_PAPER = 4,
    ALIGN_DIVERGENCE_CHI = 5
};

/* params.stop: which aux is held constant in the backward pass: none, or that of the chosen item. */
enum { ALIGN_STOP_NONE = 0, ALIGN_STOP_CHOSEN = 1 };

/* params.form of a row that has two. */
enum { ALIGN_FORM_EXACT = 0, ALIGN_FORM_SURROGATE = 1 };

/* params.targets, from labels y: y / sum(y), or y as they stand. */
enum { ALIGN_TARGETS_SHARE = 0, ALIGN_TARGETS_RAW = 1 };

/* ---- parameters --------------------------------------------------------------------------- */

/* One flat struct for all rows. align_loss_params_init writes the defaults of a row; what a row does not
 * read must stay 0. align_loss_get_param lists what a row reads, with default and range. */
typedef struct align_loss_params {
    size_t size;
    align_loss_id loss;     /* the row that these are for */
    int32_t length;         /* ALIGN_LENGTH_ */
    double beta;            /* scale of scores or log-ratios, > 0 */
    double label_smoothing; /* eps: probability that a label is flipped */
    double margin;          /* how far apart two scores should be, in units of the scaled margin */
    double noise;           /* flip rate that the loss corrects for, below 1/2 */
    double center;          /* weight of (chosen + rejected)^2 */
    double norm_penalty;    /* weight of chosen^2 + rejected^2 */
    int32_t gain;           /* ALIGN_GAIN_ */
    int32_t discount;       /* ALIGN_DISCOUNT_ */
    int32_t normalise;      /* ALIGN_NORMALISE_ */
    int32_t targets;        /* ALIGN_TARGETS_ */
    double tau;             /* temperature of a switch between two forms */
    double lambda;          /* weight of a second term */
    double alpha;           /* strength of a correction, as the row says */
    double eta;             /* scale of rewards that targets are made from */
    double order;           /* alpha of the two alpha divergences */
    int32_t divergence;     /* ALIGN_DIVERGENCE_ */
    int32_t stop;           /* ALIGN_STOP_ */
    double gamma;           /* exponent */
    double nu;              /* odds of a tie between equals */
    double flip;            /* logit of a flip rate */
    double desirable;       /* weight of items with label 1 */
    double undesirable;     /* weight of items with label 0 */
    double clip_low;        /* how far below 1 a ratio may count */
    double clip_high;       /* how far above 1 a ratio, or from its old value a value, may count */
    double clip_dual;       /* the most that a ratio may count against an action; 0: no bound */
    double kl_coef;         /* weight of the KL estimate */
    double threshold1, threshold2, threshold3, threshold4; /* between degrees of preference */
    int32_t levels;                                        /* number of thresholds in use, 1..4 */
    int32_t form;                                          /* ALIGN_FORM_ */
    int32_t estimator;                                     /* ALIGN_KL_K1, _K2 or _K3 of base.h */
    int32_t unit;                                          /* ALIGN_UNIT_ */
    double temperature;  /* what scores or labels are divided by before a softmax or sigmoid */
    double mu;           /* weight of one pair weight beside another */
    double rho;          /* share of the order that a list may be in by mistake */
    int32_t top;         /* ALIGN_TOP_ */
    int32_t top_n;       /* places that count; 0: all */
    int32_t score_ties;  /* ALIGN_SCORE_TIES_ */
    int32_t label_ties;  /* ALIGN_LABEL_TIES_ */
    int32_t places;      /* ALIGN_PLACES_ */
    int32_t seed;        /* of score_ties */
    int32_t pair_weight; /* ALIGN_PAIR_WEIGHT_ */
    int32_t sinkhorn;    /* how often columns and rows are scaled to sum 1 */
    double
        near_scores;  /* pair weights are divided by this and the distance of the scores; 0: not */
    int32_t rescale;  /* ALIGN_RESCALE_ */
    int32_t reserved; /* 0 */
} align_loss_params;

/* Writes the row's parameters of `preset`: NULL or "paper" for those of its paper, or a name that
 * docs/losses.md lists for this row (such as "rax" for lipo_lambda). RANGE: no such row; ARG: no such
 * preset for it. On an error nothing is written. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_params_init(align_loss_params *params,
                                                               size_t size, align_loss_id loss,
                                                               const char *preset);

/* ---- introspection ------------------------------------------------------------------------ */

/* What a row needs and what it may read, and which outputs it can write. index and mask are read by every
 * row, offsets by every list. */
enum {
    ALIGN_LOSS_READS_REF = 1,
    ALIGN_LOSS_READS_OLD = 2,
    ALIGN_LOSS_READS_COUNT = 4,
    ALIGN_LOSS_READS_AUX = 8,
    ALIGN_LOSS_READS_LABEL = 16,
    ALIGN_LOSS_READS_PROB = 32,
    ALIGN_LOSS_READS_OFFSET = 64,
    ALIGN_LOSS_READS_OFFSETS = 128,
    ALIGN_LOSS_WRITES_DAUX = 256,
    ALIGN_LOSS_WRITES_DPARAM = 512,
    ALIGN_LOSS_WRITES_HSCORE = 1024,
    ALIGN_LOSS_READS_WEIGHT = 2048,
    ALIGN_LOSS_READS_RANK = 4096 /* and writes it */
};

/* Filled by the three get functions, with pointers to static storage. `size` is set by the caller to the
 * size of the struct; 0 stands for the fields of the first release. Texts are ASCII. */
typedef struct align_loss_info {
    size_t size;
    align_loss_id id;
    int32_t arity;       /* ALIGN_LOSS_SINGLE, _PAIR or _LIST */
    const char *name;    /* "dpo" */
    const char *brief;   /* one line */
    const char *source;  /* paper and equation */
    const char *formula; /* u, v: log-ratios of chosen and rejected; z: margin; s_i: list scores */
    const char *gradient;
    uint32_t needs, reads; /* ALIGN_LOSS_READS_ and _WRITES_; needs is part of reads */
    uint32_t n_params, n_metrics;
} align_loss_info;

typedef struct align_param_info {
    size_t size;
    const char *name, *brief;
    size_t offset;      /* in align_loss_params */
    align_dtype dtype;  /* ALIGN_F64 or ALIGN_I32 */
    uint32_t n_choices; /* number of named values 0, 1, ... of an I32; 0: a plain number */
    double standard;    /* the default (preset NULL) */
    double least, most; /* inclusive; "above 0" is the smallest positive f64 */
    const char *const *choices;
} align_param_info;

typedef struct align_metric_info {
    size_t size;
    const char *name, *brief; /* mean = sum / count, unless brief says otherwise */
} align_metric_info;

/* The largest id. */
ALIGN_API align_loss_id align_loss_count(void);

/* The id of a row by its name, 0 when there is none (or name is NULL). */
ALIGN_API align_loss_id align_loss_find(const char *name);

/* RANGE: no such row, parameter or metric. VERSION: info->size is not one that this library knows. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_info(align_loss_id loss,
                                                            align_loss_info *info);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_param(align_loss_id loss, uint32_t i,
                                                             align_param_info *info);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_get_metric(align_loss_id loss, uint32_t i,
                                                              align_metric_info *info);

/* ---- evaluation --------------------------------------------------------------------------- */

/* align_loss_args.flags */
enum {
    ALIGN_LOSS_ADD = 1 /* add into value, dscore, daux, dparam and hscore instead of writing them */
};

/* Groups are said in one of three forms:
 *  - view:    score [G,K] (for singles also [G]), any strides. Interleaved pairs are a contiguous [G,2];
 *             all chosen and then all rejected is stride (1, G).
 *  - index:   score [S] with index [G,K]; a sequence may serve in several groups, and its gradients add
 *             up in the order of the groups, in the dtype of the output.
 *  - offsets: score [S] with offsets [G+1], lists only: list g holds items offsets[g] .. offsets[g+1]-1.
 * "Like score" means score's shape (strides and dtype may differ).
 *
 * An item of a group is absent when its index is negative or its mask is 0; what stands there is not
 * read, and its gradient is 0. A pair or single is live when none of its items is absent, a list when
 * one or more are present; the absent items of a list leave it as if it were shorter. A list from which
 * nothing can be learnt (fewer than two items, no two labels that differ, where the row compares) is
 * live with value 0 and gradient 0. With no live group, value and gradients are 0.
 *
 * Reals are F32, F64, BF16 or F16; all arithmetic is f64. Outputs may not share elements with inputs or
 * with each other, and are untouched when the call fails with anything but PARALLEL. */
typedef struct align_loss_args {
    size_t size;
    align_loss_id loss;
    uint32_t flags;                  /* ALIGN_LOSS_ADD */
    const align_loss_params *params; /* NULL: the row's defaults; params->loss must equal loss */
    /* in */
    align_tensor score;   /* see above; needed */
    align_tensor ref;     /* like score: log-probabilities of the reference policy; absent: 0 */
    align_tensor old;     /* like score: those of the policy that made the samples */
    align_tensor count;   /* like score, F32, F64, I32 or I64: tokens of each sequence, >= 0 */
    align_tensor aux;     /* like score: a second number a sequence, as the row says */
    align_tensor index;   /* [G,K] I32 or I64, below S; negative: absent */
    align_tensor offsets; /* [G+1] I64, from 0 up to S, not decreasing */
    align_tensor label;   /* like score: relevance, target or kind, as the row says */
    align_tensor prob;    /* [G] in 0..1: probability that the first item is preferred; absent: 1 */
    /* [G] >= 0; absent: 1. Weight 0 takes a group out of all sums, but it still counts in a mean. */
    align_tensor weight;
    align_tensor offset; /* [G]: subtracted from the scaled margin, so after beta; absent: 0 */
    /* [G] or like score, BOOL, U8 or F32, 0 or 1. A shape that is both (S = G) means [G] with index and
     * like score with offsets. */
    align_tensor mask;
    /* Like score, F32, F64, I32 or I64: places 1, 2, ... to make pair weights from, instead of those of
     * the current scores: the weights of an earlier call, frozen. Places of one list must differ. */
    align_tensor rank;
    /* 0: the number of live groups; 1: a plain sum; else the count over all micro-batches and workers. */
    double denom;
    double scale; /* factor on value and gradients; 1 */
    /* out */
    align_tensor value;       /* [1] F64 */
    align_tensor group_value; /* [G]: L_g before weight, scale and denom; 0 for groups not live */
    align_tensor dscore;      /* like score */
    align_tensor daux;        /* like score: where aux has a gradient */
    align_tensor dparam;      /* [n_params] F64: gradient of learnable parameters, 0 for others */
    align_tensor hscore;      /* like score: d2L/dscore^2, item by item, weighted as dscore */
    align_tensor rank_out;    /* like score, dtypes of rank: the places used, 0 for absent items */
    align_tensor metrics; /* [n_metrics,2] F64: sum and count over live groups; never added to */
} align_loss_args;

ALIGN_API void align_loss_args_init(align_loss_args *args, size_t size);

/* Bytes of scratch for these arguments: 0 for singles, pairs and lists of up to 64 items. Longer lists
 * take O(K) for each list that is worked on at the same time; `best` is for exec->workers of them. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_scratch(const align_exec *exec,
                                                           const align_loss_args *args,
                                                           size_t *least, size_t *best);

/* Every output is optional; at least one must be asked for. Codes: ARG, SHAPE, DTYPE, LAYOUT, RANGE,
 * SCRATCH, VERSION, PARALLEL. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_eval(const align_exec *exec,
                                                        const align_loss_args *args);

/* ---- numbers of a batch ------------------------------------------------------------------- */

/* align_loss_state.form of bco and bco_pair, what the shift delta is: the mean of the two class means
 * (the paper), or the mean of all rewards, each counting once (TRL). */
enum { ALIGN_SHIFT_CLASSES = 0, ALIGN_SHIFT_ALL = 1 };

/* What some rows take from a whole batch, or from all batches so far, kept apart from the evaluation: update
 * on every micro-batch and worker, merge what the workers have, apply, then evaluate.
 *  - kto: z0 = max(0, mean log-ratio) over the items given to update, which are the mismatched prompts and
 *    answers that estimate KL (labels are not looked at). apply writes beta z0 to offset.
 *  - bco, bco_pair: delta from the rewards beta u of the two classes (label 1/2 and above; or chosen and
 *    rejected), over all updates. apply writes delta to offset.
 *  - beta_dpo: moving averages of mean and standard deviation of the margins u - v (momentum, started at 0 and
 *    not corrected for it, as the authors do), taken from each batch before use. apply writes
 *    max(least, beta (1 + alpha (mean of the batch - moving mean))) to params->beta. Which pairs to keep is
 *    the caller's: draw a mask from gap_mean and gap_spread.
 * Log-ratios u and v stand for their worth under params->divergence, as in the rows.
 * The first update or merge after an apply begins a new batch; until then apply may be repeated, so that all
 * micro-batches get the same number. Log-ratios that are not finite are left out. Merging adds exact counts;
 * means and squares are joined to rounding. Fixed size, may be copied with memcpy. */
typedef struct align_loss_state {
    size_t size;
    align_loss_id loss;
    int32_t form;      /* ALIGN_SHIFT_; may be set after init */
    int32_t applied;   /* the library's own */
    int32_t reserved;  /* 0 */
    double beta;       /* beta_dpo: 0.1; these four may be set after init */
    double alpha;      /* beta_dpo: 0.6 */
    double momentum;   /* beta_dpo: 0.9 */
    double least;      /* beta_dpo: 1e-3 */
    double count[2];   /* numbers of each class in the batch, or so far */
    double mean[2];    /* their means */
    double squares[2]; /* sums of squared distances from them */
    double gap_mean;   /* beta_dpo: the moving averages */
    double gap_spread;
} align_loss_state;

/* RANGE: a row without a state. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_init(align_loss_state *state, size_t size,
                                                              align_loss_id loss);

/* Takes the live groups of args, whose loss must be the state's, into the state. Reads the inputs as
 * align_loss_eval does (kto and bco need label); outputs are not looked at. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_update(const align_exec *exec,
                                                                align_loss_state *state,
                                                                const align_loss_args *args);

/* Takes the open batch of `other` (kto, beta_dpo) or all it has counted (bco) into the state. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_merge(const align_exec *exec,
                                                               align_loss_state *state,
                                                               const align_loss_state *other);

/* Writes every element of args->offset, or the beta of *args->params, which must then be a variable of the
 * caller's. Before anything was seen the offset is 0 and beta is state->beta. */
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_apply(const align_exec *exec,
                                                               align_loss_state *state,
                                                               const align_loss_args *args);

/* To and from bytes that read the same on every machine; n_bytes is the room at `bytes`. load needs an
 * initialised state; VERSION: not such bytes, or damaged ones. */
enum { ALIGN_LOSS_STATE_BYTES = 128 };
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_save(const align_exec *exec,
                                                              const align_loss_state *state,
                                                              void *bytes, size_t n_bytes);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_state_load(const align_exec *exec,
                                                              align_loss_state *state,
                                                              const void *bytes, size_t n_bytes);

/* ---- labels of lists ---------------------------------------------------------------------- */

/* Labels in 0..1 for the rows over lists: the mean probability of an item to beat the items of its list, with
 * itself counted as one half (LiPO, arXiv 2402.01878, Sec. 3.1). From ranks of K items that all differ these
 * are (K - rank + 1/2) / K. */
typedef struct align_loss_labels {
    size_t size;
    align_tensor wins; /* [G,K,K] in 0..1: how likely item i beats item j; i = j is not read. Or: */
    align_tensor
        rank; /* [G,K] F32, F64, I32 or I64: lower is better, equals beat each other half */
    align_tensor mask;  /* [G,K] BOOL, U8 or F32: items at 0 are not there; absent: all are */
    align_tensor label; /* out [G,K]; 0 for items that are not there */
} align_loss_labels;

ALIGN_API void align_loss_labels_init(align_loss_labels *labels, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_loss_labels_apply(const align_exec *exec,
                                                                const align_loss_labels *labels);

#endif
