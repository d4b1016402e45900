/* The values of one group. */
#include "groups.h"

#include <math.h>
#include <string.h>

enum { COUNTS = ALIGN__GROUP_COUNTS };

static void describe(struct align__set *s, const struct align__group *b, int64_t left_out,
                     double ddof)
{
    double sum = 0, square = 0;
    memset(s, 0, sizeof *s);
    for (int64_t i = 0; i < b->n; i++) {
        double x = b->x[i];
        if (b->mark[i] != COUNTS || i == left_out)
            continue;
        if (s->count++ == 0)
            s->origin = s->least = s->most = x;
        sum += x - s->origin;
        s->least = x < s->least ? x : s->least;
        s->most = x > s->most ? x : s->most;
    }
    if (s->count == 0)
        return;
    s->mean = sum / (double)s->count;
    if ((double)s->count <= ddof || s->least == s->most)
        return;
    for (int64_t i = 0; i < b->n; i++) {
        double u = b->x[i] - s->origin - s->mean;
        if (b->mark[i] == COUNTS && i != left_out)
            square += u * u;
    }
    s->deviation = sqrt(square / ((double)s->count - ddof));
}

void align__group_describe(struct align__set *s, const struct align__group *b, double ddof)
{
    describe(s, b, -1, ddof);
}

void align__group_describe_others(struct align__set *s, const struct align__group *b, int64_t i,
                                  double ddof)
{
    describe(s, b, i, ddof);
}

static double center_by_length(const struct align__groups *g, const struct align__group *b,
                               const struct align__set *s)
{
    double tokens = 0, sum = 0;
    for (int64_t i = 0; i < b->n; i++) {
        double length;
        if (b->mark[i] != COUNTS)
            continue;
        align__run_read(&g->length, b->first + i, 1, &length);
        tokens += length;
        sum += length * (b->x[i] - s->origin);
    }
    return tokens > 0 ? sum / tokens : s->mean;
}

bool align__group_is_few(const align_norm_params *p, const struct align__set *s,
                         const struct align__whole *whole)
{
    switch (p->kind) {
    case ALIGN_NORM_ZSCORE:
    case ALIGN_NORM_SCALE:
    case ALIGN_NORM_BEST:
        return s->count < 2 || (double)s->count <= p->ddof;
    case ALIGN_NORM_BATCH_SCALE:
        return whole->all.count < 2 || (double)whole->all.count <= p->ddof;
    case ALIGN_NORM_LEAVE_OUT:
    case ALIGN_NORM_LEAVE_OUT_ZSCORE:
    case ALIGN_NORM_NONZERO:
        return s->count < 2;
    default:
        return s->count == 0;
    }
}

static double spread_of(const align_norm_params *p, const struct align__set *s,
                        const struct align__whole *whole)
{
    switch (p->kind) {
    case ALIGN_NORM_MINMAX:
        return s->most - s->least;
    case ALIGN_NORM_MEAN_RATIO:
        return fabs(s->origin + s->mean);
    case ALIGN_NORM_BATCH_SCALE:
        return whole->all.deviation;
    default:
        return s->deviation;
    }
}

struct align__group_formula align__group_formula(const struct align__groups *g,
                                                 const struct align__whole *whole,
                                                 const struct align__group *b,
                                                 const struct align__set *s)
{
    const align_norm_params *p = &g->params;
    struct align__group_formula f = {.answer = ALIGN_NORM_AS_FORMULA,
                                     .origin = s->origin,
                                     .center = s->mean,
                                     .divisor = 1,
                                     .factor = 1,
                                     .spread = spread_of(p, s, whole)};
    bool divides = p->eps_form != 0 && p->kind != ALIGN_NORM_LEAVE_OUT_ZSCORE;
    if (align__group_is_few(p, s, whole))
        f.answer = p->few;
    else if (divides && f.spread == 0)
        f.answer = p->equal;
    bool unit = f.answer == ALIGN_NORM_AS_UNIT;
    if (divides && (f.answer == ALIGN_NORM_AS_FORMULA || unit))
        f.divisor = align__norm_divisor(p, unit ? 1 : f.spread, &f.slope);
    if (unit || f.spread == 0)
        f.slope = 0;
    if (p->kind == ALIGN_NORM_NONZERO)
        f.factor = whole->nonzero;
    if (unit || p->kind == ALIGN_NORM_SCALE)
        f.origin = f.center = 0;
    if (unit)
        return f;
    if (p->kind == ALIGN_NORM_MINMAX)
        f.center = s->least - s->origin;
    if (p->kind == ALIGN_NORM_LENGTH_CENTER)
        f.center = center_by_length(g, b, s);
    if (p->kind == ALIGN_NORM_MEAN_RATIO && s->origin + s->mean < 0)
        f.divisor = -f.divisor;
    bool others = p->kind == ALIGN_NORM_LEAVE_OUT || p->kind == ALIGN_NORM_LEAVE_OUT_ZSCORE;
    if (others && s->count > 1)
        f.factor = (double)s->count / (double)(s->count - 1);
    return f;
}

