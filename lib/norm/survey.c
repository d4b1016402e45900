#include "../base/cpu.h"
#include "../kernels/f32.h"
#include "../kernels/f64.h"
#include "norm.h"

#include <math.h>
#include <string.h>

/* A batch's moments in f64 about its first reward. One pass finds them where the mean lies near that reward;
 * else the squares are summed once more about the mean. Chunks and pieces are added in their order, and the
 * kernels give equal bits at every level, so nothing that runs the call changes a bit. */
struct sums {
    double weight, sum, square, least, most;
    int64_t count, skipped;
    bool odd;
};

enum { SURVEY_CHUNK = 1024 };

struct survey {
    struct align__run reward, mask;
    const float
        *plain; /* rewards that a kernel reads where they are, or NULL; their mask: bytes or NULL */
    const uint8_t *live;
    const struct align__f64 *f64;
    const struct align__f32 *f32;
    double origin, mean; /* of what: x - origin - mean */
    struct sums piece[ALIGN__NORM_TASKS];
};

struct chunk {
    double x[SURVEY_CHUNK], w[SURVEY_CHUNK], wu[SURVEY_CHUNK];
    bool weighted;
};

/* Leaves out what is not finite, by a weight of 0. */
static void clean(struct sums *s, struct chunk *c, int64_t n)
{
    for (int64_t i = 0; i < n && !c->weighted; i++)
        c->w[i] = 1;
    c->weighted = true;
    for (int64_t i = 0; i < n; i++) {
        if (c->w[i] == 0 || c->x[i] - c->x[i] == 0)
            continue;
        s->skipped++;
        c->w[i] = 0;
    }
}

static void read_chunk(const struct survey *v, struct sums *s, struct chunk *c, int64_t first,
                       int64_t n)
{
    const double *live = c->x;
    align__run_read(&v->reward, first, n, c->x);
    c->weighted = v->mask.length > 0;
    if (c->weighted) {
        align__run_weights(&v->mask, first, n, c->w);
        v->f64->times(c->wu, c->w, c->x, n);
        live = c->wu;
    }
    for (int64_t i = 0; i < n && c->weighted && v->mask.view.dtype == ALIGN_F32; i++)
        if (!(c->w[i] >= 0 && c->w[i] < INFINITY))
            s->odd = true;
    if (!v->f64->tame(live, n))
        clean(s, c, n);
}

static void find_extremes(struct sums *s, const struct chunk *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (c->weighted && c->w[i] == 0)
            continue;
        s->least = c->x[i] < s->least ? c->x[i] : s->least;
        s->most = c->x[i] > s->most ? c->x[i] : s->most;
    }
}

static void add_chunk(const struct survey *v, struct sums *s, struct chunk *c, int64_t first,
                      int64_t n)
{
    double *u = c->x, *wu = c->x;
    read_chunk(v, s, c, first, n);
    find_extremes(s, c, n);
    for (int64_t i = 0; i < n; i++)
        u[i] = c->x[i] - v->origin - v->mean;
    if (c->weighted) {
        wu = c->wu;
        v->f64->times(wu, c->w, u, n);
    }
    s->sum += v->f64->lane_sum(wu, n);
    s->weight += c->weighted ? v->f64->lane_sum(c->w, n) : (double)n;
    int64_t live = n;
    for (int64_t i = 0; i < n && c->weighted; i++)
        live -= c->w[i] == 0;
    s->count += live;
    v->f64->times(u, wu, u, n);
    s->square += v->f64->lane_sum(u, n);
}

/* The same sums without a copy. */
static void add_plainly(const struct survey *v, struct sums *s, int64_t first, int64_t n)
{
    struct align__f32_sums b;
    v->f32->sums(&b, v->plain + first, v->live == NULL ? NULL : v->live + first, v->origin, v->mean,
                 n);
    s->sum += b.sum;
    s->square += b.square;
    s->weight += (double)b.count;
    s->count += b.count;
    s->skipped += b.skipped;
    s->least = b.least < s->least ? b.least : s->least;
    s->most = b.most > s->most ? b.most : s->most;
}

