#include "reward.h"

#include <math.h>
#include <string.h>

double align__reward_number(const align_tensor *t, int64_t i, double otherwise)
{
    return align__present(t) ? align__load(t->dtype, align__at(t, i, 0)) : otherwise;
}

double align__reward_weight(const struct align__reward_data *data, int64_t unit)
{
    return align__reward_number(&data->args->weight, unit, 1);
}

static int64_t whole(const align_tensor *t, int64_t i, int64_t j)
{
    return (int64_t)align__load(t->dtype, align__at(t, i, j));
}

int64_t align__reward_rows(const struct align__reward_data *data, int64_t unit)
{
    const align_tensor *list = &data->args->list;
    if (!(align__reward_weight(data, unit) > 0))
        return 0;
    if (!align__present(list))
        return 1;
    int64_t n = 0;
    while (n < data->group && whole(list, unit, n) >= 0)
        n++;
    return n < 2 ? 0 : n;
}

/* ---- where rows lie ------------------------------------------------------------------------ */

/* A dense row, or with `features` perhaps a sparse one. */
struct place {
    const align_tensor *tensor;
    int64_t row;
};

/* The two sides of a pair; an answer of a list has one. */
static int find_places(const struct align__reward_data *data, int64_t unit, int64_t k,
                       struct place places[2])
{
    const align_reward_args *args = data->args;
    if (align__present(&args->list)) {
        places[0] = (struct place){&args->features, whole(&args->list, unit, k)};
        return 1;
    }
    for (int side = 0; side < 2; side++)
        if (align__present(&args->index))
            places[side] = (struct place){&args->features, whole(&args->index, unit, side)};
        else
            places[side] = (struct place){side == 0 ? &args->first : &args->second, unit};
    return 2;
}

struct align__reward_slice align__reward_slice_of(const align_tensor *values,
                                                  const align_tensor *columns,
                                                  const align_tensor *offsets, int64_t row)
{
    int64_t begin = whole(offsets, row, 0);
    return (struct align__reward_slice){
        .count = whole(offsets, row + 1, 0) - begin,
        .values = align__at(values, begin, 0),
        .columns = align__at(columns, begin, 0),
        .dtype = values->dtype,
        .column_dtype = columns->dtype,
        .value_stride = values->stride[0],
        .column_stride = columns->stride[0],
    };
}

static struct align__reward_slice slice_at(const struct align__reward_data *data,
                                           struct place place)
{
    const align_reward_args *args = data->args;
    bool second = place.tensor == &args->second;
    return align__reward_slice_of(place.tensor, second ? &args->second_columns : &args->columns,
                                  second ? &args->second_row_offsets : &args->row_offsets,
                                  place.row);
}

static const float *narrow_row(const struct align__reward_data *data, struct place place,
                               float *buffer)
{
    const void *at = align__at(place.tensor, place.row, 0);
    if (place.tensor->dtype == ALIGN_F32)
        return at;
    if (place.tensor->dtype == ALIGN_BF16)
        data->kernels->from_bf16(buffer, at, data->width);
    else
        data->kernels->from_f16(buffer, at, data->width);
    return buffer;
}

/* Differences in f64: of f32, as wide as the processor has them; of others a part at a time. */
static void fill_wide(const struct align__reward_data *data, const struct place *places, int sides,
                      const struct align__reward_area *area)
{
    enum { PART = 256 };
    double other[PART];
    const align_tensor *a = places[0].tensor, *b = places[1].tensor;
    if (sides == 2 && a->dtype != ALIGN_F64 && b->dtype != ALIGN_F64) {
        data->f64->gap(area->wide, narrow_row(data, places[0], area->narrow[0]),
                       narrow_row(data, places[1], area->narrow[1]), data->width);
        return;
    }
    align__load_row(area->wide, a->dtype, align__at(a, places[0].row, 0), 1, data->width);
    for (int64_t begin = 0; sides == 2 && begin < data->width; begin += PART) {
        int64_t n = data->width - begin < PART ? data->width - begin : PART;
        align__load_row(other, b->dtype, align__at(b, places[1].row, begin), 1, n);
        data->f64->add(area->wide + begin, -1, other, n);
    }
}

struct align__reward_row align__reward_fetch(const struct align__reward_data *data,
                                             const struct align__reward_area *area, int64_t unit,
                                             int64_t k)
{
    struct place places[2];
    struct align__reward_row row = {0};
    int sides = find_places(data, unit, k, places);
    if (align__present(&data->args->columns)) {
        for (row.sparse = 0; row.sparse < sides; row.sparse++)
            row.slices[row.sparse] = slice_at(data, places[row.sparse]);
        return row;
    }
    fill_wide(data, places, sides, area);
    row.wide = area->wide;
    return row;
}

