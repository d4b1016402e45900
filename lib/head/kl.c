/* KL(q||p) = sum q (log q - log p) of p = softmax(z / T), this head, and q = softmax(y / T), the other; or
 * with ALIGN_HEAD_KL_REVERSE the two change places. With d = (z - y) / T and t the top of y,
 *
 *     KL = log1p(R_z) + top_z - log1p(R_y) - top_y - sum q d
 *        = (top_z - z_t) + log1p(R_z) - log1p(R_y) - sum over v != t of q_v (d_v - d_t),
 *
 * where nothing of the size of a logit is left to cancel when both heads are confident of one token. */
#include "head.h"

#include <math.h>

static void raise_to(struct align__weigher *w, double top, int64_t at, double z)
{
    double d = z - top, scale = w->sums.at < 0 ? 0 : exp(w->sums.top - top);
    double shift = w->sums.at < 0 ? 0 : w->at_top - d;
    w->infinite |= z == -INFINITY;
    w->cross = w->infinite ? 0 : scale * (w->cross + shift * (w->sums.sum + 1));
    w->sums.sum = scale * (w->sums.sum + (w->sums.at >= 0));
    w->sums.top = top;
    w->sums.at = at;
    w->at_top = d;
    w->against = z;
}

/* A block of both, y weighing; e has room for it. */
static void weigh(const struct align__head *head, struct align__weigher *w, const double *y,
                  const double *z, double *e, int64_t first, int64_t n)
{
    int64_t at = -1;
    double top = w->sums.top;
    for (int64_t i = 0; i < n; i++)
        if (y[i] > top) {
            top = y[i];
            at = i;
        }
    if (at >= 0)
        raise_to(w, top, first + at, z[at]);
    for (int64_t i = 0; i < n; i++)
        e[i] = w->sums.at < 0 ? y[i] : y[i] - top;
    head->f64->exp(e, e, n);
    for (int64_t i = 0; i < n; i++) {
        if (i == at || e[i] == 0)
            continue;
        w->sums.sum += e[i];
        if (z[i] == -INFINITY)
            w->infinite = true;
        else if (!w->infinite)
            w->cross += e[i] * (z[i] - y[i] - w->at_top);
    }
}

static struct align__bend bend_at(const align_head *args, double temperature)
{
    return (struct align__bend){args->scale, args->softcap, 1 / temperature};
}

/* Both sides go the same way, so that equal heads have a kl of exactly 0. */
void align__head_kl_add(const struct align__head *head, struct align__head_row *row,
                        const struct align__part *this, const struct align__part *other)
{
    double y[ALIGN__BLOCK_F64], z[ALIGN__BLOCK_F64], e[ALIGN__BLOCK_F64];
    double temperature = head->args.temperature;
    bool reverse = align__head_adds(head, ALIGN_HEAD_KL_REVERSE);
    for (int64_t skip = 0; skip < this->n; skip += ALIGN__BLOCK_F64) {
        struct align__part a = align__part_of(this, skip, ALIGN__BLOCK_F64);
        struct align__part b = align__part_of(other, skip, ALIGN__BLOCK_F64);
        align__part_f64(head->f64, &a, bend_at(&head->args, temperature), reverse ? y : z, NULL);
        align__part_f64(head->f64, &b, bend_at(&head->other, temperature), reverse ? z : y, NULL);
        weigh(head, &row->weighers[0], y, z, e, a.first, a.n);
        weigh(head, &row->weighers[1], z, y, e, a.first, a.n);
    }
}

void align__weigher_join(struct align__weigher *w, const struct align__weigher *from)
{
    struct align__weigher low = *from;
    bool infinite = w->infinite || from->infinite;
    if (align__row_above(&from->sums, &w->sums)) {
        low = *w;
        *w = *from;
    }
    double scale = low.sums.at < 0 ? 0 : exp(low.sums.top - w->sums.top);
    if (scale != 0)
        w->cross += scale * (low.cross + (low.at_top - w->at_top) * (low.sums.sum + 1));
    align__row_join(&w->sums, &low.sums);
    w->infinite = infinite;
    w->cross = infinite ? 0 : w->cross;
}

void align__head_kl_finish(const struct align__head *head, struct align__head_row *row)
{
    bool reverse = align__head_adds(head, ALIGN_HEAD_KL_REVERSE);
    const struct align__weigher *w = &row->weighers[0], *against = &row->weighers[1];
    struct align__row_result q = align__row_finish(&w->sums), p = align__row_finish(&against->sums);
    double value = (against->sums.top - w->against) + p.rest - q.rest -
                   w->cross / (1 + w->sums.sum);
    if (w->infinite)
        value = INFINITY;
    if (w->sums.at < 0)
        value = 0;
    if (isnan(q.lse) || isnan(p.lse) || w->sums.top == INFINITY || against->sums.top == INFINITY)
        value = NAN;
    row->kl = (struct align__head_kl){value, reverse ? q.lse : p.lse, reverse ? p.lse : q.lse};
}

/* d KL(q||p) / d z = (p - q) / T;  d KL(p||q) / d z = p (log p - log q - KL) / T. Where p and q are near each other,
 * p - q is -p (q / p - 1). */
void align__head_kl_gradient(const struct align__head *head, const struct align__head_row *row,
                             const struct align__part *other, const double *z, double *g)
{
    double q[ALIGN__BLOCK_F64], p[ALIGN__BLOCK_F64], gap[ALIGN__BLOCK_F64];
    int64_t n = other->n;
    double temperature = head->args.temperature, c = row->dkl / temperature;
    align__part_f64(head->f64, other, bend_at(&head->other, temperature), q, NULL);
    for (int64_t i = 0; i < n; i++) {
        p[i] = z[i] / temperature - row->kl.lse;
        q[i] -= row->kl.other_lse;
        gap[i] = q[i] - p[i];
    }
    head->f64->exp(p, p, n);
    if (align__head_adds(head, ALIGN_HEAD_KL_REVERSE)) {
        for (int64_t i = 0; i < n; i++)
            g[i] -= p[i] == 0 ? 0 : c * p[i] * (gap[i] + row->kl.value);
        return;
    }
    head->f64->exp(q, q, n);
    head->f64->expm1(gap, gap, n);
    for (int64_t i = 0; i < n; i++) {
        bool near = p[i] != 0 && fabs(gap[i]) <= 0.5;
        g[i] += c * (near ? -p[i] * gap[i] : p[i] - q[i]);
    }
}
