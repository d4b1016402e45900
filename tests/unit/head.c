/* Properties of dense heads: exact tails, rows that are never read, equal bits whoever runs it. */
#define _GNU_SOURCE
#include "../ref/head.h"
#include "../suite.h"

#include <libalign/head.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t seed = 5;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Forward and backward of N packed f32 rows that are one sequence. */
struct rows {
    align_tokens tokens;
    align_head head;
    int64_t n, vocab, *target;
    float *logits, *dlogits;
    double logp, *token_logp, *lse, *entropy, *collision, *hit, dlogp;
};

static void *zeroed(int64_t n, size_t bytes)
{
    void *at = calloc((size_t)n, bytes);
    ck_assert_ptr_nonnull(at);
    return at;
}

static void rows_make(struct rows *r, int64_t n, int64_t vocab)
{
    memset(r, 0, sizeof *r);
    r->n = n;
    r->vocab = vocab;
    r->target = zeroed(n, 8);
    r->logits = zeroed(n * vocab, 4);
    r->dlogits = zeroed(n * vocab, 4);
    r->token_logp = zeroed(5 * n, 8);
    r->lse = r->token_logp + n;
    r->entropy = r->lse + n;
    r->collision = r->entropy + n;
    r->hit = r->collision + n;
    r->dlogp = 1;
    align_tokens_init(&r->tokens, sizeof r->tokens);
    align_head_init(&r->head, sizeof r->head);
    r->tokens.target = align_1d(r->target, ALIGN_I64, n);
    r->head.tokens = &r->tokens;
    r->head.logits = align_2d(r->logits, ALIGN_F32, n, vocab);
    r->head.dlogits = align_2d(r->dlogits, ALIGN_F32, n, vocab);
    r->head.logp = align_1d(&r->logp, ALIGN_F64, 1);
    r->head.dlogp = align_1d(&r->dlogp, ALIGN_F64, 1);
    r->head.token_logp = align_1d(r->token_logp, ALIGN_F64, n);
    r->head.lse = align_1d(r->lse, ALIGN_F64, n);
    r->head.entropy = align_1d(r->entropy, ALIGN_F64, n);
    r->head.collision = align_1d(r->collision, ALIGN_F64, n);
    r->head.hit = align_1d(r->hit, ALIGN_F64, n);
}

static void rows_free(struct rows *r)
{
    free(r->target);
    free(r->logits);
    free(r->dlogits);
    free(r->token_logp);
}

static void rows_run(struct rows *r, const align_exec *exec)
{
    ck_assert_int_eq(align_head_forward(exec, &r->head), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(exec, &r->head), ALIGN_E_NONE);
}

static void rows_randomise(struct rows *r, double spread)
{
    for (int64_t i = 0; i < r->n * r->vocab; i++)
        r->logits[i] = (float)(spread * (uniform() + uniform() + uniform() - 1.5));
    for (int64_t n = 0; n < r->n; n++)
        r->target[n] = (int64_t)(uniform() * (double)r->vocab);
}

