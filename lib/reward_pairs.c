#include "reward.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

size_t align__reward_pairs_bytes(int64_t width)
{
    size_t row = align__block(sizeof(double) * (size_t)width);
    return ALIGN__REWARD_BLOCK * row + row + align__block(sizeof(double) * ALIGN__REWARD_BLOCK);
}

void align__reward_pairs_take(struct align__reward_pairs *pairs, struct align__arena *arena)
{
    size_t row = sizeof(double) * (size_t)pairs->width;
    pairs->block = align__arena_take(arena, ALIGN__REWARD_BLOCK * row);
    pairs->row = align__arena_take(arena, row);
    pairs->z = align__arena_take(arena, sizeof(double) * ALIGN__REWARD_BLOCK);
}

/* ---- numbers of a pair --------------------------------------------------------------------- */

static double number_of(const align_tensor *t, int64_t pair, double otherwise)
{
    return align__present(t) ? align__load(t->dtype, align__at(t, pair, 0)) : otherwise;
}

static double weight_of(const struct align__reward_pairs *pairs, int64_t pair)
{
    return number_of(&pairs->args->weight, pair, 1);
}

/* Where the features of one side of a pair lie: a tensor and its row. */
static const align_tensor *side_of(const struct align__reward_pairs *pairs, int64_t pair, int side,
                                   int64_t *row)
{
    const align_reward_args *args = pairs->args;
    *row = pair;
    if (!align__present(&args->index))
        return side == 0 ? &args->first : &args->second;
    *row = (int64_t)align__load(args->index.dtype, align__at(&args->index, pair, side));
    return &args->features;
}

/* ---- checks ------------------------------------------------------------------------------- */

#define PAIR_FAIL(site, name, ...)                                                                 \
    ALIGN__FAIL(exec, site, .owner = REWARD_ARGS, .field = name, .axes = 1, .index = {pair},       \
                __VA_ARGS__)

static align_status check_index(const align_exec *exec, const struct align__reward_pairs *pairs,
                                int64_t pair)
{
    const align_tensor *index = &pairs->args->index;
    double last = (double)(pairs->args->features.shape[0] - 1);
    for (int side = 0; align__present(index) && side < 2; side++) {
        double row = align__load(index->dtype, align__at(index, pair, side));
        if (!(row >= 0 && row <= last))
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = REWARD_ARGS, .field = "index",
                               .axes = 2, .index = {pair, side}, .value = row, .high = last);
    }
    return ALIGN_E_NONE;
}

static align_status check_numbers(const align_exec *exec, const struct align__reward_pairs *pairs,
                                  int64_t pair)
{
    const align_reward_args *args = pairs->args;
    double prob = number_of(&args->prob, pair, 1), margin = number_of(&args->margin, pair, 0);
    double weight = weight_of(pairs, pair);
    if (!(prob >= 0 && prob <= 1))
        return PAIR_FAIL(FIELD_BOUNDS, "prob", .value = prob, .high = 1);
    if (!(fabs(margin) < INFINITY))
        return PAIR_FAIL(FIELD_VALUE, "margin", .value = margin, .word = "finite");
    if (!(weight >= 0 && weight < INFINITY))
        return PAIR_FAIL(FIELD_VALUE, "weight", .value = weight, .word = "finite and 0 or more");
    return check_index(exec, pairs, pair);
}

static align_status check_features(const align_exec *exec, const struct align__reward_pairs *pairs,
                                   int64_t pair)
{
    const bool indexed = align__present(&pairs->args->index);
    for (int side = 0; side < 2; side++) {
        int64_t row;
        const align_tensor *t = side_of(pairs, pair, side, &row);
        align__load_row(pairs->row, t->dtype, align__at(t, row, 0), 1, pairs->width);
        for (int64_t k = 0; k < pairs->width; k++)
            if (!(fabs(pairs->row[k]) < INFINITY))
                return ALIGN__FAIL(exec, FIELD_VALUE, .owner = REWARD_ARGS,
                                   .field = indexed     ? "features"
                                            : side == 0 ? "first"
                                                        : "second",
                                   .axes = 2, .index = {row, k}, .value = pairs->row[k],
                                   .word = "finite");
    }
    return ALIGN_E_NONE;
}

align_status align__reward_check(const align_exec *exec, struct align__reward_pairs *pairs)
{
    align_status status = ALIGN_E_NONE;
    for (int64_t pair = 0; status == ALIGN_E_NONE && pair < pairs->count; pair++) {
        status = check_numbers(exec, pairs, pair);
        if (status == ALIGN_E_NONE && weight_of(pairs, pair) > 0)
            status = check_features(exec, pairs, pair);
    }
    return status;
}

/* ---- passes ------------------------------------------------------------------------------- */

