/* Where other people's code goes wrong, and what we say there. Each row of the table has the peer's expression as it is
 * written there, in the precision it runs in, with the number that comes of it; and our own number, from the formula by
 * hand. What is behind each is in the project's references on pairs (parts 1 to 3) and lists (part 5). */
#include "../loss_set.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>

enum { MOST = 4 };

/* What is compared: the sum of the losses, the gradient of the first score, a metric, the status of a call. */
enum what { VALUE, SLOPE, ACCURACY, STATUS };

struct trap {
    const char *what_happens, *loss, *preset;
    enum what what;
    float (*theirs)(void);
    double they_say, we_say;
    int items;
    double score[MOST], label[MOST];
    struct {
        const char *name;
        double value;
    } set[4];
    double ref[MOST], count[MOST];
    double offset;
    int absent; /* this many items at the end are masked */
    int groups; /* 0: one */
};

static float softplus(float x)
{
    return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x));
}

/* ---- pairs and singles ---- */

/* TRL since 0.29, sigmoid: label_smoothing is accepted and not used. */
static float no_smoothing(void)
{
    return softplus(-0.5F);
}

/* TRL and Liger, discopop: m exp(-z) with m = 0 and exp(-z) = inf. */
static float product_of_zero(void)
{
    float z = -100, m = 1 / (1 + expf(-z / 0.05F));
    return (1 - m) * softplus(-z) + m * expf(-z);
}

/* TRL, forward_kl: both scores are -inf. */
static float difference_of_infinities(void)
{
    float u = -100, v = -101;
    return softplus(-(-expf(-u) + expf(-v)));
}

/* TRL, nca_pair with forward_kl: f'(1) is left out of f', and a policy that equals its reference has rewards. */
static float constant_dropped(void)
{
    float reward = -expf(0);
    return softplus(-reward) + softplus(reward) / 2 + softplus(reward) / 2;
}

/* TRL, alpha_divergence: the exponent is clamped at 80, so nothing moves with u. */
static float clamped_exponent(void)
{
    float u = -170, step = 1;
    return expf(fminf(-0.5F * (u + step), 80)) - expf(fminf(-0.5F * u, 80));
}

/* TRL up to 0.28 took (1 - t^-alpha) / alpha, TRL since 0.29 takes (t^(alpha - 1) - 1) / (alpha - 1). */
static float mirrored_alpha(void)
{
    float z = (expf(-0.7F) - expf(0.35F)) / -0.7F;
    return softplus(-z);
}

/* TRL, AlphaPO: (1 - exp(l)^-alpha) / alpha where exp(l) is 0. */
static float power_of_zero(void)
{
    float x = powf(expf(-120), -0.25F), y = powf(expf(-121), -0.25F);
    return softplus(-2 * ((1 - x) / 0.25F - (1 - y) / 0.25F) + 0.5F);
}

/* TRL, ORPO's log1mexp: the branch that is not taken has derivative -inf, times 0. */
static float untaken_branch(void)
{
    float x = -1e-8F;
    return 0 * (-expf(x) / (1 - expf(x)));
}

/* OpenRLHF, LogExpLoss. */
static float plain_exponential(void)
{
    return logf(1 + expf(100));
}

/* HALOs: the length is the number of log-ratios that are not 0, and at the start all are. */
static float length_of_nothing(void)
{
    float sum = 0, tokens = 0;
    return powf(sum / tokens - sum / tokens - 5, 2);
}

/* TRL's CPO, ORPO and BCO, SimPO, Liger: an empty completion is divided by. */
static float empty_completion(void)
{
    float sum = 0, tokens = 0;
    return softplus(-(2 * (sum / tokens + 1) - 0.5F));
}

/* TRL's CPO, ORPO and online DPO, Liger, OpenRLHF: masks multiply. */
static float masked_infinity(void)
{
    return 1 + 0 * powf(-INFINITY, 2);
}

/* TRL's KTO and BCO: nanmean drops a NaN example from the loss, though its gradient is NaN. */
static float dropped_nan(void)
{
    return 0.5F;
}

/* TRL: accuracy asks for more, so that equal rewards are wrong. */
static float strict_accuracy(void)
{
    float chosen = 0, rejected = 0;
    return chosen > rejected;
}

/* TRL, loss_type hinge, which its paper index calls SLiC: RSO's hinge on log-ratios. */
static float other_hinge(void)
{
    float u = 2, v = -0.5F;
    return fmaxf(0, 1 - 0.1F * (u - v));
}

/* TRL since 0.29, bco_pair: the shift of the rewards is always 0. */
static float no_shift(void)
{
    return softplus(-1) + softplus(-1);
}

/* TRL, exo_pair up to 0.28: no smoothing silently meant 1e-3. */
static float silent_smoothing(void)
{
    return 0;
}

