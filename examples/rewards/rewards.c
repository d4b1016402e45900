/* From a judge's raw scores to advantages, in the steps of a PPO trainer:
 *
 *     scores -> running normaliser -> token rewards with KL -> GAE -> whitening
 *
 * A trainer has the arrays of struct batch already; what is made up here stands in make_batch. The steps
 * are written out first, then said as data, and the program checks that both give the same numbers. */
#include <libalign/advantage.h>
#include <libalign/norm.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 8, TOKENS = 12, BATCHES = 3 };

struct batch {
    float score[SEQUENCES];          /* the judge's, 1 to 10; NaN where it gave no number */
    float logp[SEQUENCES][TOKENS];   /* the policy's log-probabilities of its own tokens */
    float ref[SEQUENCES][TOKENS];    /* the reference model's */
    float value[SEQUENCES][TOKENS];  /* the value head's */
    uint8_t mask[SEQUENCES][TOKENS]; /* 1: the policy wrote this token */
    uint8_t truncated[SEQUENCES];    /* 1: cut off at the token limit */
    float bootstrap[SEQUENCES];      /* the value after a sequence that was cut off */
    float reward[SEQUENCES][TOKENS]; /* results */
    float advantage[SEQUENCES][TOKENS];
    float target[SEQUENCES][TOKENS];
};

static align_error error;

static void check(align_status status)
{
    if (status == ALIGN_E_NONE)
        return;
    fprintf(stderr, "rewards: %s: %s\n", align_status_name(status), error.text);
    exit(EXIT_FAILURE);
}

static float made_up(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (float)(*state >> 8) * 0x1p-24f;
}

static void make_batch(struct batch *b, uint32_t seed)
{
    memset(b, 0, sizeof *b);
    for (int s = 0; s < SEQUENCES; s++) {
        int length = 4 + (int)(made_up(&seed) * (TOKENS - 3));
        b->score[s] = s == 5 ? NAN : 1 + floorf(9 * made_up(&seed));
        b->truncated[s] = length == TOKENS;
        b->bootstrap[s] = made_up(&seed);
        for (int t = 0; t < length; t++) {
            b->mask[s][t] = t != 2; /* token 2 is an observation, which the policy did not write */
            b->logp[s][t] = -2 * made_up(&seed);
            b->ref[s][t] = b->logp[s][t] - .4f * (made_up(&seed) - .3f);
            b->value[s][t] = made_up(&seed) - .5f;
        }
    }
}

/* Scores of any scale and offset become numbers of mean 0 and deviation 1 over all that was seen, clipped to
 * +-5; a judge that gave no number counts as 0. */
static align_norm make_normaliser(void)
{
    align_norm_params params;
    align_norm state;
    check(align_norm_params_init(&params, sizeof params, ALIGN_NORM_ZSCORE));
    params.clip_low = -5;
    params.clip_high = 5;
    params.nan = ALIGN_NORM_NAN_ZERO;
    check(align_norm_init(&state, sizeof state, &params));
    return state;
}

static void normalise(const align_exec *exec, align_norm *state, float *score, float *normalised)
{
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = align_1d(score, ALIGN_F32, SEQUENCES);
    check(align_norm_update(exec, state, &args));
    args.out = align_1d(normalised, ALIGN_F32, SEQUENCES);
    check(align_norm_apply(exec, state, &args));
}

/* The score at each answer's last token, and -beta KL at every token. */
static void shape(const align_exec *exec, struct batch *b, const float *score, double beta,
                  double *kl)
{
    align_dense_source judge;
    align_dense_args args;
    align_dense_source_init(&judge, sizeof judge);
    judge.value = align_1d(score, ALIGN_F32, SEQUENCES);
    align_dense_args_init(&args, sizeof args);
    args.sources = &judge;
    args.n_sources = 1;
    args.mask = align_2d(b->mask, ALIGN_U8, SEQUENCES, TOKENS);
    args.kl_kind = ALIGN_KL_K1;
    args.beta = beta;
    args.logp = align_2d(b->logp, ALIGN_F32, SEQUENCES, TOKENS);
    args.ref = align_2d(b->ref, ALIGN_F32, SEQUENCES, TOKENS);
    args.reward = align_2d(b->reward, ALIGN_F32, SEQUENCES, TOKENS);
    args.sequence_kl = align_1d(kl, ALIGN_F64, SEQUENCES);
    check(align_dense_eval(exec, &args));
}

static void estimate(const align_exec *exec, struct batch *b)
{
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args); /* GAE with gamma 1 and lambda .95 */
    args.reward = align_2d(b->reward, ALIGN_F32, SEQUENCES, TOKENS);
    args.value = align_2d(b->value, ALIGN_F32, SEQUENCES, TOKENS);
    args.mask = align_2d(b->mask, ALIGN_U8, SEQUENCES, TOKENS);
    args.truncated = align_1d(b->truncated, ALIGN_U8, SEQUENCES);
    args.bootstrap = align_1d(b->bootstrap, ALIGN_F32, SEQUENCES);
    args.advantage = align_2d(b->advantage, ALIGN_F32, SEQUENCES, TOKENS);
    args.target = align_2d(b->target, ALIGN_F32, SEQUENCES, TOKENS);
    check(align_advantage_eval(exec, &args));
}

