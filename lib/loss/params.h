/* Parameters of losses: description, defaults, presets, checks. */
#ifndef ALIGN__LOSS_PARAMS_H
#define ALIGN__LOSS_PARAMS_H

#include "../base/exec.h"
#include "row.h"

/* Takes the caller's parameters, or the row's defaults for NULL, to *params, checked. */
align_status align__loss_params(const align_exec *exec, const struct align__loss_row *row,
                                align_loss_id id, align_loss_params *params,
                                const align_loss_params *user);

/* The value of a parameter, whatever its dtype. */
double align__param_get(const align_loss_params *params, enum align__param param);

bool align__loss_has(const struct align__loss_row *row, enum align__param param);

void align__param_describe(const struct align__param_use *use, align_param_info *info);

#endif
