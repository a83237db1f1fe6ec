# src/daemon: row 8, main and command line
bin_PROGRAMS += kerasd
kerasd_SOURCES = src/daemon/main.c \
	src/daemon/args.c src/daemon/args.h \
	src/daemon/notify.c src/daemon/notify.h \
	src/daemon/predict.c \
	src/daemon/serve.c src/daemon/serve.h \
	src/daemon/taken.c src/daemon/taken.h \
	src/daemon/tools.c src/daemon/tools.h
