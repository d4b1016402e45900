/* Every row of the loss table against its reference: values, and gradients by central differences of the
 * reference in 113 bits, in which a step of 1e-12 leaves more digits than an f64 has. */
#include "../loss_case.h"
#include "../ref/loss.h"

static const struct align__loss_row *row_of(int id)
{
    const struct align__loss_row *row = align__loss_row(id);
    ck_assert_ptr_nonnull(row);
    return row;
}

/* Group g of a case, without what is masked; where[i] is the column of item i. */
static bool take_group(const struct loss_case *c, int g, bool masked, struct ref_group *out,
                       int *where)
{
    memset(out, 0, sizeof *out);
    out->p = &c->params;
    out->prob = case_reads(c, ALIGN_LOSS_READS_PROB) ? c->prob[g] : 1;
    out->offset = case_reads(c, ALIGN_LOSS_READS_OFFSET) ? c->offset[g] : 0;
    for (int k = 0; k < c->items; k++) {
        int at = g * c->items + k, i = out->n;
        if (masked && c->mask[at] == 0)
            continue;
        where[out->n++] = k;
        out->score[i] = c->score[at];
        out->ref[i] = case_reads(c, ALIGN_LOSS_READS_REF) ? c->ref[at] : 0;
        out->old[i] = c->old[at];
        out->count[i] = c->count[at];
        out->aux[i] = c->aux[at];
        out->label[i] = c->label[at];
    }
    return c->row->arity == ALIGN_LOSS_LIST ? out->n > 0 : out->n == c->items;
}

static real value_at(ref_loss_fn fn, const struct ref_group *group, real *number, real x)
{
    real kept = *number;
    *number = x;
    struct ref_group moved = *group;
    *number = kept;
    moved.still = group;
    return ref_value(fn, &moved);
}

struct slope {
    double value;
    bool kink; /* left and right differ */
};

static struct slope slope_of(ref_loss_fn fn, struct ref_group *group, real *number)
{
    const real x = *number, h = (real)1e-12 * (1 + r_abs(x));
    const real low = value_at(fn, group, number, x - h), high = value_at(fn, group, number, x + h);
    const real here = value_at(fn, group, number, x);
    const real left = (here - low) / h, right = (high - here) / h;
    return (struct slope){(double)((high - low) / (2 * h)),
                          r_abs(left - right) > (real)1e-7 * (1 + r_abs(left))};
}

struct expected {
    double value, scale; /* scale: the largest term */
    double d[CASE_ITEMS], steepest[CASE_ITEMS];
    double least[CASE_ITEMS]; /* what the smallest f64 becomes where a worth moves */
    bool kink[CASE_ITEMS];
    int n, where[CASE_ITEMS];
    bool live, finite;
    bool beyond; /* a worth is out of range: of a list, or of 15 bits of exponents */
};

/* Largest terms of the derivatives. Those of a list are by what log-ratios are worth, and move with them. */
static void find_steepest(const struct align__loss_row *row, const struct ref_group *group,
                          struct expected *e)
{
    const bool list = row->arity == ALIGN_LOSS_LIST;
    const real most_worth = list ? 680 : 9000;
    real most = group->steepest, moves[CASE_ITEMS];
    for (int i = 0; i < e->n; i++) {
        const real slope = ref_worth_slope(group, i);
        e->beyond = e->beyond || !(r_log(r_abs(group->worth[i])) < most_worth);
        e->least[i] = (double)((real)0x1p-1060 * (1 + slope));
        moves[i] = list ? slope : 1;
        if (isfinite(e->d[i]) && r_abs(e->d[i]) > most * moves[i])
            most = r_abs(e->d[i]) / moves[i];
    }
    for (int i = 0; i < e->n; i++)
        e->steepest[i] = (double)(most * moves[i]);
}

static struct expected expect_group(const struct loss_case *c, int g, bool masked)
{
    struct expected e = {0};
    struct ref_group group;
    ref_loss_fn fn = ref_loss_find(c->row->name);
    ck_assert_msg(fn != NULL, "row %s has no reference", c->row->name);
    e.live = take_group(c, g, masked, &group, e.where);
    if (!e.live)
        return e;
    e.n = group.n;
    group.still = &group;
    e.value = (double)ref_value(fn, &group);
    e.scale = (double)group.largest;
    e.finite = fabs(e.value) < 1e300;
    for (int i = 0; i < e.n; i++) {
        struct slope s = slope_of(fn, &group, &group.score[i]);
        e.d[i] = s.value;
        e.kink[i] = s.kink;
    }
    find_steepest(c->row, &group, &e);
    return e;
}

/* Rounds the inputs of a case to a dtype, and gives it tensors of it. */
static void store_inputs(struct loss_case *c, align_loss_args *a, align_dtype dtype,
                         uint64_t *memory)
{
    double *const arrays[] = {c->score, c->ref, c->old, c->aux, c->label};
    align_tensor *const tensors[] = {&a->score, &a->ref, &a->old, &a->aux, &a->label};
    for (int i = 0; i < 5; i++) {
        char *at = (char *)(memory + i * CASE_ALL);
        align__store_row(dtype, at, 1, arrays[i], CASE_ALL);
        align__load_row(arrays[i], dtype, at, 1, CASE_ALL);
        if (tensors[i]->ndim > 0) {
            tensors[i]->data = at;
            tensors[i]->dtype = dtype;
        }
    }
}

