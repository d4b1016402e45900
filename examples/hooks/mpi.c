/* A host whose output matrix is split over the ranks of an MPI job: the whole adapter is mpi_allreduce.
 *
 *     mpirun -n 3 mpi
 *
 * Each rank holds a part of the vocabulary, of logits or of the output matrix; together they compute what one
 * process would, and rank 0 says how far from that they are. */
#include <libalign/align.h>

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* user: the communicator. Sums of integers and maxima are exact, so MPI may add in any order. */
static int32_t mpi_allreduce(void *user, void *buffer, int64_t count, align_dtype dtype, int32_t op)
{
    MPI_Datatype type = dtype == ALIGN_I64 ? MPI_INT64_T : MPI_DOUBLE;
    MPI_Op how = op == ALIGN_REDUCE_MAX ? MPI_MAX : MPI_SUM;
    return MPI_Allreduce(MPI_IN_PLACE, buffer, (int)count, type, how, *(MPI_Comm *)user);
}

enum { N = 96, V = 3001, D = 48, SEQUENCES = 6 };

enum source { LOGITS, MATRIX };

struct batch {
    enum source source;
    int32_t target[N];
    int64_t offsets[SEQUENCES + 1];
    float logits[N][V], hidden[N][D], weight[V][D];
    double dlogits[N][V], dhidden[N][D], dweight[V][D];
    double token_logp[N], lse[N], entropy[N], logp[SEQUENCES], dlogp[SEQUENCES], value;
};

static void fill(float *x, int64_t n, float most)
{
    static uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        x[i] = most * ((float)(state >> 8) / 8388608.0f - 1);
    }
}

/* The same on all ranks. */
static struct batch *make_inputs(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        exit(EXIT_FAILURE);
    fill(batch->logits[0], N * V, 4);
    fill(batch->hidden[0], N * D, 1);
    fill(batch->weight[0], V * D, 1);
    for (int n = 0; n < N; n++)
        batch->target[n] = n * 7919 % V;
    for (int s = 0; s <= SEQUENCES; s++)
        batch->offsets[s] = s * N / SEQUENCES;
    return batch;
}

static struct batch *copy(const struct batch *from, enum source source)
{
    struct batch *batch = malloc(sizeof *batch);
    if (batch == NULL)
        exit(EXIT_FAILURE);
    *batch = *from;
    batch->source = source;
    return batch;
}

/* Where logits come from and gradients go to, for elements begin .. begin+n-1 of the vocabulary. */
static void set_source(align_head *head, struct batch *batch, int64_t begin, int64_t n)
{
    if (batch->source == LOGITS) {
        head->logits = align_2d(&batch->logits[0][begin], ALIGN_F32, N, n);
        head->dlogits = align_2d(&batch->dlogits[0][begin], ALIGN_F64, N, n);
        head->logits.stride[0] = head->dlogits.stride[0] = V;
    } else {
        head->hidden = align_2d(batch->hidden, ALIGN_F32, N, D);
        head->weight = align_2d(batch->weight[begin], ALIGN_F32, n, D);
        head->dhidden = align_2d(batch->dhidden, ALIGN_F64, N, D);
        head->dweight = align_2d(batch->dweight[begin], ALIGN_F64, n, D);
    }
}

/* With as much scratch as helps. */
static align_status run_step(align_exec exec, const align_step_args *step)
{
    size_t least, best;
    align_status status = align_step_scratch(&exec, step, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(best + 1);
    exec.scratch_size = best;
    status = align_step_run(&exec, step);
    free(exec.scratch);
    return status;
}

/* A step with SLiC on elements begin .. begin+n-1 of the vocabulary. */
static align_status run(const align_exec *exec, struct batch *batch, int64_t begin, int64_t n,
                        int64_t total)
{
    align_tokens tokens;
    align_head head;
    align_loss_args loss;
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_loss_args_init(&loss, sizeof loss);
    tokens.target = align_1d(batch->target, ALIGN_I32, N);
    tokens.offsets = align_1d(batch->offsets, ALIGN_I64, SEQUENCES + 1);
    head.tokens = &tokens;
    head.vocab_begin = begin;
    head.vocab_total = total;
    set_source(&head, batch, begin, n);
    head.logp = align_1d(batch->logp, ALIGN_F64, SEQUENCES);
    head.token_logp = align_1d(batch->token_logp, ALIGN_F64, N);
    head.lse = align_1d(batch->lse, ALIGN_F64, N);
    head.entropy = align_1d(batch->entropy, ALIGN_F64, N);
    head.dlogp = align_1d(batch->dlogp, ALIGN_F64, SEQUENCES);
    loss.loss = ALIGN_LOSS_SLIC;
    loss.score = align_2d(batch->logp, ALIGN_F64, SEQUENCES / 2, 2);
    loss.dscore = align_2d(batch->dlogp, ALIGN_F64, SEQUENCES / 2, 2);
    loss.value = align_1d(&batch->value, ALIGN_F64, 1);
    align_step_args step;
    align_step_args_init(&step, sizeof step);
    step.policy = &head;
    step.losses = &loss;
    step.n_losses = 1;
    return run_step(*exec, &step);
}

/* The largest difference of n numbers, in units of 1 and their size. */
static double apart(const double *a, const double *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i] - b[i]) / (1 + fabs(b[i])));
    return most;
}

