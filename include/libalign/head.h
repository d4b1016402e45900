/* libalign/head.h - from logits to log-probabilities of tokens and sequences, and back.
 *
 *     forward    logits, tokens           ->  logp[S], count[S], token_logp[N], lse[N], ...
 *     backward   the same head, dlogp[S]  ->  dlogits
 *
 * or, for a linear head, from hidden states and the output matrix, without logits ever being stored:
 *
 *     forward    hidden, weight, tokens   ->  the same
 *     backward   the same head, dlogp[S]  ->  dhidden, dweight, dbias
 *
 * and beside them KL against another head (`other`), entropy, and weights of tokens and pairs that are made
 * of what a head says (LD-DPO, SamPO, WPO).
 *
 * With z the logits after scale and softcap, t the target of a row and p = softmax(z):
 *     lse = log sum_v exp z_v,   token_logp = z_t - lse,   d token_logp / d z_v = [v = t] - p_v.
 *
 * Batches come in two forms. Packed: target [N] with `offsets` (sequence s is rows offsets[s] ..
 * offsets[s+1]-1; without offsets all N rows are one sequence) and logits [N,V]. Padded: target
 * [B,T], logits [B,T,V], a sequence a row of the batch, S = B. A tensor said to be [N] may be given as
 * [B,T] when the batch is padded, or as [N] with N = B*T in row-major order.
 *
 * A row counts when its target is not `ignore` and its mask is not 0. Rows that do not count are
 * never read: -inf or NaN there cannot leak. Their outputs are 0 in token_logp, lse, entropy,
 * collision and hit, and their gradient rows are 0 (untouched with an ADD flag).
 *
 * Numbers. The term of the maximum stays out of the sum, so a confident token keeps its relative
 * accuracy: token_logp in F64 is within a relative 1e-9 of the truth for logits of F32, 3e-7 for BF16 and F16
 * (which were rounded by 5e-4 and more to be stored) and 1e-13 for F64, down to |token_logp| = 1e-300; lse is
 * within 1e-9 (2e-7 for BF16 and F16) times max(1, |lse|); gradients in F32 are within a relative 3e-7, and none
 * rounds to 0 while F32 can hold it. See docs/numerics.md.
 * ALIGN_FLAG_FAST saves a third of the arithmetic of a forward of F32 logits without scale, softcap, entropy and
 * collision: they are then summed as BF16 is.
 *
 * Corners. A logit of -inf is a token of probability 0, exactly (with a softcap it is -softcap, as the
 * formula says). A row whose logits are all -inf has lse, token_logp and collision -inf, entropy and
 * hit 0, and gradient 0. NaN or +inf in a counted row makes that row's outputs NaN (hit 0), and the
 * logp of its sequence, and no others. A sequence without counted rows has logp, count and wsum 0.
 * A row whose gradients all are 0 gets zeros without its logits being looked at. With
 * ALIGN_FLAG_FINITE a logit of a counted row that is not finite is RANGE with its index; logits are
 * looked at as they are read (those of a linear head as they are made), so outputs of rows before it may be written
 * then.
 *
 * Linear heads make x = hidden weight' + bias a tile of tokens and vocabulary at a time by the BLAS, in
 * F32, or in F64 when hidden, weight or bias is F64; BF16 and F16 operands are converted a tile at a time.
 * So their logits carry the rounding of an F32 product of D terms, and the numbers above hold for those.
 * With ALIGN_FLAG_FAST, and a BLAS that has cblas_sbgemm, hidden and weight of BF16 are multiplied as they
 * are; gradients of logits are rounded to BF16 for that, and dhidden and dweight are within .3 % in norm.
 * With or without that BLAS, a dweight of F32 beside a dhidden narrower than the products is then summed in place,
 * and drifts with tokens, instead of making logits once more.
 * Only rows that count are visited, in the backward only those whose gradients are not all 0.
 * Two plans:
 *  - two passes: the backward makes the logits again; any loss; 8 N D V flops in all with dweight (10 with more
 *    tokens than a tile has, a dweight of F32 and a dhidden narrower than the products).
 *  - one pass: asking for `jhidden` makes the forward itself accumulate d token_logp / d hidden, and
 *    the backward only scales its rows, without reading hidden or weight; 4 N D V flops. For weights
 *    that need no gradient: dweight, dbias, dentropy, dkl and dlse must be absent.
 * The vocabulary is cut into lanes with sums of their own, by shapes alone, each for one worker at a time: 2 to 16,
 * as many as fit (1 where V < 128). Scratch does not grow with N and V: it is under 32 MiB with D = 1024, and beside
 * that 8 V bytes for dbias and, for a dweight of BF16 or F16, 4 V D (8 V D with F64 operands). kl against another
 * linear head makes its logits too, and dkl makes both once more, as its gradient needs kl whole (which takes 24 N
 * bytes beside a dweight of F32, with more tokens than a tile has).
 *
 * A sharded vocabulary. Each of several processes (ranks) holds elements vocab_begin .. vocab_begin + V - 1
 * of vocab_total: those columns of logits, or those rows of weight and bias, and of the other head's. All
 * else is the same on all ranks: hidden, align_tokens, with targets of the whole vocabulary, and gradients.
 * The forward combines rows by align_exec.allreduce, maxima in F64 and sums as I64 in units that the largest
 * part sets, so that all ranks get equal bits whatever the order of arrival, within 1e-9 of the head on one
 * process (linear heads: within the rounding of their products). The backward needs no rank but with dkl:
 * dlogits, dweight and dbias are those of the elements held; jhidden and dhidden are this rank's part, which
 * the host sums over ranks. All options hold. A rank whose arguments are refused or that fails takes the
 * others with it: COMM there, before the first write when it was the arguments. A struct that is NULL or of an
 * unknown size cannot be told to others, so ranks should run the same program.
 *
 * All functions may run in several threads at once on different outputs. Work is split by rows and
 * vocabulary, from shapes alone, and no result depends on who runs what. Linear heads call the BLAS from
 * each task: give it one thread when `parallel` has several, or several and leave `parallel` NULL.
 */
