#include "call.h"

#include <math.h>
#include <string.h>

#define ARGS     BT_ARGS
#define RANKINGS "align_bt_rankings"
#define READER   "align_bt_fit"

enum { DENSE_ITEMS = 1024 };

static align_status fail_value(const align_exec *exec, const char *field, double value,
                               const char *word)
{
    return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = field, .value = value,
                       .word = word);
}

static align_status fail_unread(const align_exec *exec, const char *field, const char *word)
{
    return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = field, .word = word);
}

static align_status fail_bounds(const align_exec *exec, const char *field, double value, double low,
                                double high)
{
    return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = field, .value = value,
                       .low = low, .high = high);
}

/* ---- options ------------------------------------------------------------------------------ */

static align_status check_choices(const align_exec *exec, const align_bt_args *args)
{
    const struct {
        const char *field;
        int32_t value, most;
    } choices[] = {
        {"ties", args->ties, ALIGN_BT_TIES_RAO_KUPPER},
        {"prior", args->prior, ALIGN_BT_PRIOR_JEFFREYS},
        {"variance", args->variance, ALIGN_BT_CLUSTER},
        {"solver", args->solver, ALIGN_BT_SOLVER_NEWMAN},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (choices[i].value < 0 || choices[i].value > choices[i].most)
            return fail_bounds(exec, choices[i].field, choices[i].value, 0, choices[i].most);
    if ((args->flags &
         ~(uint32_t)(ALIGN_BT_HOME | ALIGN_BT_ANCHOR | ALIGN_BT_BIAS | ALIGN_BT_RELIABILITY)) != 0)
        return ALIGN__FAIL(exec, FLAG_UNKNOWN, .owner = ARGS, .field = "flags",
                           .value = args->flags, .word = READER);
    return ALIGN_E_NONE;
}

/* Each number of a prior: who reads it, and above what it must lie. */
static align_status check_prior(const align_exec *exec, const align_bt_args *args)
{
    const struct {
        const char *field;
        double value, above;
        uint32_t readers;
        const char *word;
    } numbers[] = {
        {"prior_mean", args->prior_mean, -INFINITY, 1u << ALIGN_BT_PRIOR_GAUSSIAN, "finite"},
        {"prior_precision", args->prior_precision, 0, 1u << ALIGN_BT_PRIOR_GAUSSIAN,
         "finite and above 0"},
        {"prior_shape", args->prior_shape, 1, 1u << ALIGN_BT_PRIOR_GAMMA, "finite and above 1"},
        {"prior_rate", args->prior_rate, 0, 1u << ALIGN_BT_PRIOR_GAMMA, "finite and above 0"},
        {"prior_games", args->prior_games, 0,
         1u << ALIGN_BT_PRIOR_GHOST | 1u << ALIGN_BT_PRIOR_EDGE, "finite and above 0"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        bool read = (numbers[i].readers >> args->prior & 1) != 0;
        if (!read && numbers[i].value != 0)
            return fail_unread(exec, numbers[i].field, "this prior");
        if (read && !(numbers[i].value > numbers[i].above && numbers[i].value < INFINITY))
            return fail_value(exec, numbers[i].field, numbers[i].value, numbers[i].word);
    }
    return ALIGN_E_NONE;
}

static align_status check_numbers(const align_exec *exec, const align_bt_args *args)
{
    if (args->n_items < 2 || args->n_items > INT32_MAX)
        return fail_bounds(exec, "n_items", (double)args->n_items, 2, INT32_MAX);
    if (!(args->tolerance >= 0 && args->tolerance <= 1))
        return fail_bounds(exec, "tolerance", args->tolerance, 0, 1);
    if (args->max_iterations < 0)
        return fail_value(exec, "max_iterations", (double)args->max_iterations, "0 or more");
    if (!(args->scale >= 0 && args->scale < INFINITY))
        return fail_value(exec, "scale", args->scale, "finite and 0 or more");
    if (!(fabs(args->offset) < INFINITY))
        return fail_value(exec, "offset", args->offset, "finite");
    if ((args->flags & ALIGN_BT_ANCHOR) == 0)
        return args->anchor == 0 ? ALIGN_E_NONE
                                 : fail_unread(exec, "anchor", "a fit without ALIGN_BT_ANCHOR");
    if (args->anchor < 0 || args->anchor >= args->n_items)
        return fail_bounds(exec, "anchor", (double)args->anchor, 0, (double)(args->n_items - 1));
    if (align__bt_priors[args->prior] != NULL)
        return fail_unread(exec, "anchor", "a prior that gives strengths a level");
    if (align__present(&args->fixed))
        return fail_unread(exec, "anchor", "a fit with fixed strengths");
    return ALIGN_E_NONE;
}

/* Numbers that one flag or field asks for: above `above` with it, 0 without. */
static align_status check_extra_numbers(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const align_exec *exec = &call->exec;
    bool bias = (args->flags & ALIGN_BT_BIAS) != 0;
    bool reliable = (args->flags & ALIGN_BT_RELIABILITY) != 0;
    bool cluster = args->variance == ALIGN_BT_CLUSTER;
    const struct {
        const char *field, *without;
        double value, least; /* `least` may be reached by counts alone */
        bool read, count;
    } numbers[] = {
        {"bias_precision", "a fit without ALIGN_BT_BIAS", args->bias_precision, 0, bias, false},
        {"reliability_precision", "a fit without ALIGN_BT_RELIABILITY", args->reliability_precision,
         0, reliable, false},
        {"n_annotators", "a fit without annotators", (double)args->n_annotators, 1,
         bias || reliable, true},
        {"n_clusters", "a fit without ALIGN_BT_CLUSTER", (double)args->n_clusters, 1, cluster,
         true},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double value = numbers[i].value;
        if (!numbers[i].read && value != 0)
            return fail_unread(exec, numbers[i].field, numbers[i].without);
        if (numbers[i].read && numbers[i].count && !(value >= 1 && value <= INT32_MAX))
            return fail_bounds(exec, numbers[i].field, value, 1, INT32_MAX);
        if (numbers[i].read && !numbers[i].count && !(value > 0 && value < INFINITY))
            return fail_value(exec, numbers[i].field, value, "finite and above 0");
    }
    if (!(args->coefficient_precision >= 0 && args->coefficient_precision < INFINITY))
        return fail_value(exec, "coefficient_precision", args->coefficient_precision,
                          "finite and 0 or more");
    if (call->coefs == 0 && args->coefficient_precision != 0)
        return fail_unread(exec, "coefficient_precision", "a fit without features and covariates");
    return ALIGN_E_NONE;
}

/* ---- sources ------------------------------------------------------------------------------ */

static align_status open_rows(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    align_bt_rows *rows = &call->rows;
    align_status status = align__bt_import_rows(&call->exec, rows, args->rows, READER);
    bool annotators = (args->flags & (ALIGN_BT_BIAS | ALIGN_BT_RELIABILITY)) != 0;
    const struct {
        const char *field;
        const align_tensor *tensor;
        bool read;
    } extras[] = {{"annotator", &rows->annotator, annotators},
                  {"cluster", &rows->cluster, args->variance == ALIGN_BT_CLUSTER}};
    for (int k = 0; status == ALIGN_E_NONE && k < 2; k++) {
        bool present = align__present(extras[k].tensor);
        if (present && !extras[k].read)
            status = ALIGN__FAIL(&call->exec, FIELD_UNREAD, .owner = BT_ROWS,
                                 .field = extras[k].field, .word = "this fit");
        if (!present && extras[k].read)
            status = ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = BT_ROWS,
                                 .field = extras[k].field, .word = READER);
    }
    if (status != ALIGN_E_NONE)
        return status;
    call->pairs = call->units = rows->first.shape[0];
    call->weighted = align__present(&rows->outcome) || align__present(&rows->weight);
    call->coefs += align__present(&rows->covariate) ? rows->covariate.shape[1] : 0;
    call->rowwise = annotators || align__present(&rows->covariate);
    return status;
}

static align_status open_rankings(struct bt_call *call)
{
    align_status status = align__bt_import_rankings(
        &call->exec, &call->rankings, call->args.rankings, READER,
        call->args.variance == ALIGN_BT_CLUSTER, &call->longest);
    call->pairs = call->units = call->rankings.item.shape[0];
    return status;
}

/* n_items of counts or ballots, and that all of these are for the same. */
static align_status check_bound(const struct bt_call *call, int64_t known)
{
    return known >= call->args.n_items
               ? ALIGN_E_NONE
               : fail_bounds(&call->exec, "n_items", (double)call->args.n_items, 2, (double)known);
}

static align_status open_counts(struct bt_call *call)
{
    align_status status = align__bt_import_counts(&call->exec, &call->table, call->args.counts);
    if (status == ALIGN_E_NONE)
        status = check_bound(call, call->table.n_items);
    call->pairs = call->table.used;
    if (status == ALIGN_E_NONE && (call->args.flags & (ALIGN_BT_BIAS | ALIGN_BT_RELIABILITY)) != 0)
        return fail_unread(&call->exec, "flags", "counts, which know no annotators");
    return status;
}

static align_status open_ballots(struct bt_call *call)
{
    align_status status = align__bt_import_ballots(&call->exec, &call->ballots, call->args.ballots);
    if (status == ALIGN_E_NONE)
        status = check_bound(call, call->ballots.n_items);
    call->pairs = call->units = call->ballots.entries;
    call->longest = call->ballots.longest;
    return status;
}

/* Where the fit comes from: exactly one of these. */
static align_status open_source(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const struct {
        const char *field;
        const void *given;
        align_status (*open)(struct bt_call *call);
    } sources[] = {{"rows", args->rows, open_rows},
                   {"counts", args->counts, open_counts},
                   {"rankings", args->rankings, open_rankings},
                   {"ballots", args->ballots, open_ballots}};
    int found = -1;
    for (int k = 0; k < 4; k++) {
        if (sources[k].given != NULL && found >= 0)
            return fail_unread(&call->exec, sources[k].field,
                               found == 0   ? "a fit of rows"
                               : found == 1 ? "a fit of counts"
                                            : "a fit of rankings");
        found = sources[k].given != NULL ? k : found;
    }
    if (found < 0)
        return ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = ARGS, .field = "rows",
                           .word = READER);
    call->ranked = found >= 2;
    return sources[found].open(call);
}

