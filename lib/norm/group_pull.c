/* The gradient of one group. With y = gain (x - c) k / D + bias and a_i = g_i dy_i / dx_i, c and D held,
 *
 *     dx_j = a_j - sum(a) dc/dx_j - sum(a z) dD/dx_j,      z_i = (x_i - c) / D
 *
 * so a kind says how its center and its divisor move with a reward, and nothing else. */
#include "groups.h"

#include <math.h>

enum { COUNTS = ALIGN__GROUP_COUNTS };

/* How center and divisor move with reward j. */
struct motion {
    const struct align__groups *g;
    const struct align__group *b;
    struct align__set set;
    struct align__group_formula f;
    double tokens;          /* LENGTH_CENTER: sum of lengths */
    double n_least, n_most; /* MINMAX: how many share the extremes */
};

static double length_of(const struct motion *m, int64_t j)
{
    double length;
    align__run_read(&m->g->length, m->b->first + j, 1, &length);
    return length;
}

static struct motion make_motion(const struct align__groups *g, const struct align__whole *whole,
                                 const struct align__group *b)
{
    struct motion m = {.g = g, .b = b};
    align__group_describe(&m.set, b, g->params.ddof);
    m.f = align__group_formula(g, whole, b, &m.set);
    for (int64_t j = 0; j < b->n; j++) {
        if (b->mark[j] != COUNTS)
            continue;
        m.n_least += b->x[j] == m.set.least;
        m.n_most += b->x[j] == m.set.most;
        if (g->params.kind == ALIGN_NORM_LENGTH_CENTER)
            m.tokens += length_of(&m, j);
    }
    return m;
}

static double center_by(const struct motion *m, int64_t j)
{
    switch (m->g->params.kind) {
    case ALIGN_NORM_SCALE:
        return 0;
    case ALIGN_NORM_MINMAX:
        return m->b->x[j] == m->set.least ? 1 / m->n_least : 0;
    case ALIGN_NORM_LENGTH_CENTER:
        return m->tokens > 0 ? length_of(m, j) / m->tokens : 1 / (double)m->set.count;
    default:
        return 1 / (double)m->set.count;
    }
}

/* d s / d x_j = (x_j - mean) / (s (n - ddof)) */
static double deviation_by(const struct align__set *s, double x, double ddof)
{
    return (x - s->origin - s->mean) / (s->deviation * ((double)s->count - ddof));
}

static double divisor_by(const struct motion *m, int64_t j)
{
    const struct align__set *s = &m->set;
    double x = m->b->x[j];
    if (m->f.slope == 0)
        return 0;
    switch (m->g->params.kind) {
    case ALIGN_NORM_ZSCORE:
    case ALIGN_NORM_SCALE:
    case ALIGN_NORM_BEST:
        return m->f.slope * deviation_by(s, x, m->g->params.ddof);
    case ALIGN_NORM_MINMAX:
        return m->f.slope * ((x == s->most) / m->n_most - (x == s->least) / m->n_least);
    case ALIGN_NORM_MEAN_RATIO: /* D carries the sign of the mean, so |mean| moves as the mean does */
        return m->f.slope / (double)s->count;
    default:
        return 0;
    }
}

static void pull_center(const struct motion *m, const struct align__whole *whole)
{
    const struct align__group *b = m->b;
    const align_norm_params *p = &m->g->params;
    const struct align__group_formula *f = &m->f;
    bool moves = f->answer == ALIGN_NORM_AS_FORMULA || f->answer == ALIGN_NORM_AS_CENTER;
    double sum = 0, widen = 0;
    for (int64_t i = 0; i < b->n; i++) {
        double dy;
        if (b->mark[i] != COUNTS)
            continue;
        align__group_at(p, f, b->x[i], &dy);
        b->dx[i] = dy != 0 ? b->g[i] * dy : 0;
        sum += b->dx[i];
        widen += b->dx[i] * ((b->x[i] - f->origin - f->center) / f->divisor);
    }
    for (int64_t j = 0; j < b->n && moves; j++) {
        if (b->mark[j] != COUNTS)
            continue;
        b->dx[j] -= sum * center_by(m, j) + widen * divisor_by(m, j);
        if (p->kind == ALIGN_NORM_BATCH_SCALE && f->slope != 0)
            b->dx[j] -= whole->widen * f->slope * deviation_by(&whole->all, b->x[j], p->ddof);
    }
}

