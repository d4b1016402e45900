#include "reward.h"

#include <math.h>

/* ---- thresholds ---------------------------------------------------------------------------- */

static bool is_symmetric(const struct align__reward_data *data)
{
    return data->model->levels > 0 || (data->args->flags & ALIGN_REWARD_SYMMETRIC) != 0;
}

int64_t align__reward_thresholds(const struct align__reward_data *data)
{
    if (data->levels == 0)
        return 0;
    return is_symmetric(data) ? (data->levels - 1) / 2 : data->levels - 1;
}

/* Threshold k is sign times a parameter: itself, or with symmetry one of those above the middle. Sign 0:
 * the one in the middle, which is 0. */
static int64_t parameter_of(const struct align__reward_data *data, int64_t k, double *sign)
{
    int64_t last = data->levels - 2;
    *sign = 1;
    if (!is_symmetric(data))
        return k;
    *sign = 2 * k == last ? 0 : 2 * k > last ? 1 : -1;
    return (2 * k > last ? k : last - k) - (data->levels / 2);
}

int64_t align__reward_parameter(const struct align__reward_data *data, int64_t k)
{
    double sign;
    int64_t parameter = parameter_of(data, k, &sign);
    return sign == 0 ? -1 : parameter;
}

double align__reward_threshold(const struct align__reward_data *data, const double *learned,
                               int64_t k)
{
    double sign;
    int64_t parameter = parameter_of(data, k, &sign);
    return sign == 0 ? 0 : sign * learned[parameter];
}

/* ---- the pair ------------------------------------------------------------------------------ */

int64_t align__reward_grade(const struct align__reward_data *data, int64_t unit)
{
    if (align__present(&data->args->grade))
        return (int64_t)align__reward_number(&data->args->grade, unit, 0);
    return (int64_t)(2 * align__reward_number(&data->args->prob, unit, 1));
}

double align__reward_side(const struct align__reward_data *data, int64_t unit)
{
    double side = align__present(&data->args->grade)
                      ? 2.0 * (double)align__reward_grade(data, unit) - (double)(data->levels - 1)
                      : align__reward_number(&data->args->prob, unit, 1) - 0.5;
    return side > 0 ? 1 : side < 0 ? -1 : 0;
}

static double margin_of(const struct align__reward_data *data, int64_t unit)
{
    return align__reward_number(&data->args->margin, unit, 0);
}

/* log(1 + e^x), and 1 / (1 + e^-x) with its complement. */
static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double logistic(double x, double *complement)
{
    double small = exp(-fabs(x)), near = 1 / (1 + small), far = small / (1 + small);
    *complement = x > 0 ? far : near;
    return x > 0 ? near : far;
}

/* ---- logistic ------------------------------------------------------------------------------ */

static double share_of(const struct align__reward_data *data, int64_t unit)
{
    double y = align__reward_number(&data->args->prob, unit, 1);
    return y + data->args->label_smoothing * (1 - 2 * y);
}

/* y softplus(-a) + (1 - y) softplus(b), a = z - margin, b = a or z + margin (Bradley and Terry 1952 as a
 * logistic regression on differences; margins as in Touvron et al. 2023, eq. 2). With p = s(x), q = s(-x):
 *     d / dz     (1 - y) p(b) - y q(a)
 *     d2 / dz2   (1 - y) p(b) q(b) + y p(a) q(a) */
static void bend_logistic(const struct align__reward_data *data, int64_t unit, double z,
                          const double *thresholds, struct align__reward_bend *out)
{
    (void)thresholds;
    double y = share_of(data, unit), margin = margin_of(data, unit), a = z - margin, q;
    double tail = log1p(exp(-fabs(a))), p = logistic(a, &q);
    double right = tail + (a < 0 ? -a : 0), wrong = tail + (a > 0 ? a : 0), pb = p, qb = q;
    if ((data->args->flags & ALIGN_REWARD_TWO_SIDED) != 0) {
        wrong = softplus(z + margin);
        pb = logistic(z + margin, &qb);
    }
    out->value = y * right + (1 - y) * wrong;
    out->d[0] = (1 - y) * pb - y * q;
    out->h[0][0] = (1 - y) * pb * qb + y * p * q;
}

static void note_rate(struct align__reward_growth *growth, double rate)
{
    growth->worst = rate < growth->worst ? rate : growth->worst;
    growth->best = rate > growth->best ? rate : growth->best;
}

