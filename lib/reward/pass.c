#include "reward.h"

#include <math.h>
#include <string.h>

/* Passes over units in chunks, a task each, whose sums are added in order: how many there are depends on
 * shapes alone, and so the bits of the sums do. */
enum { CHUNKS = 64, CHUNK_LEAST = 16, SUM_NUMBERS = 1 << 22 };

void align__reward_plan(struct align__reward_data *data)
{
    int64_t chunks = data->count / CHUNK_LEAST, most = SUM_NUMBERS / data->order;
    chunks = chunks > CHUNKS ? CHUNKS : chunks;
    chunks = chunks > most ? most : chunks;
    data->chunks = chunks < 1 ? 1 : chunks;
    data->area_size = align__reward_area_size(data);
}

/* In numbers of f64, each part in whole cache lines. */
static size_t lines(int64_t numbers)
{
    return align__block(sizeof(double) * (size_t)numbers) / sizeof(double);
}

size_t align__reward_area_size(const struct align__reward_data *data)
{
    size_t rows = lines(data->width) + 2 * lines((data->width + 1) / 2);
    rows = align__present(&data->args->columns) ? 0 : rows;
    return lines(data->order) + rows + 2 * lines(data->group) + lines(data->group * data->group);
}

/* Cuts what `at` points to into the parts of an area. */
struct align__reward_area align__reward_area_of(const struct align__reward_data *data, int64_t task)
{
    double *at = data->areas + (size_t)task * data->area_size;
    struct align__reward_area area = {.sum = at};
    at += lines(data->order);
    if (!align__present(&data->args->columns)) {
        area.wide = at;
        area.narrow[0] = (float *)(at + lines(data->width));
        area.narrow[1] = area.narrow[0] + 2 * lines((data->width + 1) / 2);
        at += lines(data->width) + 2 * lines((data->width + 1) / 2);
    }
    area.u = at;
    area.t = area.u + lines(data->group);
    area.matrix = area.t + lines(data->group);
    return area;
}

static bool keeps_curves(const struct align__reward_data *data)
{
    return data->model->bend != NULL && data->thresholds == 0;
}

size_t align__reward_data_bytes(const struct align__reward_data *data)
{
    size_t curves = keeps_curves(data) ? align__block(sizeof(double) * (size_t)data->count) : 0;
    return curves + align__block(sizeof(double) * (size_t)(data->count * data->group)) +
           align__block(sizeof(double) * (size_t)data->chunks * data->area_size);
}

void align__reward_data_take(struct align__reward_data *data, struct align__arena *arena)
{
    data->scores = align__arena_take(arena, sizeof(double) * (size_t)(data->count * data->group));
    data->areas = align__arena_take(arena, sizeof(double) * (size_t)data->chunks * data->area_size);
    data->curves = keeps_curves(data)
                       ? align__arena_take(arena, sizeof(double) * (size_t)data->count)
                       : NULL;
}

/* ---- a pass -------------------------------------------------------------------------------- */

struct job {
    struct align__reward_data *data;
    const double *x, *at; /* [order] */
    void (*each)(const struct job *job, const struct align__reward_area *area, int64_t unit,
                 int64_t rows, struct align__reward_pass *pass);
    struct align__reward_pass passes[CHUNKS];
};

static const struct align__reward_pass no_pass = {.growth = {.worst = INFINITY, .best = -INFINITY},
                                                  .bad = -1};

static void run_chunk(void *ctx, int64_t task)
{
    struct job *job = ctx;
    const struct align__reward_data *data = job->data;
    struct align__reward_area area = align__reward_area_of(data, task);
    struct align__reward_pass pass = no_pass;
    memset(area.sum, 0, sizeof *area.sum * (size_t)data->order);
    int64_t end = data->count * (task + 1) / data->chunks;
    for (int64_t unit = data->count * task / data->chunks; unit < end; unit++) {
        int64_t rows = align__reward_rows(data, unit);
        if (rows > 0)
            job->each(job, &area, unit, rows, &pass);
    }
    job->passes[task] = pass;
}

