/* Rows of the loss table by properties. A cell of the matrix is a property that holds (+), or a reason why
 * it cannot; an empty cell fails. */
#include "../loss_case.h"

#include <stdio.h>

enum { METRICS = 24 };

struct result {
    double value, d[CASE_ALL], group[CASE_GROUPS], metrics[METRICS][2];
};

static void eval_args(align_loss_args *a, struct result *out)
{
    a->value = align_1d(&out->value, ALIGN_F64, 1);
    a->dscore = a->score;
    a->dscore.data = out->d;
    must_eval(NULL, a);
}

static void eval_case(struct loss_case *c, struct result *out)
{
    align_loss_args a;
    case_args(c, &a);
    eval_args(&a, out);
}

static bool near(double x, double y, double scale)
{
    return fabs(x - y) <= 1e-11 * (scale + fabs(x) + fabs(y));
}

/* A case at the row's defaults, with scores of ordinary size and no ties. */
static void plain_case(struct random *r, const struct align__loss_row *row, struct loss_case *c)
{
    random_case(r, row, 3, c);
    ck_assert_int_eq(
        align_loss_params_init(&c->params, sizeof c->params, align_loss_find(row->name), NULL), 0);
    for (int i = 0; i < c->groups * c->items; i++)
        c->label[i] = between(r, fmax(row->label_least, -2), fmin(row->label_most, 2));
}

static double slope_scale(const struct loss_case *c, const struct result *x)
{
    double most = 0;
    for (int i = 0; i < c->groups * c->items; i++)
        most = fmax(most, fabs(x->d[i]));
    return most;
}

static bool same(const struct loss_case *c, const struct result *x, const struct result *y)
{
    const double scale = slope_scale(c, x);
    for (int i = 0; i < c->groups * c->items; i++)
        if (!near(x->d[i], y->d[i], scale))
            return false;
    return near(x->value, y->value, 1);
}

static bool shift(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    for (int g = 0; g < c.groups; g++)
        for (int k = 0; k < c.items; k++)
            c.score[g * c.items + k] -= 1 + g;
    eval_case(&c, &y);
    return same(&c, &x, &y);
}

static bool sum_zero(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    const double scale = slope_scale(&c, &x);
    for (int g = 0; g < c.groups; g++) {
        double sum = 0;
        for (int k = 0; k < c.items; k++)
            sum += x.d[g * c.items + k];
        if (fabs(sum) > 1e-13 * scale)
            return false;
    }
    return true;
}

static void swap_items(struct loss_case *c, int g, int i, int j)
{
    double *const arrays[] = {c->score, c->ref, c->old, c->count, c->aux, c->label};
    for (int a = 0; a < 6; a++) {
        double *row = arrays[a] + g * c->items, kept = row[i];
        row[i] = row[j];
        row[j] = kept;
    }
}

static void swap_results(struct result *x, const struct loss_case *c, int g, int i, int j)
{
    double *row = x->d + g * c->items, kept = row[i];
    row[i] = row[j];
    row[j] = kept;
}

static bool swap(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    for (int g = 0; g < c.groups; g++) {
        swap_items(&c, g, 0, 1);
        swap_results(&x, &c, g, 0, 1);
        c.prob[g] = 1 - c.prob[g];
        c.offset[g] = -c.offset[g];
    }
    eval_case(&c, &y);
    return same(&c, &x, &y);
}

static bool permute(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    for (int g = 0; g < c.groups; g++)
        for (int i = c.items - 1; i > 0; i--) {
            int j = pick(r, i + 1);
            swap_items(&c, g, i, j);
            swap_results(&x, &c, g, i, j);
        }
    eval_case(&c, &y);
    return same(&c, &x, &y);
}

/* S(u) - S(0), as docs/losses.md writes it, and S'(u). */
static double worth(const align_loss_params *p, double u, double *slope)
{
    const double s = 1 / (1 + exp(-u)), a = p->order - 1, c = p->order;
    const double worths[] = {
        u, 1 - exp(-u), log(2 * s), expm1(a * u) / a, -expm1(-c * u) / c, u + expm1(u)};
    const double slopes[] = {1, exp(-u), 1 - s, exp(a * u), exp(-c * u), 1 + exp(u)};
    *slope = slopes[p->divergence];
    return worths[p->divergence];
}

