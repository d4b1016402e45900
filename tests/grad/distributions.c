/* Losses that need whole distributions, as docs/concepts.md makes them: outputs of a head in, gradients of a head out.
 * Each recipe is differenced through the logits, and its value is compared with sums over probabilities. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Sequences 0..3 are two pairs, 4 and 5 are those that the policy should keep. */
enum { S = 6, N = 15, V = 7, PAIRS = 2, ANCHORS = 2 };

struct bed {
    align_tokens tokens;
    align_head policy, other;
    int32_t target[N];
    int64_t offsets[S + 1];
    double logits[N][V], other_logits[N][V], dlogits[N][V];
    double logp[S], dlogp[S], ref[S], count[S], token_logp[N], lse[N], entropy[N], kl[N];
    double dkl[N], dtoken_logp[N], gain[N];
};

static void make_bed(struct bed *b, uint32_t flags, double temperature)
{
    const int64_t offsets[] = {0, 3, 5, 7, 10, 12, N};
    memset(b, 0, sizeof *b);
    memcpy(b->offsets, offsets, sizeof offsets);
    for (int n = 0; n < N; n++) {
        b->target[n] = n * 5 % V;
        b->gain[n] = cos(2 * n);
        for (int v = 0; v < V; v++) {
            b->logits[n][v] = 2 * sin(3 * n + 5 * v);
            b->other_logits[n][v] = 2 * sin(3 * n + 5 * v + 0.4);
        }
    }
    for (int s = 0; s < S; s++)
        b->ref[s] = -4 - s;
    align_tokens_init(&b->tokens, sizeof b->tokens);
    b->tokens.target = align_1d(b->target, ALIGN_I32, N);
    b->tokens.offsets = align_1d(b->offsets, ALIGN_I64, S + 1);
    align_head_init(&b->policy, sizeof b->policy);
    align_head_init(&b->other, sizeof b->other);
    b->other.logits = align_2d(b->other_logits, ALIGN_F64, N, V);
    b->policy.tokens = &b->tokens;
    b->policy.other = &b->other;
    b->policy.flags = flags;
    b->policy.temperature = temperature;
    b->policy.logits = align_2d(b->logits, ALIGN_F64, N, V);
    b->policy.dlogits = align_2d(b->dlogits, ALIGN_F64, N, V);
    b->policy.logp = align_1d(b->logp, ALIGN_F64, S);
    b->policy.count = align_1d(b->count, ALIGN_F64, S);
    b->policy.token_logp = align_1d(b->token_logp, ALIGN_F64, N);
    b->policy.lse = align_1d(b->lse, ALIGN_F64, N);
    b->policy.entropy = align_1d(b->entropy, ALIGN_F64, N);
    b->policy.kl = align_1d(b->kl, ALIGN_F64, N);
    b->policy.dlogp = align_1d(b->dlogp, ALIGN_F64, S);
    b->policy.dkl = align_1d(b->dkl, ALIGN_F64, N);
    b->policy.dtoken_logp = align_1d(b->dtoken_logp, ALIGN_F64, N);
}

static void clear_gradients(struct bed *b)
{
    memset(b->dlogp, 0, sizeof b->dlogp);
    memset(b->dkl, 0, sizeof b->dkl);
    memset(b->dtoken_logp, 0, sizeof b->dtoken_logp);
}

/* A row of the table over the log-probabilities from `first` on, added to dlogp. */
static double add_loss(struct bed *b, const char *name, int first, int64_t groups, double scale,
                       align_loss_params *params)
{
    double value = 0;
    align_loss_args a;
    align_loss_info info = {0};
    align_loss_args_init(&a, sizeof a);
    a.loss = align_loss_find(name);
    ck_assert_int_eq(align_loss_get_info(a.loss, &info), 0);
    a.flags = ALIGN_LOSS_ADD;
    a.params = params;
    a.scale = scale;
    a.score = align_2d(b->logp + first, ALIGN_F64, groups, info.arity);
    a.dscore = align_2d(b->dlogp + first, ALIGN_F64, groups, info.arity);
    if ((info.reads & ALIGN_LOSS_READS_REF) != 0)
        a.ref = align_2d(b->ref + first, ALIGN_F64, groups, info.arity);
    if (params != NULL && params->length == ALIGN_LENGTH_MEAN)
        a.count = align_2d(b->count + first, ALIGN_F64, groups, info.arity);
    a.value = align_1d(&value, ALIGN_F64, 1);
    ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
    return value;
}

/* weight * sum of kl over the rows of sequences first .. S-1, and its derivative. */
static double add_kl(struct bed *b, int first, double weight)
{
    double sum = 0;
    for (int64_t n = b->offsets[first]; n < N; n++) {
        b->dkl[n] += weight;
        sum += weight * b->kl[n];
    }
    return sum;
}

