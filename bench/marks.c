/* For a program under callgrind: count from here on, and write down what has been counted. */

#include <valgrind/callgrind.h>

void begin_counting(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void write_counts(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