struct how {
    double spread;
    align_dtype dtype;
    double within; /* relative to the largest term, beside what rounding_of says */
    bool masked;
};

/* Where the largest term is a tail e^-z, the rounding of z stands in all its digits: z is made from two scores in
 * four steps, each wrong by at most 2^-53 of the largest of them, and no tail is left beyond 745. */
static double rounding_of(const struct loss_case *c, int g)
{
    double most = fabs(c->offset[g]);
    for (int i = g * c->items; i < (g + 1) * c->items; i++)
        most = fmax(most, fmax(1, c->params.beta) * fabs(c->score[i] - c->ref[i]));
    return 4 * 0x1p-53 * fmin(most, 745);
}

static void check_case(struct random *r, const struct align__loss_row *row, struct how how)
{
    static uint64_t memory[5 * CASE_ALL];
    struct loss_case c;
    align_loss_args a;
    double value = 0, group_value[CASE_GROUPS], d[CASE_ALL];
    random_case(r, row, how.spread, &c);
    case_args(&c, &a);
    store_inputs(&c, &a, how.dtype, memory);
    a.value = align_1d(&value, ALIGN_F64, 1);
    a.group_value = align_1d(group_value, ALIGN_F64, c.groups);
    a.dscore = align_2d(d, how.dtype == ALIGN_F64 ? ALIGN_F64 : ALIGN_F32, c.groups, c.items);
    if (case_reads(&c, ALIGN_LOSS_READS_WEIGHT))
        a.weight = align_1d(c.weight, ALIGN_F64, c.groups);
    else
        c.weight[0] = 1;
    a.scale = between(r, -2, 2);
    if (how.masked)
        a.mask = align_2d(c.mask, ALIGN_U8, c.groups, c.items);
    must_eval(NULL, &a);
    double sum = 0, largest = 0;
    bool beyond = false;
    for (int g = 0; g < c.groups; g++) {
        struct expected e = expect_group(&c, g, how.masked);
        const double factor = a.scale * c.weight[g];
        sum += factor == 0 ? 0 : factor * e.value;
        largest = fmax(largest, fabs(factor) * e.scale);
        beyond = beyond || e.beyond;
        ck_assert_msg(e.beyond || group_value[g] == e.value ||
                          fabs(group_value[g] - e.value) <=
                              1e-13 * (e.scale + fabs(e.value)) + DBL_MIN,
                      "%s: loss %.17g, expected %.17g", row->name, group_value[g], e.value);
        for (int i = 0; i < e.n && e.live; i++) {
            int at = g * c.items + e.where[i];
            double got = align__load(a.dscore.dtype, align__at(&a.dscore, g, e.where[i]));
            double wanted = factor * e.d[i];
            const double share = how.within + (how.dtype == ALIGN_F64 ? rounding_of(&c, g) : 0);
            double within = fabs(factor) * (share * e.steepest[i] + 1e-17 * e.scale) + e.least[i] +
                            (how.dtype == ALIGN_F64 ? DBL_MIN : 0x1p-149);
            if (how.dtype != ALIGN_F64 && fabs(wanted) > FLT_MAX)
                wanted = copysign(INFINITY, wanted);
            ck_assert_msg(!isnan(got), "%s: d[%d] of group %d is NaN", row->name, e.where[i], g);
            ck_assert_msg(e.kink[i] || e.beyond || !e.finite || got == wanted ||
                              fabs(got - wanted) <= within,
                          "%s: d[%d] of group %d is %.17g, expected %.17g (score %.17g)", row->name,
                          e.where[i], g, got, wanted, c.score[at]);
        }
    }
    ck_assert_msg(value == sum || beyond || !isfinite(sum) ||
                      fabs(value - sum) <= 1e-13 * (largest * c.groups + fabs(sum)),
                  "%s: value %.17g, expected %.17g", row->name, value, sum);
}

START_TEST(rows_agree_with_their_references)
{
    const double spreads[] = {0.01, 1, 5, 60, 1000, 1e4};
    struct random r = {(uint64_t)_i * 977 + 1};
    for (int trial = 0; trial < 60; trial++) {
        struct how how = {spreads[trial % 6], ALIGN_F64, 1e-13, trial % 2 == 1};
        check_case(&r, row_of(_i), how);
    }
}
END_TEST

START_TEST(rows_agree_in_short_dtypes)
{
    const align_dtype dtypes[] = {ALIGN_F32, ALIGN_BF16, ALIGN_F16};
    struct random r = {(uint64_t)_i * 977 + 2};
    for (int trial = 0; trial < 18; trial++) {
        struct how how = {trial % 2 == 0 ? 1 : 40, dtypes[trial % 3], 0x1p-22, trial % 2 == 1};
        check_case(&r, row_of(_i), how);
    }
}
END_TEST

