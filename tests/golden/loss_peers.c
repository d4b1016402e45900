/* Rows over pairs and singles against the code that people train with. Each number was made by running
 * the named function in PyTorch 1.13, in f64, on the three pairs below: the sum of the losses, and the
 * derivative of that sum by the first chosen and the first rejected log-probability.
 *   TRL: huggingface/trl f2cd5771, branches of DPOTrainer._compute_loss, KTOTrainer, CPOTrainer.cpo_loss,
 *        BCOTrainer.bco_loss
 *   turbo: turbo-llm/turbo-alignment 72e737d, the loss classes of trainers/dpo.py */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
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
};

static const struct peer peers[] = {
    {"dpo", "TRL sigmoid", 2.03774037069637, -0.0468790626626244, 0.0468790626626244, {{0}}, 0},
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
    {"apo_down", "TRL apo_down", 3.0122551506225, 8.17840067498972e-05, 0.0249025975013617, {{0}}, 0},
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
    {"kto", "TRL kto, z0 .75", 2.96877716763075, -0.024996094156865, 0.0248599006677543, {{0}}, 0.075},
    {"apo_zero_single",
     "TRL apo_zero_unpaired",
     2.96897443096945,
     -0.0249843815081116,
     0.0249648766827394,
     {{0}},
     0},
    {"bco", "TRL bco, delta .25", 4.14266924582273, -0.0549833997312478, 0.041945769517934, {{0}}, 0.25},
};

static void set_param(align_loss_params *params, const char *name, double value)
{
    align_param_info info = {0};
    for (uint32_t i = 0; align_loss_get_param(params->loss, i, &info) == 0; i++)
        if (strcmp(info.name, name) == 0) {
            int32_t choice = (int32_t)value;
            char *at = (char *)params + info.offset;
            if (info.dtype == ALIGN_I32)
                memcpy(at, &choice, sizeof choice);
            else
                memcpy(at, &value, sizeof value);
            return;
        }
    ck_abort_msg("no parameter %s", name);
}

START_TEST(rows_agree_with_their_peers)
{
    const struct peer *p = &peers[_i];
    double value, d[2 * PAIRS], offset[2 * PAIRS];
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
    for (int i = 0; i < 2 * PAIRS; i++)
        offset[i] = p->offset;
    if (p->offset != 0)
        a.offset = align_1d(offset, ALIGN_F64, g);
    ck_assert_int_eq(align_loss_eval(NULL, &a), 0);
    const double got[] = {value, d[0], d[1]}, wanted[] = {p->total, p->chosen, p->rejected};
    for (int i = 0; i < 3; i++)
        ck_assert_msg(fabs(got[i] - wanted[i]) <= 4e-14 * fmax(fabs(wanted[i]), 0.1),
                      "%s: %.15g, %s has %.15g", p->loss, got[i], p->source, wanted[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden loss peers");
    TCase *tcase = tcase_create("golden loss peers");
    tcase_add_loop_test(tcase, rows_agree_with_their_peers, 0, sizeof peers / sizeof peers[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
