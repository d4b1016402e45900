/* A rank whose runner fails between two joins of a sharded head: the others hear of it at the next and do not wait. */
#include "../suite.h"

#include "ranks.h"

#include <libalign/head.h>

#include <stdbool.h>
#include <string.h>

enum { ROWS = 1100, V = 256, D = 2, RANKS = 2, MOST_CALLS = 64 };

enum kind { LINEAR, DENSE, KINDS };

struct problem {
    enum kind kind;
    int fails_at; /* which call of the hook of rank 1 */
    int calls[RANKS];
    align_status forward[RANKS], backward[RANKS];
    int32_t target[ROWS];
    float hidden[ROWS][D], weight[V][D], logits[ROWS][V], other[ROWS][V];
    double token_logp[RANKS][ROWS], lse[RANKS][ROWS], kl[RANKS][ROWS], ones[ROWS];
    float gradient[RANKS][ROWS][V];
    _Alignas(64) char scratch[RANKS][16 << 20];
};

struct hook {
    struct problem *p;
    int rank;
};

static int32_t run(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    const struct hook *hook = user;
    if (++hook->p->calls[hook->rank] == hook->p->fails_at && hook->rank == 1)
        return 1;
    for (int64_t i = 0; i < tasks; i++)
        fn(ctx, i);
    return 0;
}

static int run_rank(const struct rank *rank, void *user)
{
    struct problem *p = user;
    const int r = rank->rank, begin = r * V / RANKS, n = V / RANKS;
    struct hook hook = {p, r};
    align_exec exec;
    align_tokens tokens;
    align_head head, other;
    align_exec_init(&exec, sizeof exec);
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_head_init(&other, sizeof other);
    exec.parallel = run;
    exec.parallel_user = &hook;
    exec.workers = 2;
    exec.allreduce = ranks_allreduce;
    exec.allreduce_user = (void *)(size_t)rank;
    exec.scratch = p->scratch[r];
    exec.scratch_size = sizeof p->scratch[r];
    tokens.target = align_1d(p->target, ALIGN_I32, ROWS);
    head.tokens = &tokens;
    head.vocab_begin = begin;
    head.vocab_total = other.vocab_total = V;
    other.vocab_begin = begin;
    head.other = &other;
    other.logits = align_2d(&p->other[0][begin], ALIGN_F32, ROWS, n);
    other.logits.stride[0] = V;
    head.token_logp = align_1d(p->token_logp[r], ALIGN_F64, ROWS);
    head.lse = align_1d(p->lse[r], ALIGN_F64, ROWS);
    head.kl = align_1d(p->kl[r], ALIGN_F64, ROWS);
    head.dtoken_logp = head.dkl = align_1d(p->ones, ALIGN_F64, ROWS);
    if (p->kind == DENSE) {
        head.logits = align_2d(&p->logits[0][begin], ALIGN_F32, ROWS, n);
        head.logits.stride[0] = V;
        head.dlogits = align_2d(p->gradient[r], ALIGN_F32, ROWS, n);
    } else {
        head.hidden = align_2d(p->hidden, ALIGN_F32, ROWS, D);
        head.weight = align_2d(&p->weight[begin], ALIGN_F32, n, D);
        head.dhidden = align_2d(p->gradient[r], ALIGN_F32, ROWS, D);
    }
    p->forward[r] = align_head_forward(&exec, &head);
    int64_t failed = p->forward[r] != ALIGN_E_NONE;
    int32_t code = ranks_allreduce((void *)(size_t)rank, &failed, 1, ALIGN_I64, ALIGN_REDUCE_SUM);
    if (failed == 0)
        p->backward[r] = align_head_backward(&exec, &head);
    return code;
}

static struct problem *new_problem(enum kind kind, int fails_at)
{
    struct problem *p = ranks_memory(sizeof *p);
    p->kind = kind;
    p->fails_at = fails_at;
    for (int n = 0; n < ROWS; n++) {
        p->target[n] = n % V;
        p->ones[n] = 1;
        for (int d = 0; d < D; d++)
            p->hidden[n][d] = (float)(n % (d + 3));
        for (int v = 0; v < V; v++) {
            p->logits[n][v] = (float)((n + v) % 7);
            p->other[n][v] = (float)((n + 2 * v) % 5);
        }
    }
    for (int v = 0; v < V; v++)
        for (int d = 0; d < D; d++)
            p->weight[v][d] = (float)((v + d) % 4);
    return p;
}

/* Until the hook is called less often than that. */
START_TEST(nobody_waits)
{
    for (enum kind kind = LINEAR; kind < KINDS; kind++) {
        bool failed = true;
        int late = 0, at = 1;
        for (; failed; at++) {
            struct problem *p = new_problem(kind, at);
            ck_assert_int_lt(at, MOST_CALLS);
            ck_assert_int_eq(ranks_run(RANKS, "01", run_rank, p), 0);
            align_status first = p->forward[0] | p->backward[0],
                         second = p->forward[1] | p->backward[1];
            failed = second != ALIGN_E_NONE;
            ck_assert(!failed || second == ALIGN_E_PARALLEL);
            ck_assert(first == ALIGN_E_NONE || (failed && first == ALIGN_E_COMM));
            late += failed && first == ALIGN_E_NONE;
            ranks_free(p, sizeof *p);
        }
        ck_assert_int_gt(at, 6);
        ck_assert_int_gt(late, 0); /* after the last join no rank has anything to hear */
    }
}
END_TEST

SUITE_MAIN("unit/shards_late", nobody_waits)
