#include "loss.h"

#include <math.h>

static real s_of(const struct ref_group *g, int i)
{
    return g->p->beta * ref_worth(g, i);
}

/* What scores are ranked by: the worth under a divergence grows with it. */
static real u_of(const struct ref_group *g, int i)
{
    return ref_ratio(g, i);
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
    for (int i = 0; i < g->n; i++) {
        int place = rank_of(i, g->n, label_of, g);
        sum += g->p->top_n == 0 || place <= g->p->top_n ? gain(g, i) * discount(g, place) : 0;
    }
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
    by *= g->p->unit == ALIGN_UNIT_BIT ? r_log(2) : 1;
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

/* Discount at a place, which top_n may cut off. */
static real cut_discount(const struct ref_group *g, int place)
{
    bool cut = g->p->top == ALIGN_TOP_CUT && g->p->top_n > 0 && place > g->p->top_n;
    return cut ? 0 : discount(g, place);
}

static bool inside(const struct ref_group *g, int place, int other)
{
    int n = g->p->top_n;
    if (n == 0 || g->p->top == ALIGN_TOP_CUT || g->p->top == ALIGN_TOP_BEYOND)
        return true;
    return g->p->top == ALIGN_TOP_BOTH ? place <= n && other <= n : place <= n || other <= n;
}

/* Over all orders of equal scores: each item stands at each place of its block equally often. */
static real expected_swap(const struct ref_group *g, int i, int j)
{
    real sum = 0, orders = 0;
    int place[2] = {0, 0}, equals[2] = {0, 0}, item[2] = {i, j};
    for (int k = 0; k < 2; k++)
        for (int m = 0; m < g->n; m++) {
            place[k] += u_of(g->still, m) > u_of(g->still, item[k]);
            equals[k] += u_of(g->still, m) == u_of(g->still, item[k]);
        }
    for (int a = place[0] + 1; a <= place[0] + equals[0]; a++)
        for (int b = place[1] + 1; b <= place[1] + equals[1]; b++)
            if (a != b) {
                sum += r_abs(cut_discount(g, a) - cut_discount(g, b));
                orders += 1;
            }
    return sum / orders;
}

/* The distance of two scores, where pair weights are divided by it. */
static real nearness(const struct ref_group *g, int i, int j)
{
    bool differ = false;
    for (int k = 1; k < g->n; k++)
        differ = differ || u_of(g->still, k) != u_of(g->still, 0);
    return g->p->near_scores > 0 && differ
               ? g->p->near_scores + r_abs(s_of(g->still, i) - s_of(g->still, j))
               : 1;
}

static real swap_in_dcg(const struct ref_group *g, int i, int j)
{
    if (g->p->score_ties == ALIGN_SCORE_TIES_EXPECTED)
        return r_abs(gain(g, i) - gain(g, j)) * expected_swap(g, i, j) / nearness(g, i, j);
    int a = rank_of(i, g->n, u_of, g->still), b = rank_of(j, g->n, u_of, g->still);
    real change = r_abs(cut_discount(g, a) - cut_discount(g, b)) / nearness(g, i, j);
    return inside(g, a, b) ? r_abs(gain(g, i) - gain(g, j)) * change : 0;
}

static real gap_in_dcg(const struct ref_group *g, int i, int j)
{
    int a = rank_of(i, g->n, u_of, g->still), b = rank_of(j, g->n, u_of, g->still);
    int q = a > b ? a - b : b - a;
    real change = r_abs(discount(g, q) - discount(g, q + 1)) / nearness(g, i, j);
    int lower = a > b ? a : b;
    if (g->p->top == ALIGN_TOP_BEYOND && g->p->top_n > 0 && lower > g->p->top_n)
        change /= 1 - discount(g, lower);
    return inside(g, a, b) ? r_abs(gain(g, i) - gain(g, j)) * change : 0;
}

static real both_in_dcg(const struct ref_group *g, int i, int j)
{
    return swap_in_dcg(g, i, j) + g->p->mu * gap_in_dcg(g, i, j);
}

/* log2(1 + L) / L of the frozen scores. */
static real rescale(const struct ref_group *g, real (*weight)(const struct ref_group *, int, int))
{
    real steep = 0, eps = g->p->label_smoothing;
    for (int i = 0; i < g->n && g->p->rescale != ALIGN_RESCALE_NONE; i++)
        for (int j = 0; j < g->n; j++) {
            real d = s_of(g->still, i) - s_of(g->still, j);
            if (g->label[i] > g->label[j])
                steep += 2 * weight(g, i, j) *
                         r_abs(eps * ref_sigmoid(d) - (1 - eps) * ref_sigmoid(-d));
        }
    steep = normalised(g, steep);
    return steep > 0 ? ref_log1p(steep) / r_log(2) / steep : 1;
}

static real pairs(struct ref_group *g, real (*phi)(const struct ref_group *, real),
                  real (*weight)(const struct ref_group *, int, int))
{
    real sum = 0;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < g->n; j++)
            if (g->label[i] > g->label[j])
                sum += ref_note(g, weight(g, i, j) * phi(g, s_of(g, i) - s_of(g, j)));
    return normalised(g, sum) * rescale(g, weight);
}

