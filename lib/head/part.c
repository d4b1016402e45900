/* From logits in memory to sums and gradients, a block at a time. */
#include "head.h"

#include <math.h>
#include <string.h>

struct align__part align__part_of(const struct align__part *part, int64_t skip, int64_t most)
{
    struct align__part block = *part;
    block.at += skip * align_dtype_bytes(part->dtype);
    block.first += skip;
    block.n = part->n - skip < most ? part->n - skip : most;
    return block;
}

static bool holds(const struct align__part *part, int64_t v)
{
    return v >= part->first && v < part->first + part->n;
}

static const float *read_f32(const struct align__head *head, const struct align__part *block,
                             float *spare)
{
    return align__logits_f32(head->kernels, block->dtype, block->at, block->n, spare);
}

void align__part_f64(const struct align__f64 *f64, const struct align__part *part,
                     struct align__bend bend, double *z, double *slope)
{
    const double scale = bend.scale, cap = bend.softcap;
    align__load_row(z, part->dtype, part->at, 1, part->n);
    for (int64_t i = 0; i < part->n; i++)
        z[i] = cap > 0 ? scale * z[i] / cap : scale * z[i];
    for (int64_t i = 0; slope != NULL && i < part->n; i++)
        slope[i] = 1;
    if (cap > 0 && slope != NULL)
        f64->tanh_slope(slope, z, part->n);
    if (cap > 0)
        f64->tanh(z, z, part->n);
    for (int64_t i = 0; i < part->n; i++)
        z[i] = bend.after * (cap > 0 ? cap * z[i] : z[i]);
    for (int64_t i = 0; slope != NULL && i < part->n; i++)
        slope[i] = bend.after * (scale * slope[i]);
}

static struct align__bend bend_of(const struct align__head *head)
{
    return (struct align__bend){head->args.scale, head->args.softcap, 1};
}

static void look_for_odd(struct align__head_row *row, const struct align__part *block)
{
    double x[ALIGN__STRIP];
    int64_t i = 0;
    align__load_row(x, block->dtype, block->at, 1, block->n);
    while (i < block->n && isfinite(x[i]))
        i++;
    if (i == block->n || (row->odd != 0 && row->odd <= block->first + i))
        return;
    row->odd = block->first + i + 1;
    row->odd_value = x[i];
}

void align__head_reduce(const struct align__head *head, struct align__head_row *row,
                        const struct align__part *part)
{
    const align_head *args = &head->args;
    bool wide = align__present(&args->entropy) || align__present(&args->collision);
    /* Two bytes a logit hold none of what terms of two f32 would keep. */
    bool half = part->dtype == ALIGN_BF16 || part->dtype == ALIGN_F16;
    bool fast = half || (head->exec.flags & ALIGN_FLAG_FAST) != 0;
    enum align__row_how how = wide ? ALIGN__ROW_WIDE : fast ? ALIGN__ROW_FAST : ALIGN__ROW_SUM;
    double z[ALIGN__BLOCK_F64];
    int64_t most = head->exact ? ALIGN__BLOCK_F64 : ALIGN__STRIP;
    for (int64_t skip = 0; skip < part->n; skip += most) {
        struct align__part block = align__part_of(part, skip, most);
        if ((head->exec.flags & ALIGN_FLAG_FINITE) != 0)
            look_for_odd(row, &block);
        if (holds(&block, row->target)) {
            struct align__part one = align__part_of(&block, row->target - block.first, 1);
            align__part_f64(head->f64, &one, bend_of(head), &row->z, &row->slope);
        }
        if (head->exact) {
            align__part_f64(head->f64, &block, bend_of(head), z, NULL);
            align__row_add_f64(&row->sums, head->kernels, z, block.n, block.first, how);
        } else {
            align__row_add(&row->sums, head->kernels, block.dtype, block.at, block.n, block.first,
                           how);
        }
    }
}

void align__head_weigh(const struct align__head *head, const struct align__head_row *row,
                       const struct align__part *part)
{
    double z[ALIGN__BLOCK_F64], slope[ALIGN__BLOCK_F64];
    double top = row->sums.top;
    float *x = (float *)(void *)part->at;
    if (row->sums.at < 0 || isnan(row->sums.sum)) {
        align__head_fill(part->at, part->dtype, part->n, row->sums.sum);
    } else if (!head->exact) {
        float factor;
        struct align__origin origin = align__terms_split(1, top, ALIGN__HEAD_BIAS, &factor);
        head->kernels->f32.terms(x, x, part->n, origin, factor);
    } else {
        for (int64_t skip = 0; skip < part->n; skip += ALIGN__BLOCK_F64) {
            struct align__part block = align__part_of(part, skip, ALIGN__BLOCK_F64);
            align__part_f64(head->f64, &block, bend_of(head), z, slope);
            for (int64_t i = 0; i < block.n; i++)
                z[i] -= top;
            head->f64->exp(z, z, block.n);
            for (int64_t i = 0; i < block.n; i++)
                z[i] = ldexp(z[i] * slope[i], ALIGN__HEAD_BIAS);
            align__store_row(block.dtype, block.at, 1, z, block.n);
        }
    }
    if (holds(part, row->target))
        align__store(part->dtype,
                     part->at + (row->target - part->first) * align_dtype_bytes(part->dtype), 0);
}