static align_norm_params whitening(void)
{
    align_norm_params params;
    check(align_norm_params_init(&params, sizeof params, ALIGN_NORM_ZSCORE));
    params.eps_form = ALIGN_NORM_EPS_SQRT;
    return params;
}

static void whiten(const align_exec *exec, struct batch *b)
{
    align_norm_params params = whitening();
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.params = &params;
    args.reward = align_2d(b->advantage, ALIGN_F32, SEQUENCES, TOKENS);
    args.mask = align_2d(b->mask, ALIGN_U8, SEQUENCES, TOKENS);
    args.out = args.reward;
    check(align_norm_apply(exec, NULL, &args));
}

/* The last three steps as data: TRL's order of PPO, with this program's beta. */
static void run_pipeline(const align_exec *exec, struct batch *b, float *score, double beta)
{
    align_norm_params params[3];
    align_pipeline plan;
    align_pipeline_args args;
    double shaped[SEQUENCES];
    for (int i = 0; i < 3; i++)
        params[i].size = sizeof params[i];
    align_pipeline_init(&plan, sizeof plan);
    check(align_pipeline_preset_get("trl_ppo", &plan, params));
    plan.beta = beta;
    align_pipeline_args_init(&args, sizeof args);
    args.pipeline = &plan;
    args.score = align_1d(score, ALIGN_F32, SEQUENCES);
    args.mask = align_2d(b->mask, ALIGN_U8, SEQUENCES, TOKENS);
    args.logp = align_2d(b->logp, ALIGN_F32, SEQUENCES, TOKENS);
    args.ref = align_2d(b->ref, ALIGN_F32, SEQUENCES, TOKENS);
    args.value = align_2d(b->value, ALIGN_F32, SEQUENCES, TOKENS);
    args.truncated = align_1d(b->truncated, ALIGN_U8, SEQUENCES);
    args.bootstrap = align_1d(b->bootstrap, ALIGN_F32, SEQUENCES);
    args.shaped = align_1d(shaped, ALIGN_F64, SEQUENCES);
    args.reward = align_2d(b->reward, ALIGN_F32, SEQUENCES, TOKENS);
    args.advantage = align_2d(b->advantage, ALIGN_F32, SEQUENCES, TOKENS);
    args.target = align_2d(b->target, ALIGN_F32, SEQUENCES, TOKENS);
    check(align_pipeline_eval(exec, &args));
}

static void print_batch(const struct batch *b, const float *normalised, double kl, double beta)
{
    printf("   score  normalised  first advantages   (mean KL %.3f, next beta %.5f)\n", kl, beta);
    for (int s = 0; s < SEQUENCES; s++)
        printf("  %6.1f  %10.4f  %7.3f %7.3f %7.3f %7.3f\n", (double)b->score[s],
               (double)normalised[s], (double)b->advantage[s][0], (double)b->advantage[s][1],
               (double)b->advantage[s][2], (double)b->advantage[s][3]);
}

int main(void)
{
    align_exec exec;
    align_kl_controller controller;
    align_norm normaliser = make_normaliser();
    unsigned char saved[ALIGN_NORM_BYTES];
    static struct batch batch, again;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_kl_controller_init(&controller, sizeof controller);
    controller.target = .5;
    for (uint32_t step = 0; step < BATCHES; step++) {
        float normalised[SEQUENCES];
        double kl[SEQUENCES], mean = 0;
        make_batch(&batch, step + 1);
        normalise(&exec, &normaliser, batch.score, normalised);
        shape(&exec, &batch, normalised, controller.beta, kl);
        estimate(&exec, &batch);
        whiten(&exec, &batch);

        again = batch;
        memset(again.advantage, 0, sizeof again.advantage);
        run_pipeline(&exec, &again, normalised, controller.beta);
        if (memcmp(&again, &batch, sizeof batch) != 0) {
            fputs("rewards: the steps and the pipeline differ\n", stderr);
            return EXIT_FAILURE;
        }
        for (int s = 0; s < SEQUENCES; s++)
            mean += kl[s] / SEQUENCES;
        check(align_kl_controller_update(&exec, &controller, mean, SEQUENCES));
        print_batch(&batch, normalised, mean, controller.beta);

        /* A checkpoint of the run has the normaliser in it. */
        check(align_norm_save(&exec, &normaliser, saved, sizeof saved));
        check(align_norm_load(&exec, &normaliser, sizeof normaliser, saved, sizeof saved));
    }
    align_norm_moments seen = {.size = sizeof seen};
    check(align_norm_get(&exec, &normaliser, &seen));
    printf("%lld scores seen, %lld without a number: mean %.4f, deviation %.4f\n",
           (long long)seen.count, (long long)seen.skipped, seen.mean, seen.deviation);
    return EXIT_SUCCESS;
}
