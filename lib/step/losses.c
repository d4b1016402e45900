#include "step.h"

#include "../loss/plan.h"

align_status align__step_check_losses(const struct align__step *step)
{
    for (uint32_t i = 0; i < step->args.n_losses; i++) {
        struct align__plan plan;
        align_status status = align__plan_shapes(&plan, &step->early,
                                                 align__step_loss(&step->args, i));
        plan.early = true;
        if (status == ALIGN_E_NONE)
            status = align__plan_values(&plan);
        if (status != ALIGN_E_NONE)
            return align__step_locate(step, status, ALIGN__STEP_LOSS, i);
    }
    return ALIGN_E_NONE;
}
