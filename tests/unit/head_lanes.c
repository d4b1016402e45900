/* A linear head whose vocabulary fills several pieces of each lane, against long double. Operands are small integers,
 * so that products are exact and only what is done with logits can be wrong. */
#include "../suite.h"

#include <libalign/head.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* Compiled again with MANY for all lanes that there are. */
#ifdef MANY
enum { V = 66000, LANES = 16 };
#else
enum { V = 13000, LANES = 3 };
#endif
enum { N = 4, D = 3, PIECE = 1024 };

typedef long double real;

static struct {
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head, other;
    int32_t target[N];
    float hidden[N][D], weight[V][D], bias[V], other_weight[V][D];
    double token_logp[N], lse[N], entropy[N], collision[N], hit[N], kl[N], dtoken[N];
    float jhidden[N][D], dhidden[N][D], dweight[V][D], dbias[V];
    _Alignas(64) char scratch[40 << 20];
} c;

static uint32_t state;

static float integer(int range)
{
    state = state * 1664525u + 1013904223u;
    return (float)((int)(state >> 8) % range - range / 2);
}

static void make(void)
{
    memset(&c, 0, sizeof c);
    state = 1;
    align_exec_init(&c.exec, sizeof c.exec);
    align_error_init(&c.error, sizeof c.error);
    align_tokens_init(&c.tokens, sizeof c.tokens);
    align_head_init(&c.head, sizeof c.head);
    align_head_init(&c.other, sizeof c.other);
    c.exec.error = &c.error;
    c.exec.scratch = c.scratch;
    c.exec.scratch_size = sizeof c.scratch;
    for (int v = 0; v < V; v++) {
        c.bias[v] = integer(6);
        for (int d = 0; d < D; d++) {
            c.weight[v][d] = integer(4);
            c.other_weight[v][d] = integer(4);
        }
    }
    for (int n = 0; n < N; n++) {
        c.target[n] = (V / N) * n + 7;
        c.dtoken[n] = 1 + n / 4.0;
        for (int d = 0; d < D; d++)
            c.hidden[n][d] = integer(5);
    }
    c.tokens.target = align_1d(c.target, ALIGN_I32, N);
    c.head.tokens = &c.tokens;
    c.head.hidden = align_2d(c.hidden, ALIGN_F32, N, D);
    c.head.weight = align_2d(c.weight, ALIGN_F32, V, D);
    c.head.bias = align_1d(c.bias, ALIGN_F32, V);
    c.other.hidden = c.head.hidden;
    c.other.weight = align_2d(c.other_weight, ALIGN_F32, V, D);
    c.head.token_logp = align_1d(c.token_logp, ALIGN_F64, N);
    c.head.lse = align_1d(c.lse, ALIGN_F64, N);
    c.head.entropy = align_1d(c.entropy, ALIGN_F64, N);
    c.head.collision = align_1d(c.collision, ALIGN_F64, N);
    c.head.hit = align_1d(c.hit, ALIGN_F64, N);
    c.head.dtoken_logp = align_1d(c.dtoken, ALIGN_F64, N);
    c.head.dhidden = align_2d(c.dhidden, ALIGN_F32, N, D);
    c.head.dweight = align_2d(c.dweight, ALIGN_F32, V, D);
    c.head.dbias = align_1d(c.dbias, ALIGN_F32, V);
}

/* ---- the same in long double ---- */

static real logit(int n, int v)
{
    real z = (real)c.bias[v];
    for (int d = 0; d < D; d++)
        z += (real)c.hidden[n][d] * (real)c.weight[v][d];
    return z;
}

static real other_logit(int n, int v)
{
    real z = 0;
    for (int d = 0; d < D; d++)
        z += (real)c.hidden[n][d] * (real)c.other_weight[v][d];
    return z;
}

static real lse_of(int n, real (*z)(int, int), int *first)
{
    real top = -INFINITY, sum = 0;
    for (int v = 0; v < V; v++)
        if (z(n, v) > top) {
            top = z(n, v);
            *first = v;
        }
    for (int v = 0; v < V && top > -INFINITY; v++)
        sum += expl(z(n, v) - top);
    return top == -INFINITY ? top : top + logl(sum);
}