/* Counts or ballots of each cluster: with those of all, and only then. */
static align_status check_clusters(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    bool cluster = args->variance == ALIGN_BT_CLUSTER;
    const struct {
        const char *field;
        const void *given;
        bool read;
    } parts[] = {{"cluster_counts", args->cluster_counts, cluster && args->counts != NULL},
                 {"cluster_ballots", args->cluster_ballots, cluster && args->ballots != NULL}};
    for (int k = 0; k < 2; k++) {
        if (parts[k].given != NULL && !parts[k].read)
            return fail_unread(&call->exec, parts[k].field, "this fit");
        if (parts[k].given == NULL && parts[k].read)
            return ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = ARGS, .field = parts[k].field,
                               .word = "ALIGN_BT_CLUSTER");
    }
    return ALIGN_E_NONE;
}

static align_status check_source(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    int64_t n = args->n_items;
    call->item_coefs = call->coefs = align__present(&args->item_feature)
                                         ? args->item_feature.shape[1]
                                         : 0;
    align_status status = open_source(call);
    if (status == ALIGN_E_NONE)
        status = check_clusters(call);
    bool ordered = (args->flags & ALIGN_BT_HOME) != 0;
    int64_t all = n * (n - 1), most = ordered ? all : all / 2;
    call->edges = call->pairs;
    if (!call->rowwise && !call->ranked) {
        call->pairs = call->pairs < n * n ? call->pairs : n * n;
        call->edges = call->pairs < most ? call->pairs : most;
    }
    return status;
}