static void pull_leave_out(const struct motion *m)
{
    const struct align__group *b = m->b;
    const align_norm_params *p = &m->g->params;
    for (int64_t i = 0; i < b->n; i++) {
        struct align__set others;
        double dy, a;
        if (b->mark[i] != COUNTS)
            continue;
        align__group_describe_others(&others, b, i, p->ddof);
        struct align__group_formula f = align__group_formula_of(p, &m->f, &others);
        align__group_at(p, &f, b->x[i], &dy);
        a = dy != 0 ? b->g[i] * dy : 0;
        b->dx[i] += a;
        if (f.answer != ALIGN_NORM_AS_FORMULA && f.answer != ALIGN_NORM_AS_CENTER)
            continue;
        double widen = a * ((b->x[i] - f.origin - f.center) / f.divisor) * f.slope;
        for (int64_t j = 0; j < b->n; j++) {
            if (b->mark[j] != COUNTS)
                continue;
            b->dx[j] -= a / (double)m->set.count;
            if (j != i && f.slope != 0)
                b->dx[j] -= widen * deviation_by(&others, b->x[j], p->ddof);
        }
    }
}

static void pull_best(const struct motion *m)
{
    const struct align__group *b = m->b;
    struct align__group_formula mine = m->f;
    int64_t best, next;
    double widen = 0, dy;
    align__group_best(b, &best, &next);
    mine.origin = next >= 0 ? b->x[next] : 0;
    mine.center = 0;
    bool alone = mine.answer == ALIGN_NORM_AS_FORMULA || mine.answer == ALIGN_NORM_AS_CENTER;
    bool keeps = mine.answer == ALIGN_NORM_AS_KEEP;
    for (int64_t i = 0; i < b->n; i++) {
        if (b->mark[i] != COUNTS || (alone && i != best))
            continue;
        align__group_at(&m->g->params, &mine, b->x[i], &dy);
        double a = dy != 0 ? b->g[i] * dy : 0;
        b->dx[i] += a;
        if (next >= 0 && !keeps)
            b->dx[next] -= a;
        widen += a * ((b->x[i] - mine.origin) / mine.divisor);
    }
    for (int64_t j = 0; j < b->n; j++)
        if (b->mark[j] == COUNTS)
            b->dx[j] -= widen * divisor_by(m, j);
}

static void pull_curve(const struct motion *m)
{
    const struct align__group *b = m->b;
    const align_norm_params *p = &m->g->params;
    double reference = align__group_reference(m->g, b->index);
    for (int64_t i = 0; i < b->n; i++) {
        double slope, y;
        if (b->mark[i] != COUNTS)
            continue;
        y = align__norm_curve_at(p->kind, p->steepness, b->x[i] - reference, &slope);
        align__norm_finish(p, y, &slope);
        b->dx[i] = slope != 0 ? b->g[i] * slope : 0;
    }
}

void align__group_pull(const struct align__groups *g, const struct align__whole *whole,
                       const struct align__group *b)
{
    int32_t kind = g->params.kind;
    for (int64_t i = 0; i < b->n; i++)
        b->dx[i] = 0;
    if (align__norm_is_rank(kind))
        return;
    struct motion m = make_motion(g, whole, b);
    if (kind >= ALIGN_NORM_REFERENCE && kind <= ALIGN_NORM_TANH)
        pull_curve(&m);
    else if (kind == ALIGN_NORM_BEST)
        pull_best(&m);
    else if (kind == ALIGN_NORM_LEAVE_OUT_ZSCORE)
        pull_leave_out(&m);
    else
        pull_center(&m, whole);
}
