/* libalign/advantage.h - from a judge's answer to a weight for every token: dense rewards, KL shaping,
 * returns and advantages, and the order of these steps as data.
 *
 * Sequences. Token tensors are [B,T], padded, or [N], packed, with offsets[B+1]: sequence b has tokens
 * offsets[b]..offsets[b+1]-1, which rise from 0 to N. `mask` (like the tokens: BOOL, U8 where not 0
 * counts, or F32 of 0 or 1; absent: all count) says which tokens are the policy's. A token that is masked
 * is skipped: it is not read, gets 0, neither ends nor resets a return, and its value never bootstraps
 * another token. So a mask with holes (observations between turns) gives what the counted tokens
 * alone would give. In comments t runs over the counted tokens of one sequence, and T is the last.
 *
 * All sums are f64 and belong to one sequence, so neither packing nor workers change a bit. NaN stays in
 * its sequence; ALIGN_FLAG_FINITE makes it RANGE with its index. Scratch is needed by
 * align_pipeline_eval alone, for GROUP with groups of more than 256: what align_norm_groups_scratch says.
 */
#ifndef LIBALIGN_ADVANTAGE_H
#define LIBALIGN_ADVANTAGE_H

#include <libalign/base.h>
#include <libalign/norm.h>

/* ---- returns and advantages ------------------------------------------------------------------ */

enum {
    /* d_t = r_t + gamma V_{t+1} - V_t;  A_t = d_t + gamma lambda A_{t+1}   (arXiv 1506.02438, eq. 16) */
    ALIGN_ADVANTAGE_GAE = 1,
    /* A_t = sum_{k >= 0} gamma^k r_{t+k} + gamma^(T-t+1) V_end - V_t; without `value` the return itself */
    ALIGN_ADVANTAGE_RETURN = 2,
    /* A_t = sum_{k < n} gamma^k r_{t+k} + gamma^n V_{t+n} - V_t; what lies beyond T as in RETURN */
    ALIGN_ADVANTAGE_N_STEP = 3
};

/* V_{T+1}, the value after the last counted token, is 0 where the sequence has terminated and
 * `bootstrap` where it was cut off. */
typedef struct align_advantage_args {
    size_t size;
    int32_t kind;         /* ALIGN_ADVANTAGE_GAE */
    int32_t reserved;     /* 0 */
    double gamma;         /* 0..1; 1 */
    double lambda;        /* GAE: 0..1; .95. Others: 0 */
    int64_t n;            /* N_STEP: 1 or more. Others: 0 */
    align_tensor reward;  /* tokens: F32, F64, F16 or BF16 */
    align_tensor value;   /* tokens: V_t. Only RETURN can do without */
    align_tensor mask;    /* tokens */
    align_tensor offsets; /* [B+1] I64 */
    align_tensor
        truncated; /* [B] BOOL, U8 or F32; not 0: cut off, not ended. Absent: all have terminated */
    align_tensor
        bootstrap; /* [B]: the value after a sequence that was cut off; needs `truncated` */
    align_tensor advantage; /* out, tokens: A_t; may be reward itself */
    align_tensor target; /* out, tokens: A_t + V_t, what a value head learns; may be value itself */
} align_advantage_args;

ALIGN_API void align_advantage_args_init(align_advantage_args *args, size_t size);

/* Writes advantage, target or both. */
ALIGN_API ALIGN_MUST_CHECK align_status align_advantage_eval(const align_exec *exec,
                                                             const align_advantage_args *args);

/* ---- dense rewards --------------------------------------------------------------------------- */

/* Where a reward model's numbers go. */
typedef struct align_dense_source {
    size_t size;
    align_tensor value; /* [B], for the last counted token of each sequence; or [M] with `end` */
    align_tensor
        end; /* [M] I32 or I64: last token of the segment, counted from the start of its sequence
                             (masked tokens too); that token must count */
    align_tensor
        offsets; /* [B+1] I64, from 0 to M: sequence b has segments offsets[b]..offsets[b+1]-1 */
    double clip_low, clip_high; /* of the raw value; both 0: none */
    double mean, deviation;     /* finite; 0 and 1. deviation above 0 */
    double scale, bias;         /* finite; 1 and 0 */
    double weight;              /* finite; 1 */
} align_dense_source;

/* What happens to a sequence that has no end-of-sequence token. */
enum {
    ALIGN_DENSE_EOS_SUBTRACT = 1, /* its penalty is subtracted at the last counted token (TRL) */
    ALIGN_DENSE_EOS_REPLACE = 2 /* minus its penalty stands in place of all sources (AlpacaFarm) */
};

