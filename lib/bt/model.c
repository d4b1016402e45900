#include "bt.h"

#include <math.h>

/* Kernels: what one edge adds to the negative log-likelihood, with derivatives by d and by the tie
 * parameter u. Nothing is taken from 1, so that nothing small is lost. */

/* p = 1 / (1 + exp(-d)), q = 1 - p and -log p, -log q. */
struct logistic {
    double p, q, minus_log_p, minus_log_q;
};

static struct logistic logistic_of(double d)
{
    double small = exp(-fabs(d)), tail = log1p(small);
    double high = 1 / (1 + small), low = small / (1 + small);
    if (d < 0)
        return (struct logistic){low, high, tail - d, tail};
    return (struct logistic){high, low, tail, tail + d};
}

/* Bradley and Terry 1952, a tie half a win each way; a wins of i, b of j:
 *     value      -a log p - b log q
 *     d / dd     b p - a q
 *     d2 / dd2   (a + b) p q */
static struct align__bt_terms half_ties(double d, double u, const double *sum)
{
    (void)u;
    struct logistic l = logistic_of(d);
    double a = sum[ALIGN__BT_WIN] + sum[ALIGN__BT_TIE] / 2;
    double b = sum[ALIGN__BT_LOSS] + sum[ALIGN__BT_TIE] / 2;
    return (struct align__bt_terms){
        .value = a * l.minus_log_p + b * l.minus_log_q,
        .d = b * l.p - a * l.q,
        .dd = (a + b) * l.p * l.q,
    };
}

/* The same, with p = s and q = c of a block. Edges of a fit are most often of this kind. */
static void batch_of_halves(const struct align__f64 *f64, int32_t ties,
                            const struct align__bt_batch *batch)
{
    double plus[ALIGN__BT_BLOCK], minus[ALIGN__BT_BLOCK], s[ALIGN__BT_BLOCK], c[ALIGN__BT_BLOCK];
    (void)ties;
    f64->logistic((struct align__logistics){plus, minus, s, c}, batch->d, batch->n);
    for (int64_t k = 0; k < batch->n; k++) {
        double half = batch->sum[ALIGN__BT_TIE][k] / 2;
        double a = batch->sum[ALIGN__BT_WIN][k] + half, b = batch->sum[ALIGN__BT_LOSS][k] + half;
        batch->value[k] = a * minus[k] + b * plus[k];
        batch->slope[k] = b * s[k] - a * c[k];
        batch->curvature[0][k] = (a + b) * (s[k] * c[k]);
    }
}

/* Davidson 1970, u = log nu: win, loss and tie go as exp(d/2), exp(-d/2), nu. With w, l, t of each:
 *     value      -w log Pw - l log Pl - t log Pt
 *     d / dd     l (Pw + Pt/2) - w (Pl + Pt/2) + t (Pw - Pl) / 2
 *     d / du     (w + l) Pt - t (Pw + Pl)
 *     dd, du, uu N (Pw Pl + Pt (Pw + Pl) / 4), -N Pt (Pw - Pl) / 2, N Pt (Pw + Pl) */
static struct align__bt_terms davidson(double d, double u, const double *sum)
{
    double w = sum[ALIGN__BT_WIN], l = sum[ALIGN__BT_LOSS], t = sum[ALIGN__BT_TIE];
    double half = fabs(d) / 2, most = half > u ? half : u, n = w + l + t;
    double up = exp(d / 2 - most), down = exp(-d / 2 - most), tie = exp(u - most);
    double total = up + down + tie, log_total = most + log(total);
    double pw = up / total, pl = down / total, pt = tie / total;
    return (struct align__bt_terms){
        .value = w * (log_total - d / 2) + l * (log_total + d / 2) + t * (log_total - u),
        .d = l * (pw + pt / 2) - w * (pl + pt / 2) + t * (pw - pl) / 2,
        .u = (w + l) * pt - t * (pw + pl),
        .dd = n * (pw * pl + pt * (pw + pl) / 4),
        .du = -n * pt * (pw - pl) / 2,
        .uu = n * pt * (pw + pl),
    };
}