/* What each source and solver cannot do. */
static align_status check_fit(const struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const align_exec *exec = &call->exec;
    bool ranked = call->ranked, features = align__present(&args->item_feature);
    bool jeffreys = args->prior == ALIGN_BT_PRIOR_JEFFREYS, fixed = align__present(&args->fixed);
    bool half = args->ties == ALIGN_BT_TIES_HALF, sweeps = args->solver >= ALIGN_BT_SOLVER_MM;
    bool cg = args->solver == ALIGN_BT_SOLVER_CG, gamma = args->prior == ALIGN_BT_PRIOR_GAMMA;
    bool extras = args->flags != 0 && args->flags != ALIGN_BT_ANCHOR;
    bool smooth = args->prior == ALIGN_BT_PRIOR_GAUSSIAN || jeffreys;
    const struct {
        bool clash;
        const char *field, *reader;
    } rules[] = {
        {ranked && extras, "flags", "a fit of rankings"},
        {ranked && features, "item_feature", "a fit of rankings"},
        {ranked && args->ties == ALIGN_BT_TIES_RAO_KUPPER, "ties", "a fit of rankings"},
        {ranked && (jeffreys || args->prior == ALIGN_BT_PRIOR_EDGE), "prior", "a fit of rankings"},
        {align__present(&args->orders) && (!ranked || half), "orders",
         "a fit without rankings and ALIGN_BT_TIES_DAVIDSON"},
        {jeffreys && !half, "ties", "ALIGN_BT_PRIOR_JEFFREYS"},
        {jeffreys && call->rowwise && (args->flags & ALIGN_BT_RELIABILITY) != 0, "flags",
         "ALIGN_BT_PRIOR_JEFFREYS"},
        {fixed && features, "fixed", "a fit with item features"},
        {cg && ranked, "solver", "a fit of rankings"},
        {cg && jeffreys, "solver", "ALIGN_BT_PRIOR_JEFFREYS"},
        {cg && call->coefs > 0 && args->coefficient_precision == 0, "solver",
         "coefficients of precision 0"},
        {sweeps && (ranked || !half || extras || call->coefs > 0 || fixed || smooth), "solver",
         "this fit"},
        {args->solver == ALIGN_BT_SOLVER_NEWMAN && gamma, "prior", "ALIGN_BT_SOLVER_NEWMAN"},
        {args->variance == ALIGN_BT_CLUSTER && align__present(&args->draws), "draws",
         "ALIGN_BT_CLUSTER: rows are drawn one by one"},
        {align__present(&args->bias) && (args->flags & ALIGN_BT_BIAS) == 0, "bias",
         "a fit without ALIGN_BT_BIAS"},
        {align__present(&args->reliability) && (args->flags & ALIGN_BT_RELIABILITY) == 0,
         "reliability", "a fit without ALIGN_BT_RELIABILITY"},
        {align__present(&args->bias_se) && (args->flags & ALIGN_BT_BIAS) == 0, "bias_se",
         "a fit without ALIGN_BT_BIAS"},
        {align__present(&args->reliability_se) && (args->flags & ALIGN_BT_RELIABILITY) == 0,
         "reliability_se", "a fit without ALIGN_BT_RELIABILITY"},
        {align__present(&args->coefficient) && call->coefs == 0, "coefficient",
         "a fit without features and covariates"},
        {align__present(&args->coefficient_se) && call->coefs == 0, "coefficient_se",
         "a fit without features and covariates"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].clash)
            return fail_unread(exec, rules[i].field, rules[i].reader);
    return ALIGN_E_NONE;
}

