#include "reward.h"

align_status align__reward_check_fields(const align_exec *exec, const char *owner,
                                        const char *reader, const struct align__reward_field *rows,
                                        int count)
{
    struct align__named all[ALIGN__REWARD_FIELDS];
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < count; i++) {
        all[i] = (struct align__named){owner, rows[i].name, rows[i].tensor};
        if (rows[i].needed && !align__present(rows[i].tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = rows[i].name,
                               .word = reader);
        status = align__check_tensor(exec, all[i], rows[i].set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], rows[i].ndim, rows[i].shape);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < count; i++)
        if (rows[i].output)
            status = align__check_output(exec, all[i], all, count);
    return status;
}

align_status align__reward_check_options(const align_exec *exec, const char *owner,
                                         const struct align__reward_option *rows, int count)
{
    for (int i = 0; i < count; i++)
        if (!rows[i].good)
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = rows[i].name,
                               .value = rows[i].value, .word = rows[i].word);
    return ALIGN_E_NONE;
}

void align__reward_put(const align_tensor *t, int64_t i, int64_t j, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, j), x);
}

align_status align__reward_check_sparse(const align_exec *exec, const char *owner,
                                        const char *column_field, const char *offset_field,
                                        const align_tensor *values, const align_tensor *columns,
                                        const align_tensor *offsets, int64_t width)
{
    int64_t rows = offsets->shape[0] - 1, nnz = values->shape[0];
    double before = 0;
    for (int64_t i = 0; i <= rows; i++) {
        double at = align__load(offsets->dtype, align__at(offsets, i, 0));
        bool ends = (i > 0 || at == 0) && (i < rows || at == (double)nnz);
        if (!(at >= before && at <= (double)nnz) || !ends)
            return ALIGN__FAIL(exec, REWARD_OFFSETS, .owner = owner, .field = offset_field,
                               .axes = 1, .index = {i}, .value = at, .low = before,
                               .high = (double)nnz);
        before = at;
    }
    for (int64_t i = 0; i < nnz; i++) {
        double column = align__load(columns->dtype, align__at(columns, i, 0));
        if (!(column >= 0 && column < (double)width))
            return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = owner, .field = column_field, .axes = 1,
                               .index = {i}, .value = column, .high = (double)(width - 1));
    }
    return ALIGN_E_NONE;
}
