/* Dense heads against the slow reference, over every dtype, form, mask, shift, scale and softcap. */
#include "../suite.h"
#include "../ref/head.h"

#include "base/tensor.h"

#include <libalign/head.h>

#include <math.h>
#include <string.h>

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

enum { ROWS = 14, VOCAB = 2500, STRIDE = VOCAB + 13 };

struct variant {
    align_dtype logits, dlogits, out;
    int padded, mask, shift, backwards, entropy;
    double scale, softcap;
};

/* A batch of 14 rows: packed as sequences of 5, 0, 2 and 7 rows, or padded as 2 x 7. */
struct batch {
    align_tokens tokens;
    align_head head;
    int64_t sequences, target[ROWS], offsets[5];
    float weight[ROWS];
    unsigned char flag[ROWS];
    _Alignas(64) char logits[ROWS * STRIDE * 8];
    _Alignas(64) char dlogits[ROWS * STRIDE * 8];
    double x[ROWS][VOCAB];
    double logp[4], count[4], wsum[4], dlogp[4];
    _Alignas(8) char token_logp[ROWS * 8], lse[ROWS * 8], entropy[ROWS * 8], collision[ROWS * 8];
    float hit[ROWS];
    double dtoken[ROWS], dentropy[ROWS], dlse[ROWS];
};

static align_tensor rows_of(const struct variant *v, void *data, align_dtype dtype)
{
    return v->padded ? align_2d(data, dtype, 2, 7) : align_1d(data, dtype, ROWS);
}

static align_tensor wide_of(const struct variant *v, void *data, align_dtype dtype)
{
    align_tensor t = v->padded ? align_3d(data, dtype, 2, 7, VOCAB)
                               : align_2d(data, dtype, ROWS, VOCAB);
    int64_t bytes = align_dtype_bytes(dtype);
    t.stride[v->padded ? 1 : 0] = STRIDE;
    if (v->padded)
        t.stride[0] = 7 * STRIDE;
    if (v->backwards) {
        t.data = (char *)data + (ROWS - 1) * STRIDE * bytes;
        t.stride[0] = -t.stride[0];
        if (v->padded)
            t.stride[1] = -t.stride[1];
    }
    return t;
}

static void *element(const align_tensor *t, int n, int v)
{
    int64_t step = t->ndim == 3 ? n / 7 * t->stride[0] + n % 7 * t->stride[1] : n * t->stride[0];
    return (char *)t->data + (step + v) * align_dtype_bytes(t->dtype);
}

static void fill_logits(struct batch *b)
{
    const align_tensor *t = &b->head.logits;
    for (int n = 0; n < ROWS; n++) {
        double spread = n % 3 == 0 ? 2 : n % 3 == 1 ? 20 : 60;
        for (int v = 0; v < VOCAB; v++) {
            double x = spread * (uniform() + uniform() - 1);
            if (n % 5 == 4 && uniform() < 0.3)
                x = -INFINITY;
            if (v == b->target[n] && n % 4 == 0)
                x = spread + 5;
            align__store(t->dtype, element(t, n, v), x);
            b->x[n][v] = align__load(t->dtype, element(t, n, v));
        }
    }
}

static void make(struct batch *b, const struct variant *v)
{
    static const int64_t offsets[] = {0, 5, 5, 7, ROWS};
    memset(b, 0, sizeof *b);
    align_tokens_init(&b->tokens, sizeof b->tokens);
    align_head_init(&b->head, sizeof b->head);
    memcpy(b->offsets, offsets, sizeof offsets);
    b->sequences = v->padded ? 2 : 4;
    for (int n = 0; n < ROWS; n++) {
        b->target[n] = n % 6 == 5 ? -100 : (int64_t)(uniform() * VOCAB);
        b->weight[n] = n % 4 == 2 ? 0 : (float)(0.25 + uniform());
        b->flag[n] = n % 4 != 2;
    }
    b->tokens.target = rows_of(v, b->target, ALIGN_I64);
    if (v->mask == 1)
        b->tokens.mask = rows_of(v, b->flag, ALIGN_BOOL);
    if (v->mask == 2)
        b->tokens.mask = rows_of(v, b->flag, ALIGN_U8);
    if (v->mask == 3)
        b->tokens.mask = rows_of(v, b->weight, ALIGN_F32);
    if (!v->padded)
        b->tokens.offsets = align_1d(b->offsets, ALIGN_I64, 5);
    b->tokens.shift = v->shift;
    align_head *head = &b->head;
    head->tokens = &b->tokens;
    head->scale = v->scale;
    head->softcap = v->softcap;
    head->logits = wide_of(v, b->logits, v->logits);
    head->dlogits = wide_of(v, b->dlogits, v->dlogits);
    head->logp = align_1d(b->logp, ALIGN_F64, b->sequences);
    head->count = align_1d(b->count, ALIGN_F64, b->sequences);
    head->wsum = align_1d(b->wsum, ALIGN_F64, b->sequences);
    head->dlogp = align_1d(b->dlogp, ALIGN_F64, b->sequences);
    head->token_logp = align_1d(b->token_logp, v->out, ROWS);
    head->lse = rows_of(v, b->lse, v->out);
    head->entropy = rows_of(v, b->entropy, v->out);
    head->collision = rows_of(v, b->collision, v->out);
    head->hit = rows_of(v, b->hit, ALIGN_F32);
    head->dtoken_logp = rows_of(v, b->dtoken, ALIGN_F64);
    head->dlse = rows_of(v, b->dlse, ALIGN_F64);
    if (v->entropy)
        head->dentropy = rows_of(v, b->dentropy, ALIGN_F64);
    fill_logits(b);
    for (int s = 0; s < 4; s++)
        b->dlogp[s] = uniform() * 2 - 1;
    for (int n = 0; n < ROWS; n++) {
        b->dtoken[n] = uniform() - 0.5;
        b->dentropy[n] = uniform() - 0.5;
        b->dlse[n] = (uniform() - 0.5) / 16;
    }
}