/* ---- outputs ------------------------------------------------------------------------------ */

enum { OUTPUTS = 13, TENSORS = OUTPUTS + 14 };

/* Outputs first, with what each accepts and measures. */
static int name_tensors(const struct bt_call *call, struct align__named *all)
{
    const align_bt_args *args = &call->args;
    const align_bt_rows *rows = &call->rows;
    const align_bt_rankings *ranked = &call->rankings;
    const struct align__named named[TENSORS] = {
        {ARGS, "strength", &args->strength},
        {ARGS, "se", &args->se},
        {ARGS, "covariance", &args->covariance},
        {ARGS, "component", &args->component},
        {ARGS, "part", &args->part},
        {ARGS, "draws", &args->draws},
        {ARGS, "coefficient", &args->coefficient},
        {ARGS, "coefficient_se", &args->coefficient_se},
        {ARGS, "bias", &args->bias},
        {ARGS, "reliability", &args->reliability},
        {ARGS, "orders", &args->orders},
        {ARGS, "bias_se", &args->bias_se},
        {ARGS, "reliability_se", &args->reliability_se},
        {ARGS, "fixed", &args->fixed},
        {ARGS, "item_feature", &args->item_feature},
        {BT_ROWS, "first", &rows->first},
        {BT_ROWS, "second", &rows->second},
        {BT_ROWS, "outcome", &rows->outcome},
        {BT_ROWS, "weight", &rows->weight},
        {BT_ROWS, "covariate", &rows->covariate},
        {BT_ROWS, "annotator", &rows->annotator},
        {BT_ROWS, "cluster", &rows->cluster},
        {RANKINGS, "offsets", &ranked->offsets},
        {RANKINGS, "item", &ranked->item},
        {RANKINGS, "place", &ranked->place},
        {RANKINGS, "weight", &ranked->weight},
        {RANKINGS, "cluster", &ranked->cluster},
    };
    memcpy(all, named, sizeof named);
    return TENSORS;
}