/* How far this rank's results are from those of one process. What a rank does not hold it has not written, and
 * dhidden was summed over ranks. */
static double worst_of(const struct batch *part, const struct batch *whole, int64_t begin,
                       int64_t end)
{
    const size_t width = (size_t)(end - begin);
    const double apart_by[] = {
        apart(part->token_logp, whole->token_logp, N),
        apart(part->entropy, whole->entropy, N),
        apart(&part->value, &whole->value, 1),
        apart(part->dhidden[0], whole->dhidden[0], (size_t)N * D),
        apart(part->dweight[begin], whole->dweight[begin], width * D),
    };
    double worst = 0;
    for (size_t i = 0; i < sizeof apart_by / sizeof *apart_by; i++)
        worst = fmax(worst, apart_by[i]);
    for (int n = 0; n < N; n++)
        worst = fmax(worst, apart(&part->dlogits[n][begin], &whole->dlogits[n][begin], width));
    return worst;
}

/* Whether this rank has the very bits of rank 0. */
static int same_as_first(const double *mine, int n, MPI_Comm world)
{
    double first[N];
    memcpy(first, mine, (size_t)n * sizeof *first);
    MPI_Bcast(first, n, MPI_DOUBLE, 0, world);
    return memcmp(first, mine, (size_t)n * sizeof *first) == 0;
}

/* Returns how far the ranks are from one process, or -1 where they differ from each other. */
static double compare(align_exec exec, const struct batch *inputs, enum source source)
{
    int rank, ranks;
    MPI_Comm world = MPI_COMM_WORLD;
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &ranks);
    struct batch *whole = copy(inputs, source), *part = copy(inputs, source);
    align_status status = run(&exec, whole, 0, V, 0);
    exec.allreduce = mpi_allreduce;
    exec.allreduce_user = &world;
    int64_t begin = (int64_t)rank * V / ranks, end = (rank + 1) * (int64_t)V / ranks;
    if (status == ALIGN_E_NONE)
        status = run(&exec, part, begin, end - begin, V);
    if (status != ALIGN_E_NONE) {
        fprintf(stderr, "rank %d: %s\n", rank, exec.error->text);
        MPI_Abort(world, 1);
    }
    MPI_Allreduce(MPI_IN_PLACE, part->dhidden, N * D, MPI_DOUBLE, MPI_SUM, world);
    double worst = worst_of(part, whole, begin, end);
    int same = same_as_first(part->token_logp, N, world);
    same = same_as_first(part->dlogp, SEQUENCES, world) && same;
    MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_MIN, world);
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, world);
    if (rank == 0)
        printf("%d ranks, %s: loss %.15g; one process: %.15g; %.1g apart at most; %s\n", ranks,
               source == LOGITS ? "logits" : "output matrix", part->value, whole->value, worst,
               same ? "equal bits on all ranks" : "ranks differ");
    free(whole);
    free(part);
    return same ? worst : -1;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    align_error error;
    align_exec exec;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    struct batch *inputs = make_inputs();
    double logits = compare(exec, inputs, LOGITS), matrix = compare(exec, inputs, MATRIX);
    free(inputs);
    MPI_Finalize();
    /* Products of f32 are rounded by their shapes. */
    return !(logits >= 0 && logits < 1e-9 && matrix >= 0 && matrix < 1e-6);
}
