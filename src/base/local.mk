# src/base: row 0, libc only
libbase_a_SOURCES += \
	src/base/arena.c src/base/arena.h \
	src/base/assert.c src/base/assert.h \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/err.c src/base/err.h \
	src/base/fd.c src/base/fd.h \
	src/base/lock.c src/base/lock.h \
	src/base/map.c src/base/map.h \
	src/base/size.h \
	src/base/str.c src/base/str.h \
	src/base/thread.c src/base/thread.h
