#include "bt.h"

#include <math.h>
#include <string.h>

/* Plackett-Luce with ties of any order (Davidson-Luce: Firth, Kosmidis and Turner 2019; Turner et al.
 * 2020). A stage chooses a set S from the items that are left:
 *     P(S) = f(S) / sum over T of f(T),    log f(T) = log delta_|T| + mean of theta over T
 * over all T whose size is an order of ties that occurs; delta_1 = 1. The sum over T of size m is delta_m
 * times the elementary symmetric polynomial e_m of a_i = exp(theta_i / m). It is an exponential family:
 * with t_i = [i in T] / |T| and the size of T as statistics, slopes are their means less what was
 * chosen, and the Hessian is their covariance. Polynomials without an item are made from those of the items
 * before and after, so that nothing is ever subtracted. */

struct stage {
    const struct align__bt_fit *fit;
    const int32_t *item;
    int64_t count, chosen; /* items left, the first of which are chosen */
    double weight, log_total;
    double *a, *mean, *share, *inside; /* [L]; [L]; [orders]; [orders,L]: P(i in T | order) */
    double *before, *after, *run;      /* [L+1, most+1]; likewise; [most+1] */
};

size_t align__bt_stage_doubles(int64_t longest, int64_t most)
{
    size_t l = (size_t)longest, m = (size_t)most + 1;
    return 2 * l + m + m * l + 2 * (l + 1) * m + m;
}

static void lay(struct stage *s, const struct align__bt_fit *fit, int64_t ranking)
{
    const struct align__bt_rankings *ranked = fit->ranked;
    size_t l = (size_t)ranked->longest, m = (size_t)ranked->most + 1;
    s->fit = fit;
    s->weight = ranked->weight[ranking];
    s->a = ranked->work;
    s->mean = s->a + l;
    s->share = s->mean + l;
    s->inside = s->share + m;
    s->before = s->inside + m * l;
    s->after = s->before + (l + 1) * m;
    s->run = s->after + (l + 1) * m;
}

/* e_0 .. e_m with one more item. */
static void add_item(double *out, const double *in, double a, int32_t m)
{
    for (int32_t k = m; k > 0; k--)
        out[k] = in[k] + a * in[k - 1];
    out[0] = in[0];
}

/* P(i in T) for sets of one size, and the logarithm of their sum. */
static double include(const struct stage *s, int32_t m, double *inside)
{
    int64_t n = s->count, wide = m + 1;
    memset(s->before, 0, sizeof(double) * (size_t)wide);
    memset(s->after + n * wide, 0, sizeof(double) * (size_t)wide);
    s->before[0] = s->after[n * wide] = 1;
    for (int64_t i = 0; i < n; i++)
        add_item(s->before + (i + 1) * wide, s->before + i * wide, s->a[i], m);
    for (int64_t i = n; i-- > 0;)
        add_item(s->after + i * wide, s->after + (i + 1) * wide, s->a[i], m);
    double total = s->before[n * wide + m];
    for (int64_t i = 0; i < n; i++) {
        double others = 0;
        for (int32_t k = 0; k < m; k++)
            others += s->before[i * wide + k] * s->after[(i + 1) * wide + m - 1 - k];
        inside[i] = s->a[i] * others / total;
    }
    return log(total);
}

static double largest_of(const struct stage *s, const double *x)
{
    double most = -INFINITY;
    for (int64_t i = 0; i < s->count; i++)
        most = x[s->item[i]] > most ? x[s->item[i]] : most;
    return most;
}

static void fill_a(const struct stage *s, const double *x, double most, int32_t m)
{
    for (int64_t i = 0; i < s->count; i++)
        s->a[i] = exp((x[s->item[i]] - most) / m);
}

static double tie_of(const struct align__bt_fit *fit, const double *x, int64_t order)
{
    return order == 0 ? 0 : x[fit->tie + order - 1];
}

