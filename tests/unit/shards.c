/* Heads of which each process has a part of the vocabulary, against the same head whole. */
#include "../suite.h"

#include "ranks.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { N = 90, V = 1009, D = 24, D2 = 17, S = 5, SCRATCH = 8 << 20 };

struct results {
    double logp[S], count[S], wsum[S], token_logp[N], lse[N], entropy[N], kl[N], collision[N],
        hit[N];
};

/* Gradients of a run; of dhidden and jhidden each rank has a part. */
struct gradients {
    double dlogits[N][V], dweight[V][D], dbias[V], dhidden[RANKS_MOST][N][D];
};

enum kind { DENSE, TWO_PASS, ONE_PASS };

struct problem {
    enum kind kind;
    align_dtype dtype;
    int reverse, dense_other, entropy;
    double scale, softcap, temperature;
    int32_t target[N];
    float mask[N];
    int64_t offsets[S + 1];
    _Alignas(64) char logits[N * V * 8], other[N * V * 8], hidden[N * D * 8], weight[V * D * 8];
    double bias[V], hidden2[N * D2], weight2[V * D2];
    double dlogp[S], dtoken[N], dentropy[N], dkl[N], dlse[N];
    align_status forward[RANKS_MOST], backward[RANKS_MOST];
    struct results results[RANKS_MOST];
    struct gradients gradients;
};

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

static void put(align_dtype dtype, void *data, int64_t i, double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (dtype == ALIGN_F64)
        ((double *)data)[i] = x;
    else if (dtype == ALIGN_F32)
        ((float *)data)[i] = f;
    else
        ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
}

static void fill(align_dtype dtype, void *data, int64_t n, double size)
{
    for (int64_t i = 0; i < n; i++)
        put(dtype, data, i, size * (uniform() + uniform() - 1));
}

/* Rows of dense logits on which a careless sum over ranks goes wrong. */
static void add_corners(struct problem *p)
{
    for (int v = 0; v < V; v++) {
        put(p->dtype, p->logits, 0 * V + v, v == 700 ? 40 : -20);     /* a tail: 1e-24 */
        put(p->dtype, p->logits, 1 * V + v, -INFINITY);               /* nothing */
        put(p->dtype, p->logits, 4 * V + v, v % 300 == 7 ? 3 : -1e4); /* tied over ranks */
        put(p->dtype, p->logits, 5 * V + v, v < 900 ? -INFINITY : 1); /* a rank without any */
        put(p->dtype, p->logits, 6 * V + v, 2);                       /* all equal */
        put(p->dtype, p->logits, 10 * V + v, v == 3 ? 0 : -800);      /* 1e-345 */
    }
    put(p->dtype, p->logits, 2 * V + 500, NAN);
    put(p->dtype, p->logits, 8 * V + 20, INFINITY);
    put(p->dtype, p->logits, 9 * V + p->target[9], -INFINITY);
    put(p->dtype, p->other, 11 * V + 44, -INFINITY); /* an infinite kl, one way */
    put(p->dtype, p->logits, 12 * V + 999, -INFINITY);
    p->target[0] = 700;
    p->target[4] = 307;
    p->target[6] = 0;
    p->target[10] = 3;
    if (p->dtype == ALIGN_F64) /* both confident of one token */
        for (int v = 0; v < V; v++) {
            put(p->dtype, p->logits, 13 * V + v, v == 600 ? 50 : -(v % 7));
            put(p->dtype, p->other, 13 * V + v, v == 600 ? 49 : -(v % 5));
        }
}

static void make(struct problem *p)
{
    seed = (uint64_t)p->kind * 1000 + (uint64_t)p->dtype;
    for (int n = 0; n < N; n++) {
        p->target[n] = n % 7 == 3 ? -100 : (int32_t)(uniform() * V);
        p->mask[n] = n % 11 == 5 && n > 20 ? 0 : (float)(0.5 + uniform());
        p->dtoken[n] = uniform() - 0.5;
        p->dentropy[n] = uniform() - 0.5;
        p->dkl[n] = n % 5 == 4 ? 0 : uniform() - 0.5;
        p->dlse[n] = uniform() - 0.5;
    }
    for (int s = 0; s <= S; s++)
        p->offsets[s] = s * N / S;
    for (int s = 0; s < S; s++)
        p->dlogp[s] = uniform() - 0.5;
    fill(p->dtype, p->logits, N * V, 6);
    fill(p->dtype, p->other, N * V, 6);
    fill(p->dtype, p->hidden, N * D, 2);
    fill(p->dtype, p->weight, V * D, 1);
    fill(ALIGN_F64, p->bias, V, 1);
    fill(ALIGN_F64, p->hidden2, N * D2, 2);
    fill(ALIGN_F64, p->weight2, V * D2, 1);
    if (p->kind == DENSE)
        add_corners(p);
    else
        for (int d = 0; d < D; d++) /* a tail: hidden along the weight of its target */
            put(p->dtype, p->hidden, 2 * D + d,
                p->dtype == ALIGN_F64
                    ? 6 * ((double *)(void *)p->weight)[p->target[2] * D + d]
                    : 6 * (double)((float *)(void *)p->weight)[p->target[2] * D + d]);
}