struct align__group_formula align__group_formula_of(const align_norm_params *p,
                                                    const struct align__group_formula *group,
                                                    const struct align__set *others)
{
    struct align__group_formula f = *group;
    f.spread = others->deviation;
    if (f.answer == ALIGN_NORM_AS_FORMULA && f.spread == 0)
        f.answer = p->equal;
    if (f.answer == ALIGN_NORM_AS_FORMULA)
        f.divisor = align__norm_divisor(p, f.spread, &f.slope);
    if (f.answer == ALIGN_NORM_AS_UNIT) {
        f = (struct align__group_formula){.answer = f.answer, .factor = 1};
        f.divisor = align__norm_divisor(p, 1, &f.slope);
    }
    if (f.answer != ALIGN_NORM_AS_FORMULA || f.spread == 0)
        f.slope = 0;
    return f;
}

/* An answer that is no formula, and its derivative. */
static double answer_of(int32_t answer, double x, double *dy)
{
    *dy = answer == ALIGN_NORM_AS_KEEP;
    return answer == ALIGN_NORM_AS_KEEP   ? x
           : answer == ALIGN_NORM_AS_HALF ? 0.5
           : answer == ALIGN_NORM_AS_NAN  ? (double)NAN
                                          : 0;
}

static double clipped(const align_norm_params *p, double y, double *dy)
{
    if (p->clip_low == 0 && p->clip_high == 0)
        return y;
    if (y < p->clip_low || y > p->clip_high)
        *dy = 0;
    return y < p->clip_low ? p->clip_low : y > p->clip_high ? p->clip_high : y;
}

static bool is_formula(const struct align__group_formula *f)
{
    return f->answer == ALIGN_NORM_AS_FORMULA || f->answer == ALIGN_NORM_AS_CENTER ||
           f->answer == ALIGN_NORM_AS_UNIT;
}

double align__group_at(const align_norm_params *p, const struct align__group_formula *f, double x,
                       double *dy)
{
    if (!is_formula(f)) {
        double y = answer_of(f->answer, x, dy);
        return clipped(p, y, dy);
    }
    double y = (x - f->origin - f->center) / f->divisor * f->factor;
    *dy = p->gain * f->factor / f->divisor;
    return clipped(p, p->gain * y + p->bias, dy);
}

/* The same y for a group. What does not count is overwritten by the caller. */
static void apply_formula(const align_norm_params *p, const struct align__group *b,
                          const struct align__group_formula *f)
{
    const struct align__group_formula local = *f;
    double dy;
    if (!is_formula(f)) {
        for (int64_t i = 0; i < b->n; i++)
            b->y[i] = align__group_at(p, f, b->x[i], &dy);
        return;
    }
    const double gain = p->gain, bias = p->bias;
    for (int64_t i = 0; i < b->n; i++)
        b->y[i] = gain * ((b->x[i] - local.origin - local.center) / local.divisor * local.factor) +
                  bias;
    for (int64_t i = 0; i < b->n; i++)
        b->y[i] = clipped(p, b->y[i], &dy);
}

/* What is no formula as a line: 0 x + answer, or x itself, whose 0 keeps its sign. */
static void put_answer(struct align__f32_group_lines *lines, int k, int32_t answer)
{
    bool keeps = answer == ALIGN_NORM_AS_KEEP;
    double unused;
    lines->origin[k] = lines->center[k] = 0;
    lines->divisor[k] = lines->factor[k] = 1;
    lines->gain[k] = keeps ? 1 : 0;
    lines->bias[k] = keeps ? -0.0 : answer_of(answer, 0, &unused);
}

static void put_formula(struct align__f32_group_lines *lines, int k, const align_norm_params *p,
                        const struct align__group_formula *f)
{
    lines->origin[k] = f->origin;
    lines->center[k] = f->center;
    lines->divisor[k] = f->divisor;
    lines->factor[k] = f->factor;
    lines->gain[k] = p->gain;
    lines->bias[k] = p->bias;
}

void align__group_lines(const struct align__groups *g, const struct align__whole *whole,
                        const struct align__f32_groups *sums, int64_t n,
                        struct align__f32_group_lines *lines)
{
    const align_norm_params *p = &g->params;
    bool clips = p->clip_low != 0 || p->clip_high != 0;
    lines->low = clips ? p->clip_low : -INFINITY;
    lines->high = clips ? p->clip_high : INFINITY;
    for (int k = 0; k < ALIGN__GROUPS_ABREAST; k++) {
        struct align__set s = {.count = n,
                               .origin = sums->origin[k],
                               .mean = sums->mean[k],
                               .least = sums->least[k],
                               .most = sums->most[k]};
        if ((double)n > p->ddof && s.least != s.most)
            s.deviation = sqrt(sums->square[k] / ((double)n - p->ddof));
        struct align__group_formula f = align__group_formula(g, whole, NULL, &s);
        if (is_formula(&f))
            put_formula(lines, k, p, &f);
        else
            put_answer(lines, k, f.answer);
    }
}