static void expect(double found, real wanted, real bound, const char *what, int n)
{
    ck_assert_msg(found == (double)wanted ||
                      fabsl((real)found - wanted) <= bound * (1 + fabsl(wanted)),
                  "%s[%d] = %.17g, expected %.17g", what, n, found, (double)wanted);
}

static void check_forward(bool compares)
{
    for (int n = 0; n < N; n++) {
        int top = -1, other_top = -1;
        real lse = lse_of(n, logit, &top), other_lse = lse_of(n, other_logit, &other_top);
        real entropy = 0, square = 0, kl = 0;
        for (int v = 0; v < V; v++) {
            real logp = logit(n, v) - lse, p = expl(logp), logq = other_logit(n, v) - other_lse;
            entropy -= p == 0 ? 0 : p * logp;
            square += p * p;
            kl += expl(logq) * (logq - logp);
        }
        expect(c.lse[n], lse, 1e-9L, "lse", n);
        expect(c.token_logp[n], logit(n, c.target[n]) - lse, 1e-9L, "token_logp", n);
        expect(c.entropy[n], entropy, 1e-9L, "entropy", n);
        expect(c.collision[n], logl(square), 1e-9L, "collision", n);
        expect(c.hit[n], top == c.target[n], 0, "hit", n);
        if (compares)
            expect(c.kl[n], kl, 1e-9L, "kl", n);
    }
}

static void forward(bool compares)
{
    memset(c.lse, 0xff, sizeof c.lse);
    c.head.other = compares ? &c.other : NULL;
    c.head.kl = compares ? align_1d(c.kl, ALIGN_F64, N) : (align_tensor){0};
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    check_forward(compares);
}

START_TEST(lanes_are_joined)
{
    static const float high[] = {0, 8, 12, 16, 40};
    make();
    for (int k = 0; k < 5; k++) {
        c.bias[V - 1] = high[k]; /* the last piece */
        forward(true);
    }
    c.bias[0] = 80; /* the first, in another lane */
    forward(true);
    for (int n = 0; n < N; n++)
        c.target[n] = 0;
    forward(true);
}
END_TEST

/* Of equal maxima the first is the one that is hit, in whatever lane. */
START_TEST(first_of_equal_maxima)
{
    static const int first[] = {5 * PIECE + 3, 4 * PIECE + 3, 3 * PIECE + 3};
    for (int k = 0; k < 3; k++) {
        make();
        for (int v = first[k]; v < V; v += PIECE) {
            c.bias[v] = 50;
            memset(c.weight[v], 0, sizeof c.weight[v]);
        }
        for (int n = 0; n < N; n++)
            c.target[n] = first[k] + n % 2 * PIECE;
        forward(false);
        ck_assert(c.hit[0] == 1 && c.hit[1] == 0);
    }
}
END_TEST

/* -inf all over one lane changes no other; all over all is a row of nothing; +inf makes NaN. */
START_TEST(lanes_of_nothing)
{
    for (int third = 0; third <= 3; third++) {
        const int lane = third * LANES / 3;
        make();
        for (int v = 0; v < V; v++)
            if (lane == LANES || v / PIECE % LANES == lane)
                c.bias[v] = -INFINITY;
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        for (int n = 0; n < N; n++) {
            int top;
            expect(c.lse[n], lse_of(n, logit, &top), 1e-9L, "lse", n);
        }
        c.bias[2 * PIECE] = INFINITY;
        ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
        for (int n = 0; n < N; n++)
            ck_assert(isnan(c.lse[n]) && isnan(c.token_logp[n]) && c.hit[n] == 0);
    }
}
END_TEST

/* ---- whoever has a lane, in whatever order ---- */

static int32_t run_backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    while (tasks-- > 0)
        fn(ctx, tasks);
    return 0;
}

struct crew {
    align_task_fn fn;
    void *ctx;
    int64_t tasks;
    _Atomic int64_t next;
};

