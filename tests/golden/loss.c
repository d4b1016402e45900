/* Losses against numbers that were made elsewhere. Each test says where its numbers come from. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <string.h>

enum { MOST = 64 };

struct eval {
    align_loss_args args;
    align_loss_params params;
    double value, d[MOST];
};

static void open_eval(struct eval *e, const char *name, const char *preset)
{
    memset(e, 0, sizeof *e);
    align_loss_args_init(&e->args, sizeof e->args);
    e->args.loss = align_loss_find(name);
    ck_assert_msg(e->args.loss > 0, "no row %s", name);
    ck_assert_int_eq(align_loss_params_init(&e->params, sizeof e->params, e->args.loss, preset), 0);
    e->args.params = &e->params;
    e->args.denom = 1;
    e->args.value = align_1d(&e->value, ALIGN_F64, 1);
}

static void run(struct eval *e)
{
    align_error error;
    align_exec exec;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    e->args.dscore = e->args.score;
    e->args.dscore.data = e->d;
    align_status status = align_loss_eval(&exec, &e->args);
    ck_assert_msg(status == 0, "%s", error.text);
}

static void near(double got, double wanted, double within, const char *what)
{
    ck_assert_msg(fabs(got - wanted) <= within * fmax(1, fabs(wanted)), "%s: %.15g, expected %.15g",
                  what, got, wanted);
}

static double v1_score[] = {0, 3, 1, 2}, v1_label[] = {0, 0, 1, 1};
static double v2_score[] = {.12, -.40, .33, .05, -.11, .27, -.08, .02};
static double v2_label[] = {.6875, .0625, .9375, .4375, .3125, .8125, .1875, .5625};

struct vector {
    const char *loss, *preset;
    double v1, v2;
    double gradient[8]; /* of V2; NAN: not published */
};

/* V1 and V2 of the project's list reference: evaluated there in f64 and confirmed by running allRank and
 * RAX on the same input. */
static const struct vector vectors[] = {
    {"pair_logistic",
     NULL,
     3.880379397122,
     16.016758825100,
     {-1.313036, 2.671101, -2.902113, .548690, 1.232748, -2.018616, 2.291851, -.510624}},
    {"pair_hinge", NULL, 5, 20.48, {-3, 7, -7, 1, 3, -5, 5, -1}},
    {"lipo_lambda",
     NULL,
     2.301508226698,
     2.527102384976,
     {-.051087662, .487836306, -1.322934448, .228186794, .394477397, -.367017266, .450197012,
      .180341867}},
    {"lipo_lambda", "rax", 1.595283938371, .500472540895, {NAN}},
    {"list_mle",
     NULL,
     6.837789266903,
     9.370644211410,
     {-.506273, 1.319793, -.834195, -.012224, .201605, -.656665, .817524, -.329566}},
    {"softmax",
     NULL,
     1.940189698561,
     1.984441873766,
     {-.037476, .064278, -.068570, .015938, .028660, -.046976, .063162, -.019016}},
    {"lipo_lambda", "allrank", 1.411163308326, 1.155839912815, {NAN}},
    {"ndcg_loss2", NULL, .549010890532, .268606051181, {NAN}},
    {"ndcg_loss2pp", NULL, 6.468252773798, 3.487227688559, {NAN}},
    {"ndcg_loss2pp", "allrank", 9.331716199975, 5.031006092735, {NAN}},
    {"approx_ndcg", NULL, -.693426403489, -.869866484940, {NAN}},
    {"approx_ndcg", "allrank", -.687015391386, -.678456649173, {NAN}},
    {"neural_ndcg", NULL, -.785125664161, -.893717352360, {NAN}},
    {"point_mse", NULL, 10, 1.893850, {NAN}},
    {"point_sigmoid", NULL, 4.181924230695, 5.122154561392, {NAN}},
};

START_TEST(lists_agree_with_v1_and_v2)
{
    const struct vector *v = &vectors[_i];
    struct eval e;
    open_eval(&e, v->loss, v->preset);
    e.params.beta = 1;
    e.args.score = align_2d(v1_score, ALIGN_F64, 1, 4);
    e.args.label = align_2d(v1_label, ALIGN_F64, 1, 4);
    run(&e);
    near(e.value, v->v1, 1e-12, v->loss);
    e.args.score = align_2d(v2_score, ALIGN_F64, 1, 8);
    e.args.label = align_2d(v2_label, ALIGN_F64, 1, 8);
    run(&e);
    near(e.value, v->v2, 1e-12, v->loss);
    for (int i = 0; i < 8 && !isnan(v->gradient[0]); i++)
        near(e.d[i], v->gradient[i], 5.1e-7, v->loss);
}
END_TEST

