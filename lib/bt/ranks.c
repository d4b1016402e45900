#include "bt.h"
#include "random.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank,
             const double *tol, double *work, int *info, size_t);

#define ARGS   "align_bt_ranks_args"
#define READER "align_bt_ranks_eval"

enum { CHUNK = 64, SAMPLES = 10000 };

void align_bt_ranks_args_init(align_bt_ranks_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- checks ------------------------------------------------------------------------------- */

enum { OUTPUTS = 5, TENSORS = OUTPUTS + 3 };

struct call {
    align_exec exec;
    align_bt_ranks_args args;
    int64_t n, count; /* items, draws */
    bool drawn;
};

static align_status check_tensors(const struct call *call)
{
    const align_bt_ranks_args *args = &call->args;
    const align_exec *exec = &call->exec;
    const struct align__named all[TENSORS] = {
        {ARGS, "rank", &args->rank},
        {ARGS, "rank_low", &args->rank_low},
        {ARGS, "rank_high", &args->rank_high},
        {ARGS, "first", &args->first},
        {ARGS, "difference_se", &args->difference_se},
        {ARGS, "strength", &args->strength},
        {ARGS, "covariance", &args->covariance},
        {ARGS, "draws", &args->draws},
    };
    const int64_t square[2] = {call->n, call->n}, table[2] = {args->draws.shape[0], call->n};
    align_status status = ALIGN_E_NONE;
    for (int i = 0; status == ALIGN_E_NONE && i < TENSORS; i++) {
        const align_tensor *t = all[i].tensor;
        bool wide = t == &args->difference_se || t == &args->covariance || t == &args->draws;
        status = align__check_tensor(exec, all[i], i < 3 ? ALIGN__SET_INDEX : ALIGN__SET_WIDE);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], 1 + wide, t == &args->draws ? table : square);
    }
    for (int i = 0; status == ALIGN_E_NONE && i < OUTPUTS; i++)
        status = align__check_output(exec, all[i], all, TENSORS);
    return status;
}

static align_status check_numbers(const struct call *call)
{
    const align_bt_ranks_args *args = &call->args;
    const align_exec *exec = &call->exec;
    if (!(args->level >= 0 && args->level < 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "level",
                           .value = args->level, .high = 1);
    if (args->samples < 0 || args->samples > INT32_MAX)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "samples",
                           .value = (double)args->samples, .high = INT32_MAX);
    if (call->drawn && args->samples != 0)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = "samples",
                           .word = "ranks from draws");
    if (call->drawn && args->seed != 0)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = "seed",
                           .word = "ranks from draws");
    if (call->n > INT16_MAX)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "strength",
                           .value = (double)call->n, .high = INT16_MAX);
    return ALIGN_E_NONE;
}

static align_status open_call(struct call *call, const align_exec *exec,
                              const align_bt_ranks_args *args)
{
    memset(call, 0, sizeof *call);
    align_status status = align__enter(&call->exec, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&call->exec, ARGS, &call->args, sizeof call->args, sizeof call->args,
                               args);
    if (status != ALIGN_E_NONE)
        return status;
    bool both = align__present(&call->args.covariance) && align__present(&call->args.draws);
    call->drawn = align__present(&call->args.draws);
    if (!align__present(&call->args.strength))
        return ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = ARGS, .field = "strength",
                           .word = READER);
    if (!call->drawn && !align__present(&call->args.covariance))
        return ALIGN__FAIL(&call->exec, FIELD_MISSING, .owner = ARGS, .field = "covariance",
                           .word = READER);
    if (both)
        return ALIGN__FAIL(&call->exec, FIELD_UNREAD, .owner = ARGS, .field = "covariance",
                           .word = "ranks from draws");
    call->n = call->args.strength.shape[0];
    status = check_numbers(call);
    if (status == ALIGN_E_NONE)
        status = check_tensors(call);
    call->count = call->drawn              ? call->args.draws.shape[0]
                  : call->args.samples > 0 ? call->args.samples
                                           : SAMPLES;
    return status;
}

/* ---- work --------------------------------------------------------------------------------- */

struct work {
    const struct call *call;
    int64_t n, count, tasks, used, rank;
    double *strength, *covariance, *se, *root; /* [n], [n,n] each */
    double *most;                              /* [count]: the largest |t| of a draw; -1: no draw */
    double *share, *place;                     /* [tasks,n]: how often first; a draw */
    int *pivot;
};

static int64_t tasks_of(const struct call *call)
{
    return call->count > CHUNK ? (call->count + CHUNK - 1) / CHUNK : 1;
}

static size_t work_bytes(const struct call *call)
{
    size_t n = (size_t)call->n, vector = align__block(sizeof(double) * n);
    size_t square = align__block(sizeof(double) * n * n), tasks = (size_t)tasks_of(call);
    return align__arena_slack() + 3 * square + vector + align__block(sizeof(int) * n) +
           align__block(2 * sizeof(double) * n) +
           align__block(sizeof(double) * (size_t)call->count) +
           2 * align__block(sizeof(double) * n * (2 * tasks));
}

