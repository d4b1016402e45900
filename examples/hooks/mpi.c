/* A host whose output matrix is split over the ranks of an MPI job: the whole adapter is mpi_allreduce.
 *
 *     mpirun -n 3 mpi
 *
 * Each rank holds a part of the vocabulary; together they compute what one process would, and rank 0 says
 * how far from that they are. */
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

enum { N = 96, V = 3001, SEQUENCES = 6 };

struct batch {
    int32_t target[N];
    int64_t offsets[SEQUENCES + 1];
    float logits[N][V];
    double dlogits[N][V], token_logp[N], lse[N], entropy[N], logp[SEQUENCES], dlogp[SEQUENCES],
        value;
};

static struct batch *make_batch(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        exit(EXIT_FAILURE);
    uint32_t state = 1;
    for (int n = 0; n < N; n++) {
        for (int v = 0; v < V; v++) {
            state = state * 1664525 + 1013904223;
            batch->logits[n][v] = (float)(state >> 8) / 2097152.0f - 4;
        }
        batch->target[n] = (int32_t)(state >> 8) % V;
    }
    for (int s = 0; s <= SEQUENCES; s++)
        batch->offsets[s] = s * N / SEQUENCES;
    return batch;
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
    head.logits = align_2d(&batch->logits[0][begin], ALIGN_F32, N, n);
    head.dlogits = align_2d(&batch->dlogits[0][begin], ALIGN_F64, N, n);
    head.logits.stride[0] = head.dlogits.stride[0] = V;
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
    return align_step_run(exec, &step);
}

/* The largest difference of n numbers, in units of 1 and their size. */
static double apart(const double *a, const double *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i] - b[i]) / (1 + fabs(b[i])));
    return most;
}

/* How far this rank's results are from those of one process. */
static double worst_of(const struct batch *part, const struct batch *whole, int64_t begin,
                       int64_t end)
{
    double worst = fmax(
        apart(part->token_logp, whole->token_logp, N),
        fmax(apart(part->entropy, whole->entropy, N), apart(&part->value, &whole->value, 1)));
    for (int n = 0; n < N; n++)
        worst = fmax(worst, apart(&part->dlogits[n][begin], &whole->dlogits[n][begin],
                                  (size_t)(end - begin)));
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

int main(int argc, char **argv)
{
    int rank, ranks;
    MPI_Comm world = MPI_COMM_WORLD;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &ranks);
    struct batch *whole = make_batch(), *part = make_batch();
    align_error error;
    align_exec exec;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_status status = run(&exec, whole, 0, V, 0);
    exec.allreduce = mpi_allreduce;
    exec.allreduce_user = &world;
    int64_t begin = (int64_t)rank * V / ranks, end = (rank + 1) * (int64_t)V / ranks;
    if (status == ALIGN_E_NONE)
        status = run(&exec, part, begin, end - begin, V);
    if (status != ALIGN_E_NONE) {
        fprintf(stderr, "rank %d: %s\n", rank, error.text);
        MPI_Abort(world, 1);
    }
    double worst = worst_of(part, whole, begin, end);
    int same = same_as_first(part->token_logp, N, world);
    same = same_as_first(part->dlogp, SEQUENCES, world) && same;
    MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_MIN, world);
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, world);
    if (rank == 0)
        printf("%d ranks: loss %.15g; one process: %.15g; %.1g apart at most; %s\n", ranks,
               part->value, whole->value, worst, same ? "equal bits on all ranks" : "ranks differ");
    free(whole);
    free(part);
    MPI_Finalize();
    return !same || worst > 1e-9;
}
