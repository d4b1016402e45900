/* What each row says at 0, at 1e4 either way and at infinity, stated by hand. */
#include "../loss_set.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>

#define F    INFINITY
#define NONE NAN /* not said here: a kink, or no such score */
#define L2   0.69314718055994531
#define M_E  2.7182818284590452
#define S1   (1 / (1 + exp(-1)))
#define G    (1 / (1 + exp(2))) /* the flip rate of nbpo */
#define D2   (1 / log2(3))      /* what place 2 counts */
#define TOP  (1 / log(2) - 1 / log(3))

enum { POINTS = 3 };

struct limit {
    const char *row;
    double at[2 * POINTS];
};

#define LIMIT(row, ...) {#row, {__VA_ARGS__}},

struct said {
    double value, d[2], h[2];
};

static bool has_param(align_loss_id id, const char *name)
{
    align_param_info info = {0};
    for (uint32_t i = 0; align_loss_get_param(id, i, &info) == 0; i++)
        if (strcmp(info.name, name) == 0)
            return true;
    return false;
}

static struct said say(const char *row, double x, int32_t divergence, double order)
{
    struct said out = {0};
    align_loss_args a;
    align_loss_params params;
    align_loss_info info = {0};
    const align_loss_id id = align_loss_find(row);
    ck_assert_int_eq(align_loss_get_info(id, &info), 0);
    ck_assert_int_eq(align_loss_params_init(&params, sizeof params, id, NULL), 0);
    if (params.beta != 0)
        params.beta = 1;
    if (divergence != ALIGN_DIVERGENCE_REVERSE_KL) {
        params.divergence = divergence;
        params.order = order;
    }
    /* Of orpo and asft, which take log-probabilities only. */
    const double other = strcmp(row, "orpo") == 0 || strcmp(row, "asft") == 0 ? -1 : 0;
    double score[] = {x, other}, zero[] = {0, 0}, one[] = {1, 1}, label[] = {1, 0};
    if (strcmp(row, "w2s_product") == 0)
        label[0] = 0.5;
    const int64_t k = info.arity == ALIGN_LOSS_LIST ? 2 : info.arity;
    align_loss_args_init(&a, sizeof a);
    a.loss = id;
    a.params = &params;
    a.score = align_2d(score, ALIGN_F64, 1, k);
    a.value = align_1d(&out.value, ALIGN_F64, 1);
    a.dscore = align_2d(out.d, ALIGN_F64, 1, k);
    if ((info.reads & ALIGN_LOSS_WRITES_HSCORE) != 0)
        a.hscore = align_2d(out.h, ALIGN_F64, 1, k);
    if ((info.reads & ALIGN_LOSS_READS_REF) != 0)
        a.ref = align_2d(zero, ALIGN_F64, 1, k);
    if ((info.needs & ALIGN_LOSS_READS_OLD) != 0)
        a.old = align_2d(zero, ALIGN_F64, 1, k);
    if ((info.needs & ALIGN_LOSS_READS_AUX) != 0)
        a.aux = align_2d(zero, ALIGN_F64, 1, k);
    if ((info.needs & ALIGN_LOSS_READS_COUNT) != 0)
        a.count = align_2d(one, ALIGN_F64, 1, k);
    if ((info.needs & ALIGN_LOSS_READS_LABEL) != 0)
        a.label = align_2d(label, ALIGN_F64, 1, k);
    ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
    return out;
}

static void agrees(const char *row, double x, const char *what, double got, double wanted)
{
    ck_assert_msg(isnan(wanted) || got == wanted ||
                      fabs(got - wanted) <= 1e-13 * fmax(1, fabs(wanted)),
                  "%s at %g: %s %.17g, expected %.17g", row, x, what, got, wanted);
}