align_status align_bt_ranks_scratch(const align_exec *exec, const align_bt_ranks_args *args,
                                    size_t *least, size_t *best)
{
    struct call call;
    align_status status = open_call(&call, exec, args);
    if (status == ALIGN_E_NONE)
        *least = *best = work_bytes(&call);
    return status;
}

static align_status not_a_number(const align_exec *exec, const char *field, int64_t i, int64_t j,
                                 double value)
{
    return ALIGN__FAIL(exec, RANKS_VALUE, .owner = ARGS, .field = field,
                       .axes = strcmp(field, "strength") == 0 ? 1 : 2, .index = {i, j},
                       .value = value);
}

static align_status load(const struct call *call, struct work *work)
{
    const align_bt_ranks_args *args = &call->args;
    int64_t n = work->n;
    for (int64_t i = 0; i < n; i++) {
        double x = align__load(args->strength.dtype, align__at(&args->strength, i, 0));
        if (!(fabs(x) < INFINITY))
            return not_a_number(&call->exec, "strength", i, 0, x);
        work->strength[i] = x;
        for (int64_t j = 0; !call->drawn && j < n; j++) {
            x = align__load(args->covariance.dtype, align__at(&args->covariance, i, j));
            if (!(fabs(x) < INFINITY) || (i == j && x < 0))
                return not_a_number(&call->exec, "covariance", i, j, x);
            work->covariance[i * n + j] = x;
        }
    }
    return ALIGN_E_NONE;
}

/* ---- draws -------------------------------------------------------------------------------- */

/* One draw of the errors of all strengths; false where the caller's did not converge. A Gaussian one is
 * the root of the covariance, whose rows come in the order of its pivots, times independent normals. */
static bool draw(const struct work *work, int64_t at, double *error, double *normal)
{
    const struct call *call = work->call;
    int64_t n = work->n;
    if (call->drawn) {
        for (int64_t i = 0; i < n; i++) {
            double x = align__load(call->args.draws.dtype, align__at(&call->args.draws, at, i));
            error[i] = x - work->strength[i];
            if (!(fabs(x) < INFINITY))
                return false;
        }
        return true;
    }
    struct align__stream s = align__stream_of(call->args.seed, at);
    for (int64_t k = 0; k < work->rank; k++)
        normal[k] = align__next_normal(&s);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = 0; k <= i && k < work->rank; k++)
            sum += work->root[k * n + i] * normal[k];
        error[work->pivot[i] - 1] = sum;
    }
    return true;
}

/* Pivoted Cholesky, which stops where a covariance has no more rank. */
static void factor(struct work *work)
{
    int n = (int)work->n, rank = 0, info = 0;
    double tolerance = -1;
    memcpy(work->root, work->covariance, sizeof(double) * (size_t)(work->n * work->n));
    dpstrf_("L", &n, work->root, &n, work->pivot, &rank, &tolerance, work->share, &info, 1);
    work->rank = rank;
}

/* The covariance of the caller's draws about their mean. */
static void covariance_of_draws(struct work *work)
{
    int64_t n = work->n, used = 0;
    double *mean = work->place, *error = work->place + n;
    memset(mean, 0, sizeof *mean * (size_t)n);
    memset(work->covariance, 0, sizeof(double) * (size_t)(n * n));
    for (int64_t b = 0; b < work->count; b++) {
        if (!draw(work, b, error, NULL))
            continue;
        used++;
        for (int64_t i = 0; i < n; i++) {
            double off = error[i] - mean[i];
            mean[i] += off / (double)used;
            error[i] = off;
        }
        double weight = (double)(used - 1) / (double)used;
        cblas_dsyr(CblasRowMajor, CblasUpper, (int)n, weight, error, 1, work->covariance, (int)n);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i; j < n; j++) {
            work->covariance[i * n + j] /= used > 1 ? (double)(used - 1) : 1;
            work->covariance[j * n + i] = work->covariance[i * n + j];
        }
}

/* A variance that is rounding of what it is the difference of is 0. */
static void find_se(struct work *work)
{
    int64_t n = work->n;
    const double *v = work->covariance;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double own = v[i * n + i] + v[j * n + j];
            double variance = own - v[i * n + j] - v[j * n + i];
            work->se[i * n + j] = i != j && variance > 1e-13 * own ? sqrt(variance) : 0;
        }
}

/* Largest |difference of errors| / se over all pairs, and who is first; ties for it share. */
static void judge(struct work *work, int64_t at, const double *error, double *share)
{
    int64_t n = work->n, first = 0;
    double most = 0, best = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const double *se = work->se + i * n;
        double x = work->strength[i] + error[i];
        first = x > best ? 1 : first + (x == best);
        best = x > best ? x : best;
        for (int64_t j = i + 1; j < n; j++) {
            double off = fabs(error[i] - error[j]);
            if (off > most * se[j] && se[j] > 0)
                most = off / se[j];
        }
    }
    work->most[at] = most;
    for (int64_t i = 0; i < n; i++)
        if (work->strength[i] + error[i] == best)
            share[i] += 1 / (double)first;
}