/* The gradient of the run that the paper made is that of Eq. 8 times 2 ln 2 / (K - 1). */
START_TEST(lipo_as_run_is_a_multiple_of_lipo)
{
    struct eval paper, rax;
    open_eval(&paper, "lipo_lambda", NULL);
    open_eval(&rax, "lipo_lambda", "rax");
    paper.params.beta = rax.params.beta = 1;
    paper.args.score = rax.args.score = align_2d(v2_score, ALIGN_F64, 1, 8);
    paper.args.label = rax.args.label = align_2d(v2_label, ALIGN_F64, 1, 8);
    run(&paper);
    run(&rax);
    for (int i = 0; i < 8; i++)
        near(rax.d[i], 2 * log(2) / 7 * paper.d[i], 1e-14, "gradient");
}
END_TEST

/* Breslow on V1, and the example of one tie of three among five items, of the same reference. */
START_TEST(orders_with_ties)
{
    struct eval e;
    open_eval(&e, "list_mle", NULL);
    e.params.beta = 1;
    e.params.label_ties = ALIGN_LABEL_TIES_BRESLOW;
    e.args.score = align_2d(v1_score, ALIGN_F64, 1, 4);
    e.args.label = align_2d(v1_label, ALIGN_F64, 1, 4);
    run(&e);
    near(e.value, 6.977554100270, 1e-12, "Breslow");
}
END_TEST

/* Scores 0..999: the worst and the best order (the project's list reference; exact by log-add-exp). A
 * log-sum-exp shifted by one global maximum gives inf in f32. */
START_TEST(wide_lists_do_not_overflow)
{
    static double score[1000], label[1000], d[1000], scratch[40 * 1000];
    const double wanted[] = {499957.990817, 457.990817};
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    for (int best = 0; best < 2; best++) {
        struct eval e;
        open_eval(&e, "list_mle", NULL);
        e.params.beta = 1;
        for (int i = 0; i < 1000; i++) {
            score[i] = i;
            label[i] = best != 0 ? i : -i;
        }
        e.args.score = align_2d(score, ALIGN_F64, 1, 1000);
        e.args.label = align_2d(label, ALIGN_F64, 1, 1000);
        e.args.dscore = align_2d(d, ALIGN_F64, 1, 1000);
        ck_assert_int_eq(align_loss_eval(&exec, &e.args), 0);
        near(e.value, wanted[best], 2e-9, "value");
    }
}
END_TEST

/* allRank, tests/losses/test_lambdaloss.py and test_listmle.py: y_pred = y_true = .5 .3 .5;
 * computed in f32 there. */
START_TEST(lists_agree_with_allrank)
{
    double y[] = {.5, .3, .5}, score[] = {.5, .3}, label[] = {1, 0};
    struct eval e;
    open_eval(&e, "ndcg_loss2pp", "allrank");
    e.args.score = e.args.label = align_2d(y, ALIGN_F64, 1, 3);
    run(&e);
    near(e.value, 1.1244146823, 1e-7, "ndcgLoss2PP");
    open_eval(&e, "pair_logistic", NULL);
    e.params.beta = 1;
    e.args.score = e.args.label = align_2d(y, ALIGN_F64, 1, 3);
    run(&e);
    near(e.value, 1.1962778568, 2e-7, "rankNet, natural");
    open_eval(&e, "list_mle", NULL);
    e.params.beta = 1;
    e.args.score = align_2d(score, ALIGN_F64, 1, 2);
    e.args.label = align_2d(label, ALIGN_F64, 1, 2);
    run(&e);
    near(e.value, .5981389284, 1e-7, "listMLE");
}
END_TEST