/* r_t = sum over sources k and their segments j that end at t of
 *           weight_k ((clip(value_kj) - mean_k) / deviation_k * scale_k + bias_k)
 *       + [t = T] (the end-of-sequence term - multiplier * cost)  -  beta * kl_t
 * (Fine-Grained RLHF, arXiv 2306.01693, sections 3 and 4). A sequence without a counted token gets nothing. */
typedef struct align_dense_args {
    size_t size;
    const align_dense_source *sources; /* n_sources of them, of equal size */
    int64_t n_sources;
    align_tensor mask;    /* tokens */
    align_tensor offsets; /* [B+1] I64 */
    align_tensor ended;   /* [B] BOOL, U8 or F32; 0: has no end-of-sequence token. Needs eos_kind */
    int32_t eos_kind;     /* ALIGN_DENSE_EOS_SUBTRACT or REPLACE; 0 without `ended` */
    int32_t kl_kind;      /* ALIGN_KL_NONE; estimators are those of base.h, q = logp - ref */
    double eos_penalty;   /* finite, 0 or more; 0 without `ended` */
    align_tensor logp, ref; /* tokens: log-probabilities; both with a kl_kind, absent without */
    double beta;            /* finite, 0 or more; 0 without a kl_kind */
    double kl_clip_ratio;   /* q is clipped to +-this first; 0: not (verl 20) */
    double
        kl_clip_low; /* kl_t is clipped to [low, high]; both 0: not. AlpacaFarm's clamp at zero is */
    double kl_clip_high; /* 0 and infinity; verl's of k3 -10 and 10 */
    align_tensor cost;   /* [B]: a second judge's cost of the sequence */
    double multiplier;   /* its Lagrange multiplier: finite, 0 or more; 0 without cost */
    align_tensor reward; /* out, tokens: r_t */
    align_tensor
        sequence_kl; /* out, [B] F32 or F64: sum of kl_t (clipped as above, not times beta) */
} align_dense_args;

ALIGN_API void align_dense_source_init(align_dense_source *source, size_t size);
ALIGN_API void align_dense_args_init(align_dense_args *args, size_t size);

/* Writes reward, and sequence_kl where it is asked for. RANGE: an `end` outside its sequence or on a masked
 * token. */
ALIGN_API ALIGN_MUST_CHECK align_status align_dense_eval(const align_exec *exec,
                                                         const align_dense_args *args);

/* ---- controllers: plain numbers, no exec ------------------------------------------------------- */

/* beta <- beta (1 + clip(kl / target - 1, -limit, limit) g), with g = n / horizon (Ziegler et al. 2019,
 * arXiv 1909.08593, section 2.2), or g = rate where horizon is 0 (AlpacaFarm). */
typedef struct align_kl_controller {
    size_t size;
    double beta;    /* current; finite, 0 or more; .2 */
    double target;  /* finite, above 0; 6. Infinite: beta is fixed */
    double horizon; /* 0 or more; 10000 */
    double rate;    /* 0 or more; 0. One of horizon and rate is 0 */
    double limit;   /* above 0; .2 */
} align_kl_controller;

/* lambda <- max(0, lambda + rate (cost - bound)), or with `logarithmic` lambda exp(rate (cost - bound)): a
 * Lagrange multiplier on the mean cost of a batch (Safe RLHF, arXiv 2310.12773, eq. 11). */
typedef struct align_lagrange {
    size_t size;
    double multiplier;   /* current; finite, 0 or more; 0, so set it above 0 for logarithmic */
    double rate;         /* finite, 0 or more; .01 */
    double bound;        /* finite; 0 */
    int32_t logarithmic; /* 0 */
    int32_t reserved;    /* 0 */
} align_lagrange;

ALIGN_API void align_kl_controller_init(align_kl_controller *controller, size_t size);
ALIGN_API void align_lagrange_init(align_lagrange *lagrange, size_t size);

/* One step with the mean kl of n sequences, or the mean cost; RANGE, and no change, when a number is outside
 * its range. */
ALIGN_API ALIGN_MUST_CHECK align_status align_kl_controller_update(const align_exec *exec,
                                                                   align_kl_controller *controller,
                                                                   double kl, int64_t n);
ALIGN_API ALIGN_MUST_CHECK align_status align_lagrange_update(const align_exec *exec,
                                                              align_lagrange *lagrange,
                                                              double cost);

/* ---- the order of steps ------------------------------------------------------------------------ */

/* Steps of a pipeline. First scores, one a sequence; DENSE turns them into token rewards, which ADVANTAGE
 * turns into advantages; BROADCAST goes there directly. */
