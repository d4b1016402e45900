/* The corners of docs/numerics.md, on every row of the loss table. */
#include "../loss_case.h"

struct outcome {
    double value, group[CASE_GROUPS], d[CASE_ALL], metrics[2 * 64];
};

static void run(struct loss_case *c, struct outcome *out)
{
    align_loss_args a;
    align_loss_info info = {0};
    case_args(c, &a);
    ck_assert_int_eq(align_loss_get_info(a.loss, &info), 0);
    ck_assert_uint_le(info.n_metrics, 64);
    memset(out, 0xff, sizeof *out);
    a.value = align_1d(&out->value, ALIGN_F64, 1);
    a.group_value = align_1d(out->group, ALIGN_F64, c->groups);
    a.dscore = align_2d(out->d, ALIGN_F64, c->groups, c->items);
    a.metrics = align_2d(out->metrics, ALIGN_F64, info.n_metrics, 2);
    must_eval(NULL, &a);
}

/* Sum of the metric of this name, -1 where the row does not have it. */
static double metric(const struct loss_case *c, const struct outcome *x, const char *name)
{
    align_loss_id id = align_loss_find(c->row->name);
    align_metric_info info = {0};
    for (uint32_t i = 0; align_loss_get_metric(id, i, &info) == 0; i++)
        if (strcmp(info.name, name) == 0)
            return x->metrics[2 * i];
    return -1;
}

/* The value may be NaN only where groups of +inf and -inf meet. */
static bool has_nan(const struct loss_case *c, const struct outcome *x)
{
    bool found = false, up = false, down = false;
    for (int i = 0; i < c->groups * c->items; i++)
        found |= isnan(x->d[i]);
    for (int g = 0; g < c->groups; g++)
        found |= isnan(x->group[g]), up |= x->group[g] == INFINITY,
            down |= x->group[g] == -INFINITY;
    return found || (isnan(x->value) && !(up && down));
}

static const double extremes[] = {-INFINITY, INFINITY, -1e4, 1e4, -1e300, 1e300, 0};

START_TEST(infinities_make_no_nan)
{
    struct random r = {(uint64_t)_i + 1};
    for (int trial = 0; trial < 150; trial++) {
        struct loss_case c;
        struct outcome x;
        random_case(&r, align__loss_row(_i), 3, &c);
        for (int change = pick(&r, 5); change >= 0; change--) {
            double *inputs[] = {c.score, c.ref}, x_in = extremes[pick(&r, 7)];
            int which = pick(&r, 2);
            inputs[which][pick(&r, c.groups * c.items)] = c.row->log_probs && which == 0
                                                              ? -fabs(x_in)
                                                              : x_in;
        }
        run(&c, &x);
        ck_assert_msg(!has_nan(&c, &x), "%s, trial %d: NaN", c.row->name, trial);
    }
}
END_TEST

START_TEST(a_group_of_impossible_items)
{
    struct random r = {(uint64_t)_i + 2};
    for (int trial = 0; trial < 40; trial++) {
        struct loss_case c;
        struct outcome x;
        random_case(&r, align__loss_row(_i), 3, &c);
        for (int i = 0; i < c.items; i++)
            c.score[i] = -INFINITY;
        run(&c, &x);
        ck_assert_msg(!has_nan(&c, &x), "%s, trial %d: NaN", c.row->name, trial);
        ck_assert_msg(metric(&c, &x, "non_finite") != 0, "%s: not counted", c.row->name);
        for (int i = 0; c.row->arity == ALIGN_LOSS_LIST && i < c.items; i++)
            ck_assert_msg(x.group[0] == 0 && x.d[i] == 0, "%s: %g", c.row->name, x.group[0]);
    }
}
END_TEST

