/* Which instruction sets a call may use. */
#ifndef ALIGN__CPU_H
#define ALIGN__CPU_H

#include <libalign/base.h>

uint64_t align__cpu_allowed(const align_exec *exec);

#endif
