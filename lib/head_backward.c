/* dz_v = p_v (a - dentropy (log p_v + H)) + c [v = t],  a = dlse - c,  c = dlogp of the row,
 * and for the target itself  -c expm1(log p_t) + p_t (dlse - dentropy (log p_t + H)). */
#include "head.h"

#include <math.h>
#include <string.h>

static const double log2e = 0x1.71547652b82fep+0, ln2 = 0x1.62e42fefa39efp-1;

static bool adds(const struct align__head *head)
{
    return (head->args.flags & ALIGN_HEAD_ADD_DLOGITS) != 0;
}

static char *gradient_at(const struct align__head *head, int64_t row, int64_t first)
{
    const align_tensor *t = &head->args.dlogits;
    return (char *)align__head_at(head, t, row) + first * align_dtype_bytes(t->dtype);
}

static void store_f64(const struct align__head *head, char *at, double *g, int64_t n)
{
    align_dtype dtype = head->args.dlogits.dtype;
    if (adds(head)) {
        double old[ALIGN__BLOCK];
        align__load_row(old, dtype, at, 1, n);
        for (int64_t i = 0; i < n; i++)
            g[i] += old[i];
    }
    align__store_row(dtype, at, 1, g, n);
}

static void fill(const struct align__head *head, int64_t row, double value)
{
    double block[ALIGN__BLOCK];
    for (int64_t i = 0; i < ALIGN__BLOCK; i++)
        block[i] = value;
    for (int64_t first = 0; first < head->vocab; first += ALIGN__BLOCK) {
        int64_t left = head->vocab - first, n = left < ALIGN__BLOCK ? left : ALIGN__BLOCK;
        align__store_row(head->args.dlogits.dtype, gradient_at(head, row, first), 1, block, n);
    }
}

/* What the gradient of one row is made of. */
struct row_gradient {
    double lse, logp, entropy, target; /* target: the gradient of the target's z */
    double factor;                     /* a */
};

static void backward_exact(const struct align__head *head, const struct align__head_row *row,
                           const struct row_gradient *from)
{
    double z[ALIGN__BLOCK], dz[ALIGN__BLOCK];
    for (int64_t first = 0; first < head->vocab; first += ALIGN__BLOCK) {
        int64_t left = head->vocab - first, n = left < ALIGN__BLOCK ? left : ALIGN__BLOCK;
        align__head_block_f64(head, row->index, first, n, z, dz);
        for (int64_t i = 0; i < n; i++) {
            double logp = z[i] - from->lse, p = exp(logp);
            double slope = from->factor - row->dentropy * (logp + from->entropy);
            if (first + i == row->target)
                z[i] = from->target * dz[i];
            else
                z[i] = p == 0 ? 0 : p * slope * dz[i];
        }
        store_f64(head, gradient_at(head, row->index, first), z, n);
    }
}

static void store_f32(const struct align__head *head, char *at, float *g, int64_t n)
{
    const struct align__kernels *kernels = head->kernels;
    align_dtype dtype = head->args.dlogits.dtype;
    float old[ALIGN__BLOCK];
    if (adds(head)) {
        if (dtype == ALIGN_F32)
            memcpy(old, at, (size_t)n * sizeof *old);
        else
            (dtype == ALIGN_BF16 ? kernels->from_bf16
                                 : kernels->from_f16)(old, (const uint16_t *)(const void *)at, n);
        for (int64_t i = 0; i < n; i++)
            g[i] += old[i];
    }
    if (dtype == ALIGN_F32)
        memcpy(at, g, (size_t)n * sizeof *g);
    else
        (dtype == ALIGN_BF16 ? kernels->to_bf16 : kernels->to_f16)((uint16_t *)(void *)at, g, n);
}

/* a exp(z - lse) as fraction * 2^tail * exp(z - shift - power ln 2) 2^bias with a fraction near 1, so
 * that neither a small a nor a small p underflows before their product does. */
struct split {
    struct align__origin origin;
    float factor;
};

static struct split split_factor(double a, double lse)
{
    enum { GUARD = 24, MOST = 120 };
    struct split split;
    float shift = fabs(lse) >= 0x1p18 ? (float)lse : 0;
    double rest = lse - (double)shift;
    int32_t power = (int32_t)rint(rest * log2e);
    int exponent;
    double fraction = frexp(a * exp(power * ln2 - rest), &exponent);
    int bias = exponent + GUARD < MOST ? exponent + GUARD : MOST;
    split.origin = align__origin_make(shift, power, bias);
    split.factor = (float)ldexp(fraction, exponent - bias);
    return split;
}

static void backward_f32(const struct align__head *head, const struct align__head_row *row,
                         const struct row_gradient *from)
{
    struct split split = split_factor(from->factor, from->lse);
    float spare[ALIGN__BLOCK], buffer[ALIGN__BLOCK];
    bool direct = head->args.dlogits.dtype == ALIGN_F32 && !adds(head);
    for (int64_t first = 0; first < head->vocab; first += ALIGN__BLOCK) {
        int64_t left = head->vocab - first, n = left < ALIGN__BLOCK ? left : ALIGN__BLOCK;
        const float *z = align__head_block(head, row->index, first, n, spare);
        char *at = gradient_at(head, row->index, first);
        float *g = direct ? (float *)(void *)at : buffer;
        head->kernels->terms(g, z, n, split.origin, split.factor);
        if (row->target >= first && row->target < first + n)
            g[row->target - first] = (float)from->target;
        if (!direct)
            store_f32(head, at, g, n);
    }
}

void align__head_backward_row(const struct align__head *head, struct align__head_row *row)
{
    const align_head *args = &head->args;
    bool flat = row->dlogp == 0 && row->dentropy == 0 && row->dlse == 0;
    double lse = row->weight == 0 ? 0 : align__head_load(head, &args->lse, row->index);
    if (row->weight == 0 || flat || lse == -INFINITY) {
        if (!adds(head))
            fill(head, row->index, 0);
        return;
    }
    struct row_gradient from = {
        .lse = lse,
        .logp = align__head_load(head, &args->token_logp, row->index),
        .factor = row->dlse - row->dlogp,
    };
    if (row->dentropy != 0)
        from.entropy = align__head_load(head, &args->entropy, row->index);
    double p = exp(from.logp), surprise = p == 0 ? 0 : p * (from.logp + from.entropy);
    from.target = -row->dlogp * expm1(from.logp) + p * row->dlse - row->dentropy * surprise;
    if (!isfinite(lse) || !isfinite(from.factor) || !isfinite(row->dentropy))
        fill(head, row->index, NAN);
    else if (head->exact)
        backward_exact(head, row, &from);
    else
        backward_f32(head, row, &from);
}
