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
    const int64_t rows = q->features.shape[0], width = q->features.shape[1];
    const struct {
        struct align__named named;
        int set;
        int32_t ndim;
        int64_t shape[2];
        bool needed;
    } fields[] = {
        {{QUERY, "features", &q->features}, ALIGN__SET_REAL, 2, {rows, width}, true},
        {{QUERY, "coef", &q->coef}, ALIGN__SET_WIDE, 1, {width}, true},
        {{QUERY, "covariance", &q->covariance},
         ALIGN__SET_WIDE,
         2,
         {width, width},
         align__present(&q->se)},
        {{QUERY, "reward", &q->reward}, ALIGN__SET_WIDE, 1, {rows}, true},
        {{QUERY, "se", &q->se}, ALIGN__SET_WIDE, 1, {rows}, false},
    };
    enum { FIELDS = sizeof fields / sizeof fields[0], OUTPUTS = 2 };
    struct align__named all[FIELDS];
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < FIELDS; i++) {
        all[i] = fields[i].named;
        if (fields[i].needed && !align__present(all[i].tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = QUERY, .field = all[i].field,
                               .word = READER);
        status = align__check_tensor(exec, all[i], fields[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], fields[i].ndim, fields[i].shape);
    }
    if (status == ALIGN_E_NONE && align__present(&q->covariance) && !align__present(&q->se))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = QUERY, .field = "covariance",
                           .word = "a prediction without se");
    for (int i = FIELDS - OUTPUTS; status == ALIGN_E_NONE && i < FIELDS; i++)
        status = align__check_output(exec, all[i], all, FIELDS);
    return status;
}

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

align_status align_reward_predict(const align_exec *user_exec, const align_reward_query *user_query)
{
    align_exec exec;
    align_reward_query q;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, QUERY, &q, sizeof q, sizeof q, user_query);
    if (status == ALIGN_E_NONE)
        status = check_query(&exec, &q);
    for (int64_t i = 0; status == ALIGN_E_NONE && i < q.features.shape[0]; i++) {
        double reward = product(&q.features, i, &q.coef, 0);
        align__store(q.reward.dtype, align__at(&q.reward, i, 0), reward);
        if (align__present(&q.se))
            align__store(q.se.dtype, align__at(&q.se, i, 0), spread_of(&q, i));
    }
    return status;
}