static void random_divergence(struct random *r, align_loss_params *p)
{
    p->divergence = pick(r, ALIGN_DIVERGENCE_CHI + 1);
    p->order = between(r, -1, 2);
}

/* The row under a divergence against itself on what its log-ratios are worth. */
static bool by_worth(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    double slope[CASE_ALL];
    plain_case(r, row, &c);
    random_divergence(r, &c.params);
    eval_case(&c, &x);
    for (int i = 0; i < c.groups * c.items; i++) {
        c.score[i] = worth(&c.params, c.score[i] - c.ref[i], &slope[i]);
        c.ref[i] = 0;
    }
    c.params.divergence = ALIGN_DIVERGENCE_REVERSE_KL;
    eval_case(&c, &y);
    for (int i = 0; i < c.groups * c.items; i++)
        y.d[i] *= slope[i];
    return same(&c, &x, &y);
}

/* K = 2 with labels 1 and 0 against the pair row at the same beta. */
static bool as_pair(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    align_loss_args a;
    plain_case(r, row, &c);
    random_divergence(r, &c.params);
    c.groups = c.items < 2 ? 1 : c.groups * c.items / 2;
    c.groups = c.groups > CASE_GROUPS ? CASE_GROUPS : c.groups;
    c.items = 2;
    for (int g = 0; g < c.groups; g++) {
        c.label[2 * g] = 1;
        c.label[2 * g + 1] = 0;
    }
    eval_case(&c, &x);
    case_args(&c, &a);
    a.loss = row->as_pair;
    a.label = (align_tensor){.ndim = 0};
    align_loss_params p;
    ck_assert_int_eq(align_loss_params_init(&p, sizeof p, row->as_pair, NULL), 0);
    p.beta = c.params.beta;
    p.divergence = c.params.divergence;
    p.order = c.params.order;
    a.params = &p;
    eval_args(&a, &y);
    return same(&c, &x, &y);
}

static bool ref_only(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    for (int i = 0; i < c.groups * c.items; i++) {
        const double by = round(between(r, -9, 9));
        c.score[i] += by;
        c.ref[i] += by;
    }
    eval_case(&c, &y);
    return same(&c, &x, &y);
}

/* The first rows of a case as a call of its own. */
static void part(struct loss_case *c, int first, int n, struct result *x, align_loss_args *a)
{
    align_tensor *const wide[] = {&a->score, &a->ref, &a->old, &a->count, &a->aux, &a->label};
    case_args(c, a);
    for (int i = 0; i < 6; i++)
        if (wide[i]->ndim > 0) {
            wide[i]->data = (double *)wide[i]->data + first * c->items;
            wide[i]->shape[0] = n;
        }
    for (int i = 0; i < 2; i++) {
        align_tensor *t = i == 0 ? &a->prob : &a->offset;
        t->data = t->ndim > 0 ? (double *)t->data + first : NULL;
        t->shape[0] = n;
    }
    a->denom = c->groups;
    a->value = align_1d(&x->value, ALIGN_F64, 1);
    a->dscore = a->score;
    a->dscore.data = x->d + first * c->items;
    align_loss_info info = {0};
    ck_assert_int_eq(align_loss_get_info(a->loss, &info), 0);
    ck_assert_uint_le(info.n_metrics, METRICS);
    a->metrics = align_2d(x->metrics, ALIGN_F64, info.n_metrics, 2);
    must_eval(NULL, a);
}

/* Sums and counts of two parts against those of the whole: counts exactly. */
static bool metrics_add(const struct result *whole, const struct result *x, const struct result *y,
                        int64_t count)
{
    for (int64_t m = 0; m < count; m++) {
        const double *all = whole->metrics[m], *a = x->metrics[m], *b = y->metrics[m];
        const double within = 4 * 0x1p-53 * (fabs(a[0]) + fabs(b[0]));
        if (a[1] + b[1] != all[1] || fabs(a[0] + b[0] - all[0]) > within)
            return false;
    }
    return true;
}