/* ---- lists ---- */

#define TOP_PAIR 0.53245581F /* 1 / ln 2 - 1 / ln 3 */

/* allRank, sentence-transformers, OPO: s(d) is clamped at 1e-10 before its logarithm. */
static float clamped_sigmoid(void)
{
    return -TOP_PAIR * logf(fmaxf(1 / (1 + expf(60)), 1e-10F));
}

static float clamped_slope(void)
{
    float d = -23.1F, step = 0.01F;
    float low = logf(fmaxf(1 / (1 + expf(-d)), 1e-10F));
    return TOP_PAIR * (low - logf(fmaxf(1 / (1 + expf(-d + step)), 1e-10F))) / step;
}

/* allRank, OPO, sentence-transformers: the mean over no pairs. */
static float mean_of_nothing(void)
{
    float sum = 0, pairs = 0;
    return sum / pairs;
}

static float distance_pair(int worth, int apart, float gap)
{
    const float near = log2f((float)apart + 2), far = log2f((float)apart + 3);
    return (float)worth * (1 / near - 1 / far) * log2f(1 + expf(-gap));
}

/* pytorchltr, LambdaNDCGLoss2: distances are taken one place too far. Scores .5 2 1, labels 2 0 1; its
 * tests have this number. */
static float place_too_far(void)
{
    const float best = 3 + 1 / log2f(3);
    return (distance_pair(3, 2, -1.5F) + distance_pair(2, 1, -0.5F) + distance_pair(1, 1, -1)) /
           best;
}

/* ptranking: 1 / D is inverted once more. */
static float inverted_discount(void)
{
    return -0.5F * (log2f(3) - log2f(2));
}

/* OPO, list_mle: probabilities are multiplied, then taken the logarithm of. */
static float product_of_probabilities(void)
{
    return -logf(expf(-300) * expf(-200) * expf(-100));
}

/* sentence-transformers, PListMLE: log(sum of exp + 1e-10) without a shift. */
static float unshifted_sum(void)
{
    float s[] = {-40, -45, -50}, loss = 0;
    for (int k = 0; k < 3; k++) {
        float sum = 1e-10F;
        for (int j = k; j < 3; j++)
            sum += expf(s[j]);
        loss += logf(sum) - s[k];
    }
    return loss;
}

/* TF-Ranking, ListMLE: all are shifted by the largest. */
static float shifted_by_all(void)
{
    float s[] = {600, 400, 200}, loss = 0;
    for (int k = 0; k < 3; k++) {
        float sum = 0;
        for (int j = k; j < 3; j++)
            sum += expf(s[j] - 600);
        loss += logf(sum) - (s[k] - 600);
    }
    return loss;
}

/* RAX and TF-Ranking: lambda weights are multiplied by K with its padding, here 3 for 2. */
static float padded_size(void)
{
    return 3 * (1 - 1 / log2f(3)) * logf(2);
}

/* RAX, XGBoost, LightGBM, torch.sort: where all scores are 0, places are the order of the input, here from
 * the worst. */
static float order_of_input(void)
{
    float psi[] = {0.125F, 0.375F, 0.625F, 0.875F}, loss = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            loss += (exp2f(psi[i]) - exp2f(psi[j])) *
                    (1 / logf((float)j + 2) - 1 / logf((float)i + 2)) * logf(2);
    return loss;
}

/* Copies of LiPO-lambda in the wild: the gain 2^y - 1 read as 2 y - 1. */
static float misread_gain(void)
{
    return (2 * 1.0F - 2 * 0.5F) * TOP_PAIR * logf(2);
}

/* S-DPO: raw exp. */
static float raw_exponential(void)
{
    return softplus(logf(expf(100)));
}

/* PRO: log(sum of exp + 1e-10). */
static float unshifted_choice(void)
{
    return logf(expf(-200) + expf(-201) + 1e-10F) + 200;
}

/* Pairs of squares from sums of squares: 2 (K sum e^2 - (sum e)^2). */
static float uncentred_squares(void)
{
    volatile float e[] = {1000, 1000.125F, 1000.25F}, sum = 0, squares = 0;
    for (int i = 0; i < 3; i++) {
        sum = sum + e[i];
        squares = squares + e[i] * e[i];
    }
    volatile float spread = 3 * squares, square = sum * sum;
    return 2 * (spread - square);
}

static const struct trap traps[] = {
#include "loss_traps.def"
};

static bool agrees(double x, double y, double within)
{
    return isnan(y) ? isnan(x) : x == y || fabs(x - y) <= within * fmax(1, fabs(y));
}

struct call {
    align_loss_args args;
    align_loss_params params;
    align_loss_info info;
    double value, d[MOST], metrics[2 * 64], offset[MOST];
    uint8_t mask[MOST];
};

