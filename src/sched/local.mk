# src/sched: row 5, queue policy, worker pool, batches
noinst_HEADERS += src/sched/job.h