/* TF-Ranking, losses_impl_test.py and the doctests of keras/losses.py. */
START_TEST(lists_agree_with_tf_ranking)
{
    double score[] = {1, 3, 2}, label[] = {0, 0, 1}, y[] = {1, 0}, pred[] = {.6, .8};
    const struct {
        const char *loss, *preset;
        double three, two; /* NAN: not published. Theirs are means over pairs */
    } rows[] = {
        {"pair_hinge", NULL, 1 * 2, .6 * 2},   {"pair_logistic", NULL, .813262 * 2, .39906943 * 2},
        {"softmax", NULL, 1.407606, .7981389}, {"list_mle", NULL, NAN, .7981389},
        {"pair_mse", NULL, NAN, 1.44 * 2},     {"approx_ndcg", "rax", -.63093, NAN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct eval e;
        open_eval(&e, rows[i].loss, rows[i].preset);
        e.params.beta = 1;
        e.args.score = align_2d(score, ALIGN_F64, 1, 3);
        e.args.label = align_2d(label, ALIGN_F64, 1, 3);
        run(&e);
        if (!isnan(rows[i].three))
            near(e.value, rows[i].three, 2e-6, rows[i].loss);
        e.args.score = align_2d(pred, ALIGN_F64, 1, 2);
        e.args.label = align_2d(y, ALIGN_F64, 1, 2);
        run(&e);
        if (!isnan(rows[i].two))
            near(e.value, rows[i].two, 1e-6, rows[i].loss);
    }
}
END_TEST

/* The same: scores 1 2 3, labels 0 0 2, and the ragged list 1 3, labels 0 2. RAX's docstring:
 * the metric that the loss is minus of, at scores 1 3 2, labels 0 0 1. They compute in f32. */
START_TEST(approx_ndcg_agrees_with_its_libraries)
{
    double score[] = {1, 2, 3}, label[] = {0, 0, 2}, short_score[] = {1, 3}, short_label[] = {0, 2};
    double rax_score[] = {1, 3, 2}, rax_label[] = {0, 0, 1};
    struct eval e;
    open_eval(&e, "approx_ndcg", "rax");
    e.args.score = align_2d(score, ALIGN_F64, 1, 3);
    e.args.label = align_2d(label, ALIGN_F64, 1, 3);
    run(&e);
    near(e.value, -.796248, 1e-6, "TF-Ranking");
    e.args.score = align_2d(short_score, ALIGN_F64, 1, 2);
    e.args.label = align_2d(short_label, ALIGN_F64, 1, 2);
    run(&e);
    near(e.value, -.922917, 1e-6, "TF-Ranking, ragged");
    e.args.score = align_2d(rax_score, ALIGN_F64, 1, 3);
    e.args.label = align_2d(rax_label, ALIGN_F64, 1, 3);
    run(&e);
    near(e.value, -.63092977, 1e-7, "RAX");
    near(e.d[0], .03763788, 1e-7, "RAX");
    near(e.d[1], .03763788, 1e-7, "RAX");
    near(e.d[2], -.07527576, 1e-7, "RAX");
}
END_TEST

/* XGBoost, tests/cpp/objective/test_lambdarank_obj.cc, TestNDCGGPair: two groups of weights 2 and 0, computed in f32.
 * Its second derivatives are twice ours. */
START_TEST(lists_agree_with_xgboost)
{
    double score[] = {0, .1, 0, .1}, label[] = {0, 1, 0, 1}, weight[] = {2, 0}, h[4];
    struct eval e;
    open_eval(&e, "lipo_lambda", "xgb");
    e.args.score = align_2d(score, ALIGN_F64, 2, 2);
    e.args.label = align_2d(label, ALIGN_F64, 2, 2);
    e.args.weight = align_1d(weight, ALIGN_F64, 2);
    e.args.hscore = align_2d(h, ALIGN_F64, 2, 2);
    run(&e);
    const double d[] = {2.06611, -2.06611, 0, 0}, curve[] = {2.169331, 2.169331, 0, 0};
    for (int i = 0; i < 4; i++) {
        near(e.d[i], d[i], 5e-6, "gradient");
        near(2 * h[i], curve[i], 5e-7, "second derivative");
    }
}
END_TEST

/* LightGBM 4.7.0, objective lambdarank, on the scores of V2 with their labels as places from the bottom. Its derivatives
 * of item i come from trees of two leaves, that item alone in one: -g / h without and -g / (h + 1) with lambda_l2 1.
 * It sums in f32 and takes sigmoids from a table. Of item 1 it grows no tree. */
START_TEST(lists_agree_with_lightgbm)
{
    static const struct {
        int32_t truncation;
        double d[8], curve[8];
    } runs[] = {
        {30,
         {.141337574, NAN, -1.292696714, .27108258, .205194384, .125207335, .221363425, .219729364},
         {.165754989, NAN, .73481977, .159303144, .124382481, .288468063, .131036475, .146220371}},
        {3,
         {.146030918, NAN, -1.335622907, .277542293, .20671016, .129365057, .220640227, .246688724},
         {.171259165, NAN, .75922066, .156315744, .124259375, .298047155, .131045625, .140859544}},
    };
    double label[] = {5, 0, 7, 3, 2, 6, 1, 4}, h[8];
    for (int k = 0; k < 2; k++) {
        struct eval e;
        open_eval(&e, "lipo_lambda", "lgb");
        ck_assert_int_eq(e.params.top_n, 30);
        e.params.top_n = runs[k].truncation;
        e.args.score = align_2d(v2_score, ALIGN_F64, 1, 8);
        e.args.label = align_2d(label, ALIGN_F64, 1, 8);
        e.args.hscore = align_2d(h, ALIGN_F64, 1, 8);
        run(&e);
        for (int i = 0; i < 8; i++)
            if (i != 1) {
                near(e.d[i], runs[k].d[i], 5e-6, "gradient");
                near(h[i], runs[k].curve[i], 5e-6, "second derivative");
            }
    }
}
END_TEST

/* TF-Ranking, losses_impl_test.py, the tables of DCGLambdaWeight and DCGLambdaWeightV2 for labels 2 1 0 at places
 * 1 2 3, divided by its factor K = 3: pairs of places 1 and 2, 1 and 3, 2 and 3. A pair by itself, with equal scores,
 * has half its weight as derivative. */
START_TEST(weights_agree_with_tf_ranking)
{
    const struct {
        const char *loss, *preset;
        int32_t top_n;
        double weight[3];
    } tables[] = {
        {"ndcg_loss2", "tfr", 0, {.5, 1. / 3, .5}}, {"ndcg_loss2", "tfr", 1, {.5, 1. / 3, 0}},
        {"ndcg_loss2", "tfr-v2", 1, {1, .5, .75}},  {"lipo_lambda", "tfr", 0, {.5, 4. / 3, 1. / 6}},
        {"lipo_lambda", "tfr", 1, {1, 2, 0}},
    };
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (int pair = 0; pair < 3; pair++) {
            const int first = pair == 2, second = pair == 0 ? 1 : 2;
            double score[] = {0, 0}, label[] = {2 - first, 2 - second};
            int32_t place[] = {1 + first, 1 + second};
            struct eval e;
            open_eval(&e, tables[t].loss, tables[t].preset);
            e.params.beta = 1;
            e.params.top_n = tables[t].top_n;
            e.args.score = align_2d(score, ALIGN_F64, 1, 2);
            e.args.label = align_2d(label, ALIGN_F64, 1, 2);
            e.args.rank = align_2d(place, ALIGN_I32, 1, 2);
            run(&e);
            near(-2 * e.d[0], tables[t].weight[pair], 1e-15, tables[t].preset);
        }
}
END_TEST

/* TRL's reward-model example (RewardTrainer with margin and center_rewards_coefficient .01), evaluated in
 * f64 through PyTorch's autograd. */
START_TEST(bradley_terry_agrees_with_trl)
{
    double score[] = {1.2, .7, .3, .9, -.5, -1.5, 2, -1}, margin[] = {0, .5, 1, 2}, group[4];
    const double losses[] = {.474076984180, 1.387335325115, .693147180560, .313261687518};
    const double chosen[] = {-.0848851672, -.181565026399, -.135, -.062235355342};
    const double rejected[] = {.1038851672, .193565026399, .115, .072235355342};
    struct eval e;
    open_eval(&e, "bradley_terry", NULL);
    e.args.denom = 0;
    e.args.score = align_2d(score, ALIGN_F64, 4, 2);
    e.args.offset = align_1d(margin, ALIGN_F64, 4);
    e.args.group_value = align_1d(group, ALIGN_F64, 4);
    run(&e);
    for (int g = 0; g < 4; g++)
        near(group[g], losses[g], 1e-12, "pair loss");
    e.params.center = .01;
    run(&e);
    near(e.value, .742080294343, 1e-12, "total");
    for (int g = 0; g < 4; g++) {
        near(e.d[2 * g], chosen[g], 1e-10, "chosen");
        near(e.d[2 * g + 1], rejected[g], 1e-10, "rejected");
    }
}
END_TEST

/* The table of part A3 of the project's reference on reward models. */
START_TEST(bradley_terry_agrees_with_the_table)
{
    const double rows[][4] = {
        {-100, 100, -1, 0},
        {-20, 20.000000002061, -.999999997939, 0},
        {0, .693147180560, -.5, 0},
        {.5, .474076984180, -.377540668798, 0},
        {.5, .524076984180, -.277540668798, .1},
        {20, 2.000000002061, .099999997939, .1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double score[] = {rows[i][0], 0};
        struct eval e;
        open_eval(&e, "bradley_terry", NULL);
        e.params.label_smoothing = rows[i][3];
        e.args.score = align_2d(score, ALIGN_F64, 1, 2);
        run(&e);
        near(e.value, rows[i][1], 1e-12, "loss");
        near(e.d[0], rows[i][2], 1e-12, "gradient");
    }
}
END_TEST

/* Points of part A1.9 of the same reference, made by automatic differentiation: ties at d = .5, and one ranking by
 * Plackett and Luce. */
START_TEST(ties_and_rankings_agree_with_points)
{
    static const double labels[3][2] = {{1, 0}, {0, 1}, {0, 0}};
    static const double davidson[3] = {.448516719875, .272039141998, .279444138127};
    static const double kupper[3] = {.549833997312, .310025518872, .140140483815};
    double score[] = {.5, 0}, ranked[] = {1, .2, -.5, .8}, label[] = {4, 3, 2, 1};
    const double gradient[] = {-.598585395238, -.518310356978, -.546634985329, 1.663530737546};
    struct eval e;
    for (int k = 0; k < 3; k++) {
        open_eval(&e, "bt_ties_davidson", NULL);
        e.params.beta = 1;
        e.params.nu = .8;
        e.args.score = align_2d(score, ALIGN_F64, 1, 2);
        e.args.label = align_2d(labels[k], ALIGN_F64, 1, 2);
        run(&e);
        near(exp(-e.value), davidson[k], 2e-12, "Davidson");
        open_eval(&e, "bt_ties_rk", NULL);
        e.params.beta = 1;
        e.params.eta = .3;
        e.args.score = align_2d(score, ALIGN_F64, 1, 2);
        e.args.label = align_2d(labels[k], ALIGN_F64, 1, 2);
        run(&e);
        near(exp(-e.value), kupper[k], 2e-12, "Rao-Kupper");
    }
    open_eval(&e, "list_mle", NULL);
    e.params.beta = 1;
    e.args.score = align_2d(ranked, ALIGN_F64, 1, 4);
    e.args.label = align_2d(label, ALIGN_F64, 1, 4);
    run(&e);
    near(e.value, 3.653343289221, 1e-12, "Plackett-Luce");
    for (int i = 0; i < 4; i++)
        near(e.d[i], gradient[i], 1e-12, "slope");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden loss");
    TCase *tcase = tcase_create("golden loss");
    tcase_add_loop_test(tcase, lists_agree_with_v1_and_v2, 0, sizeof vectors / sizeof vectors[0]);
    tcase_add_test(tcase, lipo_as_run_is_a_multiple_of_lipo);
    tcase_add_test(tcase, orders_with_ties);
    tcase_add_test(tcase, wide_lists_do_not_overflow);
    tcase_add_test(tcase, lists_agree_with_allrank);
    tcase_add_test(tcase, lists_agree_with_tf_ranking);
    tcase_add_test(tcase, lists_agree_with_xgboost);
    tcase_add_test(tcase, lists_agree_with_lightgbm);
    tcase_add_test(tcase, weights_agree_with_tf_ranking);
    tcase_add_test(tcase, approx_ndcg_agrees_with_its_libraries);
    tcase_add_test(tcase, bradley_terry_agrees_with_trl);
    tcase_add_test(tcase, bradley_terry_agrees_with_the_table);
    tcase_add_test(tcase, ties_and_rankings_agree_with_points);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