/* ---- products ------------------------------------------------------------------------------ */

enum { PART = ALIGN__REWARD_PART };

int64_t align__reward_slice_load(const struct align__reward_slice *s, int64_t begin, double *values,
                                 double *columns)
{
    int64_t n = s->count - begin < PART ? s->count - begin : PART;
    align__load_row(values, s->dtype,
                    (const char *)s->values + begin * s->value_stride * align_dtype_bytes(s->dtype),
                    s->value_stride, n);
    align__load_row(columns, s->column_dtype,
                    (const char *)s->columns +
                        begin * s->column_stride * align_dtype_bytes(s->column_dtype),
                    s->column_stride, n);
    return n;
}

static double slice_dot(const struct align__reward_slice *slice, const double *x)
{
    double values[PART], columns[PART], sum = 0;
    for (int64_t begin = 0; begin < slice->count; begin += PART) {
        int64_t n = align__reward_slice_load(slice, begin, values, columns);
        for (int64_t i = 0; i < n; i++)
            sum += values[i] * x[(int64_t)columns[i]];
    }
    return sum;
}

static void slice_add(const struct align__reward_slice *slice, double factor, double *out)
{
    double values[PART], columns[PART];
    for (int64_t begin = 0; begin < slice->count; begin += PART) {
        int64_t n = align__reward_slice_load(slice, begin, values, columns);
        for (int64_t i = 0; i < n; i++)
            out[(int64_t)columns[i]] += factor * values[i];
    }
}

double align__reward_dot(const struct align__reward_data *data, const struct align__reward_row *row,
                         const double *x)
{
    if (row->wide != NULL)
        return data->f64->dot(x, row->wide, data->width);
    double z = slice_dot(&row->slices[0], x);
    return row->sparse == 2 ? z - slice_dot(&row->slices[1], x) : z;
}

void align__reward_add(const struct align__reward_data *data, const struct align__reward_row *row,
                       double factor, double *out)
{
    if (row->wide != NULL) {
        data->f64->add(out, factor, row->wide, data->width);
    } else {
        slice_add(&row->slices[0], factor, out);
        if (row->sparse == 2)
            slice_add(&row->slices[1], -factor, out);
    }
}

/* ---- features that are not finite ---------------------------------------------------------- */

static align_status find_bad_dense(const align_exec *exec, const char *field, struct place place)
{
    const align_tensor *t = place.tensor;
    for (int64_t d = 0; d < t->shape[1]; d++) {
        double x = align__load(t->dtype, align__at(t, place.row, d));
        if (!(fabs(x) < INFINITY))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = REWARD_ARGS, .field = field, .axes = 2,
                               .index = {place.row, d}, .value = x, .word = "finite");
    }
    return ALIGN_E_NONE;
}

static align_status find_bad_sparse(const align_exec *exec, const struct align__reward_data *data,
                                    const char *field, struct place place)
{
    const align_reward_args *args = data->args;
    const align_tensor *t = place.tensor;
    const align_tensor *offsets = t == &args->second ? &args->second_row_offsets
                                                     : &args->row_offsets;
    for (int64_t i = whole(offsets, place.row, 0); i < whole(offsets, place.row + 1, 0); i++) {
        double x = align__load(t->dtype, align__at(t, i, 0));
        if (!(fabs(x) < INFINITY))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = REWARD_ARGS, .field = field, .axes = 1,
                               .index = {i}, .value = x, .word = "finite");
    }
    return ALIGN_E_NONE;
}

align_status align__reward_find_bad(const align_exec *exec, const struct align__reward_data *data,
                                    int64_t unit)
{
    struct place places[2];
    align_status status = ALIGN_E_NONE;
    int64_t rows = align__reward_rows(data, unit);
    for (int64_t k = 0; k < rows; k++) {
        int sides = find_places(data, unit, k, places);
        for (int side = 0; status == ALIGN_E_NONE && side < sides; side++) {
            const char *field = places[side].tensor == &data->args->features ? "features"
                                : side == 0                                  ? "first"
                                                                             : "second";
            status = align__present(&data->args->columns)
                         ? find_bad_sparse(exec, data, field, places[side])
                         : find_bad_dense(exec, field, places[side]);
        }
    }
    return status;
}