/* Each reward has a D of its own: the deviation of the others. */
static void apply_leave_out(const align_norm_params *p, const struct align__group *b,
                            const struct align__group_formula *group)
{
    double dy;
    for (int64_t i = 0; i < b->n; i++) {
        struct align__set others;
        if (b->mark[i] != COUNTS)
            continue;
        describe(&others, b, i, p->ddof);
        struct align__group_formula f = align__group_formula_of(p, group, &others);
        b->y[i] = align__group_at(p, &f, b->x[i], &dy);
    }
}

void align__group_best(const struct align__group *b, int64_t *best, int64_t *next)
{
    *best = *next = -1;
    for (int64_t i = 0; i < b->n; i++) {
        if (b->mark[i] != COUNTS)
            continue;
        if (*best < 0 || b->x[i] > b->x[*best]) {
            *next = *best;
            *best = i;
        } else if (*next < 0 || b->x[i] > b->x[*next]) {
            *next = i;
        }
    }
}

/* pass@k: the best answer earns what it is above the next, the others nothing. */
static void apply_best(const align_norm_params *p, const struct align__group *b,
                       const struct align__group_formula *f)
{
    int64_t best, next;
    double dy;
    align__group_best(b, &best, &next);
    struct align__group_formula mine = *f;
    mine.origin = next >= 0 ? b->x[next] : 0;
    mine.center = 0;
    bool others_earn_nothing = f->answer == ALIGN_NORM_AS_FORMULA ||
                               f->answer == ALIGN_NORM_AS_CENTER;
    for (int64_t i = 0; i < b->n; i++)
        if (b->mark[i] == COUNTS)
            b->y[i] = i != best && others_earn_nothing ? clipped(p, p->bias, &dy)
                                                       : align__group_at(p, &mine, b->x[i], &dy);
}

static void apply_ranks(const align_norm_params *p, const struct align__group *b)
{
    int64_t live = 0;
    double dy = 0;
    for (int64_t i = 0; i < b->n; i++)
        if (b->mark[i] == COUNTS)
            b->ranked[live++] = (struct align__ranked){b->x[i], i};
    align__norm_rank(b->ranked, live, p->kind);
    for (int64_t i = 0; i < live; i++)
        b->y[b->ranked[i].index] = align__norm_finish(p, b->ranked[i].x, &dy);
}

double align__group_reference(const struct align__groups *g, int64_t group)
{
    const align_tensor *t = &g->args.reference;
    return align__present(t) ? align__load(t->dtype, align__at(t, group, 0)) : 0;
}

static void apply_curve(const struct align__groups *g, const struct align__group *b)
{
    const align_norm_params *p = &g->params;
    double reference = align__group_reference(g, b->index);
    for (int64_t i = 0; i < b->n; i++) {
        double slope;
        if (b->mark[i] != COUNTS)
            continue;
        b->y[i] = align__norm_curve_at(p->kind, p->steepness, b->x[i] - reference, &slope);
        b->y[i] = align__norm_finish(p, b->y[i], &slope);
    }
}

struct align__group_wrong align__group_wrong_of(const struct align__groups *g,
                                                const struct align__whole *whole,
                                                const struct align__group *b)
{
    const align_norm_params *p = &g->params;
    struct align__group_wrong wrong = {ALIGN__SITE_NONE, b->first, 0, 0};
    struct align__set s;
    for (int64_t i = 0; i < b->n && g->refuses; i++)
        if (b->mark[i] == ALIGN__GROUP_SPOILT)
            return (struct align__group_wrong){ALIGN__SITE_NORM_NOT_FINITE, b->first + i, b->x[i],
                                               0};
    if (p->few != ALIGN_NORM_AS_REFUSE && p->equal != ALIGN_NORM_AS_REFUSE)
        return wrong;
    describe(&s, b, -1, p->ddof);
    if (align__group_formula(g, whole, b, &s).answer != ALIGN_NORM_AS_REFUSE)
        return wrong;
    bool few = align__group_is_few(p, &s, whole);
    wrong.site = few ? ALIGN__SITE_NORM_FEW : ALIGN__SITE_NORM_EQUAL;
    wrong.value = few ? (double)s.count : s.least;
    wrong.weight = (double)s.count;
    return wrong;
}

void align__group_values(const struct align__groups *g, const struct align__whole *whole,
                         const struct align__group *b)
{
    const align_norm_params *p = &g->params;
    struct align__set s;
    describe(&s, b, -1, p->ddof);
    struct align__group_formula f = align__group_formula(g, whole, b, &s);
    if (align__norm_is_rank(p->kind))
        apply_ranks(p, b);
    else if (p->kind >= ALIGN_NORM_REFERENCE && p->kind <= ALIGN_NORM_TANH)
        apply_curve(g, b);
    else if (p->kind == ALIGN_NORM_BEST)
        apply_best(p, b, &f);
    else if (p->kind == ALIGN_NORM_LEAVE_OUT_ZSCORE)
        apply_leave_out(p, b, &f);
    else
        apply_formula(p, b, &f);
    for (int64_t i = 0; i < b->n; i++)
        if (b->mark[i] != COUNTS)
            b->y[i] = b->mark[i] == ALIGN__GROUP_SPOILT && p->nan == ALIGN_NORM_NAN_KEEP
                          ? (double)NAN
                          : 0;
}