static void merge(struct align__reward_pass *all, const struct align__reward_pass *part)
{
    all->value += part->value;
    all->growth.worst = fmin(all->growth.worst, part->growth.worst);
    all->growth.best = fmax(all->growth.best, part->growth.best);
    all->right += part->right;
    all->judged += part->judged;
    all->bad = all->bad < 0 ? part->bad : all->bad;
}

static align_status run(const align_exec *exec, struct job *job, double *sum,
                        struct align__reward_pass *pass)
{
    struct align__reward_data *data = job->data;
    align_status status = align__parallel(exec, data->chunks, run_chunk, job);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__reward_pass all = no_pass;
    if (sum != NULL)
        memset(sum, 0, sizeof *sum * (size_t)data->order);
    for (int64_t task = 0; task < data->chunks; task++) {
        merge(&all, &job->passes[task]);
        if (sum != NULL)
            data->f64->add(sum, 1, align__reward_area_of(data, task).sum, data->order);
    }
    if (pass != NULL)
        *pass = all;
    return ALIGN_E_NONE;
}

/* ---- value and slope ----------------------------------------------------------------------- */

static void judge(struct align__reward_pass *pass, double turned, double weight)
{
    pass->judged += weight;
    pass->right += turned > 0 ? weight : turned == 0 ? weight / 2 : 0;
}

static void evaluate_pair(const struct job *job, const struct align__reward_area *area,
                          int64_t unit, int64_t rows, struct align__reward_pass *pass)
{
    const struct align__reward_data *data = job->data;
    const double *thresholds = job->x + data->order - data->thresholds;
    struct align__reward_row row = align__reward_fetch(data, area, unit, rows - 1);
    struct align__reward_bend bend = {.slot = {-1, -1, -1}};
    double weight = align__reward_weight(data, unit);
    double rate = align__reward_dot(data, &row, job->x);
    rate += data->position != 0 ? job->x[data->width] : 0;
    double z = rate + align__reward_number(&data->args->offset, unit, 0);
    if (pass->bad < 0 && !(fabs(z) < INFINITY))
        pass->bad = unit;
    data->model->bend(data, unit, z, thresholds, &bend);
    data->model->grow(data, unit, rate, thresholds, &pass->growth);
    data->scores[unit] = z;
    if (data->curves != NULL)
        data->curves[unit] = weight * bend.h[0][0];
    pass->value += weight * bend.value;
    double side = align__reward_side(data, unit);
    if (side != 0)
        judge(pass, side * z, weight);
    align__reward_add(data, &row, weight * bend.d[0], area->sum);
    if (data->position != 0)
        area->sum[data->width] += weight * bend.d[0];
    for (int k = 1; k < 3; k++)
        if (bend.slot[k] >= 0)
            area->sum[bend.slot[k]] += bend.sign[k] * weight * bend.d[k];
}

static void evaluate_list(const struct job *job, const struct align__reward_area *area,
                          int64_t unit, int64_t rows, struct align__reward_pass *pass)
{
    const struct align__reward_data *data = job->data;
    double weight = align__reward_weight(data, unit), *z = data->scores + unit * data->group;
    int64_t stages = align__reward_stages(data, rows);
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, area, unit, k);
        z[k] = align__reward_dot(data, &row, job->x);
        if (pass->bad < 0 && !(fabs(z[k]) < INFINITY))
            pass->bad = unit;
    }
    pass->value += weight * align__reward_list_value(z, rows, stages, area->u);
    align__reward_list_grow(z, rows, stages, &pass->growth);
    for (int64_t j = 0; j < stages; j++)
        for (int64_t l = j + 1; l < rows; l++)
            judge(pass, z[j] - z[l], weight);
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, area, unit, k);
        align__reward_add(data, &row, weight * area->u[k], area->sum);
    }
}

align_status align__reward_evaluate(const align_exec *exec, struct align__reward_data *data,
                                    const double *x, double *slope, struct align__reward_pass *pass)
{
    struct job job = {.data = data, .x = x};
    job.each = data->model->bend != NULL ? evaluate_pair : evaluate_list;
    return run(exec, &job, slope, pass);
}

