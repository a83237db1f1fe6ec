# src/load: row 5
libkerasd_a_SOURCES += \
	src/load/architecture.c src/load/architecture.h \
	src/load/load.c src/load/load.h \
	src/load/spawn.c src/load/spawn.h
