#include "reward.h"

#include <math.h>
#include <string.h>

#define QUERY  "align_reward_query"
#define READER "align_reward_predict"

enum { CHUNK = 256 };

void align_reward_query_init(align_reward_query *query, size_t size)
{
    memset(query, 0, size);
    query->size = size;
}

static align_status check_query(const align_exec *exec, const align_reward_query *q)
{
    const bool sparse = align__present(&q->columns), errors = align__present(&q->se);
    const int64_t nnz = q->features.shape[0];
    const int64_t width = sparse ? q->coef.shape[0] : q->features.shape[1];
    const int64_t rows = sparse ? q->row_offsets.shape[0] - 1 : nnz;
    const struct align__reward_field fields[] = {
        {"features", &q->features, ALIGN__SET_REAL, sparse ? 1 : 2, {nnz, width}, .needed = true},
        {"coef", &q->coef, ALIGN__SET_WIDE, 1, {width}, .needed = true},
        {"columns", &q->columns, ALIGN__SET_INDEX, 1, {nnz}, .needed = false},
        {"row_offsets", &q->row_offsets, ALIGN__SET_INDEX, 1, {rows + 1}, .needed = sparse},
        {"covariance", &q->covariance, ALIGN__SET_WIDE, 2, {width, width}, .needed = errors},
        {"reward", &q->reward, ALIGN__SET_WIDE, 1, {rows}, .output = true, .needed = true},
        {"se", &q->se, ALIGN__SET_WIDE, 1, {rows}, .output = true},
    };
    align_status status = align__reward_check_fields(exec, QUERY, READER, fields,
                                                     sizeof fields / sizeof fields[0]);
    if (status != ALIGN_E_NONE)
        return status;
    if (align__present(&q->covariance) && !errors)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = QUERY, .field = "covariance",
                           .word = "a prediction without se");
    if (align__present(&q->row_offsets) && !sparse)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = QUERY, .field = "row_offsets",
                           .word = "a prediction without columns");
    return sparse ? align__reward_check_sparse(exec, QUERY, "columns", "row_offsets", &q->features,
                                               &q->columns, &q->row_offsets, width)
                  : ALIGN_E_NONE;
}

/* ---- dense --------------------------------------------------------------------------------- */

/* Sum of a[k] * b[k]: `a` along the second axis of row i, `b` along its first axis or that of row j. */
static double product(const align_tensor *a, int64_t i, const align_tensor *b, int64_t j)
{
    double left[CHUNK], right[CHUNK], sum = 0;
    int64_t width = a->shape[1], step = b->ndim == 2 ? b->stride[1] : b->stride[0];
    for (int64_t k = 0; k < width; k += CHUNK) {
        int64_t n = width - k < CHUNK ? width - k : CHUNK;
        const void *at = b->ndim == 2 ? align__at(b, j, k) : align__at(b, k, 0);
        align__load_row(left, a->dtype, align__at(a, i, k), a->stride[1], n);
        align__load_row(right, b->dtype, at, step, n);
        for (int64_t c = 0; c < n; c++)
            sum += left[c] * right[c];
    }
    return sum;
}

static double spread_of(const align_reward_query *q, int64_t row)
{
    double sum = 0;
    for (int64_t k = 0; k < q->features.shape[1]; k++) {
        double own = align__load(q->features.dtype, align__at(&q->features, row, k));
        if (own != 0)
            sum += own * product(&q->features, row, &q->covariance, k);
    }
    return sqrt(sum);
}

/* ---- sparse -------------------------------------------------------------------------------- */

/* Sum over the row of value times element (i, column) of t, or element column of a vector. */
static double sparse_product(const struct align__reward_slice *slice, const align_tensor *t,
                             int64_t i)
{
    double values[ALIGN__REWARD_PART], columns[ALIGN__REWARD_PART], sum = 0;
    for (int64_t begin = 0, n; begin < slice->count; begin += n) {
        n = align__reward_slice_load(slice, begin, values, columns);
        for (int64_t k = 0; k < n; k++) {
            int64_t column = (int64_t)columns[k];
            const void *at = t->ndim == 2 ? align__at(t, i, column) : align__at(t, column, 0);
            sum += values[k] * align__load(t->dtype, at);
        }
    }
    return sum;
}

static double sparse_spread(const struct align__reward_slice *slice, const align_tensor *covariance)
{
    double values[ALIGN__REWARD_PART], columns[ALIGN__REWARD_PART], sum = 0;
    for (int64_t begin = 0, n; begin < slice->count; begin += n) {
        n = align__reward_slice_load(slice, begin, values, columns);
        for (int64_t k = 0; k < n; k++)
            sum += values[k] * sparse_product(slice, covariance, (int64_t)columns[k]);
    }
    return sqrt(sum);
}

/* ---- the call ------------------------------------------------------------------------------ */

enum { CHUNK_ROWS = 256 };

static void predict_row(const align_reward_query *q, int64_t i)
{
    bool errors = align__present(&q->se);
    if (align__present(&q->columns)) {
        struct align__reward_slice slice = align__reward_slice_of(&q->features, &q->columns,
                                                                  &q->row_offsets, i);
        align__reward_put(&q->reward, i, 0, sparse_product(&slice, &q->coef, 0));
        if (errors)
            align__reward_put(&q->se, i, 0, sparse_spread(&slice, &q->covariance));
        return;
    }
    align__reward_put(&q->reward, i, 0, product(&q->features, i, &q->coef, 0));
    if (errors)
        align__reward_put(&q->se, i, 0, spread_of(q, i));
}

static void predict_rows(void *ctx, int64_t task)
{
    const align_reward_query *q = ctx;
    int64_t rows = q->reward.shape[0], end = (task + 1) * CHUNK_ROWS;
    for (int64_t i = task * CHUNK_ROWS; i < rows && i < end; i++)
        predict_row(q, i);
}

align_status align_reward_predict(const align_exec *user_exec, const align_reward_query *user_query)
{
    align_exec exec;
    align_reward_query q;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, QUERY, &q, sizeof q, offsetof(align_reward_query, columns),
                               user_query);
    if (status == ALIGN_E_NONE)
        status = check_query(&exec, &q);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t tasks = (q.reward.shape[0] + CHUNK_ROWS - 1) / CHUNK_ROWS;
    return align__parallel(&exec, tasks, predict_rows, &q);
}
