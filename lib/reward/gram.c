#include "reward.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Curvature as a matrix: H = sum over units of rows' C rows, C the curvature of a unit in its scores and
 * thresholds. With C = L L', blocks of rows L' rows go to a symmetric product of the BLAS. Chunks of units, a
 * task each, have matrices of their own, which are added in order; how many depends on shapes alone. */
enum { BLOCK = 64, CHUNKS = 8, MATRIX_NUMBERS = 1 << 21 };

/* A guide takes about as long as two passes over all units: 64 / order of them at the speed of f32 products;
 * but no fewer than 16 for each parameter. */
static int64_t sample_of(const struct align__reward_data *data)
{
    int64_t share = data->count / data->order * 64, least = 16 * data->order;
    int64_t sample = share > least ? share : least;
    return sample < data->count ? sample : data->count;
}

struct area {
    double *block;  /* [BLOCK + group, order] */
    float *narrow;  /* the same, for a guide */
    double *matrix; /* [order, order] f64, or f32 for a guide */
};

static size_t block_rows(const struct align__reward_data *data)
{
    return BLOCK + (size_t)data->group;
}

void align__reward_gram_plan(struct align__reward_gram *gram, struct align__reward_data *data,
                             bool narrow)
{
    int64_t square = data->order * data->order, chunks = MATRIX_NUMBERS / square;
    size_t number = narrow ? sizeof(float) : sizeof(double);
    size_t block = block_rows(data) * (size_t)data->order;
    chunks = chunks > CHUNKS ? CHUNKS : chunks;
    gram->data = data;
    gram->narrow = narrow;
    gram->sample = narrow ? sample_of(data) : data->count;
    gram->chunks = chunks < 1 ? 1 : chunks > data->chunks ? data->chunks : chunks;
    gram->area_bytes = align__block(sizeof(double) * block) +
                       (narrow ? align__block(sizeof(float) * block) : 0) +
                       align__block(number * (size_t)square);
}

size_t align__reward_gram_bytes(const struct align__reward_gram *gram)
{
    return (size_t)gram->chunks * gram->area_bytes;
}

static struct area area_of(const struct align__reward_gram *gram, int64_t task)
{
    size_t block = block_rows(gram->data) * (size_t)gram->data->order;
    char *at = gram->areas + (size_t)task * gram->area_bytes;
    struct area area = {.block = (double *)at};
    at += align__block(sizeof(double) * block);
    area.narrow = (float *)at;
    at += gram->narrow ? align__block(sizeof(float) * block) : 0;
    area.matrix = (double *)at;
    return area;
}

struct job {
    const struct align__reward_gram *gram;
    const double *at;
    struct area area;
    struct align__reward_area rows;
    int64_t filled;
};

static void put(const struct align__reward_gram *gram, const struct area *area, int64_t i,
                int64_t j, double x)
{
    int64_t place = i < j ? i * gram->data->order + j : j * gram->data->order + i;
    if (gram->narrow)
        ((float *)area->matrix)[place] += (float)x;
    else
        area->matrix[place] += x;
}

/* One row of L' for z, and what is left of the thresholds straight into the matrix. */
static void add_pair(struct job *job, int64_t unit)
{
    const struct align__reward_data *data = job->gram->data;
    struct align__reward_row row = align__reward_fetch(data, &job->rows, unit, 0);
    struct align__reward_bend bend = {.slot = {-1, -1, -1}};
    double *out = job->area.block + job->filled++ * data->order;
    double weight = align__reward_weight(data, unit);
    data->model->bend(data, unit, data->scores[unit], job->at + data->order - data->thresholds,
                      &bend);
    double root = sqrt(bend.h[0][0]), scale = sqrt(weight);
    memset(out, 0, sizeof *out * (size_t)data->order);
    align__reward_add(data, &row, root * scale, out);
    if (data->position != 0)
        out[data->width] = root * scale;
    for (int a = 1; a < 3; a++) {
        if (bend.slot[a] < 0)
            continue;
        if (root > 0)
            out[bend.slot[a]] += scale * bend.sign[a] * bend.h[0][a] / root;
        for (int b = 1; b < 3; b++) {
            double left = a < b ? bend.h[a][b] : bend.h[b][a];
            left -= root > 0 ? bend.h[0][a] / root * (bend.h[0][b] / root) : 0;
            bool counts = bend.slot[b] >= 0 && (bend.slot[a] == bend.slot[b] || a < b);
            if (counts)
                put(job->gram, &job->area, bend.slot[a], bend.slot[b],
                    weight * bend.sign[a] * bend.sign[b] * left);
        }
    }
}

