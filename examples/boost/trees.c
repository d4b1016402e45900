#include "trees.h"

#include <libalign/align.h>
#include <stdio.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

static bool xgb(int status)
{
    if (status != 0)
        fprintf(stderr, "xgboost: %s\n", XGBGetLastError());
    return status == 0;
}

/* ---- XGBoost ---- */

enum { JSON = 160 };

static const char *as_json(char *text, const void *data, int64_t n, const char *type)
{
    snprintf(text, JSON,
             "{\"data\": [%llu, true], \"shape\": [%lld], \"typestr\": \"%s\", \"version\": 3}",
             (unsigned long long)(uintptr_t)data, (long long)n, type);
    return text;
}

static bool make_matrix(const struct lists *l, int64_t columns, DMatrixHandle *matrix)
{
    char begin[JSON], index[JSON], value[JSON], length[JSON];
    int64_t values = l->begin[l->rows];
    uint32_t *lengths = calloc((size_t)l->count, sizeof *lengths);
    bool good = lengths != NULL;
    for (int64_t g = 0; good && g < l->count; g++)
        lengths[g] = (uint32_t)(l->offsets[g + 1] - l->offsets[g]);
    good = good &&
           xgb(XGDMatrixCreateFromCSR(as_json(begin, l->begin, l->rows + 1, "<i8"),
                                      as_json(index, l->index, values, "<i4"),
                                      as_json(value, l->value, values, "<f4"), (bst_ulong)columns,
                                      "{\"missing\": NaN}", matrix)) &&
           xgb(XGDMatrixSetFloatInfo(*matrix, "label", l->label, (bst_ulong)l->rows)) &&
           xgb(XGDMatrixSetInfoFromInterface(*matrix, "group",
                                             as_json(length, lengths, l->count, "<u4")));
    free(lengths);
    return good;
}

static bool make_booster(const struct trees_options *o, DMatrixHandle matrix,
                         BoosterHandle *booster)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%lld", (long long)o->seed);
    const char *const settings[][2] = {
        {"objective", o->loss == NULL ? "rank:ndcg" : "reg:squarederror"},
        {"base_score", "0"},
        {"eta", o->rate},
        {"max_depth", o->depth},
        {"subsample", o->sample},
        {"colsample_bytree", o->sample},
        {"seed", seed},
        {"tree_method", "hist"},
        {"nthread", "1"},
        {"verbosity", "0"},
    };
    bool good = xgb(XGBoosterCreate(&matrix, 1, booster));
    for (size_t i = 0; good && i < sizeof settings / sizeof settings[0]; i++)
        good = xgb(XGBoosterSetParam(*booster, settings[i][0], settings[i][1]));
    return good;
}

static bool predict(BoosterHandle booster, DMatrixHandle matrix, int64_t rows, float *score)
{
    const bst_ulong *shape;
    bst_ulong rank;
    const float *result;
    if (!xgb(XGBoosterPredictFromDMatrix(
            booster, matrix,
            "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
            "\"strict_shape\": false}",
            &shape, &rank, &result)))
        return false;
    for (int64_t i = 0; i < rows; i++)
        score[i] = result[i];
    return true;
}

/* ---- libalign ---- */

/* XGBoost's own ranking objectives take twice the second derivative. */
static const float hessian_scale = 2;

struct gradient {
    align_error error;
    align_exec exec;
    align_loss_params params;
    align_loss_args args;
    float *score, *first, *second; /* [rows] */
};

static bool said(const struct gradient *g, align_status status)
{
    if (status != ALIGN_E_NONE)
        fprintf(stderr, "libalign: %s: %s\n", align_status_name(status), g->error.text);
    return status == ALIGN_E_NONE;
}

/* The struct of the call is made once; each round finds new scores in the same place. */
static bool make_gradient(struct gradient *g, const struct trees_options *o, const struct lists *l)
{
    const size_t rows = (size_t)l->rows;
    g->score = calloc(rows, sizeof *g->score);
    g->first = calloc(rows, sizeof *g->first);
    g->second = calloc(rows, sizeof *g->second);
    align_error_init(&g->error, sizeof g->error);
    align_exec_init(&g->exec, sizeof g->exec);
    g->exec.error = &g->error;
    align_loss_args_init(&g->args, sizeof g->args);
    const align_loss_id row = align_loss_find(o->loss);
    if (align_loss_params_init(&g->params, sizeof g->params, row, o->preset) != ALIGN_E_NONE) {
        fprintf(stderr, "libalign has no loss %s with preset %s\n", o->loss,
                o->preset != NULL ? o->preset : "paper");
        return false;
    }
    if (o->preset == NULL && row == ALIGN_LOSS_LIPO_LAMBDA) {
        g->params.beta = 1;
        g->params.discount = ALIGN_DISCOUNT_LOG2;
        g->params.normalise = ALIGN_NORMALISE_MAX_DCG;
    }
    g->args.loss = row;
    g->args.params = &g->params;
    g->args.denom = 1; /* the sum over the lists */
    g->args.scale = o->factor;
    g->args.score = align_1d(g->score, ALIGN_F32, l->rows);
    g->args.label = align_1d(l->label, ALIGN_F32, l->rows);
    g->args.offsets = align_1d(l->offsets, ALIGN_I64, l->count + 1);
    g->args.dscore = align_1d(g->first, ALIGN_F32, l->rows);
    g->args.hscore = align_1d(g->second, ALIGN_F32, l->rows);
    size_t least, best;
    if (g->score == NULL || g->first == NULL || g->second == NULL ||
        !said(g, align_loss_scratch(&g->exec, &g->args, &least, &best)))
        return false;
    g->exec.scratch = malloc(best);
    g->exec.scratch_size = best;
    return best == 0 || g->exec.scratch != NULL;
}

static void free_gradient(struct gradient *g)
{
    free(g->score);
    free(g->first);
    free(g->second);
    free(g->exec.scratch);
}

static bool boost_once(struct gradient *g, BoosterHandle booster, DMatrixHandle matrix,
                       int64_t rows)
{
    if (!predict(booster, matrix, rows, g->score) || !said(g, align_loss_eval(&g->exec, &g->args)))
        return false;
    for (int64_t i = 0; i < rows; i++)
        g->second[i] *= hessian_scale;
    return xgb(XGBoosterBoostOneIter(booster, matrix, g->first, g->second, (bst_ulong)rows));
}

bool trees_boost(const struct trees_options *o, const struct lists *train, const struct lists *test,
                 float *score)
{
    DMatrixHandle learn = NULL, ask = NULL;
    BoosterHandle booster = NULL;
    struct gradient g = {0};
    int64_t columns = train->columns > test->columns ? train->columns : test->columns;
    bool good = make_matrix(train, columns, &learn) && make_matrix(test, columns, &ask) &&
                make_booster(o, learn, &booster) &&
                (o->loss == NULL || make_gradient(&g, o, train));
    for (int round = 0; good && round < o->rounds; round++)
        good = o->loss == NULL ? xgb(XGBoosterUpdateOneIter(booster, round, learn))
                               : boost_once(&g, booster, learn, train->rows);
    good = good && predict(booster, ask, test->rows, score);
    free_gradient(&g);
    XGBoosterFree(booster);
    XGDMatrixFree(learn);
    XGDMatrixFree(ask);
    return good;
}