/* Numbers beside the score that have a gradient: aux, and parameters that are learnt. */
static void check_aux(ref_loss_fn fn, struct ref_group *group, const struct align__loss_row *row,
                      const double *got)
{
    for (int i = 0; i < group->n; i++) {
        const struct slope s = slope_of(fn, group, &group->aux[i]);
        ck_assert_msg(s.kink || fabs(got[i] - s.value) <= 1e-12 * (1 + fabs(s.value)),
                      "%s: daux[%d] is %.17g, expected %.17g", row->name, i, got[i], s.value);
    }
}

static double by_param(ref_loss_fn fn, struct ref_group *group, enum align__param param)
{
    const double x = align__param_get(group->p, param), h = 0x1p-20;
    real at[4];
    for (int i = 0; i < 4; i++) {
        align_loss_params moved = *group->p;
        struct ref_group copy = *group;
        align_param_info info = {0};
        struct align__param_use use = {.param = param};
        align__param_describe(&use, &info);
        const double y = x + (i < 2 ? i - 2 : i - 1) * h;
        memcpy((char *)&moved + info.offset, &y, sizeof y);
        copy.p = &moved;
        copy.still = group;
        at[i] = ref_value(fn, &copy);
    }
    return (double)((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * (real)h));
}

static void check_params(ref_loss_fn fn, struct ref_group *group, const struct align__loss_row *row,
                         const double *got)
{
    static const enum align__param learnt[] = {
        ALIGN__PARAM_ETA,        ALIGN__PARAM_NU,         ALIGN__PARAM_FLIP,
        ALIGN__PARAM_THRESHOLD1, ALIGN__PARAM_THRESHOLD2, ALIGN__PARAM_THRESHOLD3,
        ALIGN__PARAM_THRESHOLD4,
    };
    for (uint32_t p = 0; p < align__loss_n_params(row); p++) {
        bool learns = false;
        for (size_t i = 0; i < sizeof learnt / sizeof learnt[0]; i++)
            learns = learns || row->params[p].param == learnt[i];
        const double wanted = learns ? by_param(fn, group, row->params[p].param) : 0;
        ck_assert_msg(fabs(got[p] - wanted) <= 1e-9 * (1 + fabs(wanted)),
                      "%s: dparam[%u] is %.17g, expected %.17g", row->name, p, got[p], wanted);
    }
}

static void check_curve(ref_loss_fn fn, struct ref_group *group, const struct align__loss_row *row,
                        const double *got)
{
    for (int i = 0; i < group->n; i++) {
        const real x = group->score[i], h = (real)1e-8, here = ref_value(fn, group);
        const real left = here - value_at(fn, group, &group->score[i], x - h);
        const real right = value_at(fn, group, &group->score[i], x + h) - here;
        const double wanted = (double)((right - left) / (h * h));
        const bool kink = fabs(wanted) > 1e6;
        ck_assert_msg(kink || fabs(got[i] - wanted) <= 1e-9 * (1 + fabs(wanted)),
                      "%s: hscore[%d] is %.17g, expected %.17g", row->name, i, got[i], wanted);
    }
}

START_TEST(other_outputs_agree_with_the_references)
{
    const struct align__loss_row *row = row_of(_i);
    const uint32_t reads = align__loss_reads(row);
    ref_loss_fn fn = ref_loss_find(row->name);
    struct random r = {(uint64_t)_i * 977 + 3};
    for (int trial = 0; trial < 30; trial++) {
        struct loss_case c;
        struct ref_group group;
        align_loss_args a;
        int where[CASE_ITEMS];
        double value, daux[CASE_ALL], dparam[ALIGN__MAX_USES], h[CASE_ALL];
        random_case(&r, row, 2, &c);
        c.groups = 1;
        case_args(&c, &a);
        a.value = align_1d(&value, ALIGN_F64, 1);
        if ((reads & ALIGN_LOSS_WRITES_DAUX) != 0)
            a.daux = align_2d(daux, ALIGN_F64, 1, c.items);
        if ((reads & ALIGN_LOSS_WRITES_DPARAM) != 0)
            a.dparam = align_1d(dparam, ALIGN_F64, align__loss_n_params(row));
        if ((reads & ALIGN_LOSS_WRITES_HSCORE) != 0)
            a.hscore = align_2d(h, ALIGN_F64, 1, c.items);
        must_eval(NULL, &a);
        take_group(&c, 0, false, &group, where);
        group.still = &group;
        if (a.daux.ndim > 0)
            check_aux(fn, &group, row, daux);
        if (a.dparam.ndim > 0)
            check_params(fn, &group, row, dparam);
        if (a.hscore.ndim > 0)
            check_curve(fn, &group, row, h);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad loss");
    TCase *tcase = tcase_create("grad loss");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, rows_agree_with_their_references, 1, align_loss_count() + 1);
    tcase_add_loop_test(tcase, rows_agree_in_short_dtypes, 1, align_loss_count() + 1);
    tcase_add_loop_test(tcase, other_outputs_agree_with_the_references, 1, align_loss_count() + 1);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