/* [N, rows of this rank] of an array [N,V], or its rows of [V,...]. */
static align_tensor columns(void *data, align_dtype dtype, int64_t begin, int64_t n)
{
    align_tensor t = align_2d((char *)data + begin * align_dtype_bytes(dtype), dtype, N, n);
    t.stride[0] = V;
    return t;
}

static align_tensor rows(void *data, align_dtype dtype, int64_t begin, int64_t n, int64_t width)
{
    return align_2d((char *)data + begin * width * align_dtype_bytes(dtype), dtype, n, width);
}

static void set_other(struct problem *p, align_head *other, int64_t begin, int64_t n, int64_t total)
{
    align_head_init(other, sizeof *other);
    other->scale = 0.8;
    other->vocab_begin = begin;
    other->vocab_total = total;
    if (p->kind == DENSE || p->dense_other) {
        other->logits = columns(p->other, p->dtype, begin, n);
    } else {
        other->hidden = align_2d(p->hidden2, ALIGN_F64, N, D2);
        other->weight = rows(p->weight2, ALIGN_F64, begin, n, D2);
        other->bias = align_1d(p->bias + begin, ALIGN_F64, n);
    }
}

static void set_outputs(align_head *head, const struct problem *p, struct results *r)
{
    head->logp = align_1d(r->logp, ALIGN_F64, S);
    head->count = align_1d(r->count, ALIGN_F64, S);
    head->wsum = align_1d(r->wsum, ALIGN_F64, S);
    head->token_logp = align_1d(r->token_logp, ALIGN_F64, N);
    head->lse = align_1d(r->lse, ALIGN_F64, N);
    if (p->entropy) {
        head->entropy = align_1d(r->entropy, ALIGN_F64, N);
        head->collision = align_1d(r->collision, ALIGN_F64, N);
    }
    head->kl = align_1d(r->kl, ALIGN_F64, N);
    head->hit = align_1d(r->hit, ALIGN_F64, N);
}

static void set_gradients(align_head *head, struct problem *p, int rank, int64_t begin, int64_t n)
{
    struct gradients *g = &p->gradients;
    head->dlogp = align_1d(p->dlogp, ALIGN_F64, S);
    head->dtoken_logp = align_1d(p->dtoken, ALIGN_F64, N);
    if (p->kind != ONE_PASS) {
        head->dkl = align_1d(p->dkl, ALIGN_F64, N);
        head->dlse = align_1d(p->dlse, ALIGN_F64, N);
        if (p->entropy)
            head->dentropy = align_1d(p->dentropy, ALIGN_F64, N);
    }
    if (p->kind == DENSE) {
        head->dlogits = columns(g->dlogits, ALIGN_F64, begin, n);
        return;
    }
    head->dhidden = align_2d(g->dhidden[rank], ALIGN_F64, N, D);
    if (p->kind == ONE_PASS) {
        head->jhidden = head->dhidden;
    } else {
        head->dweight = rows(g->dweight, ALIGN_F64, begin, n, D);
        head->dbias = align_1d(g->dbias + begin, ALIGN_F64, n);
    }
}

static int64_t begin_of(int rank, int ranks)
{
    return rank == ranks ? V : rank * 11 + (V - 11 * ranks) * rank / ranks;
}