START_TEST(nan_stays_in_its_group)
{
    struct random r = {(uint64_t)_i + 3};
    for (int trial = 0; trial < 40; trial++) {
        struct loss_case c;
        struct outcome x, y;
        random_case(&r, align__loss_row(_i), 3, &c);
        run(&c, &x);
        int at = pick(&r, c.groups * c.items), g = at / c.items;
        c.score[at] = NAN;
        run(&c, &y);
        ck_assert_msg(isnan(y.value) && isnan(y.group[g]), "%s: %g", c.row->name, y.group[g]);
        for (int i = 0; i < c.groups * c.items; i++)
            ck_assert_msg(i / c.items == g ? isnan(y.d[i]) : y.d[i] == x.d[i],
                          "%s, trial %d: gradient %d is %g", c.row->name, trial, i, y.d[i]);
    }
}
END_TEST

/* A log-ratio of two equal infinities is 0, whatever the row then does with it. */
START_TEST(equal_infinities_cancel)
{
    struct random r = {(uint64_t)_i + 4};
    for (int trial = 0; trial < 40; trial++) {
        struct loss_case c;
        struct outcome x, y;
        random_case(&r, align__loss_row(_i), 3, &c);
        if (!case_reads(&c, ALIGN_LOSS_READS_REF) || c.row->unless[ALIGN__PROP_REF] != NULL)
            continue;
        int at = pick(&r, c.groups * c.items);
        c.score[at] = c.ref[at] = -2;
        run(&c, &x);
        c.score[at] = c.ref[at] = trial % 2 == 0 ? -INFINITY : INFINITY;
        run(&c, &y);
        ck_assert_msg(x.group[at / c.items] == y.group[at / c.items], "%s: %.17g, %.17g",
                      c.row->name, x.group[at / c.items], y.group[at / c.items]);
        ck_assert_msg(metric(&c, &y, "non_finite") != 0, "%s: not counted", c.row->name);
    }
}
END_TEST

START_TEST(the_finite_flag_names_the_place)
{
    struct random r = {(uint64_t)_i + 5};
    struct loss_case c;
    align_loss_args a;
    align_error error;
    align_exec exec;
    double value = 7;
    random_case(&r, align__loss_row(_i), 3, &c);
    int at = pick(&r, c.groups * c.items);
    c.score[at] = -INFINITY;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    exec.flags = ALIGN_FLAG_FINITE;
    case_args(&c, &a);
    a.value = align_1d(&value, ALIGN_F64, 1);
    ck_assert_int_eq(align_loss_eval(&exec, &a), ALIGN_E_RANGE);
    ck_assert_str_eq(error.field, "align_loss_args.score");
    ck_assert_int_eq(error.index[0], at / c.items);
    ck_assert_int_eq(error.index[1], at % c.items);
    ck_assert(error.value == -INFINITY && value == 7);
}
END_TEST

/* Leaves out what is infinite by its formula: e^u of a log-ratio u in the thousands. */
static void without_exponentials(align_loss_params *p)
{
    p->divergence = ALIGN_DIVERGENCE_REVERSE_KL;
    p->estimator = p->estimator == ALIGN_KL_K3 ? ALIGN_KL_K2 : p->estimator;
    p->alpha = p->loss == ALIGN_LOSS_ALPHA_PO ? 0 : p->alpha;
}

/* Far margins: the loss is its asymptote, the gradient its limit, and neither overflows. */
START_TEST(far_scores_stay_finite)
{
    struct random r = {(uint64_t)_i + 6};
    for (int trial = 0; trial < 60; trial++) {
        struct loss_case c;
        struct outcome x;
        random_case(&r, align__loss_row(_i), 1e4, &c);
        without_exponentials(&c.params);
        run(&c, &x);
        bool finite = isfinite(x.value);
        for (int i = 0; i < c.groups * c.items; i++)
            finite &= isfinite(x.d[i]);
        ck_assert_msg(finite, "%s, trial %d: not finite", c.row->name, trial);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {infinities_make_no_nan,          a_group_of_impossible_items,
                            nan_stays_in_its_group,          equal_infinities_cancel,
                            the_finite_flag_names_the_place, far_scores_stay_finite};
    Suite *suite = suite_create("loss corners");
    TCase *tcase = tcase_create("corners");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_loop_test(tcase, tests[i], 1, align_loss_count() + 1);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