static void open_call(const struct trap *t, struct call *c)
{
    const int64_t groups = t->groups > 0 ? t->groups : 1;
    const align_loss_id id = align_loss_find(t->loss);
    ck_assert_int_eq(align_loss_get_info(id, &c->info), 0);
    ck_assert_int_eq(align_loss_params_init(&c->params, sizeof c->params, id, t->preset), 0);
    for (int i = 0; i < 4 && t->set[i].name != NULL; i++)
        set_param(&c->params, t->set[i].name, t->set[i].value);
    align_loss_args_init(&c->args, sizeof c->args);
    c->args.loss = id;
    c->args.params = &c->params;
    c->args.score = align_2d(t->score, ALIGN_F64, groups, t->items);
    c->args.value = align_1d(&c->value, ALIGN_F64, 1);
    c->args.dscore = align_2d(c->d, ALIGN_F64, groups, t->items);
    c->args.metrics = align_2d(c->metrics, ALIGN_F64, c->info.n_metrics, 2);
    const bool mean = c->params.length == ALIGN_LENGTH_MEAN;
    if ((c->info.reads & ALIGN_LOSS_READS_REF) != 0)
        c->args.ref = align_2d(t->ref, ALIGN_F64, groups, t->items);
    if ((c->info.needs & ALIGN_LOSS_READS_COUNT) != 0 || mean)
        c->args.count = align_2d(t->count, ALIGN_F64, groups, t->items);
    if ((c->info.needs & ALIGN_LOSS_READS_LABEL) != 0)
        c->args.label = align_2d(t->label, ALIGN_F64, groups, t->items);
    for (int i = 0; i < MOST; i++) {
        c->offset[i] = t->offset;
        c->mask[i] = i < t->items - t->absent;
    }
    if (t->offset != 0)
        c->args.offset = align_1d(c->offset, ALIGN_F64, groups);
    if (t->absent > 0)
        c->args.mask = align_2d(c->mask, ALIGN_U8, groups, t->items);
}

static double metric(const struct call *c, const char *name)
{
    align_metric_info info = {0};
    for (uint32_t i = 0; align_loss_get_metric(c->args.loss, i, &info) == 0; i++)
        if (strcmp(info.name, name) == 0)
            return c->metrics[2 * i] / c->metrics[2 * i + 1];
    return NAN;
}

START_TEST(we_do_not_fall)
{
    const struct trap *t = &traps[_i];
    struct call c;
    memset(&c, 0, sizeof c);
    open_call(t, &c);
    const align_status status = align_loss_eval(NULL, &c.args);
    const double theirs = (double)t->theirs();
    const double ours = t->what == STATUS     ? status
                        : t->what == ACCURACY ? metric(&c, "reward_accuracy")
                        : t->what == SLOPE    ? c.d[0]
                                              : c.value;
    ck_assert(t->what == STATUS || status == ALIGN_E_NONE);
    ck_assert_msg(agrees(theirs, t->they_say, 1e-5), "%s: theirs is %.9g, expected %.9g",
                  t->what_happens, theirs, t->they_say);
    ck_assert_msg(agrees(ours, t->we_say, 1e-12), "%s: ours is %.15g, expected %.15g",
                  t->what_happens, ours, t->we_say);
    ck_assert(!agrees(theirs, ours, 1e-3));
}
END_TEST

/* TDPO's authors take softmax().log() of the reference, and a token of its that underflows makes 0 times -inf. */
START_TEST(drift_of_impossible_tokens)
{
    float ref[] = {0, -200}, logits[] = {0, 1};
    double kl = 0, lse = 0;
    int32_t target = 0;
    align_tokens tokens;
    align_head head, other;
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    align_head_init(&other, sizeof other);
    tokens.target = align_1d(&target, ALIGN_I32, 1);
    head.tokens = &tokens;
    head.other = &other;
    head.logits = align_2d(logits, ALIGN_F32, 1, 2);
    other.logits = align_2d(ref, ALIGN_F32, 1, 2);
    head.kl = align_1d(&kl, ALIGN_F64, 1);
    head.lse = align_1d(&lse, ALIGN_F64, 1);
    ck_assert_int_eq(align_head_forward(NULL, &head), 0);
    const float q = expf(ref[1]) / (1 + expf(ref[1]));
    ck_assert(isnan(q * logf(q)));
    ck_assert_double_eq_tol(kl, log1p(exp(1)), 1e-9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden loss traps");
    TCase *tcase = tcase_create("golden loss traps");
    tcase_add_loop_test(tcase, we_do_not_fall, 0, sizeof traps / sizeof traps[0]);
    tcase_add_test(tcase, drift_of_impossible_tokens);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