static real pair_logistic(struct ref_group *g)
{
    return pairs(g, logistic, one);
}

static real pair_hinge(struct ref_group *g)
{
    return pairs(g, hinge, g->p->pair_weight == ALIGN_PAIR_WEIGHT_EVEN ? one : swap_in_dcg);
}

static real lipo_lambda(struct ref_group *g)
{
    return pairs(g, logistic, swap_in_dcg);
}

static real ndcg_loss2(struct ref_group *g)
{
    return pairs(g, logistic, gap_in_dcg);
}

static real ndcg_loss2pp(struct ref_group *g)
{
    return pairs(g, logistic, both_in_dcg);
}

static real pair_mse(struct ref_group *g)
{
    real sum = 0, n = g->n;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < g->n; j++) {
            real e = s_of(g, i) - s_of(g, j) - (g->label[i] - g->label[j]);
            sum += ref_note(g, e * e);
        }
    if (g->p->normalise == ALIGN_NORMALISE_PAIRS)
        return n > 1 ? sum / (n * (n - 1)) : 0;
    return normalised(g, sum);
}

/* The order by key, best first: ties as the parameters say, place weights, the first top_n places. */
static real order_loss(struct ref_group *g, real (*key)(const struct ref_group *, int), int ties,
                       real factor)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++) {
        bool behind[REF_ITEMS], with[REF_ITEMS];
        int place = rank_of(i, g->n, key, g), equals = 0, before = 0;
        for (int j = 0; j < g->n; j++) {
            bool equal = key(g, j) == key(g, i);
            equals += equal;
            before += equal && j < i;
            behind[j] = key(g, j) < key(g, i) || j == i ||
                        (equal && ties == ALIGN_LABEL_TIES_INDEX && j > i);
            with[j] = equal && (ties == ALIGN_LABEL_TIES_BRESLOW || ties == ALIGN_LABEL_TIES_EFRON);
        }
        real share = ties == ALIGN_LABEL_TIES_EFRON ? 1 - (real)before / equals : 1;
        /* In Efron's form the item itself counts by its share too. */
        behind[i] = ties != ALIGN_LABEL_TIES_EFRON;
        with[i] = ties == ALIGN_LABEL_TIES_EFRON;
        real w = 1;
        if (g->p->places == ALIGN_PLACES_POWER)
            w = r_pow(2, g->n - place) - 1;
        if (g->p->places == ALIGN_PLACES_DISCOUNT)
            w = discount(g, place);
        if (g->p->top_n > 0 && place > g->p->top_n)
            w = 0;
        real others[REF_ITEMS], own = behind[i] ? 1 : share;
        int m = 0;
        for (int j = 0; j < g->n; j++) {
            real part = behind[j] ? 1 : with[j] ? share : 0;
            if (part != 0 && j != i)
                others[m++] = s_of(g, j) - s_of(g, i) + r_log(part / own);
        }
        sum += ref_note(g, factor * w * (r_log(own) + ref_log1p_sum(others, m)));
    }
    return sum;
}

