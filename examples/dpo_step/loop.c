#include "loop.h"

#include <string.h>

void model_forward(const struct model *model, const struct batch *batch, float *logits)
{
    for (int s = 0; s < SEQUENCES; s++)
        for (int t = 0; t < LENGTH; t++) {
            const float *x = model->embedding[batch->token[s][t]];
            float *row = logits + (s * LENGTH + t) * PADDED;
            for (int v = 0; v < VOCABULARY; v++) {
                row[v] = 0;
                for (int d = 0; d < WIDTH; d++)
                    row[v] += model->head[v][d] * x[d];
            }
        }
}

void model_backward(const struct model *model, const struct batch *batch, const float *dlogits,
                    struct model *grad)
{
    memset(grad, 0, sizeof *grad);
    for (int s = 0; s < SEQUENCES; s++)
        for (int t = 0; t < LENGTH; t++) {
            int32_t token = batch->token[s][t];
            const float *row = dlogits + (s * LENGTH + t) * PADDED;
            for (int v = 0; v < VOCABULARY; v++)
                for (int d = 0; d < WIDTH; d++) {
                    grad->embedding[token][d] += row[v] * model->head[v][d];
                    grad->head[v][d] += row[v] * model->embedding[token][d];
                }
        }
}

void model_update(struct model *model, const struct model *grad, float rate)
{
    float *x = &model->embedding[0][0];
    const float *dx = &grad->embedding[0][0];
    for (size_t i = 0; i < sizeof *model / sizeof *x; i++)
        x[i] -= rate * dx[i];
}
