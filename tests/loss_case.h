/* Random arguments for a row of the loss table, within what the row declares. */
#ifndef TESTS_LOSS_CASE_H
#define TESTS_LOSS_CASE_H

#include "loss/params.h"
#include "suite.h"
#include "base/tensor.h"

#include <math.h>
#include <string.h>

enum { CASE_GROUPS = 6, CASE_ITEMS = 12, CASE_ALL = CASE_GROUPS * CASE_ITEMS };

/* A batch of groups in the view form, in f64. */
struct loss_case {
    const struct align__loss_row *row;
    align_loss_params params;
    int groups, items;
    double score[CASE_ALL], ref[CASE_ALL], old[CASE_ALL], count[CASE_ALL], aux[CASE_ALL];
    double label[CASE_ALL];
    double prob[CASE_GROUPS], weight[CASE_GROUPS], offset[CASE_GROUPS];
    uint8_t mask[CASE_ALL];
};

struct random {
    uint64_t state;
};

static inline double uniform(struct random *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = r->state ^ r->state >> 33;
    return (double)((x * 0xff51afd7ed558ccdu) >> 11) * 0x1p-53;
}

static inline double between(struct random *r, double low, double high)
{
    return low + (high - low) * uniform(r);
}

static inline int pick(struct random *r, int n)
{
    return (int)(uniform(r) * n);
}

static inline void random_params(struct random *r, const struct align__loss_row *row,
                                 align_loss_params *params)
{
    align_loss_id id = align_loss_find(row->name);
    ck_assert_int_eq(align_loss_params_init(params, sizeof *params, id, NULL), 0);
    for (uint32_t i = 0; i < align__loss_n_params(row); i++) {
        const double before_last = i > 0 ? align__param_get(params, row->params[i - 1].param) : 0;
        align_param_info info = {0};
        ck_assert_int_eq(align_loss_get_param(id, i, &info), 0);
        char *at = (char *)params + info.offset;
        if (info.dtype == ALIGN_I32) {
            int32_t choice = (int32_t)info.least +
                             pick(r, (int)(fmin(info.most, info.least + 7) - info.least) + 1);
            memcpy(at, &choice, sizeof choice);
        } else if (pick(r, 3) > 0 || strncmp(info.name, "threshold", 9) == 0) {
            double span = fmax(4 * fabs(info.standard), 1);
            double x = between(r, fmax(info.least, info.standard - span),
                               fmin(info.most, info.standard + span));
            if (strncmp(info.name, "threshold", 9) == 0 && info.name[9] > '1')
                x = before_last + between(r, 0.1, 2);
            if (strcmp(info.name, "clip_dual") == 0)
                x = x < 1 ? 0 : x;
            memcpy(at, &x, sizeof x);
        }
    }
}

/* Leaves out what the references do not do: orders drawn from a seed, and what a row refuses. */
static inline void settle_ties(align_loss_params *p)
{
    if (p->score_ties == ALIGN_SCORE_TIES_SEEDED)
        p->score_ties = ALIGN_SCORE_TIES_STABLE;
    if (p->score_ties == ALIGN_SCORE_TIES_EXPECTED)
        p->top = ALIGN_TOP_CUT;
    if (p->loss == ALIGN_LOSS_PAIR_HINGE && p->pair_weight == ALIGN_PAIR_WEIGHT_EVEN) {
        p->gain = p->discount = p->top = p->top_n = p->score_ties = p->seed = 0;
        p->normalise = p->normalise == ALIGN_NORMALISE_MAX_DCG ? 0 : p->normalise;
    }
}

static inline void random_items(struct random *r, struct loss_case *c, double spread)
{
    const struct align__loss_row *row = c->row;
    const double low = fmax(row->label_least, -3), high = fmin(row->label_most, 3);
    const bool positive = !row->log_probs && pick(r, 2) == 0;
    for (int i = 0; i < c->groups * c->items; i++) {
        c->score[i] = -spread * between(r, 0.01, 2) + (positive ? spread : 0);
        c->ref[i] = c->score[i] + spread * between(r, -1, 1) * 0.5;
        c->old[i] = c->score[i] + between(r, -1, 1);
        c->count[i] = 1 + pick(r, 40);
        c->aux[i] = between(r, 0, 2);
        c->label[i] = pick(r, 3) == 0 ? round(between(r, low, high)) : between(r, low, high);
        c->mask[i] = pick(r, 6) > 0;
    }
    for (int g = 0; g < c->groups; g++) {
        c->prob[g] = pick(r, 3) == 0 ? pick(r, 2) : uniform(r);
        c->weight[g] = pick(r, 5) == 0 ? 0 : between(r, 0, 3);
        c->offset[g] = between(r, -2, 2);
    }
}

static inline void random_case(struct random *r, const struct align__loss_row *row, double spread,
                               struct loss_case *c)
{
    memset(c, 0, sizeof *c);
    c->row = row;
    random_params(r, row, &c->params);
    settle_ties(&c->params);
    /* Rows that sort the batch have tests of their own; alone, a group meets itself. */
    c->groups = row->couple != ALIGN__COUPLE_NONE ? 1 : 1 + pick(r, CASE_GROUPS);
    c->items = row->arity == ALIGN_LOSS_LIST ? 1 + pick(r, CASE_ITEMS) : row->arity;
    random_items(r, c, spread);
}

/* True when the row reads this field with these parameters. */
static inline bool case_reads(const struct loss_case *c, uint32_t bit)
{
    if (bit == ALIGN_LOSS_READS_COUNT && align__loss_has(c->row, ALIGN__PARAM_LENGTH) &&
        (c->row->needs & bit) == 0)
        return c->params.length == ALIGN_LENGTH_MEAN;
    return (align__loss_reads(c->row) & bit) != 0;
}

/* Arguments over the arrays of the case, without outputs; optional inputs that the row reads are set. */
static inline void case_args(struct loss_case *c, align_loss_args *a)
{
    const int64_t g = c->groups, k = c->items;
    const struct {
        align_tensor *tensor;
        double *data;
        uint32_t bit;
    } wide[] = {
        {&a->ref, c->ref, ALIGN_LOSS_READS_REF},       {&a->old, c->old, ALIGN_LOSS_READS_OLD},
        {&a->count, c->count, ALIGN_LOSS_READS_COUNT}, {&a->aux, c->aux, ALIGN_LOSS_READS_AUX},
        {&a->label, c->label, ALIGN_LOSS_READS_LABEL},
    };
    align_loss_args_init(a, sizeof *a);
    a->loss = align_loss_find(c->row->name);
    a->params = &c->params;
    a->denom = 1;
    a->score = align_2d(c->score, ALIGN_F64, g, k);
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (case_reads(c, wide[i].bit))
            *wide[i].tensor = align_2d(wide[i].data, ALIGN_F64, g, k);
    if (case_reads(c, ALIGN_LOSS_READS_PROB))
        a->prob = align_1d(c->prob, ALIGN_F64, g);
    if (case_reads(c, ALIGN_LOSS_READS_OFFSET))
        a->offset = align_1d(c->offset, ALIGN_F64, g);
}

/* Runs a call that must succeed. */
static inline void must_eval(const align_exec *user, const align_loss_args *args)
{
    align_error error;
    align_exec exec;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    if (user != NULL)
        exec = *user;
    exec.error = &error;
    align_status status = align_loss_eval(&exec, args);
    ck_assert_msg(status == 0, "%s", error.text);
}

#endif