static bool merge(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result whole, parts, before;
    align_loss_args a;
    plain_case(r, row, &c);
    part(&c, 0, c.groups, &whole, &a);
    const int cut = pick(r, c.groups + 1);
    part(&c, 0, cut, &parts, &a);
    const double first = parts.value;
    before = parts;
    part(&c, cut, c.groups - cut, &parts, &a);
    const size_t bytes = (size_t)(c.groups * c.items) * sizeof(double);
    const double ulp = nextafter(fabs(whole.value), INFINITY) - fabs(whole.value);
    return memcmp(whole.d, parts.d, bytes) == 0 &&
           metrics_add(&whole, &before, &parts, a.metrics.shape[0]) &&
           fabs(first + parts.value - whole.value) <= 2 * ulp + 2 * 0x1p-53 * fabs(first);
}

static bool equal(const double *x, const double *y, int n)
{
    for (int i = 0; i < n; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

/* Stacked columns, index and offsets give the numbers of the plain view. */
static bool forms(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    align_loss_args a;
    int32_t index[CASE_ALL];
    int64_t offsets[CASE_GROUPS + 1];
    plain_case(r, row, &c);
    eval_case(&c, &x);
    const int n = c.groups * c.items;
    for (int i = 0; i < n; i++)
        index[i] = i;
    for (int g = 0; g <= c.groups; g++)
        offsets[g] = g * c.items;
    for (int form = 0; form < 2; form++) {
        case_args(&c, &a);
        align_tensor *const wide[] = {&a.score, &a.ref, &a.old, &a.count, &a.aux, &a.label};
        for (int i = 0; i < 6; i++)
            if (wide[i]->ndim > 0)
                *wide[i] = align_1d(wide[i]->data, ALIGN_F64, n);
        if (form == 0)
            a.index = align_2d(index, ALIGN_I32, c.groups, c.items);
        else
            a.offsets = align_1d(offsets, ALIGN_I64, c.groups + 1);
        if (form == 1 && row->arity != ALIGN_LOSS_LIST)
            continue;
        memset(&y, 0xff, sizeof y);
        eval_args(&a, &y);
        if (!equal(x.d, y.d, n) || x.value != y.value)
            return false;
    }
    return true;
}

/* What is masked may as well not be there, whatever stands in its place. */
static bool masked(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c, kept;
    struct result x, y;
    align_loss_args a;
    plain_case(r, row, &c);
    const bool list = row->arity == ALIGN_LOSS_LIST;
    const int gone = list ? pick(r, c.items) : 0, g = pick(r, c.groups);
    kept = c;
    c.mask[0] = 1;
    memset(c.mask, 1, sizeof c.mask);
    c.mask[g * c.items + gone] = 0;
    c.score[g * c.items + gone] = c.label[g * c.items + gone] = NAN;
    case_args(&c, &a);
    a.mask = align_2d(c.mask, ALIGN_BOOL, c.groups, c.items);
    eval_args(&a, &x);
    if (x.d[g * c.items + gone] != 0)
        return false;
    if (!list || c.items == 1)
        return isfinite(x.value);
    for (int k = gone; k + 1 < c.items; k++)
        swap_items(&kept, g, k, k + 1);
    const int64_t offsets[] = {g * c.items, (g + 1) * c.items - 1};
    case_args(&kept, &a);
    align_tensor *const wide[] = {&a.score, &a.ref, &a.old, &a.count, &a.aux, &a.label};
    for (int i = 0; i < 6; i++)
        if (wide[i]->ndim > 0)
            *wide[i] = align_1d(wide[i]->data, ALIGN_F64, c.groups * c.items);
    a.offsets = align_1d(offsets, ALIGN_I64, 2);
    eval_args(&a, &y);
    for (int k = 0, i = 0; k < c.items; k++)
        if (k != gone && x.d[g * c.items + k] != y.d[g * c.items + i++])
            return false;
    return true;
}

/* No groups, and no live ones: zeros. */
static bool nothing(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x;
    align_loss_args a;
    plain_case(r, row, &c);
    for (int i = 0; i < c.groups * c.items; i++)
        c.mask[i] = 0;
    case_args(&c, &a);
    a.mask = align_2d(c.mask, ALIGN_U8, c.groups, c.items);
    a.denom = 0;
    memset(&x, 0xff, sizeof x);
    eval_args(&a, &x);
    for (int i = 0; i < c.groups * c.items; i++)
        if (x.d[i] != 0)
            return false;
    if (x.value != 0)
        return false;
    c.groups = 0;
    eval_case(&c, &x);
    return x.value == 0;
}

/* Adding twice doubles; the mean is the sum by the count. */
static bool adds(struct random *r, const struct align__loss_row *row)
{
    struct loss_case c;
    struct result x, y;
    align_loss_args a;
    plain_case(r, row, &c);
    eval_case(&c, &x);
    eval_case(&c, &y);
    case_args(&c, &a);
    a.flags = ALIGN_LOSS_ADD;
    eval_args(&a, &y);
    for (int i = 0; i < c.groups * c.items; i++)
        if (y.d[i] != 2 * x.d[i])
            return false;
    a.flags = 0;
    a.denom = 0;
    eval_args(&a, &x);
    return y.value == 2 * (y.value / 2) && near(x.value * c.groups, y.value / 2, 1);
}

static const struct column {
    const char *name;
    bool (*holds)(struct random *r, const struct align__loss_row *row);
    int property; /* -1: no row may be without it */
    int arity;    /* -1: any; else only of this arity */
} columns[] = {
    {"shift", shift, ALIGN__PROP_SHIFT, -1},
    {"sum zero", sum_zero, ALIGN__PROP_SUM_ZERO, -1},
    {"swap", swap, ALIGN__PROP_SWAP, ALIGN_LOSS_PAIR},
    {"permute", permute, ALIGN__PROP_PERMUTE, ALIGN_LOSS_LIST},
    {"K = 2", as_pair, ALIGN__PROP_PAIR, ALIGN_LOSS_LIST},
    {"ref", ref_only, ALIGN__PROP_REF, -1},
    {"merge", merge, ALIGN__PROP_MERGE, -1},
    {"worth", by_worth, ALIGN__PROP_WORTH, -1},
    {"forms", forms, -1, -1},
    {"masked", masked, -1, -1},
    {"nothing", nothing, -1, -1},
    {"adds", adds, -1, -1},
};

enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

START_TEST(every_cell_is_filled)
{
    const struct align__loss_row *row = align__loss_row(_i);
    struct random r = {(uint64_t)_i * 31 + 7};
    int notes = 0;
    char reasons[2048] = "";
    printf("%-18s", row->name);
    for (int i = 0; i < N_COLUMNS; i++) {
        const struct column *column = &columns[i];
        const char *why = column->property >= 0 ? row->unless[column->property] : NULL;
        const bool apart = column->property == ALIGN__PROP_WORTH &&
                           (align__loss_reads(row) & ALIGN_LOSS_READS_REF) == 0;
        if (apart || (column->arity >= 0 && row->arity != column->arity)) {
            printf("%10s", ".");
            continue;
        }
        if (why != NULL) {
            notes++;
            printf("%9s%d", "", notes);
            snprintf(reasons + strlen(reasons), sizeof reasons - strlen(reasons), "    %d: %s\n",
                     notes, why);
            continue;
        }
        bool holds = true;
        for (int trial = 0; trial < 20 && holds; trial++)
            holds = column->holds(&r, row);
        printf("%10s", holds ? "+" : "BROKEN");
        ck_assert_msg(holds, "%s: %s does not hold", row->name, column->name);
    }
    printf("\n%s", reasons);
}
END_TEST

int main(void)
{
    printf("%-18s", "");
    for (int i = 0; i < N_COLUMNS; i++)
        printf("%10s", columns[i].name);
    printf("\n");
    fflush(stdout);
    Suite *suite = suite_create("props loss");
    TCase *tcase = tcase_create("props loss");
    tcase_add_loop_test(tcase, every_cell_is_filled, 1, align_loss_count() + 1);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
