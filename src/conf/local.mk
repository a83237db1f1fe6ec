# src/conf: row 1, the configuration table
libkerasd_a_SOURCES += \
	src/conf/conf.c src/conf/conf.h src/conf/conf.def \
	src/conf/conf_print.c \
	src/conf/conf_type.c src/conf/conf_type.h