/* ---- growth -------------------------------------------------------------------------------- */

static void grow_unit(const struct job *job, const struct align__reward_area *area, int64_t unit,
                      int64_t rows, struct align__reward_pass *pass)
{
    const struct align__reward_data *data = job->data;
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, area, unit, k);
        area->u[k] = align__reward_dot(data, &row, job->x);
    }
    double bias = data->position != 0 ? job->x[data->width] : 0;
    if (data->model->grow != NULL)
        data->model->grow(data, unit, area->u[0] + bias, job->x + data->order - data->thresholds,
                          &pass->growth);
    else
        align__reward_list_grow(area->u, rows, align__reward_stages(data, rows), &pass->growth);
}

align_status align__reward_grow(const align_exec *exec, struct align__reward_data *data,
                                const double *x, struct align__reward_pass *pass)
{
    struct job job = {.data = data, .x = x, .each = grow_unit};
    return run(exec, &job, NULL, pass);
}

/* ---- curvature times a vector -------------------------------------------------------------- */

static void multiply_pair(const struct job *job, const struct align__reward_area *area,
                          int64_t unit, int64_t rows, struct align__reward_pass *pass)
{
    (void)pass;
    const struct align__reward_data *data = job->data;
    struct align__reward_row row = align__reward_fetch(data, area, unit, rows - 1);
    double rate = align__reward_dot(data, &row, job->x);
    rate = data->curves[unit] * (rate + (data->position != 0 ? job->x[data->width] : 0));
    align__reward_add(data, &row, rate, area->sum);
    if (data->position != 0)
        area->sum[data->width] += rate;
}

static void multiply_graded(const struct job *job, const struct align__reward_area *area,
                            int64_t unit, int64_t rows, struct align__reward_pass *pass)
{
    (void)pass;
    const struct align__reward_data *data = job->data;
    struct align__reward_row row = align__reward_fetch(data, area, unit, rows - 1);
    struct align__reward_bend bend = {.slot = {-1, -1, -1}};
    double weight = align__reward_weight(data, unit);
    data->model->bend(data, unit, data->scores[unit], job->at + data->order - data->thresholds,
                      &bend);
    double u[3] = {align__reward_dot(data, &row, job->x), 0, 0}, t[3];
    u[0] += data->position != 0 ? job->x[data->width] : 0;
    for (int k = 1; k < 3; k++)
        u[k] = bend.slot[k] < 0 ? 0 : bend.sign[k] * job->x[bend.slot[k]];
    for (int a = 0; a < 3; a++) {
        t[a] = 0;
        for (int b = 0; b < 3; b++)
            t[a] += weight * (a < b ? bend.h[a][b] : bend.h[b][a]) * u[b];
    }
    align__reward_add(data, &row, t[0], area->sum);
    if (data->position != 0)
        area->sum[data->width] += t[0];
    for (int k = 1; k < 3; k++)
        if (bend.slot[k] >= 0)
            area->sum[bend.slot[k]] += bend.sign[k] * t[k];
}

static void multiply_list(const struct job *job, const struct align__reward_area *area,
                          int64_t unit, int64_t rows, struct align__reward_pass *pass)
{
    (void)pass;
    const struct align__reward_data *data = job->data;
    double weight = align__reward_weight(data, unit);
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, area, unit, k);
        area->u[k] = align__reward_dot(data, &row, job->x);
    }
    align__reward_list_multiply(data->scores + unit * data->group, rows,
                                align__reward_stages(data, rows), area->u, area->t);
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, area, unit, k);
        align__reward_add(data, &row, weight * area->t[k], area->sum);
    }
}

align_status align__reward_multiply(const align_exec *exec, struct align__reward_data *data,
                                    const double *at, const double *x, double *out)
{
    struct job job = {.data = data, .x = x, .at = at};
    job.each = data->curves != NULL        ? multiply_pair
               : data->model->bend != NULL ? multiply_graded
                                           : multiply_list;
    return run(exec, &job, out, NULL);
}
