/* libalign/head.h - from logits to log-probabilities of tokens and sequences, and back.
 *
 *     forward    logits, tokens           ->  logp[S], count[S], token_logp[N], lse[N], ...
 *     backward   the same head, dlogp[S]  ->  dlogits
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
 * Corners (docs/numerics.md has the whole table): a logit of -inf is a token of probability 0,
 * exactly. A row whose logits are all -inf has lse = -inf, token_logp = -inf and gradient 0. NaN or
 * +inf in a counted row makes that row's outputs NaN, and the logp of its sequence, and no others;
 * with ALIGN_FLAG_FINITE it is RANGE. A sequence without counted rows has logp 0 and count 0.
 *
 * Source: the gradient is textbook; for the tails (the maximum's own term is kept out of the sum)
 * see docs/numerics.md.
 */
#ifndef LIBALIGN_HEAD_H
#define LIBALIGN_HEAD_H

#include <libalign/base.h>

/* Which rows of a batch belong to which sequence, which target each has, and which of them count. */
typedef struct align_tokens {
    size_t size;
    align_tensor target; /* [N] or [B,T], I32 or I64: 0..V-1, or `ignore` */
    align_tensor
        mask; /* like target: BOOL or U8 (0: does not count), or F32 weights, finite and >= 0
                             (0: does not count); absent: all 1 */
    align_tensor offsets; /* [S+1] I64, from 0 to N, not falling; packed batches only */
    int64_t ignore;       /* target value that never counts; default -100 */
    int32_t
        shift; /* 0 (default): row n predicts target n.  1: row n predicts target n+1 of the same
                             sequence, with the mask of n+1; the last row of a sequence predicts nothing */
} align_tokens;

/* align_head.flags: add the gradient to what is there instead of overwriting it. */
enum {
    ALIGN_HEAD_ADD_DLOGITS = 1,
    ALIGN_HEAD_ADD_DHIDDEN = 2,
    ALIGN_HEAD_ADD_DWEIGHT = 4,
    ALIGN_HEAD_ADD_DBIAS = 8
};

/* Where a row of logits comes from, and where results go. Results that are absent are not computed.
 * Real dtypes are F32, F64, BF16 and F16 for logits, F32 and F64 for all else unless said. */
typedef struct align_head {
    size_t size;
    const align_tokens *tokens; /* required */
    align_tensor logits;        /* [N,V] or [B,T,V]; stride 1 along V, others free */
    align_tensor hidden, weight,
        bias;       /* the fused linear head: not in this version, must be absent */
    double scale;   /* default 1; finite, not 0 */
    double softcap; /* default 0 = none; else > 0: z = softcap * tanh(scale * x / softcap) */
    int64_t vocab_begin, vocab_total; /* a sharded vocabulary: not in this version, must be 0 */
    const struct align_head *other; /* the head that kl compares with: not in this version, NULL */
    double temperature;             /* default 1; read with `other` only */

    /* Forward writes. logp[s] = sum over counted rows of weight * token_logp. */
    align_tensor logp;  /* [S] */
    align_tensor count; /* [S] rows that count; F32, F64, I32 or I64 */
    align_tensor wsum;  /* [S] sum of their weights */
    align_tensor
        token_logp;   /* [N] log p_t, relative error 3e-7 down to |token_logp| = 1e-12 in F64 from
                                F32 logits; F32 rounds that */
    align_tensor lse; /* [N] F64: absolute error 1e-9 times max(1, |lse|); F32 rounds that, which
                                costs the backward up to |lse| * 6e-8 in relative error */
    align_tensor entropy;   /* [N] -sum p log p, nats */
    align_tensor kl;        /* [N] not in this version, must be absent */
    align_tensor collision; /* [N] log sum p^2 (the weight of WPO, arXiv 2406.11827 Eq. 2) */
    align_tensor
        hit; /* [N] 1 when the target has the largest logit (ties: the lowest index), else 0;
                                F32, F64, U8 or BOOL */
    align_tensor jhidden; /* not in this version, must be absent */

    /* Backward reads token_logp and lse of the forward (entropy too with dentropy), the logits as they
     * were, and any of these; at least one. */
    align_tensor dlogp;       /* [S] */
    align_tensor dtoken_logp; /* [N] */
    align_tensor dentropy;    /* [N] */
    align_tensor dkl;         /* not in this version, must be absent */
    align_tensor dlse;        /* [N] carries z-losses */

    /* Backward writes. */
    align_tensor
        dlogits; /* like logits, any real dtype; may be `logits` itself (same data, strides and
                             dtype), else no shared elements */
    align_tensor dhidden, dweight, dbias; /* not in this version, must be absent */
    uint32_t flags;                       /* ALIGN_HEAD_ADD_* */
} align_head;

/* Write the documented defaults. */
ALIGN_API void align_tokens_init(align_tokens *tokens, size_t size);
ALIGN_API void align_head_init(align_head *head, size_t size);

/* Bytes of scratch that forward and backward of this head need at `least`, and beyond which more does
 * not help (`best`). Dense logits need none: both are 0. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_scratch(const align_exec *exec,
                                                           const align_head *head, size_t *least,
                                                           size_t *best);

/* Writes every present output of the forward. ARG, SHAPE, DTYPE, LAYOUT, RANGE (target, mask, offsets,
 * scale, softcap; logits under ALIGN_FLAG_FINITE), PARALLEL. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_forward(const align_exec *exec,
                                                           const align_head *head);

/* Writes (or adds) dlogits:
 *     c_n = mask_n * dlogp[s(n)] + dtoken_logp[n]
 *     dz_nv = c_n ([v = t] - p_v) - dentropy_n p_v (log p_v + H_n) + dlse_n p_v,
 *     dx = dz * scale * (1 - (z/softcap)^2).
 * The target's own term uses -expm1(token_logp), so it never rounds to 0 on a confident token. */
ALIGN_API ALIGN_MUST_CHECK align_status align_head_backward(const align_exec *exec,
                                                            const align_head *head);

#endif