static void *help(void *user)
{
    struct crew *crew = user;
    for (int64_t i; (i = crew->next++) < crew->tasks;)
        crew->fn(crew->ctx, i);
    return NULL;
}

static int32_t run_crew(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    struct crew crew = {fn, ctx, tasks, 0};
    pthread_t threads[8];
    int n = *(const int *)user;
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, help, &crew) != 0)
            n = i;
    help(&crew);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* Forward and backward in two passes, and the forward of one. */
static void run_all(void)
{
    align_head one_pass = c.head;
    one_pass.jhidden = align_2d(c.jhidden, ALIGN_F32, N, D);
    one_pass.dhidden.ndim = one_pass.dweight.ndim = one_pass.dbias.ndim = 0;
    ck_assert_int_eq(align_head_forward(&c.exec, &c.head), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(&c.exec, &c.head), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_forward(&c.exec, &one_pass), ALIGN_E_NONE);
}

START_TEST(runners_change_no_bit)
{
    static float jhidden[N][D], dhidden[N][D], dweight[V][D];
    double lse[N];
    make();
    run_all();
    memcpy(lse, c.lse, sizeof lse);
    memcpy(jhidden, c.jhidden, sizeof jhidden);
    memcpy(dhidden, c.dhidden, sizeof dhidden);
    memcpy(dweight, c.dweight, sizeof dweight);
    for (int helpers = 0; helpers <= 8; helpers++) {
        make();
        c.exec.parallel = helpers == 0 ? run_backwards : run_crew;
        c.exec.parallel_user = &helpers;
        c.exec.workers = (uint32_t)helpers + 1;
        run_all();
        ck_assert_mem_eq(lse, c.lse, sizeof lse);
        ck_assert_mem_eq(jhidden, c.jhidden, sizeof jhidden);
        ck_assert_mem_eq(dhidden, c.dhidden, sizeof dhidden);
        ck_assert_mem_eq(dweight, c.dweight, sizeof dweight);
    }
}
END_TEST

/* d token_logp / d hidden by long double. */
static void wanted_jhidden(int n, real lse, real j[D])
{
    for (int d = 0; d < D; d++) {
        j[d] = (real)c.weight[c.target[n]][d];
        for (int v = 0; v < V; v++)
            j[d] -= expl(logit(n, v) - lse) * (real)c.weight[v][d];
    }
}

/* A BLAS may add all products of a lane to one f32, as the reference one does: 1e-5 off and 3e-5 with many, where
 * OpenBLAS is 1e-6. */
START_TEST(gradients_of_all_lanes)
{
    const real bound = 2e-9L * V;
    for (int high = 0; high < 3; high++) {
        make();
        c.bias[high == 1 ? 0 : V - 1] = high == 0 ? 0 : 30;
        run_all();
        real lse[N];
        for (int n = 0; n < N; n++) {
            real j[D];
            int top;
            lse[n] = lse_of(n, logit, &top);
            wanted_jhidden(n, lse[n], j);
            for (int d = 0; d < D; d++) {
                expect((double)c.jhidden[n][d], j[d], bound, "jhidden", n);
                expect((double)c.dhidden[n][d], j[d] * (real)c.dtoken[n], bound, "dhidden", n);
            }
        }
        for (int v = 0; v < V; v += 509) {
            real bias = 0, row[D] = {0};
            for (int n = 0; n < N; n++) {
                real g = (v == c.target[n]) - expl(logit(n, v) - lse[n]);
                bias += g * (real)c.dtoken[n];
                for (int d = 0; d < D; d++)
                    row[d] += g * (real)c.dtoken[n] * (real)c.hidden[n][d];
            }
            expect((double)c.dbias[v], bias, 1e-6L, "dbias", v);
            for (int d = 0; d < D; d++)
                expect((double)c.dweight[v][d], row[d], 1e-6L, "dweight", v);
        }
    }
}
END_TEST

SUITE_MAIN("unit/head_lanes", lanes_are_joined, first_of_equal_maxima, lanes_of_nothing,
           runners_change_no_bit, gradients_of_all_lanes)