static align_status check_tensors(const struct bt_call *call)
{
    const align_exec *exec = &call->exec;
    const align_bt_args *args = &call->args;
    const int64_t n = args->n_items, annotators = args->n_annotators;
    const int64_t items[] = {n, n}, judges[] = {annotators}, coefs[] = {call->coefs};
    const int64_t draws[] = {args->draws.shape[0], n}, orders[] = {args->orders.shape[0]};
    const int64_t features[] = {n, args->item_feature.shape[1]};
    const struct {
        int set, ndim;
        const int64_t *shape;
    } forms[OUTPUTS + 2] = {
        {ALIGN__SET_WIDE, 1, items},  {ALIGN__SET_WIDE, 1, items},  {ALIGN__SET_WIDE, 2, items},
        {ALIGN__SET_INDEX, 1, items}, {ALIGN__SET_INDEX, 1, items}, {ALIGN__SET_WIDE, 2, draws},
        {ALIGN__SET_WIDE, 1, coefs},  {ALIGN__SET_WIDE, 1, coefs},  {ALIGN__SET_WIDE, 1, judges},
        {ALIGN__SET_WIDE, 1, judges}, {ALIGN__SET_WIDE, 1, orders}, {ALIGN__SET_WIDE, 1, judges},
        {ALIGN__SET_WIDE, 1, judges}, {ALIGN__SET_WIDE, 1, items},  {ALIGN__SET_REAL, 2, features}};
    struct align__named all[TENSORS];
    int count = name_tensors(call, all);
    if (!align__present(&args->strength))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "strength", .word = READER);
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS + 2; i++) {
        status = align__check_tensor(exec, all[i], forms[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], forms[i].ndim, forms[i].shape);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, count);
    return status;
}

static align_status check_errors_asked(struct bt_call *call)
{
    const align_bt_args *args = &call->args;
    const align_exec *exec = &call->exec;
    const char *asked = align__present(&args->se)               ? "se"
                        : align__present(&args->covariance)     ? "covariance"
                        : align__present(&args->coefficient_se) ? "coefficient_se"
                        : align__present(&args->bias_se)        ? "bias_se"
                        : align__present(&args->reliability_se) ? "reliability_se"
                                                                : NULL;
    call->errors = asked != NULL;
    call->squares = args->variance == ALIGN_BT_SANDWICH || align__present(&args->draws);
    call->meat = args->variance != ALIGN_BT_FISHER;
    bool refused = call->ranked || args->prior == ALIGN_BT_PRIOR_JEFFREYS ||
                   (call->coefs > 0 && args->coefficient_precision == 0);
    call->dense = args->solver == ALIGN_BT_SOLVER_CHOLESKY ||
                  (args->solver != ALIGN_BT_SOLVER_CG &&
                   (args->n_items <= DENSE_ITEMS || call->errors || refused));
    call->pinned = align__bt_priors[args->prior] != NULL || call->item_coefs > 0;
    if (!align__present(&args->draws) && args->seed != 0)
        return fail_unread(exec, "seed", "a fit without draws");
    if (args->solver >= ALIGN_BT_SOLVER_MM && align__present(&args->draws))
        return fail_unread(exec, "draws", "MM and NEWMAN");
    if (call->meat && !call->errors)
        return fail_unread(exec, "variance", "a fit without se and covariance");
    if (call->errors && !call->dense)
        return fail_unread(exec, asked, "ALIGN_BT_SOLVER_CG");
    return ALIGN_E_NONE;
}

align_status align__bt_open(struct bt_call *call, const align_exec *user_exec,
                            const align_bt_args *user_args)
{
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_choices(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_prior(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_numbers(&call->exec, &call->args);
    if (status == ALIGN_E_NONE)
        status = check_source(call);
    if (status == ALIGN_E_NONE)
        status = check_fit(call);
    if (status == ALIGN_E_NONE)
        status = check_extra_numbers(call);
    if (status == ALIGN_E_NONE)
        status = align__bt_open_clusters(call);
    if (status == ALIGN_E_NONE)
        status = check_tensors(call);
    if (status == ALIGN_E_NONE)
        status = check_errors_asked(call);
    return status;
}