/* A label for both sides holds z where it is. */
static void grow_logistic(const struct align__reward_data *data, int64_t unit, double rate,
                          const double *thresholds, struct align__reward_growth *growth)
{
    (void)thresholds;
    double y = share_of(data, unit);
    if (y > 0)
        note_rate(growth, rate);
    if (y < 1)
        note_rate(growth, -rate);
}

/* ---- cumulative logit ---------------------------------------------------------------------- */

static void bound(const struct align__reward_data *data, struct align__reward_bend *out, int which,
                  int64_t k)
{
    int64_t parameter = parameter_of(data, k, &out->sign[which]);
    out->slot[which] = out->sign[which] == 0 ? -1 : data->order - data->thresholds + parameter;
}

/* P = s(hi - z) - s(lo - z), thresholds below and above the grade (McCullagh 1980; three symmetric grades are
 * Rao and Kupper 1967). With A = hi - z, B = lo - z, gap = hi - lo, r = 1 / (e^gap - 1):
 *     -log P   softplus(-A) + softplus(B) - log(1 - e^-gap)
 *     d/dz     s(-A) - s(B)        d/dhi   -s(-A) - r       d/dlo   s(B) + r
 *     d2       zz  a + b, z hi  -a, z lo  -b, hi hi  a + c, lo lo  b + c, hi lo  -c
 * where a = s(A) s(-A), b = s(B) s(-B), c = r (1 + r). At the ends one threshold and its terms are absent.
 * Thresholds out of order have no probability: +inf. */
static void bend_ordinal(const struct align__reward_data *data, int64_t unit, double z,
                         const double *thresholds, struct align__reward_bend *out)
{
    int64_t grade = align__reward_grade(data, unit);
    bool above = grade<data->levels - 1, below = grade> 0;
    double hi = above ? align__reward_threshold(data, thresholds, grade) : INFINITY;
    double lo = below ? align__reward_threshold(data, thresholds, grade - 1) : -INFINITY, other;
    z -= margin_of(data, unit);
    if (above) {
        double tail = logistic(z - hi, &other), a = tail * other;
        bound(data, out, 2, grade);
        out->value += softplus(z - hi);
        out->d[0] += tail;
        out->d[2] -= tail;
        out->h[0][0] += a;
        out->h[0][2] -= a;
        out->h[2][2] += a;
    }
    if (below) {
        double tail = logistic(lo - z, &other), b = tail * other;
        bound(data, out, 1, grade - 1);
        out->value += softplus(lo - z);
        out->d[0] -= tail;
        out->d[1] += tail;
        out->h[0][0] += b;
        out->h[0][1] -= b;
        out->h[1][1] += b;
    }
    if (above && below) {
        double r = hi > lo ? 1 / expm1(hi - lo) : INFINITY, c = r * (1 + r);
        out->value = hi > lo ? out->value - log(-expm1(lo - hi)) : INFINITY;
        out->d[1] += r;
        out->d[2] -= r;
        out->h[1][1] += c;
        out->h[2][2] += c;
        out->h[1][2] -= c;
    }
}

static void grow_ordinal(const struct align__reward_data *data, int64_t unit, double rate,
                         const double *thresholds, struct align__reward_growth *growth)
{
    int64_t grade = align__reward_grade(data, unit);
    if (grade < data->levels - 1)
        note_rate(growth, align__reward_threshold(data, thresholds, grade) - rate);
    if (grade > 0)
        note_rate(growth, rate - align__reward_threshold(data, thresholds, grade - 1));
}

/* ---- Davidson ------------------------------------------------------------------------------ */

/* log(1 + e^x + e^y) */
static double log_sum(double x, double y)
{
    double most = fmax(0, fmax(x, y)), sum = exp(-most) + exp(x - most) + exp(y - most);
    return most == 0 ? log1p(exp(x) + exp(y)) : most + log(sum);
}

/* Win, loss and tie are as e^(z/2), e^(-z/2), e^t, t = log nu (Davidson 1970). With their probabilities W, L, T
 * and c = 1/2, -1/2, 0 for what was seen:
 *     d/dz   (W - L)/2 - c     d/dt   T - [tie]
 *     d2     zz  (W (L + T) + L (W + T) + 2 W L) / 4,  zt  -T (W - L)/2,  tt  T (W + L) */
