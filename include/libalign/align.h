/* libalign/align.h - every header of libalign. */
#ifndef LIBALIGN_ALIGN_H
#define LIBALIGN_ALIGN_H

#include <libalign/advantage.h>
#include <libalign/base.h>
#include <libalign/bt.h>
#include <libalign/head.h>
#include <libalign/loss.h>
#include <libalign/norm.h>
#include <libalign/reward.h>
#include <libalign/step.h>

#endif
