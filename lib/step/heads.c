#include "step.h"

#include "../head/head.h"

/* Fields of a head by what they are to a step. */
struct head_field {
    const char *name;
    size_t offset;
};
#define FIELD(name)                                                                                \
    {                                                                                              \
#        name, offsetof(align_head, name)                                                          \
    }

static const struct head_field results[] = {
    FIELD(logp),    FIELD(count), FIELD(wsum),      FIELD(token_logp), FIELD(lse),
    FIELD(entropy), FIELD(kl),    FIELD(collision), FIELD(hit),        FIELD(jhidden)};
static const struct head_field backward_only[] = {
    FIELD(dlogp),   FIELD(dtoken_logp), FIELD(dentropy), FIELD(dkl),  FIELD(dlse),
    FIELD(dlogits), FIELD(dhidden),     FIELD(dweight),  FIELD(dbias)};

enum {
    RESULTS = sizeof results / sizeof results[0],
    BACKWARD_ONLY = sizeof backward_only / sizeof backward_only[0]
};

static const align_tensor *tensor_of(const align_head *head, const struct head_field *field)
{
    return (const align_tensor *)(const void *)((const char *)head + field->offset);
}

/* A reference has no backward, and so no flags: a head refuses them without their outputs. */
static align_status check_unread(const struct align__step *step, const align_head *ref)
{
    for (int i = 0; i < BACKWARD_ONLY; i++)
        if (align__present(tensor_of(ref, &backward_only[i])))
            return ALIGN__FAIL(&step->exec, FIELD_UNREAD, .owner = "align_step_args.ref",
                               .field = backward_only[i].name, .word = "a step");
    return ALIGN_E_NONE;
}

static align_status check_apart(const struct align__step *step, const align_head *ref,
                                const align_head *policy)
{
    static const char policy_owner[] = "align_step_args.policy";
    struct align__named others[RESULTS + 4] = {{policy_owner, "logits", &policy->logits},
                                               {policy_owner, "hidden", &policy->hidden},
                                               {policy_owner, "weight", &policy->weight},
                                               {policy_owner, "bias", &policy->bias}};
    for (int i = 0; i < RESULTS; i++)
        others[4 + i] = (struct align__named){policy_owner, results[i].name,
                                              tensor_of(policy, &results[i])};
    for (int i = 0; i < RESULTS; i++) {
        struct align__named output = {"align_step_args.ref", results[i].name,
                                      tensor_of(ref, &results[i])};
        align_status status = align__check_output(&step->exec, output, others, RESULTS + 4);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

align_status align__step_measure_kept(struct align__step *step)
{
    struct align__head head;
    align_status status = align__head_check(&head, ALIGN__HEAD_SCRATCH, &step->early,
                                            step->args.policy);
    bool keeps = status == ALIGN_E_NONE && head.linear && !align__present(&head.args.jhidden);
    step->kept = keeps ? align__linear_kept(&head) + align__arena_slack() : 0;
    return status;
}

align_status align__step_check_heads(struct align__step *step)
{
    struct align__head policy, ref;
    const align_exec *early = &step->early;
    align_status status = align__head_check(&policy, ALIGN__HEAD_BACKWARD, early,
                                            step->args.policy);
    step->shared = policy.shared;
    if (status == ALIGN_E_NONE)
        status = align__head_check(&policy, ALIGN__HEAD_FORWARD, early, step->args.policy);
    if (status != ALIGN_E_NONE)
        return align__step_locate(step, status, ALIGN__STEP_POLICY, 0);
    if (step->args.ref == NULL)
        return ALIGN_E_NONE;
    status = align__head_check(&ref, ALIGN__HEAD_FORWARD, early, step->args.ref);
    step->shared |= ref.shared;
    if (status != ALIGN_E_NONE)
        return align__step_locate(step, status, ALIGN__STEP_REF, 0);
    status = check_unread(step, &ref.args);
    return status == ALIGN_E_NONE ? check_apart(step, &ref.args, &policy.args) : status;
}