static real list_mle(struct ref_group *g)
{
    return normalised(g, order_loss(g, label_of, g->p->label_ties, 1));
}

static real rising(const struct ref_group *g, int i)
{
    return rank_of(i, g->n, u_of, g->still);
}

static real robust_pl(struct ref_group *g)
{
    real rho = g->p->rho;
    return normalised(g, order_loss(g, label_of, g->p->label_ties, 1 - rho) +
                             order_loss(g, rising, ALIGN_LABEL_TIES_INDEX, rho));
}

static real s_dpo(struct ref_group *g)
{
    int best = 0, m = 0;
    real others[REF_ITEMS];
    for (int i = 1; i < g->n; i++)
        best = g->label[i] > g->label[best] ? i : best;
    for (int j = 0; j < g->n; j++)
        if (j != best)
            others[m++] = s_of(g, j) - s_of(g, best);
    return ref_note(g, ref_log1p_sum(others, m));
}

static real cross_entropy(struct ref_group *g, const real *target)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++) {
        real others[REF_ITEMS];
        int m = 0;
        for (int j = 0; j < g->n; j++)
            if (j != i)
                others[m++] = s_of(g, j) - s_of(g, i);
        sum += ref_note(g, target[i] * ref_log1p_sum(others, m));
    }
    return sum;
}

static real softmax(struct ref_group *g)
{
    real target[REF_ITEMS], all = 0;
    for (int i = 0; i < g->n; i++)
        all += g->label[i];
    for (int i = 0; i < g->n; i++)
        target[i] = g->p->targets == ALIGN_TARGETS_RAW ? g->label[i]
                    : all > 0                          ? g->label[i] / all
                                                       : 0;
    return cross_entropy(g, target);
}

static void soft_labels(const struct ref_group *g, real *target)
{
    for (int i = 0; i < g->n; i++) {
        real sum = 0;
        for (int j = 0; j < g->n; j++)
            sum += r_exp((g->label[j] - g->label[i]) / g->p->temperature);
        target[i] = 1 / sum;
    }
}

static real soft_cross_entropy(struct ref_group *g)
{
    real target[REF_ITEMS];
    soft_labels(g, target);
    return cross_entropy(g, target);
}

static real nca(struct ref_group *g)
{
    real target[REF_ITEMS], sum = 0;
    soft_labels(g, target);
    for (int i = 0; i < g->n; i++)
        sum += ref_note(g, target[i] * ref_nls(s_of(g, i))) +
               ref_note(g, ref_nls(-s_of(g, i)) / g->n);
    return sum;
}

static real lire(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++) {
        real q = 0, r = 0;
        for (int j = 0; j < g->n; j++) {
            q += r_exp((g->score[j] - g->score[i]) / g->p->temperature);
            r += r_exp(g->label[j] - g->label[i]);
        }
        sum += ref_note(g, -1 / (q * r));
    }
    g->steepest = 1 / (real)g->p->temperature;
    return sum;
}

static real pro(struct ref_group *g)
{
    real sum = 0, top = g->n - 1;
    for (int i = 0; i < g->n; i++) {
        int place = rank_of(i, g->n, label_of, g);
        real own = 0, others[REF_ITEMS];
        int m = 0;
        for (int j = 0; j < g->n; j++)
            own = ref_max(own, g->label[i] - g->label[j]);
        real mine = g->count[i] > 0 ? own * g->score[i] / g->count[i] : 0;
        for (int j = 0; j < g->n; j++) {
            real mean = g->count[j] > 0 ? g->score[j] / g->count[j] : 0;
            if (rank_of(j, g->n, label_of, g) > place)
                others[m++] = (g->label[i] - g->label[j]) * mean - mine;
        }
        if (place < g->n)
            sum += ref_note(g, ref_log1p_sum(others, m));
        if (place == 1)
            sum += ref_note(g, -g->p->lambda * top * top * g->score[i]);
    }
    return sum;
}