/* The definition of which rows count, once more and by other means: a list of (row, target, weight). */
static int find_target(const struct batch *b, const struct variant *v, int n, int64_t *target,
                       double *weight, int *sequence)
{
    int s = 0, end;
    if (v->padded) {
        s = n / 7;
        end = 7 * (s + 1);
    } else {
        while (b->offsets[s + 1] <= n)
            s++;
        end = (int)b->offsets[s + 1];
    }
    int from = n + v->shift;
    *sequence = s;
    if (from >= end || b->target[from] == -100)
        return 0;
    *target = b->target[from];
    *weight = v->mask == 3 ? (double)b->weight[from] : v->mask == 0 || b->flag[from];
    return *weight != 0;
}

static void near(double found, double wanted, double relative, double absolute, const char *what,
                 int variant, int n)
{
    double error = fabs(found - wanted);
    ck_assert_msg(found == wanted || error <= relative * fabs(wanted) + absolute,
                  "%s of row %d, variant %d: %.17g, expected %.17g (relative %.3g)", what, n,
                  variant, found, wanted, error / fabs(wanted));
}

static double out_at(const struct variant *v, const char *data, int n)
{
    return align__load(v->out, data + n * align_dtype_bytes(v->out));
}

static void check_rows(struct batch *b, const struct variant *v, int id)
{
    double tight = v->logits == ALIGN_F64 ? 1e-13 : 2.5e-7,
           rounding = v->out == ALIGN_F32 ? 6e-8 : 0;
    double logp[4] = {0}, count[4] = {0}, wsum[4] = {0};
    static double gradient[VOCAB];
    for (int n = 0; n < ROWS; n++) {
        struct ref_row row = {b->x[n], VOCAB, 0, v->scale, v->softcap};
        struct ref_row_values ref = {0};
        double weight = 0;
        int s, counts = find_target(b, v, n, &row.target, &weight, &s);
        memset(gradient, 0, sizeof gradient);
        if (counts) {
            ref = ref_row_forward(&row);
            ref_row_backward(&row, weight * b->dlogp[s] + b->dtoken[n],
                             v->entropy ? b->dentropy[n] : 0, b->dlse[n], gradient);
            logp[s] += weight * ref.logp;
            count[s]++;
            wsum[s] += weight;
        }
        near(out_at(v, b->token_logp, n), ref.logp, tight + rounding, 0, "token_logp", id, n);
        near(out_at(v, b->lse, n), ref.lse, 2e-10 + rounding, 2e-10, "lse", id, n);
        near(out_at(v, b->entropy, n), ref.entropy, tight + rounding, 0, "entropy", id, n);
        near(out_at(v, b->collision, n), ref.collision, tight + rounding, 0, "collision", id, n);
        near((double)b->hit[n], ref.hit, 0, 0, "hit", id, n);
        double largest = 0, sum = 0;
        for (int k = 0; k < VOCAB; k++)
            largest = fmax(largest, fabs(gradient[k]));
        /* an F32 lse moves every p by its rounding */
        double loose = rounding * fabs(ref.lse) + (v->logits == ALIGN_F64 ? 1e-12 : 4e-7);
        double step = v->dlogits == ALIGN_F16 ? 5e-4 : v->dlogits == ALIGN_BF16 ? 4e-3 : 1.2e-7;
        if (v->dlogits == ALIGN_F64)
            step = 0;
        for (int k = 0; k < VOCAB; k++) {
            double g = align__load(v->dlogits, element(&b->head.dlogits, n, k));
            double least = v->dlogits == ALIGN_F16 ? 3e-8 : 1e-40;
            near(g, gradient[k], loose + step, largest * (v->entropy ? loose : 0) + least,
                 "dlogits", id, n);
            sum += g;
        }
        if (v->scale == 1 && v->softcap == 0)
            near(sum, counts ? b->dlse[n] : 0, 0, largest * 4 * (loose + step) * sqrt(VOCAB) + 1e-5,
                 "sum of dlogits", id, n);
    }
    for (int s = 0; s < b->sequences; s++) {
        near(b->logp[s], logp[s], tight + rounding, 1e-12, "logp", id, s);
        near(b->count[s], count[s], 0, 0, "count", id, s);
        near(b->wsum[s], wsum[s], 1e-15, 0, "wsum", id, s);
    }
}

static struct batch batch;

START_TEST(every_variant_agrees)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_BF16, ALIGN_F16};
    int id = 0;
    for (int i = 0; i < 4; i++)
        for (int form = 0; form < 8; form++)
            for (int bend = 0; bend < 3; bend++, id++) {
                struct variant v = {.logits = dtypes[i],
                                    .dlogits = dtypes[(i + form) % 4],
                                    .out = form == 3 ? ALIGN_F32 : ALIGN_F64,
                                    .padded = form & 1,
                                    .mask = (form + i + bend) % 4,
                                    .shift = form >> 1 & 1,
                                    .backwards = form >> 2,
                                    .entropy = (i + form + bend) % 3 == 0,
                                    .scale = bend == 1 ? 0.7 : 1,
                                    .softcap = bend == 2 ? 30 : 0};
                seed = (uint64_t)id;
                make(&batch, &v);
                ck_assert_int_eq(align_head_forward(NULL, &batch.head), ALIGN_E_NONE);
                ck_assert_int_eq(align_head_backward(NULL, &batch.head), ALIGN_E_NONE);
                check_rows(&batch, &v, id);
            }
}
END_TEST

SUITE_MAIN("unit/head_ref", every_variant_agrees)