#ifndef LIBALIGN_HEAD_H
#define LIBALIGN_HEAD_H

#include <libalign/base.h>

/* Which rows of a batch belong to which sequence, which target each has, and which of them count. */
typedef struct align_tokens {
    size_t size;
    align_tensor target; /* [N] or [B,T], I32 or I64: 0..V-1 or `ignore` where the row counts */

    /* Like target: BOOL or U8 (0: does not count), or F32 weights, finite and >= 0 (0: does not
     * count); absent: all 1. */
    align_tensor mask;

    align_tensor offsets; /* [S+1] I64, from 0 to N, not falling; packed batches only */
    int64_t ignore;       /* target value that never counts; default -100 */

    /* 0 (default): row n predicts target n. 1: row n predicts target n+1 of the same sequence, with
     * the mask of n+1; the last row of a sequence predicts nothing. */
    int32_t shift;
} align_tokens;

/* align_head.flags: add the gradient to what is there instead of overwriting it; which way kl goes. */
enum {
    ALIGN_HEAD_ADD_DLOGITS = 1,
    ALIGN_HEAD_ADD_DHIDDEN = 2,
    ALIGN_HEAD_ADD_DWEIGHT = 4,
    ALIGN_HEAD_ADD_DBIAS = 8,
    ALIGN_HEAD_KL_REVERSE = 16 /* kl and dkl are of KL(this||other) instead of KL(other||this) */
};

/* Where a row of logits comes from, and where results go. Results that are absent are not computed.
 * Real dtypes are F32, F64, BF16 and F16 for logits, F32 and F64 for all else unless said. */