/* Fills mean, share, inside and log_total. */
static void look(struct stage *s, const double *x)
{
    const struct align__bt_rankings *ranked = s->fit->ranked;
    double most = largest_of(s, x), top = -INFINITY, sum = 0;
    int64_t orders = 0;
    for (; orders < ranked->orders && ranked->order[orders] <= s->count; orders++) {
        int32_t m = ranked->order[orders];
        fill_a(s, x, most, m);
        s->share[orders] = tie_of(s->fit, x, orders) +
                           include(s, m, s->inside + orders * ranked->longest);
        top = s->share[orders] > top ? s->share[orders] : top;
    }
    for (int64_t o = 0; o < orders; o++)
        sum += exp(s->share[o] - top);
    s->log_total = most + top + log(sum);
    memset(s->mean, 0, sizeof(double) * (size_t)s->count);
    for (int64_t o = 0; o < ranked->orders; o++) {
        s->share[o] = o < orders ? exp(s->share[o] - top) / sum : 0;
        for (int64_t i = 0; o < orders && i < s->count; i++)
            s->mean[i] += s->share[o] * s->inside[o * ranked->longest + i] / ranked->order[o];
    }
}

/* The next stage of a ranking with more than one possible outcome. */
static bool next_stage(struct stage *s, const struct align__bt_rankings *ranked, int64_t *at,
                       int64_t end)
{
    if (*at >= end || ranked->group[*at] <= 0)
        return false;
    s->item = ranked->item + *at;
    s->count = end - *at;
    s->chosen = ranked->group[*at];
    *at += s->chosen;
    return s->count > 1;
}

static double stage_value(struct stage *s, const double *x, double *score)
{
    const struct align__bt_fit *fit = s->fit;
    int64_t order = 0;
    double worth = 0, share = s->weight / (double)s->chosen;
    while (fit->ranked->order[order] != s->chosen)
        order++;
    for (int64_t i = 0; i < s->chosen; i++)
        worth += x[s->item[i]];
    look(s, x);
    for (int64_t i = 0; score != NULL && i < s->count; i++)
        score[s->item[i]] += s->weight * s->mean[i] - (i < s->chosen ? share : 0);
    for (int64_t o = 1; score != NULL && o < fit->ranked->orders; o++)
        score[fit->tie + o - 1] += s->weight * (s->share[o] - (o == order));
    return s->weight * (s->log_total - tie_of(fit, x, order) - worth / (double)s->chosen);
}

double align__bt_rank_value(const struct align__bt_fit *fit, int64_t ranking, const double *x,
                            double *score)
{
    const struct align__bt_rankings *ranked = fit->ranked;
    struct stage s;
    double value = 0;
    lay(&s, fit, ranking);
    for (int64_t at = ranked->begin[ranking];
         next_stage(&s, ranked, &at, ranked->begin[ranking + 1]);)
        value += stage_value(&s, x, score);
    return value;
}

/* ---- the Hessian -------------------------------------------------------------------------- */

static void add(const struct stage *s, double *matrix, int64_t a, int64_t b, double amount)
{
    int64_t size = s->fit->size;
    matrix[a < b ? a * size + b : b * size + a] += s->weight * amount;
}

/* E[t_i t_j] of sets of one size for i < j. With `run` the polynomials of the items before j but i. */
static void add_joint(const struct stage *s, int32_t m, double share, double *matrix)
{
    int64_t n = s->count, wide = m + 1;
    double total = s->before[n * wide + m], scale = share / ((double)m * m * total);
    for (int64_t i = 0; i < n; i++) {
        memcpy(s->run, s->before + i * wide, sizeof(double) * (size_t)wide);
        for (int64_t j = i + 1; j < n; j++) {
            double others = 0;
            for (int32_t k = 0; k <= m - 2; k++)
                others += s->run[k] * s->after[(j + 1) * wide + m - 2 - k];
            add(s, matrix, s->item[i], s->item[j], scale * s->a[i] * s->a[j] * others);
            add_item(s->run, s->run, s->a[j], m);
        }
    }
}