/* DPO where feedback applies, likelihood of the model's own answers elsewhere. */
static double c3po_sft(struct bed *b)
{
    align_loss_params mean;
    ck_assert_int_eq(align_loss_params_init(&mean, sizeof mean, ALIGN_LOSS_SFT, NULL), 0);
    mean.length = ALIGN_LENGTH_MEAN;
    return add_loss(b, "dpo", 0, PAIRS, 1, NULL) + add_loss(b, "sft", 4, 1, 0.2, &mean) +
           add_loss(b, "sft", 5, 1, 0.1, &mean);
}

/* The same with T^2 KL(reference || policy) at temperature T, a mean over the anchors' tokens. */
static double c3po_kl(struct bed *b)
{
    const double t = b->policy.temperature, tokens = b->count[4] + b->count[5];
    return add_loss(b, "dpo", 0, PAIRS, 1, NULL) + add_kl(b, 4, 0.2 * t * t / tokens);
}

/* Rank calibration, and KL(policy || SFT model) over the tokens of the targets. */
static double slic_kl(struct bed *b)
{
    return add_loss(b, "slic", 0, PAIRS, 1, NULL) + add_kl(b, 4, 0.5 / ANCHORS);
}

/* -(1 - a) sum of advantage times log-probability, and a sum of KL(policy || reference). */
static double music_rl(struct bed *b)
{
    const double a = 0.3;
    double value = 0;
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_REINFORCE;
    loss.score = align_2d(b->token_logp, ALIGN_F64, N, 1);
    loss.label = align_2d(b->gain, ALIGN_F64, N, 1);
    loss.denom = 1;
    loss.scale = 1 - a;
    loss.value = align_1d(&value, ALIGN_F64, 1);
    loss.dscore = align_2d(b->dtoken_logp, ALIGN_F64, N, 1);
    ck_assert_int_eq(align_loss_eval(NULL, &loss), 0);
    return value + add_kl(b, 0, a);
}

/* (1 - l) likelihood and l T^2 KL(teacher || student), both means over tokens. */
static double distillation(struct bed *b)
{
    const double l = 0.7, t = b->policy.temperature;
    return add_loss(b, "sft", 0, S, (1 - l) * S / N, NULL) + add_kl(b, 0, l * t * t / N);
}

/* What the recipes are in probabilities. */
static double plain_kl(const double *z, const double *y, double t, bool policy_first)
{
    double p[V], q[V], sum_p = 0, sum_q = 0, kl = 0;
    for (int v = 0; v < V; v++) {
        sum_p += p[v] = exp(z[v] / t);
        sum_q += q[v] = exp(y[v] / t);
    }
    for (int v = 0; v < V; v++) {
        p[v] /= sum_p;
        q[v] /= sum_q;
        kl += policy_first ? p[v] * log(p[v] / q[v]) : q[v] * log(q[v] / p[v]);
    }
    return kl;
}

static double plain_logp(const struct bed *b, int s, bool gains)
{
    double logp = 0;
    for (int64_t n = b->offsets[s]; n < b->offsets[s + 1]; n++) {
        double sum = 0;
        for (int v = 0; v < V; v++)
            sum += exp(b->logits[n][v]);
        logp += (gains ? b->gain[n] : 1) * log(exp(b->logits[n][b->target[n]]) / sum);
    }
    return logp;
}

static double plain_kls(const struct bed *b, int first, bool policy_first)
{
    double sum = 0;
    for (int64_t n = b->offsets[first]; n < N; n++)
        sum += plain_kl(b->logits[n], b->other_logits[n], b->policy.temperature, policy_first);
    return sum;
}

static double plain_dpo(const struct bed *b)
{
    double sum = 0;
    for (int g = 0; g < PAIRS; g++) {
        const double u = plain_logp(b, 2 * g, false) - b->ref[2 * g];
        const double v = plain_logp(b, 2 * g + 1, false) - b->ref[2 * g + 1];
        sum += log(1 + exp(-0.1 * (u - v)));
    }
    return sum / PAIRS;
}

static double plain_c3po_sft(const struct bed *b)
{
    return plain_dpo(b) - 0.2 * plain_logp(b, 4, false) / 2 - 0.1 * plain_logp(b, 5, false) / 3;
}

static double plain_c3po_kl(const struct bed *b)
{
    return plain_dpo(b) + 0.2 * 4 * plain_kls(b, 4, false) / 5;
}

static double plain_slic_kl(const struct bed *b)
{
    double sum = 0;
    for (int g = 0; g < PAIRS; g++)
        sum += fmax(0, 1 - plain_logp(b, 2 * g, false) + plain_logp(b, 2 * g + 1, false));
    return sum / PAIRS + 0.5 * plain_kls(b, 4, true) / ANCHORS;
}