static void survey_piece(void *ctx, int64_t task)
{
    struct survey *v = ctx;
    struct sums s = {.least = INFINITY, .most = -INFINITY};
    struct chunk c;
    int64_t first, last, n;
    align__piece(v->reward.length, task, &first, &last);
    for (; first < last; first += n) {
        n = last - first < SURVEY_CHUNK ? last - first : SURVEY_CHUNK;
        if (v->plain != NULL)
            add_plainly(v, &s, first, n);
        else
            add_chunk(v, &s, &c, first, n);
    }
    v->piece[task] = s;
}

static struct sums total(const struct survey *v, int64_t pieces)
{
    struct sums all = v->piece[0];
    for (int64_t i = 1; i < pieces; i++) {
        const struct sums *s = &v->piece[i];
        all.weight += s->weight;
        all.sum += s->sum;
        all.square += s->square;
        all.count += s->count;
        all.skipped += s->skipped;
        all.odd = all.odd || s->odd;
        all.least = s->least < all.least ? s->least : all.least;
        all.most = s->most > all.most ? s->most : all.most;
    }
    return all;
}

static double first_reward(const struct survey *v)
{
    for (int64_t i = 0; i < v->reward.length; i++) {
        double x, w;
        align__run_read(&v->reward, i, 1, &x);
        align__run_weights(&v->mask, i, 1, &w);
        if (w != 0 && fabs(x) < 0x1p128)
            return x;
    }
    return 0;
}

/* What is wrong is rare, and found again by the slower pass that can say where. */
static align_status say_wrong(const align_exec *exec, const align_norm_params *p,
                              const align_norm_args *args)
{
    align_norm seen;
    align__norm_start(&seen, p);
    return align__norm_collect(exec, &seen, args);
}

static struct survey survey_of(const align_exec *exec, const align_norm_args *args, bool moments)
{
    struct survey v = {.reward = align__run_of(&args->reward), .mask = align__run_of(&args->mask)};
    v.live = align__run_live(&v.mask);
    if (v.mask.length == 0 || v.live != NULL)
        v.plain = align__run_plain(&v.reward, ALIGN_F32);
    v.f64 = align__f64(align__cpu_allowed(exec));
    v.f32 = align__f32(align__cpu_allowed(exec));
    v.origin = moments ? first_reward(&v) : 0;
    return v;
}

/* Of the squares about the origin, what is left about the mean; the first loses digits to the second where the mean
 * lies more than seven deviations away. */
static double central(const struct sums *s)
{
    return s->square - s->sum * (s->sum / s->weight);
}

static bool is_far(const struct sums *s)
{
    return !(s->sum * (s->sum / s->weight) <= 49 * central(s));
}

align_status align__norm_survey(const align_exec *exec, const align_norm_params *p,
                                const align_norm_args *args, bool moments, struct align__moments *m,
                                bool *all_finite)
{
    struct survey v = survey_of(exec, args, moments);
    bool extremes = p->kind == ALIGN_NORM_MINMAX || args->reward.dtype == ALIGN_F64;
    memset(m, 0, sizeof *m);
    *all_finite = true;
    int64_t pieces = align__pieces(v.reward.length);
    if (pieces == 0)
        return ALIGN_E_NONE;
    align_status status = align__parallel(exec, pieces, survey_piece, &v);
    if (status != ALIGN_E_NONE)
        return status;
    struct sums s = total(&v, pieces);
    bool refuses = p->nan == ALIGN_NORM_NAN_REFUSE || (exec->flags & ALIGN_FLAG_FINITE) != 0;
    *all_finite = s.skipped == 0;
    if (s.odd || (refuses && !*all_finite) || (extremes && fmax(s.most, -s.least) >= 0x1p128))
        return say_wrong(exec, p, args);
    m->count = s.count;
    if (!moments || m->count == 0)
        return ALIGN_E_NONE;
    m->weight = s.weight;
    m->mean = v.origin;
    m->mean_rest = v.mean = s.sum / m->weight;
    m->least = s.least;
    m->most = s.most;
    if (p->kind == ALIGN_NORM_CENTER || p->kind == ALIGN_NORM_MINMAX || m->weight <= p->ddof)
        return ALIGN_E_NONE;
    if (s.least < s.most && is_far(&s)) {
        status = align__parallel(exec, pieces, survey_piece, &v);
        s = total(&v, pieces);
    }
    m->variance = fmax(central(&s), 0) / (m->weight - p->ddof);
    return status;
}
