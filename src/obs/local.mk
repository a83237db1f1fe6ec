# src/obs: row 1, log and metrics
libkerasd_a_SOURCES += \
	src/obs/log.c src/obs/log.h \
	src/obs/metrics.c src/obs/metrics.h src/obs/metrics.def
