/* Time: one monotonic clock in nanoseconds, and wall-clock text for logs. */
#ifndef KD_BASE_CLOCK_H
#define KD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in nanoseconds; never fails. */
int64_t clock_now_ns(void);
/* Wall clock in nanoseconds since the epoch. */
int64_t clock_wall_ns(void);
/* "2026-11-22T10:11:12.123Z" into text (at least 32 bytes); returns text. */
char *clock_text(int64_t wall_ns, char *text, size_t size);

#endif
