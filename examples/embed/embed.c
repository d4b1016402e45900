/* DPO in one call: log-probabilities of pairs in, loss and gradients out.
 *
 *     cc embed.c $(pkg-config --cflags --libs libalign) && ./a.out
 *
 * Row g of `score` is a pair: what the policy gives to the chosen and to the rejected answer. `ref` is
 * the same under the reference model. The gradient goes back into the host's own backward pass. */
#include <libalign/align.h>
#include <stdio.h>

int main(void)
{
    const double score[3][2] = {{-12.0, -15.5}, {-30.2, -29.1}, {-8.4, -9.0}};
    const double ref[3][2] = {{-12.5, -14.0}, {-30.0, -30.0}, {-9.1, -8.8}};
    double value = 0, dscore[3][2];

    align_error error;
    align_error_init(&error, sizeof error);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;

    align_loss_params params;
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.params = &params;
    loss.score = align_2d(score, ALIGN_F64, 3, 2);
    loss.ref = align_2d(ref, ALIGN_F64, 3, 2);
    loss.value = align_1d(&value, ALIGN_F64, 1);
    loss.dscore = align_2d(dscore, ALIGN_F64, 3, 2);

    align_status status = align_loss_params_init(&params, sizeof params, ALIGN_LOSS_DPO, NULL);
    params.beta = 0.5;
    if (status == ALIGN_E_NONE)
        status = align_loss_eval(&exec, &loss);
    if (status != ALIGN_E_NONE) {
        fprintf(stderr, "%s: %s\n", align_status_name(status), error.text);
        return 1;
    }
    printf("loss %.6f\n", value);
    for (int g = 0; g < 3; g++)
        printf("pair %d: gradient %+.6f %+.6f\n", g, dscore[g][0], dscore[g][1]);
    return 0;
}