static void copy_input(struct rows *to, const struct rows *from)
{
    memcpy(to->logits, from->logits, (size_t)(from->n * from->vocab) * 4);
    memcpy(to->target, from->target, (size_t)from->n * 8);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void check_tail(struct rows *r, double *x, float top, double gap)
{
    struct ref_row row = {x, r->vocab, r->target[0], 1, 0};
    for (int64_t v = 0; v < r->vocab; v++) {
        r->logits[v] = (float)((double)top - gap - 3 * uniform());
        if (v == r->target[0])
            r->logits[v] = top;
        x[v] = (double)r->logits[v];
    }
    struct ref_row_values ref = ref_row_forward(&row);
    rows_run(r, NULL);
    ck_assert_msg(fabs(r->token_logp[0] / ref.logp - 1) < 1e-9, "logp %.17g, expected %.17g",
                  r->token_logp[0], ref.logp);
    ck_assert(fabs(r->lse[0] - ref.lse) < 1e-10 * fmax(1, fabs(ref.lse)));
    ck_assert(fabs(r->entropy[0] / ref.entropy - 1) < 1e-9);
    ck_assert(fabs(r->collision[0] / ref.collision - 1) < 1e-9);
    double target = (double)r->dlogits[r->target[0]], others = 0;
    ck_assert(fabs(target / -expm1(ref.logp) - 1) < 1e-7);
    for (int64_t v = 0; v < r->vocab; v++)
        if (v != r->target[0])
            others += (double)r->dlogits[v];
    ck_assert_msg(fabs(others / target + 1) < 3e-7, "rest %.9g of target %.9g", others, target);
}

START_TEST(tails_keep_their_relative_accuracy)
{
    static const float tops[] = {0, 1.5f, -17.3f, 88, 3000.25f, -70000.5f, 5e6f, 1e9f};
    struct rows r;
    rows_make(&r, 1, 151936);
    double *x = zeroed(r.vocab, sizeof *x);
    for (int t = 0; t < 8; t++)
        for (int step = 0; step < 6; step++) {
            double gap = 5 + 14 * step;
            r.target[0] = step == 3 ? 0 : (int64_t)(uniform() * (double)r.vocab);
            check_tail(&r, x, tops[t], fabs((double)tops[t]) > 1e6 ? 64 : gap);
        }
    free(x);
    rows_free(&r);
}
END_TEST

/* R is known exactly: one other token at a distance d, so that logp = -log1p(exp(-d)). */
START_TEST(known_tails_down_to_1e_300)
{
    struct rows r;
    rows_make(&r, 1, 2);
    for (int d = 1; d < 691; d += d < 80 ? 1 : 13) {
        r.logits[0] = 40;
        r.logits[1] = (float)(40 - d);
        rows_run(&r, NULL);
        double logp = -log1p(exp(-(double)d));
        ck_assert(fabs(r.token_logp[0] / logp - 1) < 1e-9);
        ck_assert(d > 86 || fabs((double)r.dlogits[0] / -expm1(logp) - 1) < 1e-7);
        ck_assert(d > 86 || fabs((double)r.dlogits[1] / expm1(logp) - 1) < 3e-7);
    }
    ck_assert(r.token_logp[0] > -1e-294 && r.token_logp[0] < 0);
    rows_free(&r);
}
END_TEST

START_TEST(equal_logits_give_log_v)
{
    static const int64_t sizes[] = {1, 2, 3, 1000, 151936};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 40; k++) {
            struct rows r;
            float z = (float)(k % 2 ? 1e5 * (uniform() - 0.5) : 40 * uniform() - 20);
            rows_make(&r, 1, sizes[i]);
            for (int64_t v = 0; v < r.vocab; v++)
                r.logits[v] = z;
            r.target[0] = sizes[i] - 1;
            rows_run(&r, NULL);
            double log_v = log((double)sizes[i]);
            ck_assert(fabs(r.token_logp[0] + log_v) < 2e-10);
            ck_assert(fabs(r.lse[0] - (double)z - log_v) < 2e-10 * fmax(1, fabs((double)z)));
            ck_assert(fabs(r.entropy[0] - log_v) < 1e-9);
            ck_assert(fabs(r.collision[0] + log_v) < 1e-9);
            ck_assert(r.hit[0] == (sizes[i] == 1));
            rows_free(&r);
        }
}
END_TEST

START_TEST(large_vocabulary_agrees_with_reference)
{
    struct rows r;
    rows_make(&r, 6, 151936);
    rows_randomise(&r, 12);
    rows_run(&r, NULL);
    double *x = zeroed(r.vocab, sizeof *x), *g = zeroed(r.vocab, sizeof *g), sum = 0;
    for (int64_t n = 0; n < r.n; n++) {
        struct ref_row row = {x, r.vocab, r.target[n], 1, 0};
        for (int64_t v = 0; v < r.vocab; v++)
            x[v] = (double)r.logits[n * r.vocab + v];
        struct ref_row_values ref = ref_row_forward(&row);
        ref_row_backward(&row, 1, 0, 0, g);
        ck_assert(fabs(r.token_logp[n] / ref.logp - 1) < 1e-9);
        ck_assert(fabs(r.lse[n] - ref.lse) < 1e-10 * fmax(1, fabs(ref.lse)));
        for (int64_t v = 0; v < r.vocab; v++)
            ck_assert(fabs((double)r.dlogits[n * r.vocab + v] - g[v]) <= 3e-7 * fabs(g[v]) + 1e-44);
        sum += ref.logp;
    }
    ck_assert(fabs(r.logp / sum - 1) < 1e-9);
    free(x);
    free(g);
    rows_free(&r);
}
END_TEST