static void bend_davidson(const struct align__reward_data *data, int64_t unit, double z,
                          const double *thresholds, struct align__reward_bend *out)
{
    int64_t grade = align__reward_grade(data, unit);
    z -= margin_of(data, unit);
    const double score[3] = {-z / 2, thresholds[0], z / 2};
    double p[3], seen = score[grade], others[2];
    for (int k = 0, n = 0; k < 3; k++)
        if (k != grade)
            others[n++] = score[k] - seen;
    for (int k = 0; k < 3; k++)
        p[k] = exp(-log_sum(score[(k + 1) % 3] - score[k], score[(k + 2) % 3] - score[k]));
    out->value = log_sum(others[0], others[1]);
    double rest = -expm1(-out->value); /* 1 - P(seen), which p cannot say */
    out->d[0] = grade == 1   ? (p[2] - p[0]) / 2
                : grade == 2 ? -(rest + p[0]) / 2
                             : (rest + p[2]) / 2;
    out->d[1] = grade == 1 ? -rest : p[1];
    out->h[0][0] = (p[2] * (p[0] + p[1]) + p[0] * (p[2] + p[1]) + 2 * p[2] * p[0]) / 4;
    out->h[0][1] = -p[1] * (p[2] - p[0]) / 2;
    out->h[1][1] = p[1] * (p[2] + p[0]);
    out->slot[1] = data->order - 1;
    out->sign[1] = 1;
}

static void grow_davidson(const struct align__reward_data *data, int64_t unit, double rate,
                          const double *thresholds, struct align__reward_growth *growth)
{
    int64_t grade = align__reward_grade(data, unit);
    const double score[3] = {-rate / 2, thresholds[0], rate / 2};
    for (int k = 0; k < 3; k++)
        if (k != grade)
            note_rate(growth, score[grade] - score[k]);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct align__reward_model models[] = {
    [ALIGN_REWARD_LOGISTIC] = {"the model LOGISTIC", ALIGN__REWARD_PROB | ALIGN__REWARD_SOFT, 0,
                               bend_logistic, grow_logistic},
    [ALIGN_REWARD_DAVIDSON] = {"the model DAVIDSON", ALIGN__REWARD_PROB, 3, bend_davidson,
                               grow_davidson},
    [ALIGN_REWARD_RAO_KUPPER] = {"the model RAO_KUPPER", ALIGN__REWARD_PROB, 3, bend_ordinal,
                                 grow_ordinal},
    [ALIGN_REWARD_ORDINAL] = {"the model ORDINAL", ALIGN__REWARD_GRADE | ALIGN__REWARD_SYMMETRY, 0,
                              bend_ordinal, grow_ordinal},
    [ALIGN_REWARD_LISTS] = {"the model LISTS", ALIGN__REWARD_LIST, 0, NULL, NULL},
};

const struct align__reward_model *align__reward_find_model(int32_t id)
{
    const int32_t count = sizeof models / sizeof models[0];
    return id >= 0 && id < count ? &models[id] : NULL;
}

/* ---- the start ----------------------------------------------------------------------------- */

/* Where all z are 0: thresholds at the logit of the share of pairs below them; with symmetry, of the mean
 * with the share above their mirror image. For Davidson, nu such that ties have their share. */
void align__reward_start(const struct align__reward_data *data, double *thresholds)
{
    double total = 0, below[64] = {0};
    for (int64_t i = 0; data->thresholds > 0 && i < data->count; i++) {
        int64_t grade = align__reward_grade(data, i);
        double weight = align__reward_weight(data, i);
        total += weight;
        for (int64_t k = grade; k < data->levels - 1; k++)
            below[k] += weight;
    }
    if (data->model->bend == bend_davidson) {
        double ties = (below[1] - below[0]) / total;
        thresholds[0] = log(2 * ties / (1 - ties));
        return;
    }
    for (int64_t k = 0; k < data->levels - 1; k++) {
        double sign, share = below[k] / total, mirror = below[data->levels - 2 - k] / total;
        int64_t parameter = parameter_of(data, k, &sign);
        if (is_symmetric(data))
            share = (share + 1 - mirror) / 2;
        if (sign > 0)
            thresholds[parameter] = log(share / (1 - share));
    }
}
