/* The slow head: one row at a time in long double, straight from the definitions, with the sums taken
 * relative to the target instead of the maximum. */
#ifndef TESTS_REF_HEAD_H
#define TESTS_REF_HEAD_H

#include <stdint.h>

struct ref_row {
    const double *x; /* logits before scale and softcap */
    int64_t vocab, target;
    double scale, softcap;
};

struct ref_row_values {
    double logp, lse, entropy, collision;
    int hit;
};

struct ref_row_values ref_row_forward(const struct ref_row *row);

/* out[v] = d (c logp + dentropy entropy + dlse lse) / d x_v. */
void ref_row_backward(const struct ref_row *row, double c, double dentropy, double dlse,
                      double *out);

/* KL(q||p) of softmax(z / temperature), by its definition. */
double ref_row_kl(const struct ref_row *q, const struct ref_row *p, double temperature);

#endif