/* ALIGN_FLAG_FAST: within its own bounds, equal bits on every instruction set, the same corners. */
START_TEST(fast_is_as_good_as_stated)
{
    static const double apart[] = {0, 3, 12, 30, 60, 85};
    struct rows a, b;
    align_exec exec, plain;
    align_exec_init(&exec, sizeof exec);
    exec.flags = ALIGN_FLAG_FAST;
    plain = exec;
    plain.cpu_forbidden = ~UINT64_C(0);
    rows_make(&a, 12, 33001);
    rows_make(&b, 12, 33001);
    for (int trial = 0; trial < 6; trial++) {
        rows_randomise(&a, 4);
        for (int n = 0; n < 12; n++) {
            a.logits[n * 33001 + a.target[n]] = (float)(4 + apart[trial]);
            for (int v = 0; v < 33001 && n > 9; v++)
                a.logits[n * 33001 + v] = n == 10 ? 1.7f : v % 2 ? -INFINITY : -1e30f;
        }
        copy_input(&b, &a);
        a.head.entropy.ndim = a.head.collision.ndim = b.head.entropy.ndim = b.head.collision.ndim =
            0;
        rows_run(&a, &exec);
        rows_run(&b, NULL);
        ck_assert(trial == 0 || memcmp(a.token_logp, b.token_logp, 12 * 8) != 0);
        for (int n = 0; n < 12; n++) {
            ck_assert_msg(a.token_logp[n] == b.token_logp[n] ||
                              fabs(a.token_logp[n] / b.token_logp[n] - 1) < 3e-7,
                          "trial %d, row %d: %.12g, expected %.12g", trial, n, a.token_logp[n],
                          b.token_logp[n]);
            ck_assert(fabs(a.lse[n] - b.lse[n]) <= 2e-7 * fmax(1, fabs(b.lse[n])));
        }
        rows_run(&b, &plain);
        ck_assert_mem_eq(a.token_logp, b.token_logp, 24 * 8);
    }
    rows_free(&a);
    rows_free(&b);
}
END_TEST