static int run_rank(const struct rank *rank, void *user)
{
    struct problem *p = user;
    int64_t begin = begin_of(rank->rank, rank->ranks);
    int64_t n = begin_of(rank->rank + 1, rank->ranks) - begin;
    align_tokens tokens;
    align_tokens_init(&tokens, sizeof tokens);
    tokens.target = align_1d(p->target, ALIGN_I32, N);
    tokens.mask = align_1d(p->mask, ALIGN_F32, N);
    tokens.offsets = align_1d(p->offsets, ALIGN_I64, S + 1);
    align_head head, other;
    align_head_init(&head, sizeof head);
    head.tokens = &tokens;
    head.vocab_begin = begin;
    head.vocab_total = rank->meeting == NULL ? 0 : V;
    head.scale = p->scale;
    head.softcap = p->softcap;
    head.temperature = p->temperature;
    head.flags = p->reverse ? ALIGN_HEAD_KL_REVERSE : 0;
    head.other = &other;
    set_other(p, &other, begin, n, head.vocab_total);
    set_outputs(&head, p, &p->results[rank->rank]);
    set_gradients(&head, p, rank->rank, begin, n);
    if (p->kind == DENSE) {
        head.logits = columns(p->logits, p->dtype, begin, n);
    } else {
        head.hidden = align_2d(p->hidden, p->dtype, N, D);
        head.weight = rows(p->weight, p->dtype, begin, n, D);
        head.bias = align_1d(p->bias + begin, ALIGN_F64, n);
        if (p->dtype != ALIGN_F64)
            head.bias.ndim = 0;
    }
    static char scratch[SCRATCH];
    align_exec exec;
    align_error error;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    if (rank->meeting != NULL) {
        exec.allreduce = ranks_allreduce;
        exec.allreduce_user = (void *)(size_t)rank;
    }
    p->forward[rank->rank] = align_head_forward(&exec, &head);
    p->backward[rank->rank] = align_head_backward(&exec, &head);
    if (error.status != ALIGN_E_NONE && error.status != ALIGN_E_COMM)
        fprintf(stderr, "rank %d: %s\n", rank->rank, error.text);
    return p->forward[rank->rank] != ALIGN_E_NONE || p->backward[rank->rank] != ALIGN_E_NONE;
}

static bool close_to(double found, double wanted, double relative, double absolute)
{
    if (isnan(wanted) || isinf(wanted))
        return isnan(wanted) ? isnan(found) : found == wanted;
    return fabs(found - wanted) <= relative * fabs(wanted) + absolute;
}

/* All numbers of two arrays, with an absolute part of the tolerance. */
static void compare(const char *what, int id, const double *found, const double *wanted, size_t n,
                    double relative, double absolute)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(close_to(found[i], wanted[i], relative, absolute),
                      "%s[%d] of problem %d: %.17g, whole %.17g", what, (int)i, id, found[i],
                      wanted[i]);
}

static const struct problem problems[] = {
    {.kind = DENSE, .dtype = ALIGN_F32, .entropy = 1, .scale = 1, .temperature = 1},
    {.kind = DENSE, .dtype = ALIGN_F64, .entropy = 1, .reverse = 1, .scale = 1, .temperature = 2},
    {.kind = DENSE, .dtype = ALIGN_F64, .entropy = 1, .scale = 1, .temperature = 1},
    {.kind = DENSE, .dtype = ALIGN_BF16, .scale = 1.5, .softcap = 20, .temperature = 0.5},
    {.kind = TWO_PASS, .dtype = ALIGN_F32, .entropy = 1, .scale = 1, .temperature = 1},
    {.kind = TWO_PASS,
     .dtype = ALIGN_F64,
     .reverse = 1,
     .scale = 0.7,
     .softcap = 9,
     .temperature = 1.5},
    {.kind = TWO_PASS, .dtype = ALIGN_F32, .dense_other = 1, .scale = 1, .temperature = 1},
    {.kind = ONE_PASS, .dtype = ALIGN_F32, .entropy = 1, .scale = 1, .temperature = 1},
    {.kind = ONE_PASS,
     .dtype = ALIGN_F64,
     .dense_other = 1,
     .reverse = 1,
     .scale = 1.2,
     .softcap = 30,
     .temperature = 1},
};

static void sum_parts(struct problem *p, int ranks)
{
    double(*sum)[D] = p->gradients.dhidden[0];
    for (int r = 1; r < ranks; r++)
        for (int n = 0; n < N; n++)
            for (int d = 0; d < D; d++)
                sum[n][d] += p->gradients.dhidden[r][n][d];
}

/* Exponentials are within 1e-9 for logits of f32 and less; products of f32 are rounded by their shapes, which
 * leaves 1e-6. Tails and kl keep that relative to themselves. */
