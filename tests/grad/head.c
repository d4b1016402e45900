/* Gradients of a dense head in f64 against central differences of its own forward. */
#include "../suite.h"

#include <libalign/head.h>

#include <math.h>
#include <string.h>

enum { N = 6, V = 7, S = 3 };

static uint64_t seed = 3;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

struct call {
    align_tokens tokens;
    align_head head;
    int32_t target[N];
    float mask[N];
    int64_t offsets[S + 1];
    align_head other;
    double logits[N][V], others[N][V], dlogits[N][V], logp[S], dlogp[S];
    double token_logp[N], lse[N], entropy[N], kl[N], dtoken[N], dlse[N], dentropy[N], dkl[N];
};

enum { DLOGP = 1, DTOKEN = 2, DENTROPY = 4, DLSE = 8, DKL = 16 };

static void make(struct call *c, int which, double scale, double softcap, int shift)
{
    static const int64_t offsets[S + 1] = {0, 2, 3, N};
    memset(c, 0, sizeof *c);
    memcpy(c->offsets, offsets, sizeof offsets);
    align_tokens_init(&c->tokens, sizeof c->tokens);
    align_head_init(&c->head, sizeof c->head);
    for (int n = 0; n < N; n++) {
        c->target[n] = n == 4 ? -100 : (int32_t)(uniform() * V);
        c->mask[n] = n == 1 ? 0 : (float)uniform() + 0.5f;
        c->dtoken[n] = uniform() - 0.5;
        c->dlse[n] = uniform() - 0.5;
        c->dentropy[n] = uniform() - 0.5;
        c->dkl[n] = uniform() - 0.5;
        for (int v = 0; v < V; v++) {
            c->logits[n][v] = 12 * (uniform() - 0.5);
            c->others[n][v] = n == 5 ? c->logits[n][v] : 12 * (uniform() - 0.5);
        }
    }
    for (int s = 0; s < S; s++)
        c->dlogp[s] = uniform() - 0.5;
    c->tokens.target = align_1d(c->target, ALIGN_I32, N);
    c->tokens.mask = align_1d(c->mask, ALIGN_F32, N);
    c->tokens.offsets = align_1d(c->offsets, ALIGN_I64, S + 1);
    c->tokens.shift = shift;
    c->head.tokens = &c->tokens;
    c->head.scale = scale;
    c->head.softcap = softcap;
    c->head.logits = align_2d(c->logits, ALIGN_F64, N, V);
    c->head.logp = align_1d(c->logp, ALIGN_F64, S);
    c->head.token_logp = align_1d(c->token_logp, ALIGN_F64, N);
    c->head.lse = align_1d(c->lse, ALIGN_F64, N);
    c->head.entropy = align_1d(c->entropy, ALIGN_F64, N);
    if (which & DLOGP)
        c->head.dlogp = align_1d(c->dlogp, ALIGN_F64, S);
    if (which & DTOKEN)
        c->head.dtoken_logp = align_1d(c->dtoken, ALIGN_F64, N);
    if (which & DENTROPY)
        c->head.dentropy = align_1d(c->dentropy, ALIGN_F64, N);
    if (which & DLSE)
        c->head.dlse = align_1d(c->dlse, ALIGN_F64, N);
    if (which & DKL) {
        align_head_init(&c->other, sizeof c->other);
        c->other.logits = align_2d(c->others, ALIGN_F64, N, V);
        c->other.softcap = which & DTOKEN ? 7 : 0;
        c->head.other = &c->other;
        c->head.temperature = which & DLOGP ? 1 : 2.5;
        c->head.flags = which & DLSE ? ALIGN_HEAD_KL_REVERSE : 0;
        c->head.kl = align_1d(c->kl, ALIGN_F64, N);
        c->head.dkl = align_1d(c->dkl, ALIGN_F64, N);
    }
    c->head.dlogits = align_2d(c->dlogits, ALIGN_F64, N, V);
}

/* The scalar whose gradient the backward gives. Rows that do not count have zeros in all outputs. */
static double objective(struct call *c, int which)
{
    double sum = 0;
    ck_assert_int_eq(align_head_forward(NULL, &c->head), ALIGN_E_NONE);
    for (int s = 0; s < S && which & DLOGP; s++)
        sum += c->dlogp[s] * c->logp[s];
    for (int n = 0; n < N; n++) {
        sum += which & DTOKEN ? c->dtoken[n] * c->token_logp[n] : 0;
        sum += which & DENTROPY ? c->dentropy[n] * c->entropy[n] : 0;
        sum += which & DKL ? c->dkl[n] * c->kl[n] : 0;
        sum += which & DLSE ? c->dlse[n] * c->lse[n] : 0;
    }
    return sum;
}

START_TEST(central_differences)
{
    static const struct {
        double scale, softcap;
    } bends[] = {{1, 0}, {0.6, 0}, {-1.3, 0}, {1, 5}, {2.5, 3}};
    struct call c;
    for (int which = 1; which < 32; which++)
        for (int bend = 0; bend < 5; bend++) {
            make(&c, which, bends[bend].scale, bends[bend].softcap, (which + bend) % 2);
            objective(&c, which);
            ck_assert_int_eq(align_head_backward(NULL, &c.head), ALIGN_E_NONE);
            double total = 0;
            for (int n = 0; n < N; n++)
                for (int v = 0; v < V; v++) {
                    const double h = 1e-5, x = c.logits[n][v];
                    c.logits[n][v] = x + h;
                    double up = objective(&c, which);
                    c.logits[n][v] = x - h;
                    double down = objective(&c, which);
                    c.logits[n][v] = x;
                    ck_assert_msg(fabs((up - down) / (2 * h) - c.dlogits[n][v]) < 2e-9,
                                  "which %d, bend %d, [%d,%d]: %.12g, differences %.12g", which,
                                  bend, n, v, c.dlogits[n][v], (up - down) / (2 * h));
                    total += fabs(c.dlogits[n][v]);
                }
            ck_assert(total > 1e-3);
        }
}
END_TEST

SUITE_MAIN("grad/head", central_differences)
