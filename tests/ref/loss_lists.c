#include "loss.h"

#include <math.h>

static real s_of(const struct ref_group *g, int i)
{
    return g->p->beta * ref_ratio(g, i);
}

/* 1-based rank by key, best first, equal keys in the order given. */
static int rank_of(int i, int n, real (*key)(const struct ref_group *, int),
                   const struct ref_group *g)
{
    int rank = 1;
    for (int j = 0; j < n; j++)
        rank += key(g, j) > key(g, i) || (key(g, j) == key(g, i) && j < i);
    return rank;
}

static real label_of(const struct ref_group *g, int i)
{
    return g->label[i];
}

static real gain(const struct ref_group *g, int i)
{
    return g->p->gain == ALIGN_GAIN_LINEAR ? g->label[i] : r_pow(2, g->label[i]) - 1;
}

static real discount(const struct ref_group *g, int rank)
{
    switch (g->p->discount) {
    case ALIGN_DISCOUNT_LOG2:
        return r_log(2) / r_log(1 + (real)rank);
    case ALIGN_DISCOUNT_RECIPROCAL:
        return 1 / (real)rank;
    default:
        return 1 / r_log(1 + (real)rank);
    }
}

static real max_dcg(const struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++)
        sum += gain(g, i) * discount(g, rank_of(i, g->n, label_of, g));
    return sum;
}

static real label_pairs(const struct ref_group *g)
{
    int pairs = 0;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < i; j++)
            pairs += g->label[i] != g->label[j];
    return pairs;
}

static real normalised(const struct ref_group *g, real value)
{
    real by = 1;
    switch (g->p->normalise) {
    case ALIGN_NORMALISE_ITEMS:
        by = g->n;
        break;
    case ALIGN_NORMALISE_PAIRS:
        by = label_pairs(g);
        break;
    case ALIGN_NORMALISE_RAX:
        by = label_pairs(g) / g->n;
        break;
    case ALIGN_NORMALISE_MAX_DCG:
        by = max_dcg(g);
        break;
    default:
        break;
    }
    return by > 0 ? value / by : 0;
}

static real logistic(const struct ref_group *g, real d)
{
    real eps = g->p->label_smoothing;
    return (1 - eps) * ref_nls(d) + eps * ref_nls(-d);
}

static real hinge(const struct ref_group *g, real d)
{
    real eps = g->p->label_smoothing, m = g->p->margin;
    return (1 - eps) * ref_max(0, m - d) + eps * ref_max(0, m + d);
}

static real one(const struct ref_group *g, int i, int j)
{
    (void)g, (void)i, (void)j;
    return 1;
}

static real swap_in_dcg(const struct ref_group *g, int i, int j)
{
    real di = discount(g, rank_of(i, g->n, s_of, g->still));
    real dj = discount(g, rank_of(j, g->n, s_of, g->still));
    return r_abs(gain(g, i) - gain(g, j)) * r_abs(di - dj);
}

static real pairs(struct ref_group *g, real (*phi)(const struct ref_group *, real),
                  real (*weight)(const struct ref_group *, int, int))
{
    real sum = 0;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < g->n; j++)
            if (g->label[i] > g->label[j])
                sum += ref_note(g, weight(g, i, j) * phi(g, s_of(g, i) - s_of(g, j)));
    return normalised(g, sum);
}

static real pair_logistic(struct ref_group *g)
{
    return pairs(g, logistic, one);
}

static real pair_hinge(struct ref_group *g)
{
    return pairs(g, hinge, one);
}

static real lipo_lambda(struct ref_group *g)
{
    return pairs(g, logistic, swap_in_dcg);
}

static real list_mle(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++) {
        real behind = 0;
        int rank = rank_of(i, g->n, label_of, g);
        for (int j = 0; j < g->n; j++)
            if (rank_of(j, g->n, label_of, g) > rank)
                behind += r_exp(s_of(g, j) - s_of(g, i));
        sum += ref_note(g, ref_log1p(behind));
    }
    return normalised(g, sum);
}

static real softmax(struct ref_group *g)
{
    real sum = 0, all = 0;
    for (int i = 0; i < g->n; i++)
        all += g->label[i];
    if (g->p->targets == ALIGN_TARGETS_RAW)
        all = 1;
    for (int i = 0; i < g->n && all > 0; i++) {
        real others = 0;
        for (int j = 0; j < g->n; j++)
            if (j != i)
                others += r_exp(s_of(g, j) - s_of(g, i));
        sum += ref_note(g, g->label[i] / all * ref_log1p(others));
    }
    return sum;
}

static real point_mse(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++)
        sum += ref_note(g, (s_of(g, i) - g->label[i]) * (s_of(g, i) - g->label[i]));
    return normalised(g, sum);
}

static real point_sigmoid(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++)
        sum += ref_note(g, g->label[i] * ref_nls(s_of(g, i)) +
                               (1 - g->label[i]) * ref_nls(-s_of(g, i)));
    return normalised(g, sum);
}

const struct ref_row ref_lists[] = {
    {"pair_logistic", pair_logistic}, {"pair_hinge", pair_hinge},
    {"list_mle", list_mle},           {"softmax", softmax},
    {"point_mse", point_mse},         {"point_sigmoid", point_sigmoid},
    {"lipo_lambda", lipo_lambda},     {0},
};
