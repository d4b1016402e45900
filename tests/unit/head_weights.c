/* Weights made from tokens: LD-DPO, SamPO and WPO, by hand, by frequency, and through heads and losses. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <string.h>

static void refused(align_status found, align_status status, const align_error *error,
                    const char *text)
{
    ck_assert_int_eq(found, status);
    ck_assert_str_eq(error->text, text);
}

/* Sequences of 5, 3, 2 and 4 tokens, of which the second of the first does not count and the last of the
 * last is ignored: 4, 3, 2 and 3 that count. */
struct bed {
    align_error error;
    align_exec exec;
    align_tokens tokens;
    align_token_weights args;
    int32_t target[14];
    float mask[14], weight[14];
    int64_t offsets[5];
};

static void make_bed(struct bed *b)
{
    const int64_t offsets[] = {0, 5, 8, 10, 14};
    memset(b, 0, sizeof *b);
    align_error_init(&b->error, sizeof b->error);
    align_exec_init(&b->exec, sizeof b->exec);
    b->exec.error = &b->error;
    for (int n = 0; n < 14; n++) {
        b->mask[n] = n == 1 ? 0 : n == 3 ? 2 : 1;
        b->weight[n] = 7;
    }
    b->target[13] = -100;
    memcpy(b->offsets, offsets, sizeof offsets);
    align_tokens_init(&b->tokens, sizeof b->tokens);
    b->tokens.target = align_1d(b->target, ALIGN_I32, 14);
    b->tokens.mask = align_1d(b->mask, ALIGN_F32, 14);
    b->tokens.offsets = align_1d(b->offsets, ALIGN_I64, 5);
    align_token_weights_init(&b->args, sizeof b->args);
    b->args.tokens = &b->tokens;
    b->args.alpha = 0.25;
    b->args.weight = align_1d(b->weight, ALIGN_F32, 14);
}

static void must(struct bed *b, const float *wanted)
{
    ck_assert_msg(align_token_weights_apply(&b->exec, &b->args) == 0, "%s", b->error.text);
    for (int n = 0; n < 14; n++)
        ck_assert_msg(b->weight[n] == wanted[n], "%d: %g, expected %g", n, b->weight[n], wanted[n]);
}

/* Groups (0, 1) with 3 tokens and (2, 3) with 2; stacked (0, 2) with 2 and (1, 3) with 3; all four with 2;
 * each for itself. */
