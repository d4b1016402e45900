/* Parameters of a loss by name. */
#ifndef TESTS_LOSS_SET_H
#define TESTS_LOSS_SET_H

#include "suite.h"

#include <libalign/loss.h>

#include <string.h>

static inline void set_param(align_loss_params *params, const char *name, double value)
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

#endif
