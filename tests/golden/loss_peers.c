/* Rows over pairs and singles against the code that people train with. Each number was made by running
 * the named function in PyTorch 1.13 (divergences but two: 2.15), in f64, on the three pairs below: the sum of the losses, and the
 * derivative of that sum by the first chosen and the first rejected log-probability.
 *   TRL: huggingface/trl f2cd5771, branches of DPOTrainer._compute_loss, KTOTrainer, CPOTrainer.cpo_loss,
 *        BCOTrainer.bco_loss
 *   turbo: turbo-llm/turbo-alignment 72e737d, the loss classes of trainers/dpo.py */
#include "../loss_set.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PAIRS = 3 };

static double score[2 * PAIRS] = {-12.5, -15, -30.25, -28.5, -7, -7.5};
static double ref[2 * PAIRS] = {-13, -14.25, -29, -30, -9.5, -7.25};
static double count[2 * PAIRS] = {10, 12, 24, 20, 6, 8};
static double kind[2 * PAIRS] = {1, 0, 1, 0, 1, 0};

struct peer {
    const char *loss, *source;
    double total, chosen, rejected;
    struct {
        const char *name;
        double value;
    } set[4];
    double offset;
    double zero; /* S(0) of the divergence, of rows in which it matters */
};

static const struct peer peers[] = {
    {"dpo", "TRL sigmoid", 2.03774037069637, -0.0468790626626244, 0.0468790626626244, {{0}}, 0},
    {"beta_dpo",
     "TRL sigmoid",
     2.03774037069637,
     -0.0468790626626244,
     0.0468790626626244,
     {{0}},
     0},
    {"dpo",
     "TRL sigmoid, forward_kl",
     2.12512004287199,
     -0.0280405127247317,
     0.0978710061123864,
     {{"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0},
    {"dpo",
     "TRL sigmoid, js_divergence",
     2.0773342962259,
     -0.0182516831055625,
     0.0328339578060797,
     {{"divergence", ALIGN_DIVERGENCE_JS}},
     0},
    {"hinge", "TRL hinge", 2.875, -0.1, 0.1, {{"beta", 0.1}}, 0},
    {"ipo",
     "TRL ipo",
     70.8961024305555,
     -0.9775,
     0.814583333333333,
     {{"length", ALIGN_LENGTH_MEAN}},
     0},
    {"exo", "TRL exo_pair", 8.08881497217415, -0.168883309605622, 0.168883309605622, {{0}}, 0},
    {"nca_pair",
     "TRL nca_pair, turbo NCA_PAIR",
     4.15592722059725,
     -0.0024812500390624,
     0.00249062504394507,
     {{0}},
     0},
    {"robust", "TRL robust", 2.02211537069637, -0.0593790626626244, 0.0593790626626244, {{0}}, 0},
    {"bco_pair",
     "TRL bco_pair",
     4.15276979966449,
     -0.0049875000260416,
     0.00498125008789013,
     {{0}},
     0},
    {"sppo", "TRL sppo_hard", 1498760.9375, -999, 998.5, {{0}}, 0},
    {"aot",
     "TRL aot",
     2.07446732279617,
     -0.00396875040689468,
     0.00396875040689468,
     {{"label_smoothing", 0.1}},
     0},
    {"aot_unpaired",
     "TRL aot_unpaired",
     2.07446419785802,
     -0.00398125008789013,
     0.0040124999739584,
     {{"label_smoothing", 0.1}},
     0},
    {"apo_zero",
     "TRL apo_zero",
     2.96897443096945,
     -0.0249843815081116,
     0.0249648766827394,
     {{0}},
     0},
    {"apo_down",
     "TRL apo_down",
     3.0122551506225,
     8.17840067498972e-05,
     0.0249025975013617,
     {{0}},
     0},
    {"discopop",
     "TRL discopop",
     2.52182594328234,
     0.00605095985014426,
     -0.00605095985014426,
     {{0}},
     0},
    {"sigmoid_norm",
     "TRL sigmoid_norm",
     1.61263968937544,
     -0.181484602759808,
     0.151237168966507,
     {{0}},
     0},
    {"cpo",
     "TRL CPO sigmoid, without its likelihood",
     2.04136949855518,
     -0.0337823499114202,
     0.0337823499114202,
     {{"lambda", 0}, {"label_smoothing", 0.1}},
     0},
    {"tpo",
     "TRL TPOTrainer sigmoid, without its likelihood",
     2.04136949855518,
     -0.0337823499114202,
     0.0337823499114202,
     {{"beta", 0.1}, {"lambda", 0}, {"label_smoothing", 0.1}},
     0},
    {"simpo", "TRL CPO simpo", 3.03925708184834, -0.124491866240371, 0.103743221866976, {{0}}, 0},
    {"alpha_po",
     "TRL CPO simpo, alpha .25",
     3.07173472681528,
     -0.170160206144872,
     0.141800171787393,
     {{0}},
     0},
    {"slic", "turbo SLIC_HF", 3.25, 0, 0, {{0}}, 0},
    {"orpo", "turbo ORPO", 3.89370161551506, -0.107007755592465, 0.00583979632705422, {{0}}, 0},
    {"asft", "turbo ASFT", 8.46378429885191, -0.2, 0.0334625932077511, {{0}}, 0},
    {"dpop", "turbo DPOP", 20.4615399294191, -0.122200020013779, 0.122200020013779, {{0}}, 0},
    {"cal_dpo",
     "turbo CAL_DPO, a pair at a time",
     151.563364259352,
     -9.22270013882531,
     8.72270013882531,
     {{"beta", 0.1}, {"lambda", 1}},
     0},
    {"kto",
     "TRL kto, z0 .75",
     2.96877716763075,
     -0.024996094156865,
     0.0248599006677543,
     {{0}},
     0.075},
    {"apo_zero_single",
     "TRL apo_zero_unpaired",
     2.96897443096945,
     -0.0249843815081116,
     0.0249648766827394,
     {{0}},
     0},
    {"bco",
     "TRL bco, delta .25",
     4.14266924582273,
     -0.0549833997312478,
     0.041945769517934,
     {{0}},
     0.25},
    {"ipo",
     "TRL ipo, forward_kl",
     73.7698726647103,
     -0.5924878249246,
     1.72332142258955,
     {{"length", ALIGN_LENGTH_MEAN}, {"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0,
     -1},
    {"ipo",
     "TRL ipo, js_divergence",
     74.1639547393457,
     -0.373966751631765,
     0.560624485649577,
     {{"length", ALIGN_LENGTH_MEAN}, {"divergence", ALIGN_DIVERGENCE_JS}},
     0,
     -0.69314718055994531},
    {"ipo",
     "TRL ipo, alpha_divergence",
     73.3938142746707,
     -0.765290394357683,
     1.19145890460038,
     {{"length", ALIGN_LENGTH_MEAN}, {"divergence", ALIGN_DIVERGENCE_ALPHA}},
     0,
     -2},
    {"sigmoid_norm",
     "TRL sigmoid_norm, forward_kl",
     1.92118941743505,
     -0.108934305987789,
     0.316848406442061,
     {{"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0,
     -1},
    {"sigmoid_norm",
     "TRL sigmoid_norm, js_divergence",
     1.90788189011859,
     -0.0832685118011334,
     0.124830259362958,
     {{"divergence", ALIGN_DIVERGENCE_JS}},
     0,
     -0.69314718055994531},
    {"sigmoid_norm",
     "TRL sigmoid_norm, alpha_divergence",
     1.8302734661869,
     -0.153129775129704,
     0.238403402790479,
     {{"divergence", ALIGN_DIVERGENCE_ALPHA}},
     0,
     -2},
    {"bco_pair",
     "TRL bco_pair, forward_kl",
     4.16189130590683,
     -0.00304185025639771,
     0.0104729620406043,
     {{"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0,
     -1},
    {"bco_pair",
     "TRL bco_pair, js_divergence",
     4.15839271824065,
     -0.00189217791915199,
     0.00337659023950818,
     {{"divergence", ALIGN_DIVERGENCE_JS}},
     0,
     -0.69314718055994531},
    {"bco_pair",
     "TRL bco_pair, alpha_divergence",
     4.1580036746263,
     -0.00392432983522513,
     0.00716911454110969,
     {{"divergence", ALIGN_DIVERGENCE_ALPHA}},
     0,
     -2},
    {"hinge",
     "TRL hinge, forward_kl",
     3.05548030223495,
     -0.0606530659712633,
     0.211700001661267,
     {{"beta", 0.1}, {"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0,
     0},
    {"exo",
     "TRL exo_pair, js_divergence",
     8.26795611734308,
     -0.064493086406683,
     0.116020164585014,
     {{"divergence", ALIGN_DIVERGENCE_JS}},
     0,
     0},
    {"discopop",
     "TRL discopop, alpha_divergence",
     2.54307935453864,
     0.00214672710832602,
     -0.00401061424184026,
     {{"divergence", ALIGN_DIVERGENCE_ALPHA}},
     0,
     0},
    {"robust",
     "TRL robust, forward_kl",
     2.13205508065136,
     -0.0356221459711396,
     0.124333506320045,
     {{"divergence", ALIGN_DIVERGENCE_FORWARD_KL}},
     0,
     0},
    {"dpo",
     "TRL sigmoid, alpha_divergence",
     2.08232115786423,
     -0.0363109559845997,
     0.0678377967287278,
     {{"divergence", ALIGN_DIVERGENCE_ALPHA}},
     0,
     0},
};

/* S(0), which TRL before 1.10 leaves in every score: where it does not cancel, an offset puts it there. */
static double left_in(const struct peer *p, const align_loss_params *params, int64_t g)
{
    const double beta = strcmp(p->loss, "ipo") == 0 ? 1 : params->beta;
    const bool paired = strcmp(p->loss, "bco_pair") != 0;
    return -p->zero * beta * (paired ? 1 / count[2 * g] - 1 / count[2 * g + 1] : 1);
}

START_TEST(rows_agree_with_their_peers)
{
    const struct peer *p = &peers[_i];
    double value = 0, d[2 * PAIRS], offset[2 * PAIRS];
    align_loss_args a;
    align_loss_params params;
    align_loss_info info = {0};
    align_loss_id id = align_loss_find(p->loss);
    ck_assert_int_eq(align_loss_get_info(id, &info), 0);
    ck_assert_int_eq(align_loss_params_init(&params, sizeof params, id, NULL), 0);
    for (int i = 0; p->set[i].name != NULL; i++)
        set_param(&params, p->set[i].name, p->set[i].value);
    const int64_t k = info.arity, g = 2 * PAIRS / k;
    align_loss_args_init(&a, sizeof a);
    a.loss = id;
    a.params = &params;
    a.denom = 1;
    a.score = align_2d(score, ALIGN_F64, g, k);
    a.dscore = align_2d(d, ALIGN_F64, g, k);
    a.value = align_1d(&value, ALIGN_F64, 1);
    if ((info.reads & ALIGN_LOSS_READS_REF) != 0)
        a.ref = align_2d(ref, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_LABEL) != 0)
        a.label = align_2d(kind, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_COUNT) != 0 || params.length == ALIGN_LENGTH_MEAN)
        a.count = align_2d(count, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_AUX) != 0)
        a.aux = align_2d(count, ALIGN_F64, g, k);
    for (int i = 0; i < 2 * PAIRS; i++)
        offset[i] = p->offset + (p->zero != 0 ? left_in(p, &params, i % PAIRS) : 0);
    if (p->offset != 0 || p->zero != 0)
        a.offset = align_1d(offset, ALIGN_F64, g);
    ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
    const double got[] = {value, d[0], d[1]}, wanted[] = {p->total, p->chosen, p->rejected};
    for (int i = 0; i < 3; i++)
        ck_assert_msg(fabs(got[i] - wanted[i]) <= 4e-14 * fmax(fabs(wanted[i]), 0.1),
                      "%s: %.15g, %s has %.15g", p->loss, got[i], p->source, wanted[i]);
}
END_TEST

/* Losses that are known functions of PyTorch, TDPO's tdpo_loss (Vance0124/Token-level-Direct-Preference-
 * Optimization d6d9dc1), the two losses of openai/weak-to-strong 15a0fab (their class 0 is our yes), and one
 * point of the cumulative-logit model of R's ordinal::clm: thresholds -1, 1 and z = .6. */
struct call {
    const char *loss, *source;
    int items; /* of a group; 4 numbers in all */
    double total, first, second;
    struct {
        const char *name;
        double value;
    } set[4];
    double scale, offset;
};

static double x[] = {1.2, -.4, .1, 2.5}, y[] = {.9, .3, .6, .2}, ones[] = {1, 1, 1, 1};
static double logits[] = {1.5, -1.3, -.1, 3}, strengths[] = {.6, 0, .6, 0};

static const struct call calls[] = {
    {"bce",
     "binary_cross_entropy_with_logits, pos_weight 3",
     1,
     5.606133592557837,
     -0.5481306062027507,
     -0.2579002561799232,
     {{"desirable", 3}},
     1,
     0},
    {"sft", "nll_loss of one class", 1, -3.4, -1, -1, {{0}}, 1, 0},
    {"mse", "mse_loss", 1, 6.12, .6, -1.4, {{0}}, 1, 0},
    {"listnet",
     "cross_entropy with softmax targets",
     4,
     2.0253756173164597,
     -0.16675232267060558,
     -0.15817795817807226,
     {{0}},
     1,
     0},
    {"info_nca",
     "cross_entropy with softmax targets",
     4,
     1.5540869884512785,
     -0.11163605820790962,
     -0.014833985973389523,
     {{"beta", .5}, {"temperature", .5}},
     1,
     0},
    {"s_dpo",
     "cross_entropy with a class",
     4,
     1.6494399105570845,
     -0.8078424961242441,
     0.03879593093905965,
     {{0}},
     1,
     0},
    {"sppo_list", "mse_loss", 4, 41.46, -5.6, 3.2, {{"beta", .1}}, 1, 0},
    {"mse_pair", "mse_loss", 2, 11.92, 1.2, -1.2, {{0}}, 1, 0},
    {"rpo_sq", "mse_loss", 2, 4.16, -.4, .4, {{"beta", .5}, {"eta", 2}}, 1, 0},
    {"rpo_bwd",
     "kl_div",
     2,
     0.48735887565483177,
     -0.039275151185702614,
     0.039275151185702614,
     {{"beta", .5}, {"eta", 2}},
     1,
     0},
    {"rpo_fwd",
     "kl_div",
     2,
     0.46105977454699026,
     -0.042781939304058866,
     0.042781939304058866,
     {{"beta", .5}, {"eta", 2}},
     1,
     0},
    {"slic_margin", "margin_ranking_loss", 2, 3.2, 0, 0, {{"beta", 2}}, 1, 0},
    {"rrhf", "margin_ranking_loss", 2, 2.4, 0, 0, {{"lambda", 0}}, 1, 0},
    {"w2s_product",
     "product_loss_fn, alpha .7, beta 1.3",
     1,
     0.3765363600435496,
     -0.03819289187735191,
     0.030408353514610315,
     {{"alpha", .7}, {"beta", 1.3}},
     .25,
     0},
    {"w2s_confidence",
     "logconf_loss_fn behind its warm-up",
     1,
     0.6588514358657644,
     -0.033106380951589076,
     0.01604125423936035,
     {{0}},
     .25,
     0.6028043912581079},
    {"bt_ties_rk",
     "ordinal::clm, P = .401312339888",
     2,
     0.9130152523988,
     -.598687660112,
     .598687660112,
     {{0}},
     .5,
     0},
    {"ordinal",
     "ordinal::clm, P = .401312339888",
     2,
     0.9130152523988,
     -.598687660112,
     .598687660112,
     {{"levels", 1}, {"threshold1", 1}},
     .5,
     0},
};

static void open_call(const struct call *c, align_loss_args *a, align_loss_params *params)
{
    align_loss_info info = {0};
    align_loss_id id = align_loss_find(c->loss);
    const int64_t k = c->items, g = 4 / k;
    const bool weak = strncmp(c->loss, "w2s", 3) == 0, ties = strstr(c->source, "clm") != NULL;
    ck_assert_int_eq(align_loss_get_info(id, &info), 0);
    ck_assert_int_eq(align_loss_params_init(params, sizeof *params, id, NULL), 0);
    for (int i = 0; c->set[i].name != NULL; i++)
        set_param(params, c->set[i].name, c->set[i].value);
    align_loss_args_init(a, sizeof *a);
    a->loss = id;
    a->params = params;
    a->denom = 1;
    a->scale = c->scale;
    a->score = align_2d(weak ? logits : ties ? strengths : x, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_LABEL) != 0)
        a->label = align_2d(ties ? kind : y, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_COUNT) != 0)
        a->count = align_2d(ones, ALIGN_F64, g, k);
}

START_TEST(rows_agree_with_known_functions)
{
    const struct call *c = &calls[_i];
    align_loss_args a;
    align_loss_params params;
    double value = 0, d[4], offset[] = {c->offset, c->offset, c->offset, c->offset};
    open_call(c, &a, &params);
    a.value = align_1d(&value, ALIGN_F64, 1);
    a.dscore = a.score;
    a.dscore.data = d;
    if (c->offset != 0)
        a.offset = align_1d(offset, ALIGN_F64, 4 / c->items);
    ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
    /* The model's point is given to 12 digits. */
    const double within = strstr(c->source, "clm") != NULL ? 2e-12 : 4e-14;
    const double share = strstr(c->source, "clm") != NULL ? 2 : 1;
    ck_assert_msg(fabs(value - c->total) <= within * fmax(1, c->total), "%s: %.15g", c->loss,
                  value);
    ck_assert_msg(fabs(share * d[0] - c->first) <= within, "%s: %.15g", c->loss, d[0]);
    ck_assert_msg(fabs(share * d[1] - c->second) <= within, "%s: %.15g", c->loss, d[1]);
}
END_TEST

/* chosen and rejected KL of the three pairs: .3 .6, .8 .2, .05 .4. */
START_TEST(tdpo_agrees_with_its_authors)
{
    const double wanted[2][5] = {
        {2.0354531972964836, -0.04725276956554063, 0.04725276956554063, 0, 0.023626384782770314},
        {2.033519059045596, -0.047626784587343894, 0.047626784587343894, -0.047626784587343894,
         0.047626784587343894}};
    double aux[] = {.3, .6, .8, .2, .05, .4};
    for (int form = 0; form < 2; form++) {
        double value = 0, d[2 * PAIRS], daux[2 * PAIRS];
        align_loss_args a;
        align_loss_params params;
        ck_assert_int_eq(align_loss_params_init(&params, sizeof params, ALIGN_LOSS_TDPO,
                                                form == 0 ? NULL : "tdpo1"),
                         0);
        align_loss_args_init(&a, sizeof a);
        a.loss = ALIGN_LOSS_TDPO;
        a.params = &params;
        a.denom = 1;
        a.score = align_2d(score, ALIGN_F64, PAIRS, 2);
        a.ref = align_2d(ref, ALIGN_F64, PAIRS, 2);
        a.aux = align_2d(aux, ALIGN_F64, PAIRS, 2);
        a.value = align_1d(&value, ALIGN_F64, 1);
        a.dscore = align_2d(d, ALIGN_F64, PAIRS, 2);
        a.daux = align_2d(daux, ALIGN_F64, PAIRS, 2);
        ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
        const double got[] = {value, d[0], d[1], daux[0], daux[1]};
        for (int i = 0; i < 5; i++)
            ck_assert_msg(fabs(got[i] - wanted[form][i]) <= 2e-15, "%d, %d: %.17g", form, i,
                          got[i]);
    }
}
END_TEST

/* TRL's defaults of these loss types, and means where it has means: DPOConfig, CPOConfig and GRPOConfig of 0.28 and of
 * f2cd5771; the project's reference on pairs has what changed between them. */
START_TEST(presets_pin_meanings)
{
    static const struct {
        const char *loss, *preset;
        size_t offset;
        double value;
    } rows[] = {
#define BETA offsetof(align_loss_params, beta)
        {"hinge", "trl-1.10", BETA, .1},
        {"discopop", "trl-0.28", BETA, .1},
        {"nca_pair", "trl-1.10", BETA, .1},
        {"bco_pair", "trl-0.28", BETA, .1},
        {"sppo", "trl-1.10", BETA, .1},
        {"aot", "trl-1.10", BETA, .1},
        {"aot_unpaired", "trl-1.10", BETA, .1},
        {"simpo", "trl-1.10", BETA, .1},
        {"alpha_po", "trl-1.10", BETA, .1},
        {"sigmoid_norm", "trl-1.10", BETA, .1},
        {"sigmoid_norm", "paper", BETA, 5},
        {"sppo", "paper", BETA, .001},
        {"robust", "trl-1.10", offsetof(align_loss_params, noise), 0},
        {"robust", "paper", offsetof(align_loss_params, noise), .1},
        {"dpo", "trl-0.28", offsetof(align_loss_params, order), 1},
        {"dpo", "trl-1.10", offsetof(align_loss_params, order), .5},
        {"grpo", "trl-1.10", offsetof(align_loss_params, kl_coef), 0},
        {"grpo", "paper", offsetof(align_loss_params, kl_coef), .04},
    };
    static const char *const means[] = {"ipo", "cpo"}, *const versions[] = {"trl-0.28", "trl-1.10"};
    align_loss_params p;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value;
        ck_assert_int_eq(
            align_loss_params_init(&p, sizeof p, align_loss_find(rows[i].loss), rows[i].preset), 0);
        memcpy(&value, (const char *)&p + rows[i].offset, sizeof value);
        ck_assert_msg(value == rows[i].value, "%s: %g", rows[i].loss, value);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(
            align_loss_params_init(&p, sizeof p, align_loss_find(means[i / 2]), versions[i % 2]),
            0);
        ck_assert_int_eq(p.length, ALIGN_LENGTH_MEAN);
    }
    ck_assert_int_eq(align_loss_params_init(&p, sizeof p, ALIGN_LOSS_SIGMOID_NORM, "trl-0.28"),
                     ALIGN_E_ARG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden loss peers");
    TCase *tcase = tcase_create("golden loss peers");
    tcase_add_loop_test(tcase, rows_agree_with_their_peers, 0, sizeof peers / sizeof peers[0]);
    tcase_add_loop_test(tcase, rows_agree_with_known_functions, 0, sizeof calls / sizeof calls[0]);
    tcase_add_test(tcase, tdpo_agrees_with_its_authors);
    tcase_add_test(tcase, presets_pin_meanings);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