START_TEST(later_tokens_count_less)
{
    const float pairs[] = {1, 0, 1, 2, .25f, 1, 1, 1, 1, 1, 1, 1, .25f, 0};
    const float stacked[] = {1, 0, 1, .5f, .25f, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    const float four[] = {1, 0, 1, .5f, .25f, 1, 1, .25f, 1, 1, 1, 1, .25f, 0};
    const float alone[] = {1, 0, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    /* The first token of a sequence is not predicted; the last of the last has no target. */
    const float shifted[] = {0, 0, 1, 2, .25f, 0, 1, 1, 0, 1, 0, 1, .25f, 0};
    struct bed b;
    make_bed(&b);
    must(&b, pairs);
    b.args.stacked = 1;
    must(&b, stacked);
    b.args.items = 4;
    must(&b, four);
    b.args.items = 1;
    must(&b, alone);
    make_bed(&b);
    b.tokens.shift = 1;
    must(&b, shifted);
}
END_TEST

/* A padded batch of one pair: each row keeps 3 of its tokens, and each of 6 tokens of the longer one in half of the
 * draws, within 5 standard deviations. */
START_TEST(drawn_tokens)
{
    enum { DRAWS = 4000 };
    int64_t target[2][6] = {{1, 1, 1, 1, 1, 1}, {1, -100, 1, 1, -100, -100}};
    double weight[2][6], kept[6] = {0}, together = 0;
    align_tokens tokens;
    align_token_weights args;
    align_tokens_init(&tokens, sizeof tokens);
    tokens.target = align_2d(target, ALIGN_I64, 2, 6);
    align_token_weights_init(&args, sizeof args);
    args.tokens = &tokens;
    args.kind = ALIGN_TOKEN_WEIGHTS_SAMPO;
    args.weight = align_2d(weight, ALIGN_F64, 2, 6);
    for (int seed = 0; seed < DRAWS; seed++) {
        double sum = 0;
        args.seed = seed;
        ck_assert_int_eq(align_token_weights_apply(NULL, &args), 0);
        for (int t = 0; t < 6; t++) {
            ck_assert(weight[1][t] == (target[1][t] == 1));
            ck_assert(weight[0][t] == 0 || weight[0][t] == 1);
            sum += weight[0][t];
            kept[t] += weight[0][t];
        }
        ck_assert(sum == 3);
        together += weight[0][1] * weight[0][4];
    }
    for (int t = 0; t < 6; t++)
        ck_assert_double_eq_tol(kept[t] / DRAWS, 0.5, 5 * 0.5 / sqrt(DRAWS));
    ck_assert_double_eq_tol(together / DRAWS, 0.2, 5 * 0.4 / sqrt(DRAWS));
}
END_TEST

START_TEST(mistakes_of_token_weights)
{
    struct bed b;
    make_bed(&b);
#define REFUSED(status, text)                                                                      \
    refused(align_token_weights_apply(&b.exec, &b.args), status, &b.error, text);                  \
    ck_assert(b.weight[0] == 7);                                                                   \
    make_bed(&b)
    b.args.items = 3;
    REFUSED(ALIGN_E_RANGE,
            "align_token_weights.items = 3, expected a divisor of the number of sequences");
    b.args.items = 0;
    REFUSED(ALIGN_E_RANGE, "align_token_weights.items = 0, expected 1 or more");
    b.args.stacked = 2;
    REFUSED(ALIGN_E_RANGE, "align_token_weights.stacked = 2, expected 0..1");
    b.args.kind = 2;
    REFUSED(ALIGN_E_RANGE, "align_token_weights.kind = 2, expected 0..1");
    b.args.alpha = 1.5;
    REFUSED(ALIGN_E_RANGE, "align_token_weights.alpha = 1.5, expected 0..1");
    b.args.kind = ALIGN_TOKEN_WEIGHTS_SAMPO;
    REFUSED(ALIGN_E_ARG, "align_token_weights.alpha is set, and SamPO does not read it");
    b.args.seed = 1;
    REFUSED(ALIGN_E_ARG, "align_token_weights.seed is set, and LD-DPO does not read it");
    b.args.weight.ndim = 0;
    REFUSED(ALIGN_E_ARG,
            "align_token_weights.weight is absent, and align_token_weights_apply needs it");
    b.args.weight.shape[0] = 13;
    REFUSED(ALIGN_E_SHAPE, "align_token_weights.weight has size 13 along axis 0, expected 14");
    b.args.weight.dtype = ALIGN_I32;
    REFUSED(ALIGN_E_DTYPE, "align_token_weights.weight has dtype 32, expected F32 or F64");
    b.args.weight.data = b.mask;
    REFUSED(ALIGN_E_LAYOUT, "align_token_weights.weight is written, and shares memory with mask");
    b.target[5] = -7;
    refused(align_token_weights_apply(&b.exec, &b.args), ALIGN_E_RANGE, &b.error, b.error.text);
    ck_assert_str_eq(b.error.field, "align_tokens.target");
    make_bed(&b);
    b.args.tokens = NULL;
    REFUSED(ALIGN_E_ARG, "align_tokens is NULL");
    refused(align_token_weights_apply(&b.exec, NULL), ALIGN_E_ARG, &b.error,
            "align_token_weights is NULL");
}
END_TEST

/* ---- WPO ---------------------------------------------------------------------------------- */

enum { V = 5, ROWS = 6 };

static void softmax_of(const double *z, double *p)
{
    double sum = 0;
    for (int v = 0; v < V; v++)
        sum += exp(z[v]);
    for (int v = 0; v < V; v++)
        p[v] = exp(z[v]) / sum;
}

/* Two pairs: rows 0..1 and 2; 3 and 4..5. The weights from probabilities, as run_wpo.py of the authors
 * (wzhouad/WPO) forms them. */
static void wanted_weights(const double logits[ROWS][V], const int32_t *target, double most,
                           double *wanted)
{
    const int begin[] = {0, 2, 3, 4, 6};
    for (int g = 0; g < 2; g++) {
        wanted[g] = 1;
        for (int s = 2 * g; s < 2 * g + 2; s++) {
            double product = 1;
            for (int n = begin[s]; n < begin[s + 1]; n++) {
                double p[V], square = 0;
                softmax_of(logits[n], p);
                for (int v = 0; v < V; v++)
                    square += p[v] * p[v];
                product *= p[target[n]] / square;
            }
            wanted[g] *= pow(product, 1.0 / (begin[s + 1] - begin[s]));
        }
        wanted[g] = fmin(wanted[g], most);
    }
}

START_TEST(weights_of_pairs)
{
    const double mosts[] = {1, INFINITY, 0.05};
    double logits[ROWS][V], logp[4], token_logp[ROWS], collision[ROWS], weight[2], value, d[4];
    int32_t target[ROWS] = {0, 3, 1, 2, 4, 0};
    int64_t offsets[] = {0, 2, 3, 4, 6};
    align_tokens tokens;
    align_head head;
    align_wpo wpo;
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_wpo_init(&wpo, sizeof wpo);
    ck_assert(wpo.most == 1 && wpo.items == 2);
    for (int n = 0; n < ROWS; n++)
        for (int v = 0; v < V; v++)
            logits[n][v] = sin(3 * n + 2 * v) + (n < 3 && v == target[n]);
    tokens.target = align_1d(target, ALIGN_I32, ROWS);
    tokens.offsets = align_1d(offsets, ALIGN_I64, 5);
    head.tokens = wpo.tokens = &tokens;
    head.logits = align_2d(logits, ALIGN_F64, ROWS, V);
    head.logp = align_1d(logp, ALIGN_F64, 4);
    head.token_logp = wpo.token_logp = align_1d(token_logp, ALIGN_F64, ROWS);
    head.collision = wpo.collision = align_1d(collision, ALIGN_F64, ROWS);
    wpo.weight = align_1d(weight, ALIGN_F64, 2);
    ck_assert_int_eq(align_head_forward(NULL, &head), 0);
    for (int m = 0; m < 3; m++) {
        double wanted[2];
        wpo.most = mosts[m];
        ck_assert_int_eq(align_wpo_apply(NULL, &wpo), 0);
        wanted_weights((const double(*)[V])logits, target, wpo.most, wanted);
        for (int g = 0; g < 2; g++)
            ck_assert_double_eq_tol(weight[g], wanted[g], 1e-14);
        ck_assert(m != 1 || weight[0] > 1);
    }
    /* The weights go into a loss, and make its gradient smaller by them. */
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.score = align_2d(logp, ALIGN_F64, 2, 2);
    loss.value = align_1d(&value, ALIGN_F64, 1);
    loss.dscore = align_2d(d, ALIGN_F64, 2, 2);
    ck_assert_int_eq(align_loss_eval(NULL, &loss), 0);
    const double plain = d[0];
    loss.weight = wpo.weight;
    ck_assert_int_eq(align_loss_eval(NULL, &loss), 0);
    ck_assert_double_eq_tol(d[0], weight[0] * plain, 1e-16);
}
END_TEST

/* Impossible tokens, rows that say nothing, empty sequences, NaN. */
START_TEST(corners_of_wpo)
{
    double token_logp[] = {-1, -INFINITY, -INFINITY, -0.5, NAN, -1};
    double collision[] = {-1, -2, -INFINITY, -0.5, -1, NAN}, weight[5];
    int32_t target[] = {0, 0, 0, -100, 0, -100};
    align_tokens tokens;
    align_wpo wpo;
    align_tokens_init(&tokens, sizeof tokens);
    align_wpo_init(&wpo, sizeof wpo);
    int64_t offsets[] = {0, 2, 3, 4, 5, 6};
    tokens.target = align_1d(target, ALIGN_I32, 6);
    tokens.offsets = align_1d(offsets, ALIGN_I64, 6);
    wpo.tokens = &tokens;
    wpo.items = 1;
    wpo.token_logp = align_1d(token_logp, ALIGN_F64, 6);
    wpo.collision = align_1d(collision, ALIGN_F64, 6);
    wpo.weight = align_1d(weight, ALIGN_F64, 5);
    ck_assert_int_eq(align_wpo_apply(NULL, &wpo), 0);
    ck_assert(weight[0] == 0 && weight[1] == 0 && weight[2] == 1);
    ck_assert(isnan(weight[3]) && weight[4] == 1);
}
END_TEST

START_TEST(mistakes_of_wpo)
{
    double x[4] = {-1, -1, -1, -1}, y[4] = {-1, -1, -1, -1}, weight[2] = {7, 7};
    int32_t target[4] = {0};
    align_error error;
    align_exec exec;
    align_tokens tokens;
    align_wpo w;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_tokens_init(&tokens, sizeof tokens);
    tokens.target = align_2d(target, ALIGN_I32, 4, 1);
    align_wpo_init(&w, sizeof w);
    w.tokens = &tokens;
#define WRONG(status, text) refused(align_wpo_apply(&exec, &w), status, &error, text)
    WRONG(ALIGN_E_ARG, "align_wpo.token_logp is absent, and align_wpo_apply needs it");
    w.token_logp = align_1d(x, ALIGN_F64, 4);
    WRONG(ALIGN_E_ARG, "align_wpo.collision is absent, and align_wpo_apply needs it");
    w.collision = align_2d(y, ALIGN_F64, 2, 2);
    WRONG(ALIGN_E_SHAPE, "align_wpo.collision has size 2 along axis 0, expected 4");
    w.collision = align_2d(y, ALIGN_F64, 4, 1);
    WRONG(ALIGN_E_ARG, "align_wpo.weight is absent, and align_wpo_apply needs it");
    w.weight = align_1d(weight, ALIGN_F64, 4);
    WRONG(ALIGN_E_SHAPE, "align_wpo.weight has size 4 along axis 0, expected 2");
    w.weight = align_1d(x, ALIGN_F64, 2);
    WRONG(ALIGN_E_LAYOUT, "align_wpo.weight is written, and shares memory with token_logp");
    w.weight = align_1d(weight, ALIGN_BF16, 2);
    WRONG(ALIGN_E_DTYPE, "align_wpo.weight has dtype 1040, expected F32 or F64");
    w.weight.dtype = ALIGN_F64;
    w.most = NAN;
    WRONG(ALIGN_E_RANGE, "align_wpo.most = nan, expected a number of 0 or more");
    w.most = 1;
    w.items = 3;
    WRONG(ALIGN_E_RANGE, "align_wpo.items = 3, expected a divisor of the number of sequences");
    ck_assert(weight[0] == 7 && weight[1] == 7);
    w.items = 2;
    ck_assert_int_eq(align_wpo_apply(&exec, &w), 0);
    ck_assert(weight[0] == 1 && weight[1] == 1);
}
END_TEST

SUITE_MAIN("head weights", later_tokens_count_less, drawn_tokens, mistakes_of_token_weights,
           weights_of_pairs, corners_of_wpo, mistakes_of_wpo)