enum {
    ALIGN_PIPELINE_OVERLONG =
        1, /* score -= factor min(max(tokens - (limit - buffer), 0), buffer) / buffer */
    ALIGN_PIPELINE_CLIP = 2,          /* score to [clip_low, clip_high] */
    ALIGN_PIPELINE_SCORE_KL = 3,      /* score -= beta * sum of kl_t */
    ALIGN_PIPELINE_GROUP = 4,         /* scores normalised within their groups */
    ALIGN_PIPELINE_DENSE = 5,         /* r_t = [t = T] score - beta kl_t */
    ALIGN_PIPELINE_WHITEN_REWARD = 6, /* r_t normalised over all counted tokens */
    ALIGN_PIPELINE_ADVANTAGE = 7,     /* A_t of r_t */
    ALIGN_PIPELINE_BROADCAST = 8,     /* A_t = score at every counted token */
    ALIGN_PIPELINE_WHITEN = 9         /* A_t normalised over all counted tokens; targets stay */
};

/* Which steps in which order, with their parameters. A parameter that no step reads must be 0 or NULL. */
typedef struct align_pipeline {
    size_t size;
    int32_t step[12];           /* the first 0 ends it */
    double overlong_limit;      /* tokens; above 0 */
    double overlong_buffer;     /* tokens; above 0, at most the limit */
    double overlong_factor;     /* finite, 0 or more */
    double clip_low, clip_high; /* both 0: no clip */
    double beta;                /* finite, 0 or more */
    int32_t kl_kind;            /* ALIGN_KL_...; NONE: DENSE has no KL */
    int32_t advantage;          /* ALIGN_ADVANTAGE_...; gamma, lambda, n as there */
    double gamma, lambda;
    int64_t n;
    const align_norm_params *group;         /* GROUP: as align_norm_groups, one reward model */
    const align_norm_params *group_then;    /* GROUP: may be NULL */
    const align_norm_params *whiten_reward; /* WHITEN_REWARD: as align_norm_apply */
    const align_norm_params *whiten;        /* WHITEN */
} align_pipeline;

/* The inputs that the steps read, and no others; the outputs are also where the steps keep their results. None
 * of the parameters may REFUSE (norm.h), so that nothing fails after the first write. */
typedef struct align_pipeline_args {
    size_t size;
    const align_pipeline *pipeline;
    align_tensor score;                /* [B] F32, F64, F16 or BF16 */
    int64_t group_size;                /* GROUP: B is a multiple; or 0 and: */
    align_tensor group_offsets;        /* [G+1] I64 */
    align_tensor mask, offsets;        /* tokens; [B+1] */
    align_tensor logp, ref;            /* tokens: with a kl_kind */
    align_tensor value;                /* tokens: ADVANTAGE */
    align_tensor truncated, bootstrap; /* [B]: ADVANTAGE */
    align_tensor shaped; /* out, [B] F32 or F64: the scores after their last step; always needed */
    align_tensor
        sequence_kl; /* out, [B] F32 or F64: needed by SCORE_KL; else with a kl_kind, if wanted */
    align_tensor reward;    /* out, tokens: needed by DENSE */
    align_tensor advantage; /* out, tokens: always needed */
    align_tensor target;    /* out, tokens: ADVANTAGE, if wanted */
} align_pipeline_args;

ALIGN_API void align_pipeline_init(align_pipeline *pipeline, size_t size);
ALIGN_API void align_pipeline_args_init(align_pipeline_args *args, size_t size);

ALIGN_API ALIGN_MUST_CHECK align_status align_pipeline_eval(const align_exec *exec,
                                                            const align_pipeline_args *args);

/* The pipeline of a trainer. pipeline->size and params[0..2].size must be set; the pipeline then points into
 * params, which must live as long. ARG for a name that does not exist. Names, with the steps:
 *     trl_ppo                      DENSE(k1, .05) ADVANTAGE(GAE 1 .95) WHITEN
 *     trl_grpo                     GROUP BROADCAST
 *     trl_rloo                     CLIP(none) SCORE_KL(k1, .05) GROUP BROADCAST
 *     verl_ppo                     DENSE ADVANTAGE(GAE 1 1) WHITEN
 *     verl_grpo                    GROUP BROADCAST
 *     verl_reinforce_plus_plus     DENSE ADVANTAGE(RETURN 1) WHITEN
 *     openrlhf_ppo                 CLIP(10) DENSE(k1, .01) ADVANTAGE(GAE 1 1) WHITEN
 *     openrlhf_rloo, openrlhf_reinforce_baseline
 *                                  GROUP CLIP(10) DENSE(k1, .01) ADVANTAGE(RETURN 1) WHITEN
 *     nemo_rl_grpo                 GROUP BROADCAST
 *     deepspeed_chat               CLIP(5) DENSE(k1, .1) ADVANTAGE(GAE 1 .95)
 * The numbers are the trainers' defaults: change them in *pipeline. */
ALIGN_API ALIGN_MUST_CHECK align_status align_pipeline_preset_get(const char *name,
                                                                  align_pipeline *pipeline,
                                                                  align_norm_params params[3]);