/* Differences of the next pairs; 0 for pairs without weight, which are not read. Returns how many. */
static int load_block(struct align__reward_pairs *pairs, int64_t begin)
{
    int64_t left = pairs->count - begin, width = pairs->width;
    int rows = left < ALIGN__REWARD_BLOCK ? (int)(left < 0 ? 0 : left) : ALIGN__REWARD_BLOCK;
    for (int k = 0; k < rows; k++) {
        double *out = pairs->block + k * width;
        const double *away = pairs->row;
        int64_t first, second;
        if (!(weight_of(pairs, begin + k) > 0)) {
            memset(out, 0, sizeof *out * (size_t)width);
            continue;
        }
        const align_tensor *a = side_of(pairs, begin + k, 0, &first);
        const align_tensor *b = side_of(pairs, begin + k, 1, &second);
        align__load_row(out, a->dtype, align__at(a, first, 0), 1, width);
        align__load_row(pairs->row, b->dtype, align__at(b, second, 0), 1, width);
        for (int64_t d = 0; d < width; d++)
            out[d] -= away[d];
    }
    return rows;
}

/* z = block x; out += block' z. */
static void differences(struct align__reward_pairs *pairs, int rows, const double *x)
{
    int width = (int)pairs->width;
    cblas_dgemv(CblasRowMajor, CblasNoTrans, rows, width, 1, pairs->block, width, x, 1, 0, pairs->z,
                1);
}

static void gather(struct align__reward_pairs *pairs, int rows, double *out)
{
    int width = (int)pairs->width;
    cblas_dgemv(CblasRowMajor, CblasTrans, rows, width, 1, pairs->block, width, pairs->z, 1, 1, out,
                1);
}

static void note_order(struct align__reward_pass *pass, double z, double prob, double weight)
{
    double turned = prob > 0.5 ? z : -z;
    if (prob == 0 || prob == 1) {
        pass->worst = turned < pass->worst ? turned : pass->worst;
        pass->best = turned > pass->best ? turned : pass->best;
    } else {
        pass->soft = fabs(z) > pass->soft ? fabs(z) : pass->soft;
    }
    if (prob == 0.5)
        return;
    pass->judged += weight;
    pass->right += turned > 0 ? weight : turned == 0 ? weight / 2 : 0;
}

/* With t = z - margin, p = 1 / (1 + exp(-t)), y = prob, weight c (Bradley and Terry 1952 as a logistic
 * regression on differences):
 *     loss       c (y softplus(-t) + (1 - y) softplus(t))
 *     d / dz     c ((1 - y) p - y (1 - p))
 *     d2 / dz2   c p (1 - p)
 * Returns the slope; the curvature goes to *curvature. */
static double add_pair(const struct align__reward_pairs *pairs, int64_t pair, double z,
                       struct align__reward_pass *pass, double *curvature)
{
    const align_reward_args *args = pairs->args;
    double y = number_of(&args->prob, pair, 1), c = weight_of(pairs, pair);
    *curvature = 0;
    if (!(c > 0))
        return 0;
    double t = z - number_of(&args->margin, pair, 0);
    double small = exp(-fabs(t)), tail = log1p(small);
    double high = 1 / (1 + small), low = small / (1 + small);
    double p = t < 0 ? low : high, q = t < 0 ? high : low;
    pass->value += c * (y * (tail + (t < 0 ? -t : 0)) + (1 - y) * (tail + (t > 0 ? t : 0)));
    note_order(pass, z, y, c);
    *curvature = c * p * q;
    return c * ((1 - y) * p - y * q);
}

void align__reward_evaluate(struct align__reward_pairs *pairs, const double *coef, double *slope,
                            double *curvature, struct align__reward_pass *pass)
{
    *pass = (struct align__reward_pass){.worst = INFINITY, .best = -INFINITY};
    if (slope != NULL)
        memset(slope, 0, sizeof *slope * (size_t)pairs->width);
    int rows;
    for (int64_t begin = 0; (rows = load_block(pairs, begin)) > 0; begin += rows) {
        differences(pairs, rows, coef);
        for (int k = 0; k < rows; k++) {
            double bend;
            pairs->z[k] = add_pair(pairs, begin + k, pairs->z[k], pass, &bend);
            if (curvature != NULL)
                curvature[begin + k] = bend;
        }
        if (slope != NULL)
            gather(pairs, rows, slope);
    }
}

void align__reward_multiply(struct align__reward_pairs *pairs, const double *curvature,
                            const double *x, double *out)
{
    memset(out, 0, sizeof *out * (size_t)pairs->width);
    int rows;
    for (int64_t begin = 0; (rows = load_block(pairs, begin)) > 0; begin += rows) {
        differences(pairs, rows, x);
        for (int k = 0; k < rows; k++)
            pairs->z[k] *= curvature[begin + k];
        gather(pairs, rows, out);
    }
}

void align__reward_hessian(struct align__reward_pairs *pairs, double *curvature, double *matrix)
{
    int width = (int)pairs->width, rows;
    memset(matrix, 0, sizeof *matrix * (size_t)(pairs->width * pairs->width));
    for (int64_t begin = 0; (rows = load_block(pairs, begin)) > 0; begin += rows) {
        for (int k = 0; k < rows; k++)
            cblas_dscal(width, sqrt(curvature[begin + k]), pairs->block + k * pairs->width, 1);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, width, rows, 1, pairs->block, width, 1,
                    matrix, width);
    }
}
