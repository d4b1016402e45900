/* Labels of lists from who beats whom. */
#include "../base/exec.h"
#include "../base/tensor.h"
#include "row.h"

#include <string.h>

#define OWNER "align_loss_labels"

enum { FIRST_SIZE = sizeof(align_loss_labels) };

void align_loss_labels_init(align_loss_labels *labels, size_t size)
{
    memset(labels, 0, size);
    labels->size = size;
}

static bool is_present(const align_loss_labels *l, int64_t g, int64_t k)
{
    return !align__present(&l->mask) || align__load(l->mask.dtype, align__at(&l->mask, g, k)) != 0;
}

static double win_at(const align_loss_labels *l, int64_t g, int64_t i, int64_t j)
{
    const char *at = align__at(&l->wins, g, i);
    return align__load(l->wins.dtype,
                       at + j * l->wins.stride[2] * align_dtype_bytes(l->wins.dtype));
}

/* How often item i beats item j: itself, and an equal rank, half the time. */
static double beats(const align_loss_labels *l, int64_t g, int64_t i, int64_t j)
{
    if (i == j)
        return 0.5;
    if (align__present(&l->wins))
        return win_at(l, g, i, j);
    const double first = align__load(l->rank.dtype, align__at(&l->rank, g, i));
    const double second = align__load(l->rank.dtype, align__at(&l->rank, g, j));
    return first < second ? 1 : first == second ? 0.5 : 0;
}

static align_status check_shapes(const align_exec *exec, const align_loss_labels *l)
{
    const struct align__named named[] = {{OWNER, "wins", &l->wins},
                                         {OWNER, "rank", &l->rank},
                                         {OWNER, "mask", &l->mask},
                                         {OWNER, "label", &l->label}};
    const int sets[] = {ALIGN__SET_REAL, ALIGN__SET_COUNT, ALIGN__SET_MASK, ALIGN__SET_REAL};
    const bool wins = align__present(&l->wins), rank = align__present(&l->rank);
    if (wins && rank)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = OWNER, .field = "rank",
                           .word = "a call with wins");
    if (!wins && !rank)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = OWNER, .field = "wins",
                           .word = "a call without rank");
    if (!align__present(&l->label))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = OWNER, .field = "label",
                           .word = "align_loss_labels_apply");
    for (int i = 0; i < 4; i++) {
        align_status status = align__check_tensor(exec, named[i], sets[i]);
        if (status != ALIGN_E_NONE)
            return status;
    }
    if (l->label.ndim != 2)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = OWNER, .field = "label",
                           .value = l->label.ndim, .word = "2");
    const int64_t shape[] = {l->label.shape[0], l->label.shape[1], l->label.shape[1]};
    align_status status = align__check_shape(exec, named[0], 3, shape);
    for (int i = 1; i < 3 && status == ALIGN_E_NONE; i++)
        status = align__check_shape(exec, named[i], 2, shape);
    return status != ALIGN_E_NONE ? status : align__check_output(exec, named[3], named, 3);
}

static align_status check_numbers(const align_exec *exec, const align_loss_labels *l)
{
    const int64_t items = l->label.shape[1];
    for (int64_t g = 0; g < l->label.shape[0]; g++)
        for (int64_t i = 0; i < items; i++) {
            if (!is_present(l, g, i))
                continue;
            if (align__present(&l->rank)) {
                const double x = align__load(l->rank.dtype, align__at(&l->rank, g, i));
                if (!(x >= -ALIGN__ANY && x <= ALIGN__ANY))
                    return ALIGN__FAIL(exec, FIELD_VALUE, .owner = OWNER, .field = "rank",
                                       .axes = 2, .index = {g, i}, .value = x,
                                       .word = "a finite number");
                continue;
            }
            for (int64_t j = 0; j < items; j++) {
                const double x = i != j && is_present(l, g, j) ? win_at(l, g, i, j) : 0;
                if (!(x >= 0 && x <= 1))
                    return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = OWNER, .field = "wins",
                                       .axes = 3, .index = {g, i, j}, .value = x, .low = 0,
                                       .high = 1);
            }
        }
    return ALIGN_E_NONE;
}

align_status align_loss_labels_apply(const align_exec *exec, const align_loss_labels *user)
{
    align_exec own;
    align_loss_labels l;
    align_status status = align__enter(&own, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&own, OWNER, &l, sizeof l, FIRST_SIZE, user);
    if (status == ALIGN_E_NONE)
        status = check_shapes(&own, &l);
    if (status == ALIGN_E_NONE)
        status = check_numbers(&own, &l);
    if (status != ALIGN_E_NONE)
        return status;
    const int64_t items = l.label.shape[1];
    for (int64_t g = 0; g < l.label.shape[0]; g++)
        for (int64_t i = 0; i < items; i++) {
            double sum = 0, count = 0;
            for (int64_t j = 0; j < items && is_present(&l, g, i); j++)
                if (is_present(&l, g, j)) {
                    sum += beats(&l, g, i, j);
                    count += 1;
                }
            align__store(l.label.dtype, align__at(&l.label, g, i), count > 0 ? sum / count : 0);
        }
    return ALIGN_E_NONE;
}
