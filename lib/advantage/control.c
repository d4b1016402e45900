#include "advantage.h"

#include <float.h>
#include <math.h>
#include <string.h>

void align_kl_controller_init(align_kl_controller *controller, size_t size)
{
    const align_kl_controller defaults = {
        .size = size, .beta = .2, .target = 6, .horizon = 1e4, .limit = .2};
    memset(controller, 0, size);
    memcpy(controller, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

void align_lagrange_init(align_lagrange *lagrange, size_t size)
{
    const align_lagrange defaults = {.size = size, .rate = .01};
    memset(lagrange, 0, size);
    memcpy(lagrange, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

align_status align_kl_controller_update(const align_exec *user_exec,
                                        align_kl_controller *controller, double kl, int64_t n)
{
    static const char owner[] = "align_kl_controller";
    align_exec exec;
    align_kl_controller c;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &c, sizeof c, sizeof c, controller);
    if (status != ALIGN_E_NONE)
        return status;
    const struct align__number fields[] = {
        {"beta", c.beta, 0, DBL_MAX, "a finite number of 0 or more"},
        {"target", c.target, DBL_MIN, INFINITY, "a number above 0"},
        {"horizon", c.horizon, 0, DBL_MAX, "a finite number of 0 or more"},
        {"rate", c.rate, 0, c.horizon > 0 ? 0 : DBL_MAX, "0 or more, and 0 beside a horizon"},
        {"limit", c.limit, DBL_MIN, INFINITY, "a number above 0"},
    };
    const struct align__number arguments[] = {
        {"kl", kl, -DBL_MAX, DBL_MAX, "a finite number"},
        {"n", (double)n, 0, 0x1p53, "0 or more"},
    };
    status = align__check_numbers(&exec, owner, fields, 5);
    if (status == ALIGN_E_NONE)
        status = align__check_numbers(&exec, NULL, arguments, 2);
    if (status != ALIGN_E_NONE || c.target == INFINITY)
        return status;
    double error = clip(kl / c.target - 1, -c.limit, c.limit);
    controller->beta = c.beta * (1 + error * (c.horizon > 0 ? (double)n / c.horizon : c.rate));
    return ALIGN_E_NONE;
}

align_status align_lagrange_update(const align_exec *user_exec, align_lagrange *lagrange,
                                   double cost)
{
    static const char owner[] = "align_lagrange";
    align_exec exec;
    align_lagrange l;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &l, sizeof l, sizeof l, lagrange);
    if (status != ALIGN_E_NONE)
        return status;
    const struct align__number fields[] = {
        {"multiplier", l.multiplier, l.logarithmic != 0 ? DBL_MIN : 0, DBL_MAX,
         "a finite number of 0 or more, above 0 when logarithmic"},
        {"rate", l.rate, 0, DBL_MAX, "a finite number of 0 or more"},
        {"bound", l.bound, -DBL_MAX, DBL_MAX, "a finite number"},
        {"logarithmic", l.logarithmic, 0, 1, "0 or 1"},
        {"reserved", l.reserved, 0, 0, "0"},
    };
    const struct align__number argument = {"cost", cost, -DBL_MAX, DBL_MAX, "a finite number"};
    status = align__check_numbers(&exec, owner, fields, 5);
    if (status == ALIGN_E_NONE)
        status = align__check_numbers(&exec, NULL, &argument, 1);
    if (status != ALIGN_E_NONE)
        return status;
    double move = l.rate * (cost - l.bound);
    lagrange->multiplier = l.logarithmic != 0 ? l.multiplier * exp(move)
                                              : fmax(0, l.multiplier + move);
    return ALIGN_E_NONE;
}