static real approx_ndcg(struct ref_group *g)
{
    real sum = 0, best = max_dcg(g);
    g->steepest = 1 / (real)g->p->temperature;
    for (int i = 0; i < g->n && best > 0; i++) {
        real place = 1, d = 0;
        for (int j = 0; j < g->n; j++)
            place += j == i ? 0 : ref_sigmoid((s_of(g, j) - s_of(g, i)) / g->p->temperature);
        d = g->p->discount == ALIGN_DISCOUNT_RECIPROCAL ? 1 / place : 1 / r_log(1 + place);
        d *= g->p->discount == ALIGN_DISCOUNT_LOG2 ? r_log(2) : 1;
        sum += ref_note(g, -gain(g, i) * d / best);
        ref_note(g, gain(g, i) / best);
        g->steepest = ref_max(g->steepest, r_abs(gain(g, i) / best) / g->p->temperature);
    }
    return sum;
}

/* |x - z| - |y - z|, where z may be too far away to see both. */
static real farther(real x, real y, real z)
{
    real low = x < y ? x : y, high = x < y ? y : x;
    return z <= low ? x - y : z >= high ? y - x : r_abs(x - z) - r_abs(y - z);
}

/* The relaxed permutation, made doubly stochastic to some extent. */
static void permutation(const struct ref_group *g, real p[][REF_ITEMS])
{
    for (int i = 0; i < g->n; i++) {
        real most = 0, all = 0;
        int own = 0;
        while (rank_of(own, g->n, u_of, g) != i + 1)
            own++;
        for (int j = 0; j < g->n; j++) {
            real logit = (g->n - 1 - 2 * i) * (s_of(g, j) - s_of(g, own));
            for (int k = 0; k < g->n; k++)
                logit -= farther(s_of(g, j), s_of(g, own), s_of(g, k));
            p[i][j] = logit / g->p->temperature;
            most = j == 0 ? p[i][j] : ref_max(most, p[i][j]);
        }
        for (int j = 0; j < g->n; j++)
            all += p[i][j] = r_exp(p[i][j] - most);
        for (int j = 0; j < g->n; j++)
            p[i][j] /= all;
    }
    for (int step = 0; step < 2 * g->p->sinkhorn; step++)
        for (int i = 0; i < g->n; i++) {
            real all = 0;
            for (int j = 0; j < g->n; j++)
                all += step % 2 == 0 ? p[j][i] : p[i][j];
            for (int j = 0; j < g->n; j++)
                *(step % 2 == 0 ? &p[j][i] : &p[i][j]) /= all;
        }
}

static real neural_ndcg(struct ref_group *g)
{
    static real p[REF_ITEMS][REF_ITEMS];
    real sum = 0, best = max_dcg(g);
    if (best > 0)
        permutation(g, p);
    for (int i = 0; i < g->n && best > 0; i++)
        for (int j = 0; j < g->n; j++) {
            sum += ref_note(g, -discount(g, i + 1) * p[i][j] * gain(g, j) / best);
            ref_note(g, gain(g, j) / best);
            g->steepest = ref_max(g->steepest, g->n * r_abs(gain(g, j) / best) / g->p->temperature);
        }
    return sum;
}

static real sppo_list(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < g->n; i++) {
        real e = ref_worth(g, i) - (g->label[i] - (real)0.5) / g->p->beta;
        sum += ref_note(g, e * e);
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

#define ROW(name)                                                                                  \
    {                                                                                              \
#        name, name                                                                                \
    }
const struct ref_row ref_lists[] = {
    ROW(pair_logistic),
    ROW(pair_hinge),
    ROW(pair_mse),
    ROW(list_mle),
    ROW(softmax),
    ROW(point_mse),
    ROW(point_sigmoid),
    ROW(lipo_lambda),
    ROW(ndcg_loss2),
    ROW(ndcg_loss2pp),
    {"listnet", soft_cross_entropy},
    {"info_nca", soft_cross_entropy},
    ROW(nca),
    ROW(lire),
    ROW(pro),
    ROW(approx_ndcg),
    ROW(neural_ndcg),
    ROW(sppo_list),
    ROW(robust_pl),
    ROW(s_dpo),
    {0},
};