static void compare_with_whole(int id, struct problem *whole, struct problem *parts)
{
    bool products = whole->kind != DENSE && whole->dtype == ALIGN_F32;
    bool f64 = whole->dtype == ALIGN_F64;
    double relative = products ? 1e-6 : f64 ? 1e-11 : 1e-9, absolute = products ? 1e-6 : 1e-12;
    const struct results *found = &parts->results[0], *wanted = &whole->results[0];
    compare("result", id, found->logp, wanted->logp, sizeof *found / sizeof(double), relative,
            absolute);
    compare("token_logp", id, found->token_logp, wanted->token_logp, N, relative, 0);
    compare("kl", id, found->kl, wanted->kl, N, products ? 1e-6 : 1e-8, 1e-15);
    const struct gradients *g = &parts->gradients, *h = &whole->gradients;
    compare("dlogits", id, g->dlogits[0], h->dlogits[0], N * V, relative, absolute);
    compare("dweight", id, g->dweight[0], h->dweight[0], V * D, relative, absolute);
    compare("dbias", id, g->dbias, h->dbias, V, relative, absolute);
    compare("dhidden", id, g->dhidden[0][0], h->dhidden[0][0], N * D, relative, absolute);
}

static struct problem *new_problem(const struct problem *like)
{
    struct problem *p = ranks_memory(sizeof *p);
    ck_assert_ptr_nonnull(p);
    *p = *like;
    make(p);
    return p;
}

START_TEST(parts_make_the_whole)
{
    static const struct {
        int ranks;
        const char *arrival;
    } runs[] = {{1, "0"}, {2, "10"}, {5, "20413"}};
    for (int id = 0; id < (int)(sizeof problems / sizeof problems[0]); id++) {
        struct problem *whole = new_problem(&problems[id]);
        const struct rank alone = {0, 1, NULL};
        ck_assert_int_eq(run_rank(&alone, whole), 0);
        for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
            struct problem *parts = new_problem(&problems[id]);
            ck_assert_int_eq(ranks_run(runs[i].ranks, runs[i].arrival, run_rank, parts), 0);
            for (int r = 1; r < runs[i].ranks; r++)
                ck_assert_mem_eq(&parts->results[0], &parts->results[r], sizeof(struct results));
            sum_parts(parts, runs[i].ranks);
            compare_with_whole(id, whole, parts);
            ranks_free(parts, sizeof *parts);
        }
        ranks_free(whole, sizeof *whole);
    }
}
END_TEST

START_TEST(arrival_changes_no_bit)
{
    static const char *const arrivals[] = {"0123", "3210", "2031", "1302"};
    static const int ids[] = {1, 5};
    for (int k = 0; k < 2; k++) {
        int id = ids[k];
        struct problem *first = new_problem(&problems[id]);
        ck_assert_int_eq(ranks_run(4, arrivals[0], run_rank, first), 0);
        for (int i = 1; i < 4; i++) {
            struct problem *again = new_problem(&problems[id]);
            ck_assert_int_eq(ranks_run(4, arrivals[i], run_rank, again), 0);
            ck_assert_mem_eq(first, again, sizeof *first);
            ranks_free(again, sizeof *again);
        }
        ranks_free(first, sizeof *first);
    }
}
END_TEST

/* ---- a rank that fails takes all others with it, and nobody waits ---- */

static int run_with_a_bad_rank(const struct rank *rank, void *user)
{
    struct problem *p = user, *mine = p;
    if (rank->rank == 1) {
        mine = malloc(sizeof *mine);
        *mine = *p;
        mine->target[17] = V;
    }
    run_rank(rank, mine);
    p->forward[rank->rank] = mine->forward[rank->rank];
    p->backward[rank->rank] = mine->backward[rank->rank];
    return 0;
}

START_TEST(one_bad_rank_fails_all)
{
    static const int ids[] = {0, 4, 7};
    for (int i = 0; i < 3; i++) {
        struct problem *p = new_problem(&problems[ids[i]]);
        ck_assert_int_eq(ranks_run(3, "102", run_with_a_bad_rank, p), 0);
        for (int r = 0; r < 3; r++)
            ck_assert_int_eq(p->forward[r], r == 1 ? ALIGN_E_RANGE : ALIGN_E_COMM);
        ck_assert(p->results[0].logp[0] == 0 && p->results[2].lse[3] == 0);
        ranks_free(p, sizeof *p);
    }
}
END_TEST

SUITE_MAIN("unit/shards", parts_make_the_whole, arrival_changes_no_bit, one_bad_rank_fails_all)
