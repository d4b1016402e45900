/* The trainer in double: its gradients against central differences of its own loss. */
#include "../suite.h"
#include "layers.h"
#include "tiny.h"
#include "train.h"

#include <math.h>
#include <string.h>

enum { GROUPS = 5 };

static const int all_groups[GROUPS] = {0, 1, 2, 3, 4};

/* Central difference of fn along parameter i. */
static double slope(model *m, int64_t i, double (*fn)(void *), void *context)
{
    const real kept = m->params[i];
    const double step = 1e-5;
    double above, below;

    m->params[i] = kept + step;
    above = fn(context);
    m->params[i] = kept - step;
    below = fn(context);
    m->params[i] = kept;
    return (above - below) / (2 * step);
}

/* value: what was differenced; its rounding is what a central difference cannot see past. */
static void check_slope(double gradient, double measured, double value, const char *what, int64_t i)
{
    const double most = 2e-7 * (1 + fabs(gradient)) + 1e-10 * fabs(value);

    ck_assert_msg(fabs(gradient - measured) <= most,
                  "%s: parameter %lld: gradient %.12g, central difference %.12g", what,
                  (long long)i, gradient, measured);
}

/* A fixed random combination of the logits of some rows: every way through the model. */
struct probe {
    model m;
    pool *threads;
    tape t;
    model_batch b;
    real weight[9 * 20];
};

static double probe_value(void *context)
{
    struct probe *p = context;
    double sum = 0;

    model_forward(&p->m, p->threads, &p->b, &p->t);
    for (int i = 0; i < p->b.outputs * p->m.config.vocab; i++)
        sum += p->weight[i] * p->t.logits[i];
    return sum;
}

START_TEST(model_gradient)
{
    static const int token[13] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 19};
    static const int offset[4] = {0, 7, 8, 13}, row[9] = {0, 2, 3, 6, 7, 9, 10, 11, 12};
    struct probe p = {.b = {13, 3, 9, token, offset, row}};
    rng r = {5};
    weights view;
    real *gradient;

    tiny_model(&p.m, 11, _i == 1);
    p.threads = pool_start(2);
    tape_create(&p.t, &p.m.config, 13, 9, 2);
    for (int i = 0; i < 9 * 20; i++)
        p.weight[i] = rng_normal(&r);
    probe_value(&p);
    gradient = take(p.m.count, sizeof *gradient);
    weights_map(&view, &p.m.config, gradient);
    memcpy(p.t.logits, p.weight, sizeof p.weight);
    model_backward(&p.m, p.threads, &p.b, &p.t, &view);
    for (int64_t i = 0; i < p.m.count; i++)
        check_slope(gradient[i], slope(&p.m, i, probe_value, &p), 0, "model", i);
    free(gradient);
    tape_free(&p.t);
    model_free(&p.m);
    pool_stop(p.threads);
}
END_TEST

static double training_loss(void *context)
{
    problem why;
    tally sum = {0};

    ck_assert_msg(train_evaluate(context, all_groups, GROUPS, &sum, &why), "%s", why.text);
    return sum.loss / sum.groups;
}

/* The whole way: model, head, loss, head backward, model backward. Parameters by a stride that is
 * prime to all sizes. Of nbpo the exact form: the other one holds factors constant, as tdpo does unless told. */
static void check_loss(const char *name, int most)
{
    model m;
    dataset d;
    preference f;
    trainer t;
    problem why;
    tally sum = {0};
    rng r = {23};

    tiny_model(&m, 17, false);
    tiny_data(&d, 31, GROUPS, most, &m.config);
    pool *threads = pool_start(2);
    ck_assert_msg(preference_open(&f, name, m.config.vocab, threads, &why), "%s", why.text);
    if (f.info.id == ALIGN_LOSS_NBPO)
        ck_assert_msg(preference_set(&f, "form", ALIGN_FORM_EXACT, &why), "%s", why.text);
    if (f.info.id == ALIGN_LOSS_TDPO)
        ck_assert_msg(preference_set(&f, "stop", ALIGN_STOP_NONE, &why), "%s", why.text);
    trainer_create(&t, &m, threads, &d, &f);
    t.ref = take(d.count, sizeof *t.ref);
    ck_assert(train_log_probabilities(&t, all_groups, GROUPS, t.ref, &why));
    for (int64_t i = 0; i < m.count; i++)
        m.params[i] += 0.05 * rng_normal(&r);
    ck_assert_msg(train_gradient(&t, all_groups, GROUPS, &sum, &why), "%s", why.text);
    for (int64_t i = 0; i < m.count; i += 43)
        check_slope(t.gradient[i], slope(&m, i, training_loss, &t), sum.loss / sum.groups, name, i);
    trainer_free(&t);
    preference_close(&f);
    data_free(&d);
    model_free(&m);
    pool_stop(threads);
}

/* Every row of the table on pairs and on ragged lists, but those that need the policy that made the answers. */
START_TEST(loss_gradient)
{
    align_loss_info info = {.size = sizeof info};
    ck_assert_int_eq(align_loss_get_info(_i, &info), ALIGN_E_NONE);
    if (info.needs & ALIGN_LOSS_READS_OLD) {
        ck_assert_int_eq(info.arity, ALIGN_LOSS_SINGLE);
        return;
    }
    check_loss(info.name, 2);
    check_loss(info.name, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_gradient");
    TCase *tcase = tcase_create("gradient");
    SRunner *runner;
    int failed;

    linear_single_threaded_blas();
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, model_gradient, 0, 2);
    tcase_add_loop_test(tcase, loss_gradient, 1, align_loss_count() + 1);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