static double plain_music_rl(const struct bed *b)
{
    double sum = 0;
    for (int s = 0; s < S; s++)
        sum -= 0.7 * plain_logp(b, s, true);
    return sum + 0.3 * plain_kls(b, 0, true);
}

static double plain_distillation(const struct bed *b)
{
    double sum = 0;
    for (int s = 0; s < S; s++)
        sum -= 0.3 * plain_logp(b, s, false);
    return (sum + 0.7 * 9 * plain_kls(b, 0, false)) / N;
}

static const struct recipe {
    const char *name;
    double (*value)(struct bed *b);
    double (*plain)(const struct bed *b);
    uint32_t flags;
    double temperature;
} recipes[] = {
    {"C3PO, likelihood", c3po_sft, plain_c3po_sft, 0, 1},
    {"C3PO, KL", c3po_kl, plain_c3po_kl, 0, 2},
    {"SLiC, KL", slic_kl, plain_slic_kl, ALIGN_HEAD_KL_REVERSE, 1},
    {"MusicRL", music_rl, plain_music_rl, ALIGN_HEAD_KL_REVERSE, 1},
    {"distillation", distillation, plain_distillation, 0, 3},
};

static double evaluate(const struct recipe *r, struct bed *b)
{
    clear_gradients(b);
    ck_assert_int_eq(align_head_forward(NULL, &b->policy), 0);
    return r->value(b);
}

START_TEST(gradients_through_the_logits)
{
    const struct recipe *r = &recipes[_i];
    const double h = 1e-4;
    struct bed b;
    make_bed(&b, r->flags, r->temperature);
    const double value = evaluate(r, &b), plain = r->plain(&b);
    ck_assert_msg(fabs(value - plain) <= 1e-13 * fmax(1, fabs(plain)), "%s: %.17g, expected %.17g",
                  r->name, value, plain);
    ck_assert_int_eq(align_head_backward(NULL, &b.policy), 0);
    for (int n = 0; n < N; n++)
        for (int v = 0; v < V; v++) {
            const double z = b.logits[n][v];
            double at[4];
            for (int i = 0; i < 4; i++) {
                b.logits[n][v] = z + (i < 2 ? i - 2 : i - 1) * h;
                at[i] = evaluate(r, &b);
            }
            b.logits[n][v] = z;
            const double slope = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h);
            ck_assert_msg(fabs(b.dlogits[n][v] - slope) <= 1e-10,
                          "%s: [%d,%d] %.15g, expected %.15g", r->name, n, v, b.dlogits[n][v],
                          slope);
        }
}
END_TEST

/* The mean logit, which TRL logs, from the KL of a uniform head: docs/concepts.md. */
START_TEST(mean_logits)
{
    enum { D = 5 };
    struct bed b;
    double zeros[V] = {0}, hidden[N][D], weight[V][D];
    for (int n = 0; n < N; n++)
        for (int d = 0; d < D; d++)
            hidden[n][d] = cos(n + 3 * d);
    for (int v = 0; v < V; v++)
        for (int d = 0; d < D; d++)
            weight[v][d] = 4 * sin(v * d + 1);
    for (int linear = 0; linear < 2; linear++) {
        char scratch[65536];
        align_error error;
        align_exec exec;
        align_error_init(&error, sizeof error);
        align_exec_init(&exec, sizeof exec);
        exec.scratch = scratch;
        exec.scratch_size = sizeof scratch;
        exec.error = &error;
        make_bed(&b, 0, 1);
        b.other.logits = align_2d(zeros, ALIGN_F64, N, V);
        b.other.logits.stride[0] = 0;
        b.policy.softcap = 30;
        if (linear) {
            b.policy.logits.ndim = b.policy.dlogits.ndim = 0;
            b.policy.hidden = align_2d(hidden, ALIGN_F64, N, D);
            b.policy.weight = align_2d(weight, ALIGN_F64, V, D);
        }
        ck_assert_msg(align_head_forward(&exec, &b.policy) == 0, "%s", error.text);
        for (int n = 0; n < N; n++) {
            double mean = 0;
            for (int v = 0; v < V; v++) {
                double x = linear ? 0 : b.logits[n][v];
                for (int d = 0; d < D && linear; d++)
                    x += hidden[n][d] * weight[v][d];
                mean += 30 * tanh(x / 30) / V;
            }
            const double got = b.lse[n] - b.kl[n] - log(V);
            ck_assert_msg(fabs(got - mean) <= (linear ? 1e-6 : 1e-12), "%d, row %d: %.17g, %.17g",
                          linear, n, got, mean);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("distributions");
    TCase *tcase = tcase_create("distributions");
    tcase_add_test(tcase, mean_logits);
    tcase_add_loop_test(tcase, gradients_through_the_logits, 0, sizeof recipes / sizeof recipes[0]);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