static void run_chunk(void *ctx, int64_t task)
{
    struct work *work = ctx;
    int64_t n = work->n, end = (task + 1) * CHUNK < work->count ? (task + 1) * CHUNK : work->count;
    double *error = work->place + 2 * task * n, *share = work->share + 2 * task * n;
    memset(share, 0, sizeof *share * (size_t)n);
    for (int64_t at = task * CHUNK; at < end; at++) {
        work->most[at] = -1;
        if (draw(work, at, error, error + n))
            judge(work, at, error, share);
    }
}

/* ---- results ------------------------------------------------------------------------------ */

static void sift(double *a, int64_t at, int64_t n)
{
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && a[child + 1] > a[child])
            child++;
        if (a[at] >= a[child])
            return;
        double swap = a[at];
        a[at] = a[child];
        a[child] = swap;
        at = child;
    }
}

/* Heap sort, so that the core needs no sort of the C library. */
static void sort(double *a, int64_t n)
{
    for (int64_t at = n / 2; at-- > 0;)
        sift(a, at, n);
    for (int64_t end = n; end-- > 1;) {
        double swap = a[0];
        a[0] = a[end];
        a[end] = swap;
        sift(a, 0, end);
    }
}

/* Draws that were left out come first, as -1. */
static double critical_of(struct work *work)
{
    double level = work->call->args.level == 0 ? 0.95 : work->call->args.level;
    sort(work->most, work->count);
    work->used = work->count;
    while (work->used > 0 && work->most[work->count - work->used] < 0)
        work->used--;
    int64_t place = (int64_t)ceil(level * (double)work->used) - 1;
    return work->used == 0 ? (double)NAN
                           : work->most[work->count - work->used + (place < 0 ? 0 : place)];
}

static void put(const align_tensor *t, int64_t i, int64_t j, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, j), x);
}

static void write(const struct work *work, align_bt_ranks_args *args)
{
    int64_t n = work->n;
    double critical = args->critical;
    for (int64_t i = 0; i < n; i++) {
        int64_t above = 0, surely_above = 0, surely_below = 0;
        double first = 0;
        for (int64_t j = 0; j < n; j++) {
            double lead = work->strength[j] - work->strength[i],
                   far = critical * work->se[i * n + j];
            above += lead > 0;
            surely_above += lead > far;
            surely_below += -lead > far;
            put(&args->difference_se, i, j, work->se[i * n + j]);
        }
        for (int64_t task = 0; task < work->tasks; task++)
            first += work->share[2 * task * n + i];
        put(&args->rank, i, 0, (double)(1 + above));
        put(&args->rank_low, i, 0, (double)(1 + surely_above));
        put(&args->rank_high, i, 0, (double)(n - surely_below));
        put(&args->first, i, 0, work->used == 0 ? (double)NAN : first / (double)work->used);
    }
}

static void take(struct work *work, struct align__arena *arena)
{
    size_t n = (size_t)work->n, tasks = (size_t)work->tasks;
    work->strength = align__arena_take(arena, sizeof(double) * n);
    work->covariance = align__arena_take(arena, sizeof(double) * n * n);
    work->se = align__arena_take(arena, sizeof(double) * n * n);
    work->root = align__arena_take(arena, sizeof(double) * n * n);
    work->pivot = align__arena_take(arena, sizeof(int) * n);
    work->most = align__arena_take(arena, sizeof(double) * (size_t)work->count);
    work->share = align__arena_take(arena, sizeof(double) * n * 2 * tasks);
    work->place = align__arena_take(arena, sizeof(double) * n * 2 * tasks);
}

align_status align_bt_ranks_eval(const align_exec *exec, align_bt_ranks_args *args)
{
    struct call call;
    struct align__arena arena;
    align_status status = open_call(&call, exec, args);
    if (status == ALIGN_E_NONE)
        status = align__arena_open(&call.exec, &arena, work_bytes(&call));
    if (status != ALIGN_E_NONE)
        return status;
    struct work work = {.call = &call, .n = call.n, .count = call.count, .tasks = tasks_of(&call)};
    take(&work, &arena);
    status = load(&call, &work);
    if (status != ALIGN_E_NONE)
        return status;
    if (call.exec.cancel != NULL && call.exec.cancel(call.exec.cancel_user) != 0)
        return ALIGN__FAIL(&call.exec, BT_CANCELLED, .owner = "align_exec", .field = "cancel");
    if (call.drawn)
        covariance_of_draws(&work);
    else
        factor(&work);
    find_se(&work);
    status = align__parallel(&call.exec, work.tasks, run_chunk, &work);
    if (status != ALIGN_E_NONE)
        return status;
    args->critical = call.args.critical = critical_of(&work);
    args->used = work.used;
    write(&work, &call.args);
    return ALIGN_E_NONE;
}