typedef struct align_head {
    size_t size;
    const align_tokens *tokens; /* required */

    /* A head of dense logits: [N,V] or [B,T,V]; stride 1 along V, the others free, also negative. */
    align_tensor logits;

    /* Or a linear head: [N,D] or [B,T,D]; [V,D]; [V] or absent. Real dtypes, in any mix; stride 1 along
     * D, the others free, also negative. D, V and strides stay within 2^31 - 1. */
    align_tensor hidden, weight, bias;

    /* z = scale * x, or with a softcap > 0: z = softcap * tanh(scale * x / softcap). */
    double scale;   /* finite, not 0; default 1 */
    double softcap; /* finite, >= 0; default 0 = none */

    /* A sharded vocabulary: this process has V elements from vocab_begin on, of vocab_total, which is at
     * most 2^31 - 1; without align_exec.allreduce they must be all. Default 0, 0: all. */
    int64_t vocab_begin, vocab_total;

    /* The head that kl and dkl compare with, required by them and by nothing else. Of the other are read its
     * logits, with shapes as here, or beside a linear head its hidden, weight and bias instead, with a D of
     * their own; its scale and softcap; and vocab_begin and vocab_total, which must equal these here. No
     * gradient goes to it. Both distributions of kl are softmax(z / temperature). */
    const struct align_head *other;
    double temperature; /* finite, > 0; default 1, and 1 without kl and dkl */

    /* ---- forward writes, at least one ---- */

    /* [S] Sum over the counted rows of a sequence, in order and in F64, of weight * token_logp. */
    align_tensor logp;
    align_tensor count; /* [S] how many rows count; F32, F64, I32 or I64 */
    align_tensor wsum;  /* [S] sum of their weights */

    /* [N] log p_t and lse. The backward reads them: F64 keeps the accuracy said above; F32 rounds
     * once more, and an lse rounded to F32 moves gradients by up to a relative |lse| * 6e-8. */
    align_tensor token_logp, lse;

    align_tensor entropy; /* [N] -sum p log p, in nats */

    /* [N] KL(other||this) over the whole vocabulary, or by flag KL(this||other), in nats. +inf where
     * the first has mass and the second has none; 0 when the first has none at all. */
    align_tensor kl;

    align_tensor collision; /* [N] log sum p^2 (the weight of WPO, arXiv 2406.11827 Eq. 2) */

    /* [N] 1 when the target has the largest logit (of equal ones, the lowest index), else 0; F32,
     * F64, U8 or BOOL. */
    align_tensor hit;

    /* Like hidden, any real dtype: d token_logp_n / d hidden_n; asks for the one-pass plan. Rows that
     * do not count are 0. */
    align_tensor jhidden;

    /* ---- backward reads token_logp and lse of the forward, entropy too with dentropy, the logits
     * (or hidden, weight and bias) as they were, and at least one of these; with jhidden it reads
     * that, dlogp and dtoken_logp alone ---- */
    align_tensor dlogp;       /* [S] */
    align_tensor dtoken_logp; /* [N] not multiplied by the mask's weights */
    align_tensor dentropy;    /* [N] */
    align_tensor dkl;         /* [N] */
    align_tensor dlse;        /* [N] carries z-losses */

    /* ---- backward writes ---- */

    /* Like logits, any real dtype. May be `logits` itself (same data, strides and dtype) unless it
     * is added to; otherwise it shares no elements with any input. */
    align_tensor dlogits;

    /* Like hidden, weight and bias, at least one of them, any real dtype. dhidden may be `jhidden`
     * itself. dweight is summed in F64 over tiles of tokens and written as F32 or F64; BF16 and F16 take 4 V D
     * bytes of scratch, are rounded once, and cannot be added to. dbias is summed over tokens in F64. */
    align_tensor dhidden, dweight, dbias;

    uint32_t flags; /* ALIGN_HEAD_ADD_*, each with its output */
} align_head;

/* Write the documented defaults. */
ALIGN_API void align_tokens_init(align_tokens *tokens, size_t size);
ALIGN_API void align_head_init(align_head *head, size_t size);