/* BF16 has the bounds that F32 has with ALIGN_FLAG_FAST, for equal logits too, and the flag changes no bit of it. */
START_TEST(bf16_is_as_good_as_stated)
{
    enum { ROWS = 12, WIDE = 33001 };
    static uint16_t half[ROWS * WIDE];
    struct rows a, b;
    align_exec fast;
    align_exec_init(&fast, sizeof fast);
    fast.flags = ALIGN_FLAG_FAST;
    rows_make(&a, ROWS, WIDE);
    rows_make(&b, ROWS, WIDE);
    rows_randomise(&a, 4);
    for (int64_t i = 0; i < ROWS * WIDE; i++) {
        uint32_t bits;
        float x = i / WIDE == 10 ? 1.7f : a.logits[i];
        memcpy(&bits, &x, sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
        bits &= 0xffff0000;
        memcpy(&b.logits[i], &bits, sizeof bits);
    }
    memcpy(b.target, a.target, ROWS * 8);
    a.head.logits = align_2d(half, ALIGN_BF16, ROWS, WIDE);
    a.head.entropy.ndim = a.head.collision.ndim = b.head.entropy.ndim = b.head.collision.ndim = 0;
    rows_run(&b, NULL);
    rows_run(&a, NULL);
    for (int n = 0; n < ROWS; n++) {
        ck_assert(fabs(a.token_logp[n] / b.token_logp[n] - 1) < 3e-7);
        ck_assert(fabs(a.lse[n] - b.lse[n]) <= 2e-7 * fmax(1, fabs(b.lse[n])));
    }
    ck_assert(memcmp(a.lse, b.lse, ROWS * 8) != 0);
    memcpy(b.token_logp, a.token_logp, 2 * ROWS * 8);
    rows_run(&a, &fast);
    ck_assert_mem_eq(a.token_logp, b.token_logp, 2 * ROWS * 8);
    rows_free(&a);
    rows_free(&b);
}
END_TEST

/* ---- corners: the rows of the table in docs/numerics.md ------------------------------------ */

START_TEST(corners_are_exact)
{
    static const struct corner {
        float z[4];
        int64_t target;
        double logp, lse, entropy, collision, hit;
        float d[4];
    } corners[] = {
        /* a logit of -inf is probability 0, exactly */
        {{0, -INFINITY, 0, -INFINITY}, 0, -M_LN2, M_LN2, M_LN2, -M_LN2, 1, {0.5f, 0, -0.5f, 0}},
        {{0, -INFINITY, 0, 0}, 1, -INFINITY, 0, 0, 0, 0, {-1 / 3.f, 1, -1 / 3.f, -1 / 3.f}},
        {{-INFINITY, -INFINITY, 7, -INFINITY}, 2, 0, 7, 0, 0, 1, {0, 0, 0, 0}},
        /* masked vocabulary with a large number instead */
        {{-1e30f, 1, -1e9f, 1}, 3, -M_LN2, 1 + M_LN2, M_LN2, -M_LN2, 0, {0, -0.5f, 0, 0.5f}},
        {{1e9f, -3e38f, 1e9f, 0}, 2, -M_LN2, 1e9 + M_LN2, M_LN2, -M_LN2, 0, {-0.5f, 0, 0.5f, 0}},
        {{-1e9f, -1e9f, -INFINITY, -3e38f}, 1, -M_LN2, -1e9, M_LN2, -M_LN2, 0, {-0.5f, 0.5f, 0, 0}},
        /* nothing has probability */
        {{-INFINITY, -INFINITY, -INFINITY, -INFINITY},
         2,
         -INFINITY,
         -INFINITY,
         0,
         -INFINITY,
         0,
         {0, 0, 0, 0}},
        /* not a number */
        {{0, NAN, 1, 2}, 3, NAN, NAN, NAN, NAN, 0, {NAN, NAN, NAN, NAN}},
        {{0, INFINITY, 1, 2}, 1, NAN, NAN, NAN, NAN, 0, {NAN, NAN, NAN, NAN}},
        {{NAN, NAN, NAN, NAN}, 0, NAN, NAN, NAN, NAN, 0, {NAN, NAN, NAN, NAN}},
        {{-INFINITY, NAN, -INFINITY, -INFINITY}, 0, NAN, NAN, NAN, NAN, 0, {NAN, NAN, NAN, NAN}},
    };
    enum { CORNERS = sizeof corners / sizeof corners[0] };
    for (int i = 0; i < CORNERS; i++) {
        const struct corner *c = &corners[i];
        struct rows r;
        rows_make(&r, 1, 4);
        memcpy(r.logits, c->z, sizeof c->z);
        r.target[0] = c->target;
        rows_run(&r, NULL);
        double lse = isfinite(c->lse) && c->lse == 0 ? log(3) : c->lse;
        const double wanted[] = {c->lse == 0 ? -INFINITY : c->logp, lse, c->hit};
        const double found[] = {r.token_logp[0], r.lse[0], r.hit[0]};
        for (int k = 0; k < 3; k++)
            ck_assert_msg(found[k] == wanted[k] || (isnan(found[k]) && isnan(wanted[k])) ||
                              fabs(found[k] - wanted[k]) < 1e-9 * fmax(1, fabs(wanted[k])),
                          "corner %d, number %d: %.17g, expected %.17g", i, k, found[k], wanted[k]);
        double entropy = c->lse == 0 ? log(3) : c->entropy;
        double collision = c->lse == 0 ? -log(3) : c->collision;
        ck_assert(fabs(r.entropy[0] - entropy) < 1e-9 || (isnan(entropy) && isnan(r.entropy[0])));
        ck_assert(r.collision[0] == collision || fabs(r.collision[0] - collision) < 1e-9 ||
                  (isnan(collision) && isnan(r.collision[0])));
        for (int v = 0; v < 4; v++)
            ck_assert_msg(fabsf(r.dlogits[v] - c->d[v]) < 1e-7f ||
                              (isnan(c->d[v]) && isnan(r.dlogits[v])),
                          "corner %d, dlogits[%d] = %g", i, v, (double)r.dlogits[v]);
        ck_assert(isnan(r.logp) ? isnan(wanted[0]) : r.logp == r.token_logp[0]);
        rows_free(&r);
    }
}
END_TEST

START_TEST(softcap_bounds_infinite_logits)
{
    struct rows r;
    rows_make(&r, 1, 3);
    r.head.softcap = 2;
    r.logits[0] = INFINITY;
    r.logits[1] = -INFINITY;
    r.target[0] = 2;
    rows_run(&r, NULL);
    double sum = exp(2) + exp(-2) + 1;
    ck_assert(fabs(r.lse[0] - log(sum)) < 1e-12 && fabs(r.token_logp[0] + log(sum)) < 1e-12);
    ck_assert(r.dlogits[0] == 0 && r.dlogits[1] == 0);
    ck_assert(fabs((double)r.dlogits[2] - (1 - 1 / sum)) < 1e-7);
    rows_free(&r);
}
END_TEST

START_TEST(nan_stays_in_its_sequence)
{
    struct rows r;
    int64_t offsets[] = {0, 2, 2, 3, 5};
    double logp[4], dlogp[4] = {1, 1, 1, 1}, count[4];
    rows_make(&r, 5, 700);
    rows_randomise(&r, 3);
    r.tokens.offsets = align_1d(offsets, ALIGN_I64, 5);
    r.head.logp = align_1d(logp, ALIGN_F64, 4);
    r.head.dlogp = align_1d(dlogp, ALIGN_F64, 4);
    r.head.count = align_1d(count, ALIGN_F64, 4);
    r.logits[2 * 700 + 699] = NAN;
    rows_run(&r, NULL);
    ck_assert(isfinite(logp[0]) && logp[1] == 0 && isnan(logp[2]) && isfinite(logp[3]));
    ck_assert(count[0] == 2 && count[1] == 0 && count[2] == 1 && count[3] == 2);
    for (int n = 0; n < 5; n++)
        for (int v = 0; v < 700; v++)
            ck_assert_int_eq(isnan(r.dlogits[n * 700 + v]) != 0, n == 2);
    rows_free(&r);
}
END_TEST

/* Values and gradients of kl in both directions, from heads far apart to equal ones. */
START_TEST(kl_agrees_with_reference)
{
    enum { KL_V = 300 };
    static const double apart[] = {0, 1e-6, 1e-3, 0.5, 20};
    static double x[KL_V], y[KL_V];
    struct rows r;
    float others[KL_V];
    align_head other;
    double kl = 0, dkl = 1;
    rows_make(&r, 1, KL_V);
    align_head_init(&other, sizeof other);
    other.logits = align_2d(others, ALIGN_F32, 1, KL_V);
    r.head.other = &other;
    r.head.kl = align_1d(&kl, ALIGN_F64, 1);
    r.head.dkl = align_1d(&dkl, ALIGN_F64, 1);
    r.dlogp = 0;
    for (int trial = 0; trial < 40; trial++) {
        double temperature = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 0.5 : 3;
        rows_randomise(&r, trial % 4 == 3 ? 4 : 15);
        if (trial % 4 == 2)
            r.logits[17] = 60;
        for (int v = 0; v < KL_V; v++) {
            others[v] = (float)((double)r.logits[v] + apart[trial % 5] * (uniform() - 0.5));
            x[v] = (double)r.logits[v];
            y[v] = (double)others[v];
        }
        struct ref_row p = {x, KL_V, 0, 1, 0}, q = {y, KL_V, 0, 1, 0};
        r.head.flags = trial % 2 ? ALIGN_HEAD_KL_REVERSE : 0;
        r.head.temperature = temperature;
        rows_run(&r, NULL);
        double wanted = trial % 2 ? ref_row_kl(&p, &q, temperature)
                                  : ref_row_kl(&q, &p, temperature);
        ck_assert_msg(fabs(kl - wanted) <= 1e-13 + 1e-10 * wanted,
                      "trial %d: %.17g, expected %.17g", trial, kl, wanted);
        double sum = 0;
        for (int v = 0; v < KL_V; v++)
            sum += (double)r.dlogits[v];
        ck_assert(fabs(sum) < 1e-5);
        ck_assert(trial % 5 != 0 || (kl == 0 && r.dlogits[3] == 0));
    }
    rows_free(&r);
}
END_TEST

START_TEST(kl_corners)
{
    static const struct {
        float p[3], q[3];
        uint32_t flags;
        double kl;
        float d[3];
    } corners[] = {
        {{0, 0, -INFINITY}, {0, 0, -INFINITY}, 0, 0, {0, 0, 0}},
        {{0, 0, 0}, {0, 0, -INFINITY}, 0, 0.4054651081081644, {-1 / 6.f, -1 / 6.f, 1 / 3.f}},
        {{0, 0, -INFINITY}, {0, 0, 0}, 0, INFINITY, {1 / 6.f, 1 / 6.f, -1 / 3.f}},
        {{0, 0, -INFINITY}, {0, 0, 0}, ALIGN_HEAD_KL_REVERSE, 0.4054651081081644, {0, 0, 0}},
        {{-INFINITY, 0, 0}, {3, 0, 0}, 0, INFINITY, {0, 0, 0}},
        {{0, 1, 0}, {-INFINITY, -INFINITY, -INFINITY}, 0, 0, {0, 0, 0}},
        {{0, 1, 0}, {0, NAN, 0}, 0, NAN, {NAN, NAN, NAN}},
        {{0, 1, 0}, {0, INFINITY, 0}, ALIGN_HEAD_KL_REVERSE, NAN, {NAN, NAN, NAN}},
    };
    for (size_t i = 0; i < sizeof corners / sizeof corners[0]; i++) {
        struct rows r;
        float others[3];
        align_head other;
        double kl = 0, dkl = 1;
        rows_make(&r, 1, 3);
        memcpy(r.logits, corners[i].p, sizeof others);
        memcpy(others, corners[i].q, sizeof others);
        align_head_init(&other, sizeof other);
        other.logits = align_2d(others, ALIGN_F32, 1, 3);
        r.head.other = &other;
        r.head.flags = corners[i].flags;
        r.head.kl = align_1d(&kl, ALIGN_F64, 1);
        r.head.dkl = align_1d(&dkl, ALIGN_F64, 1);
        r.head.dlogp.ndim = 0;
        rows_run(&r, NULL);
        ck_assert_msg(kl == corners[i].kl || fabs(kl - corners[i].kl) < 1e-9 ||
                          (isnan(kl) && isnan(corners[i].kl)),
                      "corner %d: %g", (int)i, kl);
        for (int v = 0; v < 3 && i != 4 && i != 5; v++)
            ck_assert_msg(fabsf(r.dlogits[v] - corners[i].d[v]) < 1e-7f ||
                              (isnan(r.dlogits[v]) && isnan(corners[i].d[v])),
                          "corner %d, dlogits[%d] = %g", (int)i, v, (double)r.dlogits[v]);
        rows_free(&r);
    }
}
END_TEST

/* ---- what is never read or written ---------------------------------------------------------- */

START_TEST(rows_that_do_not_count_are_never_touched)
{
    long page = sysconf(_SC_PAGESIZE);
    enum { N = 5 };
    int64_t vocab = page / 4;
    unsigned char mask[N] = {1, 0, 1, 1, 1};
    struct rows r;
    rows_make(&r, N, vocab);
    float *pages = mmap(NULL, (size_t)(N * page), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    r.head.logits.data = pages;
    r.tokens.mask = align_1d(mask, ALIGN_U8, N);
    r.target[3] = -100;
    ck_assert_int_eq(mprotect(pages + vocab, (size_t)page, PROT_NONE), 0);
    ck_assert_int_eq(mprotect(pages + 3 * vocab, (size_t)page, PROT_NONE), 0);
    r.target[1] = 1 << 30;
    rows_run(&r, NULL);
    ck_assert(fabs(r.logp + 3 * log((double)vocab)) < 1e-9);
    ck_assert(r.token_logp[1] == 0 && r.lse[3] == 0 && r.entropy[1] == 0 && r.hit[3] == 0);
    for (int64_t v = 0; v < vocab; v++)
        ck_assert(r.dlogits[vocab + v] == 0 && r.dlogits[3 * vocab + v] == 0);
    /* added to, and in place, they are not written either */
    r.head.dlogits = r.head.logits;
    r.tokens.shift = 1;
    mask[1] = 1;
    mask[2] = 0;
    r.target[1] = 0;
    r.tokens.mask.dtype = ALIGN_BOOL;
    ck_assert_int_eq(mprotect(pages, (size_t)(N * page), PROT_READ | PROT_WRITE), 0);
    ck_assert_int_eq(mprotect(pages + vocab, (size_t)page, PROT_NONE), 0);
    ck_assert_int_eq(mprotect(pages + 4 * vocab, (size_t)page, PROT_NONE), 0);
    ck_assert_int_eq(align_head_forward(NULL, &r.head), ALIGN_E_NONE);
    r.head.dlogits = align_2d(r.dlogits, ALIGN_F32, N, vocab);
    r.head.flags = ALIGN_HEAD_ADD_DLOGITS;
    r.dlogits[vocab] = 42;
    r.dlogits[4 * vocab] = 43;
    ck_assert_int_eq(align_head_backward(NULL, &r.head), ALIGN_E_NONE);
    ck_assert(r.dlogits[vocab] == 42 && r.dlogits[4 * vocab] == 43);
    munmap(pages, (size_t)(N * page));
    rows_free(&r);
}
END_TEST

/* ---- equal bytes --------------------------------------------------------------------------- */

static void same_results(const struct rows *a, const struct rows *b)
{
    ck_assert_mem_eq(&a->logp, &b->logp, 8);
    ck_assert_mem_eq(a->token_logp, b->token_logp, (size_t)a->n * 40);
    ck_assert_mem_eq(a->dlogits, b->dlogits, (size_t)(a->n * a->vocab) * 4);
}

static int64_t calls, tasks_seen;

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static int32_t shuffled(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    int64_t step = *(const int64_t *)user;
    calls++;
    tasks_seen += tasks;
    while (common_divisor(tasks, step) > 1)
        step--;
    for (int64_t i = 0, at = tasks / 2; i < tasks; i++, at = (at + step) % tasks)
        fn(ctx, at);
    return 0;
}

static int32_t reversed(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks - 1; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(any_runner_gives_the_same_bits)
{
    struct rows a, b;
    rows_make(&a, 700, 3001);
    rows_make(&b, 700, 3001);
    rows_randomise(&a, 9);
    copy_input(&b, &a);
    rows_run(&a, NULL);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.parallel = reversed;
    rows_run(&b, &exec);
    same_results(&a, &b);
    exec.parallel = shuffled;
    static const int64_t steps[] = {2, 7, 64};
    for (int i = 0; i < 3; i++) {
        exec.workers = (uint32_t)steps[i];
        exec.parallel_user = (void *)(uintptr_t)&steps[i];
        memset(b.dlogits, 1, (size_t)(b.n * b.vocab) * 4);
        rows_run(&b, &exec);
        same_results(&a, &b);
    }
    ck_assert_int_ge(tasks_seen, 8 * calls);
    rows_free(&a);
    rows_free(&b);
}
END_TEST

START_TEST(any_instruction_set_gives_the_same_bits)
{
    static const uint64_t forbidden[] = {~UINT64_C(0), ALIGN_CPU_AVX512};
    struct rows a, b;
    rows_make(&a, 9, 5001);
    rows_make(&b, 9, 5001);
    for (int variant = 0; variant < 4; variant++) {
        rows_randomise(&a, 15);
        a.logits[7] = -INFINITY;
        copy_input(&b, &a);
        a.head.softcap = b.head.softcap = variant == 1 ? 20 : 0;
        a.head.scale = b.head.scale = variant == 2 ? 0.3 : 1;
        a.head.dentropy = b.head.dentropy = variant == 3 ? a.head.collision : (align_tensor){0};
        rows_run(&a, NULL);
        for (int i = 0; i < 2; i++) {
            align_exec exec;
            align_exec_init(&exec, sizeof exec);
            exec.cpu_forbidden = forbidden[i];
            rows_run(&b, &exec);
            same_results(&a, &b);
        }
    }
    rows_free(&a);
    rows_free(&b);
}
END_TEST

START_TEST(in_place_equals_out_of_place)
{
    struct rows a, b;
    rows_make(&a, 11, 4100);
    rows_make(&b, 11, 4100);
    for (int variant = 0; variant < 3; variant++) {
        rows_randomise(&a, 8);
        copy_input(&b, &a);
        a.head.softcap = b.head.softcap = variant == 1 ? 20 : 0;
        a.head.dentropy = b.head.dentropy = variant == 2 ? a.head.collision : (align_tensor){0};
        rows_run(&a, NULL);
        b.head.dlogits = b.head.logits;
        rows_run(&b, NULL);
        ck_assert_mem_eq(a.dlogits, b.logits, sizeof(float) * 11 * 4100);
    }
    rows_free(&a);
    rows_free(&b);
}
END_TEST

START_TEST(adding_equals_writing_and_adding)
{
    struct rows a, b;
    rows_make(&a, 5, 2300);
    rows_make(&b, 5, 2300);
    for (int variant = 0; variant < 2; variant++) {
        rows_randomise(&a, 8);
        copy_input(&b, &a);
        a.target[3] = b.target[3] = -100;
        a.head.scale = b.head.scale = variant ? 1.5 : 1;
        rows_run(&a, NULL);
        for (int i = 0; i < 5 * 2300; i++)
            b.dlogits[i] = (float)i * 0x1p-10f;
        b.head.flags = ALIGN_HEAD_ADD_DLOGITS;
        rows_run(&b, NULL);
        for (int i = 0; i < 5 * 2300; i++)
            ck_assert(fabsf(b.dlogits[i] - (a.dlogits[i] + (float)i * 0x1p-10f)) <= 1e-6f);
        rows_run(&b, NULL);
        ck_assert(b.dlogits[3 * 2300 + 7] == (3 * 2300 + 7) * 0x1p-10f);
    }
    rows_free(&a);
    rows_free(&b);
}
END_TEST

START_TEST(padded_equals_packed)
{
    enum { B = 3, T = 5, V = 333 };
    struct rows a, b;
    double logp[2][B], dlogp[B] = {0.5, -1, 2};
    int64_t offsets[B + 1] = {0, T, 2 * T, 3 * T};
    for (int shift = 0; shift < 2; shift++) {
        rows_make(&a, B * T, V);
        rows_make(&b, B * T, V);
        rows_randomise(&a, 4);
        a.target[7] = -100;
        copy_input(&b, &a);
        a.tokens.shift = b.tokens.shift = shift;
        a.tokens.offsets = align_1d(offsets, ALIGN_I64, B + 1);
        a.head.logp = align_1d(logp[0], ALIGN_F64, B);
        b.head.logp = align_1d(logp[1], ALIGN_F64, B);
        a.head.dlogp = b.head.dlogp = align_1d(dlogp, ALIGN_F64, B);
        b.tokens.target = align_2d(b.target, ALIGN_I64, B, T);
        b.head.logits = align_3d(b.logits, ALIGN_F32, B, T, V);
        b.head.dlogits = align_3d(b.dlogits, ALIGN_F32, B, T, V);
        b.head.lse = align_2d(b.lse, ALIGN_F64, B, T);
        rows_run(&a, NULL);
        rows_run(&b, NULL);
        same_results(&a, &b);
        ck_assert_mem_eq(logp[0], logp[1], sizeof logp[0]);
        ck_assert(shift == 0 || a.token_logp[T - 1] == 0);
        rows_free(&a);
        rows_free(&b);
    }
}
END_TEST

/* A shift said by slices of the tensors is the shift said by a flag. */
START_TEST(shift_equals_slices)
{
    enum { B = 3, T = 6, V = 90 };
    struct rows a, b;
    double logp[2][B];
    rows_make(&a, B * T, V);
    rows_make(&b, B * T, V);
    rows_randomise(&a, 4);
    copy_input(&b, &a);
    a.tokens.target = align_2d(a.target, ALIGN_I64, B, T);
    a.head.logits = align_3d(a.logits, ALIGN_F32, B, T, V);
    a.head.dlogits = align_3d(a.dlogits, ALIGN_F32, B, T, V);
    a.head.logp = a.head.dlogp = align_1d(logp[0], ALIGN_F64, B);
    a.tokens.shift = 1;
    b.tokens.target = align_2d(b.target + 1, ALIGN_I64, B, T - 1);
    b.tokens.target.stride[0] = T;
    b.head.logits = align_3d(b.logits, ALIGN_F32, B, T - 1, V);
    b.head.dlogits = align_3d(b.dlogits, ALIGN_F32, B, T - 1, V);
    b.head.logits.stride[0] = b.head.dlogits.stride[0] = T * V;
    b.head.logp = b.head.dlogp = align_1d(logp[1], ALIGN_F64, B);
    align_tensor *const rows[] = {&b.head.token_logp, &b.head.lse, &b.head.entropy,
                                  &b.head.collision, &b.head.hit};
    for (int i = 0; i < 5; i++) {
        *rows[i] = align_2d(rows[i]->data, ALIGN_F64, B, T - 1);
        rows[i]->stride[0] = T;
    }
    rows_run(&a, NULL);
    rows_run(&b, NULL);
    ck_assert_mem_eq(logp[0], logp[1], sizeof logp[0]);
    same_results(&a, &b);
    rows_free(&a);
    rows_free(&b);
}
END_TEST

START_TEST(empty_batches)
{
    struct rows r;
    double logp[3] = {7, 7, 7};
    int64_t offsets[4] = {0, 0, 0, 0};
    rows_make(&r, 1, 8);
    r.tokens.target.shape[0] = r.head.logits.shape[0] = r.head.dlogits.shape[0] = 0;
    r.head.token_logp.shape[0] = r.head.lse.shape[0] = r.head.entropy.shape[0] = 0;
    r.head.collision.shape[0] = r.head.hit.shape[0] = 0;
    r.tokens.offsets = align_1d(offsets, ALIGN_I64, 4);
    r.head.logp = r.head.dlogp = align_1d(logp, ALIGN_F64, 3);
    rows_run(&r, NULL);
    ck_assert(logp[0] == 0 && logp[1] == 0 && logp[2] == 0);
    size_t least = 1, best = 1;
    ck_assert_int_eq(align_head_scratch(NULL, &r.head, &least, &best), ALIGN_E_NONE);
    ck_assert(least == 0 && best == 0);
    rows_free(&r);
}
END_TEST

START_TEST(scratch_needs_no_gradient)
{
    struct rows r;
    rows_make(&r, 3, 8);
    r.head.dlogits.ndim = 0;
    size_t least = 1, best = 1;
    ck_assert_int_eq(align_head_scratch(NULL, &r.head, &least, &best), ALIGN_E_NONE);
    ck_assert(least == 0 && best == 0);
    rows_free(&r);
}
END_TEST

SUITE_MAIN("unit/head", tails_keep_their_relative_accuracy, known_tails_down_to_1e_300,
           equal_logits_give_log_v, large_vocabulary_agrees_with_reference,
           fast_is_as_good_as_stated, bf16_is_as_good_as_stated, corners_are_exact,
           softcap_bounds_infinite_logits, nan_stays_in_its_sequence, kl_agrees_with_reference,
           kl_corners, rows_that_do_not_count_are_never_touched, any_runner_gives_the_same_bits,
           any_instruction_set_gives_the_same_bits, in_place_equals_out_of_place,
           adding_equals_writing_and_adding, padded_equals_packed, shift_equals_slices,
           empty_batches, scratch_needs_no_gradient)