void align__head_fill(char *at, align_dtype dtype, int64_t n, double value)
{
    double block[256];
    for (int i = 0; i < 256; i++)
        block[i] = value;
    for (int64_t i = 0; i < n; i += 256)
        align__store_row(dtype, at + i * align_dtype_bytes(dtype), 1, block,
                         n - i < 256 ? n - i : 256);
}

static const char *element(const struct align__scaled *row, int64_t i)
{
    return row->at + i * align_dtype_bytes(row->dtype);
}

void align__head_combine(const struct align__scaled *terms, int count, align_dtype dtype, char *at,
                         int64_t n)
{
    enum { BLOCK = 256 };
    double sum[BLOCK], x[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        memset(sum, 0, sizeof sum);
        for (const struct align__scaled *term = terms; term < terms + count; term++) {
            if (term->at == NULL)
                continue;
            align__load_row(x, term->dtype, element(term, i), 1, m);
            for (int64_t j = 0; j < m; j++)
                sum[j] += term->factor * x[j];
        }
        align__store_row(dtype, at + i * align_dtype_bytes(dtype), 1, sum, m);
    }
}

/* dz_v = p_v (a - dentropy (log p_v + H)) + c [v = t],  a = dlse - c,  c = dlogp of the row. */
static void gradient_f64(const struct align__head *head, const struct align__head_row *row,
                         const struct align__part *x, const struct align__part *other,
                         const struct align__part *g, bool adds)
{
    double z[ALIGN__BLOCK_F64], slope[ALIGN__BLOCK_F64], p[ALIGN__BLOCK_F64];
    align__part_f64(head->f64, x, bend_of(head), z, slope);
    for (int64_t i = 0; i < x->n; i++)
        p[i] = z[i] - row->lse;
    head->f64->exp(p, p, x->n);
    for (int64_t i = 0; i < x->n; i++) {
        double logp = z[i] - row->lse;
        double d = row->dlse - row->dlogp - row->dentropy * (logp + row->entropy);
        p[i] = p[i] == 0 ? 0 : p[i] * d;
        if (x->first + i == row->target)
            p[i] = row->dtarget;
    }
    if (row->dkl != 0)
        align__head_kl_gradient(head, row, other, z, p);
    for (int64_t i = 0; i < x->n; i++)
        p[i] *= slope[i];
    if (adds) {
        double *old = slope;
        align__load_row(old, g->dtype, g->at, 1, g->n);
        for (int64_t i = 0; i < g->n; i++)
            p[i] += old[i];
    }
    align__store_row(g->dtype, g->at, 1, p, g->n);
}

/* p_v times dlse - dlogp from the kernels, which `*factor` has a part of. */
static struct align__origin gradient_origin(const struct align__head_row *row, float *factor)
{
    return align__terms_split(row->dlse - row->dlogp, row->lse, 0, factor);
}

/* Over logits of the same dtype, or over those themselves. */
static void gradient_at_once(const struct align__head *head, const struct align__head_row *row,
                             const struct align__part *x, const struct align__part *g)
{
    float factor;
    struct align__origin origin = gradient_origin(row, &factor);
    align__logits(head->kernels, x->dtype)->terms(g->at, x->at, x->n, origin, factor);
    if (holds(x, row->target))
        align__store(g->dtype, g->at + (row->target - x->first) * align_dtype_bytes(g->dtype),
                     row->dtarget);
}

static void gradient_f32(const struct align__head *head, const struct align__head_row *row,
                         const struct align__part *x, const struct align__part *g, bool adds)
{
    const struct align__kernels *kernels = head->kernels;
    float spare[ALIGN__STRIP], old[ALIGN__STRIP], factor;
    struct align__origin origin = gradient_origin(row, &factor);
    kernels->f32.terms(spare, read_f32(head, x, spare), x->n, origin, factor);
    if (holds(x, row->target))
        spare[row->target - x->first] = (float)row->dtarget;
    if (adds) {
        const float *before = read_f32(head, g, old);
        for (int64_t i = 0; i < g->n; i++)
            spare[i] += before[i];
    }
    if (g->dtype == ALIGN_F32)
        memcpy(g->at, spare, (size_t)g->n * sizeof *spare);
    else
        (g->dtype == ALIGN_BF16 ? kernels->to_bf16 : kernels->to_f16)((uint16_t *)(void *)g->at,
                                                                      spare, g->n);
}

void align__head_gradient(const struct align__head *head, const struct align__head_row *row,
                          const struct align__part *x, const struct align__part *other,
                          const struct align__part *g, bool adds)
{
    if (!head->exact && !adds && g->dtype == x->dtype) {
        gradient_at_once(head, row, x, g);
        return;
    }
    int64_t most = head->exact ? ALIGN__BLOCK_F64 : ALIGN__STRIP;
    for (int64_t skip = 0; skip < x->n; skip += most) {
        struct align__part from = align__part_of(x, skip, most);
        struct align__part to = align__part_of(g, skip, most);
        struct align__part beside = row->dkl != 0 ? align__part_of(other, skip, most) : to;
        if (head->exact)
            gradient_f64(head, row, &from, &beside, &to, adds);
        else
            gradient_f32(head, row, &from, &to, adds);
    }
}