/* Bytes of scratch that forward and backward of this head need at `least`, and beyond which more does
 * not help (`best`); it looks at shapes, dtypes and which fields are there, at no data. Dense logits
 * and the backward of jhidden need none: a head of dense logits gets 0 and 0. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_scratch(const align_exec *exec,
                                                           const align_head *head, size_t *least,
                                                           size_t *best);

/* Writes every present output of the forward; fields of the backward are not looked at.
 * ARG, SHAPE, DTYPE, LAYOUT, VERSION, RANGE (target, mask, offsets, shift, scale, softcap, sizes
 * for the BLAS; logits, hidden, weight and bias under ALIGN_FLAG_FINITE), SCRATCH, PARALLEL; with a sharded
 * vocabulary also COMM, RANGE where the parts do not make up the vocabulary, SHAPE where ranks have different
 * numbers of rows. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_forward(const align_exec *exec,
                                                           const align_head *head);

/* Writes (or adds) dlogits, rounded once, or dhidden = dx weight, dweight = dx' hidden, dbias = sum dx:
 *     c_n   = weight_n dlogp[s(n)] + dtoken_logp[n]
 *     dz_nv = c_n ([v = t] - p_v) + dlse_n p_v - dentropy_n p_v (log p_v + H_n) + dkl_n k_nv
 *     k_nv  = (p_v - q_v) / T for KL(q||p), p_v (log p_v - log q_v - KL) / T for KL(p||q), at temperature T
 *     dx    = dz * scale, with a softcap dz * scale * (1 - (z / softcap)^2).
 * The target's own term is -c_n expm1(token_logp), which never rounds to 0 on a confident token.
 * Forward-only outputs are not looked at. The same codes; under ALIGN_FLAG_FINITE also for the
 * numbers that it reads a row or a sequence. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_backward(const align_exec *exec,
                                                            const align_head *head);

/* ---- weights from tokens ------------------------------------------------------------------ */

/* align_token_weights.kind. With m the number of counted tokens of a group's shortest sequence:
 * LD-DPO (arXiv 2409.06411): the first m counted tokens of each sequence weigh 1, the others alpha.
 * SamPO (arXiv 2406.10957): m counted tokens of each sequence, drawn evenly, weigh 1, the others 0. */
enum { ALIGN_TOKEN_WEIGHTS_LD = 0, ALIGN_TOKEN_WEIGHTS_SAMPO = 1 };

/* Makes a mask for align_tokens that takes the length out of a comparison. Every group has `items`
 * sequences. Tokens that count keep their weight in tokens->mask as a factor; all others get 0. Give the
 * result to the heads of both policy and reference (both methods' papers and TRL since 0.29; up to 0.28
 * TRL weights the policy alone). */
typedef struct align_token_weights {
    size_t size;
    const align_tokens *tokens; /* required */
    int32_t kind;               /* ALIGN_TOKEN_WEIGHTS_ */
    int32_t seed; /* of SamPO: the draw depends on it, the sequence and the token; else 0 */

    /* Sequences of a group, 1 or more, which divides S; default 2. Item k of group g is sequence items g + k
     * or, when stacked is 1, k G + g. */
    int32_t items, stacked;
    double alpha;        /* of LD-DPO, in 0..1; 0 takes the tokens out of `count` too; else 0 */
    align_tensor weight; /* out, like target, F32 or F64 (a mask is F32) */
} align_token_weights;

ALIGN_API void align_token_weights_init(align_token_weights *args, size_t size);

/* ARG, SHAPE, DTYPE, LAYOUT, VERSION, RANGE (target, mask, offsets, shift, kind, items, stacked, alpha).
 * Needs no scratch. */
ALIGN_API ALIGN_MUST_CHECK align_status align_token_weights_apply(const align_exec *exec,
                                                                  const align_token_weights *args);

/* Weights of groups for align_loss_args.weight (WPO, arXiv 2406.11827, Eq. 2): how likely the policy is to say
 * these sequences itself, against how likely it is to say the same twice,
 *
 *     w_g = min(most, product over its sequences of exp(1/n sum over counted tokens of log p_t - log sum p^2)),
 *
 * a constant to the gradient. A sequence without counted tokens has the factor 1. */
typedef struct align_wpo {
    size_t size;
    const align_tokens *tokens; /* required: those of the forward */
    align_tensor token_logp;    /* [N] from align_head_forward, and */
    align_tensor collision;     /* [N] log sum p^2 from the same */
    int32_t items, stacked;     /* as in align_token_weights; 1 for singles */

    /* 0 or more; default 1, as the authors' code and TRL up to 0.28 have it; INFINITY as in TRL since 0.29 */
    double most;
    align_tensor
        weight; /* out [G], F32 or F64. NaN where an input of the group is NaN: losses refuse it */
} align_wpo;

ALIGN_API void align_wpo_init(align_wpo *args, size_t size);

/* ARG, SHAPE, DTYPE, LAYOUT, VERSION, RANGE (target, mask, offsets, shift, items, stacked, most). Needs no
 * scratch. */
ALIGN_API ALIGN_MUST_CHECK align_status align_wpo_apply(const align_exec *exec,
                                                        const align_wpo *args);

#endif