/* A limit that is finite is reached long before 1e4. */
START_TEST(limits_are_as_stated)
{
    static const double points[] = {0, INFINITY, -INFINITY};
    const struct limit limits[] = {
#include "loss_limits.def"
    };
    bool stated[128] = {false};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct limit *l = &limits[i];
        ck_assert(!stated[align_loss_find(l->row)]);
        stated[align_loss_find(l->row)] = true;
        for (int k = 0; k < POINTS; k++) {
            const double value = l->at[2 * k], slope = l->at[2 * k + 1], x = points[k];
            if (isnan(value))
                continue;
            const struct said there = say(l->row, x, 0, 0);
            agrees(l->row, x, "value", there.value, value);
            agrees(l->row, x, "gradient", there.d[0], slope);
            if (x == 0)
                continue;
            const struct said near = say(l->row, copysign(1e4, x), 0, 0);
            agrees(l->row, copysign(1e4, x), "value", near.value, isfinite(value) ? value : NAN);
            agrees(l->row, copysign(1e4, x), "gradient", near.d[0], isfinite(slope) ? slope : NAN);
        }
    }
    for (align_loss_id id = 1; id <= align_loss_count(); id++)
        ck_assert_msg(stated[id], "row %d has no limits", id);
}
END_TEST

/* What -inf, 0 and inf are worth under each divergence, and by how much that moves. 1e4 is as far as infinity. */
static const struct {
    int32_t divergence;
    double order, worth[POINTS], slope[POINTS];
    double shift; /* of the line that a worth ends as, where its slope ends as 1 */
} worths[] = {
    {ALIGN_DIVERGENCE_FORWARD_KL, 0, {-F, 0, 1}, {F, 1, 0}},
    {ALIGN_DIVERGENCE_JS, 0, {-F, 0, L2}, {1, .5, 0}, L2},
    {ALIGN_DIVERGENCE_ALPHA, .5, {-F, 0, 2}, {F, 1, 0}},
    {ALIGN_DIVERGENCE_ALPHA, 3, {-.5, 0, F}, {0, 1, F}},
    {ALIGN_DIVERGENCE_ALPHA, 1, {-F, 0, F}, {1, 1, 1}},
    {ALIGN_DIVERGENCE_ALPHA_PAPER, .5, {-F, 0, 2}, {F, 1, 0}},
    {ALIGN_DIVERGENCE_ALPHA_PAPER, -2, {-.5, 0, F}, {0, 1, F}},
    {ALIGN_DIVERGENCE_CHI, 0, {-F, 0, F}, {1, 2, F}, -1},
};

/* A row under divergence w against the row on what log-ratios are worth. */
static void follows(const align_loss_info *info, size_t w)
{
    const double points[] = {-INFINITY, 0, INFINITY};
    for (int k = 0; k < POINTS; k++)
        for (int near = 0; near < 2; near++) {
            const double x = near && k != 1 ? copysign(1e4, points[k]) : points[k];
            const double slope = worths[w].slope[k];
            const double worth = near && slope == 1 ? x + worths[w].shift : worths[w].worth[k];
            const struct said plain = say(info->name, worth, 0, 0);
            const struct said got = say(info->name, x, worths[w].divergence, worths[w].order);
            const double d = plain.d[0] == 0 || slope == 0 ? 0 : plain.d[0] * slope;
            agrees(info->name, x, "value", got.value, plain.value);
            /* Of an infinite square that has no gradient. */
            if (info->id != ALIGN_LOSS_PAIR_MSE || isfinite(plain.value))
                agrees(info->name, x, "gradient", got.d[0], d);
            ck_assert_msg(!isnan(got.h[0]) && !isnan(got.h[1]), "%s at %g", info->name, x);
        }
}

START_TEST(limits_follow_the_worth)
{
    int rows = 0;
    for (align_loss_id id = 1; id <= align_loss_count(); id++) {
        align_loss_info info = {0};
        ck_assert_int_eq(align_loss_get_info(id, &info), 0);
        if (!has_param(id, "divergence"))
            continue;
        rows++;
        for (size_t w = 0; w < sizeof worths / sizeof worths[0]; w++)
            follows(&info, w);
    }
    ck_assert_int_eq(rows, 43);
}
END_TEST

SUITE_MAIN("loss limits", limits_are_as_stated, limits_follow_the_worth)