/* ---- process rewards ----------------------------------------------------------------------------
 *
 * Numbers of steps or parts, M in all; sequence b has offsets[b]..offsets[b+1]-1 of them. Every tensor is F32,
 * F64, F16 or BF16 unless it says otherwise. Without a segment's tokens these are not token rewards yet: they
 * are the `value` of an align_dense_source. */

/* ReNorm (PPR, arXiv 2509.25598, as its authors' code has it): step scores p in [0,1] and an outcome o,
 *     r = p / most + o - beta   at every step but the last,      r = o   at the last.
 * With beta 1 the sign of a step's reward is that of the outcome. It is paid once a step, so a failure costs
 * more the more steps it takes: not neutral to their number. A score that is NaN (a judge without an answer)
 * counts as 0. */
typedef struct align_renorm_args {
    size_t size;
    align_tensor score;   /* [M] */
    align_tensor most;    /* [M], above 0: the score's maximum; absent: 1 */
    align_tensor offsets; /* [B+1] I64 */
    align_tensor outcome; /* [B] */
    double beta;          /* finite; 1 */
    align_tensor reward;  /* out, [M] */
} align_renorm_args;

ALIGN_API void align_renorm_args_init(align_renorm_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_renorm_eval(const align_exec *exec,
                                                          const align_renorm_args *args);

/* Progress (PAV, arXiv 2410.08146, eqs. 2, 4 and 5): q_0 is a prover's chance of success from the prompt, q_h
 * after step h. The prover is the best of k: Q_h = 1 - (1 - q_h)^k. Entry 0 of each sequence, the prompt, gets 0.
 *     A_h = Q_h - Q_{h-1},       e_h = policy_h + alpha A_h */
typedef struct align_progress_args {
    size_t size;
    align_tensor prover;    /* [M], 0..1 */
    align_tensor offsets;   /* [B+1] I64 */
    double best_of;         /* k: finite, 1 or more; 1 */
    double alpha;           /* finite; 0 */
    align_tensor policy;    /* [M]: the policy's own chance after each step; needed by effective */
    align_tensor advantage; /* out, [M]: A_h */
    align_tensor effective; /* out, [M]: e_h */
} align_progress_args;

ALIGN_API void align_progress_args_init(align_progress_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_progress_eval(const align_exec *exec,
                                                            const align_progress_args *args);

/* Follow-up likelihood (FLR): how much likelier approving follow-ups are than complaining ones,
 *     R = mean over f with sign 1 of q_f  -  mean over f with sign -1 of q_f,
 * q_f the mean log-probability of the counted tokens of follow-up f. One without tokens is left out, and a side
 * without any counts as 0. (The authors' released script averages logits; give those to have its numbers.) */
typedef struct align_followup_args {
    size_t size;
    align_tensor logp;   /* [B,F,T] */
    align_tensor mask;   /* [B,F,T] BOOL, U8 or F32 of 0 or 1; absent: all count */
    align_tensor sign;   /* [F] I32 or I64: 1 or -1 */
    align_tensor reward; /* out, [B] */
} align_followup_args;

ALIGN_API void align_followup_args_init(align_followup_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_followup_eval(const align_exec *exec,
                                                            const align_followup_args *args);

/* Claims (RLAIF-V): an answer is cut into claims, each is asked about; reward = -(claims whose `accept` is not
 * above `reject`). NaN is not above anything. */
typedef struct align_claims_args {
    size_t size;
    align_tensor accept, reject; /* [M]: probability of yes, and of no */
    align_tensor offsets;        /* [B+1] I64 */
    align_tensor reward;         /* out, [B] */
} align_claims_args;

ALIGN_API void align_claims_args_init(align_claims_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_claims_eval(const align_exec *exec,
                                                          const align_claims_args *args);

/* Aspects (UltraFeedback): the mean of an answer's ratings that are there (NaN: not rated; NaN when none is), and
 * for pairs of answers the margin |mean_chosen - mean_rejected| / range of a margin loss, 0..1 when range is
 * the width of the scale. */
typedef struct align_aspects_args {
    size_t size;
    align_tensor rating;           /* [B,A] */
    align_tensor score;            /* out, [B] */
    align_tensor chosen, rejected; /* [P] I32 or I64, 0..B-1; needed by margin */
    double range;                  /* finite, above 0; 4, as of ratings 1 to 5 */
    align_tensor margin;           /* out, [P] */
} align_aspects_args;

ALIGN_API void align_aspects_args_init(align_aspects_args *args, size_t size);
ALIGN_API ALIGN_MUST_CHECK align_status align_aspects_eval(const align_exec *exec,
                                                           const align_aspects_args *args);

#endif
