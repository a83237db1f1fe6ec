# src/registry: row 6, names, versions, loading
libkerasd_a_SOURCES += \
	src/registry/beside.c src/registry/beside.h \
	src/registry/loader.c \
	src/registry/memory.c \
	src/registry/model.h \
	src/registry/registry.c src/registry/registry.h \
	src/registry/selftest.c \
	src/registry/source.c src/registry/source.h \
	src/registry/stats.c \
	src/registry/update.c \
	src/registry/version.c \
	src/registry/watch.c src/registry/watch.h
