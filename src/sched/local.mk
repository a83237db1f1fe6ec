# src/sched: row 5, queue policy, worker pool, batches
libkerasd_a_SOURCES += \
	src/sched/batch.c src/sched/batch.h \
	src/sched/job.h \
	src/sched/pool.c src/sched/pool.h \
	src/sched/queue.c src/sched/queue.h
