#include "head.h"

#include <math.h>

static long double z_of(const struct ref_row *row, int64_t v)
{
    long double x = row->x[v], scale = row->scale, cap = row->softcap;
    return cap > 0 ? cap * tanhl(scale * x / cap) : scale * x;
}

static long double slope_of(const struct ref_row *row, int64_t v)
{
    long double scale = row->scale, cap = row->softcap;
    if (!(cap > 0))
        return scale;
    long double cosh_u = coshl(scale * (long double)row->x[v] / cap);
    return scale / cosh_u / cosh_u;
}

/* log p_v = -log(1 + sum over u != v of exp(z_u - z_v)). */
static long double logp_of(const struct ref_row *row, int64_t v)
{
    long double zv = z_of(row, v), sum = 0;
    if (isinf(zv))
        return zv;
    for (int64_t u = 0; u < row->vocab; u++)
        if (u != v)
            sum += expl(z_of(row, u) - zv);
    return -log1pl(sum);
}

static int64_t largest(const struct ref_row *row)
{
    int64_t at = 0;
    for (int64_t v = 1; v < row->vocab; v++)
        if (z_of(row, v) > z_of(row, at))
            at = v;
    return at;
}

struct ref_row_values ref_row_forward(const struct ref_row *row)
{
    int64_t at = largest(row);
    long double top = logp_of(row, at), lse = z_of(row, at) - top;
    long double entropy = -expl(top) * top, squares = 0, others = 0;
    for (int64_t v = 0; v < row->vocab; v++) {
        long double logp = z_of(row, v) - lse, p = expl(logp);
        if (v == at || p == 0)
            continue;
        entropy -= p * logp;
        squares += p * p;
        others += p;
    }
    /* p_top^2 + squares - 1, with p_top = 1 - others */
    long double excess = squares - others * (2 - others);
    return (struct ref_row_values){
        .logp = (double)logp_of(row, row->target),
        .lse = (double)lse,
        .entropy = (double)entropy,
        .collision = (double)log1pl(excess),
        .hit = at == row->target,
    };
}

void ref_row_backward(const struct ref_row *row, double c, double dentropy, double dlse,
                      double *out)
{
    int64_t at = largest(row);
    long double top = logp_of(row, at), lse = z_of(row, at) - top,
                target = logp_of(row, row->target);
    long double entropy = (long double)ref_row_forward(row).entropy;
    for (int64_t v = 0; v < row->vocab; v++) {
        long double logp = v == row->target ? target : v == at ? top : z_of(row, v) - lse;
        long double p = expl(logp), g = (dlse - (v == row->target ? 0 : c)) * p;
        if (v == row->target)
            g += c * -expm1l(target);
        if (p > 0)
            g -= dentropy * p * (logp + entropy);
        out[v] = p > 0 || v == row->target ? (double)(g * slope_of(row, v)) : 0;
    }
}

/* log softmax relative to v itself, as above. */
static long double logp_at(const struct ref_row *row, int64_t v, double temperature)
{
    long double zv = z_of(row, v) / temperature, sum = 0;
    for (int64_t u = 0; u < row->vocab; u++)
        if (u != v)
            sum += expl(z_of(row, u) / temperature - zv);
    return -log1pl(sum);
}

double ref_row_kl(const struct ref_row *q, const struct ref_row *p, double temperature)
{
    long double sum = 0;
    for (int64_t v = 0; v < q->vocab; v++) {
        if (isinf((double)z_of(q, v)))
            continue;
        long double logq = logp_at(q, v, temperature), logp = logp_at(p, v, temperature);
        sum += expl(logq) * (logq - logp);
    }
    return (double)sum;
}