static void add_order(const struct stage *s, int64_t o, double *matrix)
{
    const struct align__bt_fit *fit = s->fit;
    const struct align__bt_rankings *ranked = fit->ranked;
    const double *inside = s->inside + o * ranked->longest;
    double share = s->share[o];
    int32_t m = ranked->order[o];
    for (int64_t i = 0; i < s->count; i++) {
        add(s, matrix, s->item[i], s->item[i], share * inside[i] / ((double)m * m));
        if (o > 0)
            add(s, matrix, s->item[i], fit->tie + o - 1, share * (inside[i] / m - s->mean[i]));
    }
    for (int64_t other = 1; o > 0 && other <= o; other++)
        add(s, matrix, fit->tie + o - 1, fit->tie + other - 1,
            (o == other ? share : 0) - share * s->share[other]);
}

static void stage_hessian(struct stage *s, const double *x, double *matrix)
{
    const struct align__bt_rankings *ranked = s->fit->ranked;
    look(s, x);
    double most = largest_of(s, x);
    for (int64_t i = 0; i < s->count; i++)
        for (int64_t j = i; j < s->count; j++)
            add(s, matrix, s->item[i], s->item[j], -s->mean[i] * s->mean[j]);
    for (int64_t o = 0; o < ranked->orders && ranked->order[o] <= s->count; o++)
        add_order(s, o, matrix);
    for (int64_t o = 1; o < ranked->orders && ranked->order[o] <= s->count; o++) {
        fill_a(s, x, most, ranked->order[o]);
        include(s, ranked->order[o], s->inside);
        add_joint(s, ranked->order[o], s->share[o], matrix);
    }
}

void align__bt_rank_hessian(const struct align__bt_fit *fit, const double *x, double *matrix)
{
    const struct align__bt_rankings *ranked = fit->ranked;
    for (int64_t r = 0; r < ranked->count; r++) {
        struct stage s;
        lay(&s, fit, r);
        for (int64_t at = ranked->begin[r]; next_stage(&s, ranked, &at, ranked->begin[r + 1]);)
            stage_hessian(&s, x, matrix);
    }
}

/* ---- directions --------------------------------------------------------------------------- */

/* Items left in falling order of v go to `a`. */
static void sort_left(const struct stage *s, const double *v, double sign)
{
    for (int64_t k = 0; k < s->count; k++) {
        double value = sign * v[s->item[k]];
        int64_t to = k;
        for (; to > 0 && s->a[to - 1] < value; to--)
            s->a[to] = s->a[to - 1];
        s->a[to] = value;
    }
}

static double lead_of(const struct stage *s, const double *v, double sign)
{
    const struct align__bt_rankings *ranked = s->fit->ranked;
    double chosen = 0, sum = 0, best = -INFINITY;
    int64_t order = 0, k = 0;
    while (ranked->order[order] != s->chosen)
        order++;
    for (int64_t i = 0; i < s->chosen; i++)
        chosen += sign * v[s->item[i]] / (double)s->chosen;
    sort_left(s, v, sign);
    for (int64_t o = 0; o < ranked->orders && ranked->order[o] <= s->count; o++) {
        for (; k < ranked->order[o]; k++)
            sum += s->a[k];
        double worth = sum / ranked->order[o] + sign * tie_of(s->fit, v, o);
        best = worth > best ? worth : best;
    }
    return chosen + sign * tie_of(s->fit, v, order) - best;
}

/* The best other choice may be the one made, whence a lead of 0 at most; what a stage gains is how far its
 * worst choice falls behind. */
void align__bt_rank_leads(const struct align__bt_fit *fit, const double *v, double sign,
                          double *least, double *most)
{
    const struct align__bt_rankings *ranked = fit->ranked;
    *least = *most = 0;
    for (int64_t r = 0; r < ranked->count; r++) {
        struct stage s;
        lay(&s, fit, r);
        for (int64_t at = ranked->begin[r]; next_stage(&s, ranked, &at, ranked->begin[r + 1]);) {
            double lead = lead_of(&s, v, sign), range = s.a[0] - s.a[s.count - 1];
            *least = lead < *least ? lead : *least;
            *most = range > *most ? range : *most;
            for (int64_t o = 1; o < ranked->orders && ranked->order[o] <= s.count; o++)
                *most = fabs(v[fit->tie + o - 1]) > *most ? fabs(v[fit->tie + o - 1]) : *most;
        }
    }
}