static void add_list(struct job *job, int64_t unit, int64_t rows)
{
    const struct align__reward_data *data = job->gram->data;
    double *factor = job->rows.matrix, scale = sqrt(align__reward_weight(data, unit));
    double *out = job->area.block + job->filled * data->order;
    align__reward_list_factor(data->scores + unit * data->group, rows,
                              align__reward_stages(data, rows), factor);
    memset(out, 0, sizeof *out * (size_t)(rows * data->order));
    for (int64_t k = 0; k < rows; k++) {
        struct align__reward_row row = align__reward_fetch(data, &job->rows, unit, k);
        for (int64_t j = 0; j <= k; j++)
            align__reward_add(data, &row, scale * factor[k * rows + j], out + j * data->order);
    }
    job->filled += rows;
}

static void flush(struct job *job)
{
    const struct align__reward_gram *gram = job->gram;
    int order = (int)gram->data->order, rows = (int)job->filled;
    if (gram->narrow) {
        gram->data->f64->narrow(job->area.narrow, 1, job->area.block, job->filled * order);
        cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, order, rows, 1, job->area.narrow, order,
                    1, (float *)job->area.matrix, order);
    } else {
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, order, rows, 1, job->area.block, order,
                    1, job->area.matrix, order);
    }
    job->filled = 0;
}

static void run_chunk(void *ctx, int64_t task)
{
    const struct job *all = ctx;
    struct job job = *all;
    const struct align__reward_gram *gram = job.gram;
    const struct align__reward_data *data = gram->data;
    size_t number = gram->narrow ? sizeof(float) : sizeof(double);
    job.area = area_of(gram, task);
    job.rows = align__reward_area_of(data, task);
    memset(job.area.matrix, 0, number * (size_t)(data->order * data->order));
    int64_t end = gram->sample * (task + 1) / gram->chunks;
    for (int64_t i = gram->sample * task / gram->chunks; i < end; i++) {
        int64_t unit = gram->sample == data->count
                           ? i
                           : (int64_t)((double)i * (double)data->count / (double)gram->sample);
        int64_t rows = align__reward_rows(data, unit);
        if (rows > 0 && data->model->bend != NULL)
            add_pair(&job, unit);
        else if (rows > 0)
            add_list(&job, unit, rows);
        if (job.filled >= BLOCK)
            flush(&job);
    }
    if (job.filled > 0)
        flush(&job);
}

align_status align__reward_gram_fill(const align_exec *exec, const struct align__reward_gram *gram,
                                     const double *at, double *matrix)
{
    struct job job = {.gram = gram, .at = at};
    int64_t square = gram->data->order * gram->data->order;
    double scale = (double)gram->data->count / (double)gram->sample;
    align_status status = align__parallel(exec, gram->chunks, run_chunk, &job);
    if (status != ALIGN_E_NONE)
        return status;
    memset(matrix, 0, sizeof *matrix * (size_t)square);
    for (int64_t task = 0; task < gram->chunks; task++) {
        const double *part = area_of(gram, task).matrix;
        for (int64_t i = 0; i < square; i++)
            matrix[i] += scale * (gram->narrow ? (double)((const float *)part)[i] : part[i]);
    }
    return ALIGN_E_NONE;
}