/* Rao and Kupper 1967, u = eta = log theta > 0: p = P(win) = s(d - u), q = P(loss) = s(-d - u),
 * P(tie) = (exp(2u) - 1) p q. With W = wins + ties, L = losses + ties, t ties:
 *     value      -W log p - L log q - t log(exp(2u) - 1)
 *     d / dd     L (1 - q) - W (1 - p)
 *     d / du     L (1 - q) + W (1 - p) - 2 t / (1 - exp(-2u))
 *     dd, du     W p(1-p) + L q(1-q), L q(1-q) - W p(1-p)
 *     uu         dd + 4 t exp(-2u) / (1 - exp(-2u))^2 */
static struct align__bt_terms rao_kupper(double d, double u, const double *sum)
{
    double t = sum[ALIGN__BT_TIE], w = sum[ALIGN__BT_WIN] + t, l = sum[ALIGN__BT_LOSS] + t;
    if (!(u > 0))
        return (struct align__bt_terms){.value = INFINITY};
    struct logistic win = logistic_of(d - u), loss = logistic_of(-d - u);
    double some = -expm1(-2 * u);
    double ww = w * win.p * win.q, ll = l * loss.p * loss.q;
    return (struct align__bt_terms){
        .value = w * win.minus_log_p + l * loss.minus_log_p - t * (2 * u + log(some)),
        .d = l * loss.q - w * win.q,
        .u = l * loss.q + w * win.q - 2 * t / some,
        .dd = ww + ll,
        .du = ll - ww,
        .uu = ww + ll + 4 * t * exp(-2 * u) / (some * some),
    };
}

static void batch_by_kernel(const struct align__f64 *f64, int32_t ties,
                            const struct align__bt_batch *batch)
{
    (void)f64;
    for (int64_t k = 0; k < batch->n; k++) {
        const double sum[] = {batch->sum[0][k], batch->sum[1][k], batch->sum[2][k]};
        struct align__bt_terms t = align__bt_models[ties].kernel(batch->d[k], batch->u, sum);
        batch->value[k] = t.value;
        batch->slope[k] = t.d;
        batch->by_tie[k] = t.u;
        batch->curvature[0][k] = t.dd;
        batch->curvature[1][k] = t.du;
        batch->curvature[2][k] = t.uu;
    }
}

/* The tie parameter that explains a share of ties between equals. */
static double davidson_start(double share)
{
    return log(2 * share / (1 - share));
}

static double rao_kupper_start(double share)
{
    return log((1 + share) / (1 - share));
}

const struct align__bt_model align__bt_models[] = {
    [ALIGN_BT_TIES_HALF] = {half_ties, batch_of_halves, NULL},
    [ALIGN_BT_TIES_DAVIDSON] = {davidson, batch_by_kernel, davidson_start},
    [ALIGN_BT_TIES_RAO_KUPPER] = {rao_kupper, batch_by_kernel, rao_kupper_start},
};

/* ---- priors ------------------------------------------------------------------------------- */

/* Normal: precision (theta - mean)^2 / 2. */
static struct align__bt_terms gaussian(const struct align__bt_prior *prior, double theta)
{
    double off = theta - prior->mean;
    return (struct align__bt_terms){.value = prior->precision * off * off / 2,
                                    .d = prior->precision * off,
                                    .dd = prior->precision};
}

/* exp(theta) is Gamma(shape, rate): rate exp(theta) - (shape - 1) theta. Caron and Doucet 2012. */
static struct align__bt_terms gamma_worth(const struct align__bt_prior *prior, double theta)
{
    double worth = prior->rate * exp(theta);
    return (struct align__bt_terms){
        .value = worth - (prior->shape - 1) * theta, .d = worth - (prior->shape - 1), .dd = worth};
}

/* `games` wins and as many losses against an item of strength 0. */
static struct align__bt_terms ghost(const struct align__bt_prior *prior, double theta)
{
    return half_ties(theta, 0, (const double[]){prior->games, 0, prior->games});
}

const align__bt_prior_fn align__bt_priors[] = {
    [ALIGN_BT_PRIOR_GAUSSIAN] = gaussian, [ALIGN_BT_PRIOR_GAMMA] = gamma_worth,
    [ALIGN_BT_PRIOR_GHOST] = ghost,       [ALIGN_BT_PRIOR_EDGE] = NULL,
    [ALIGN_BT_PRIOR_JEFFREYS] = NULL,
};
