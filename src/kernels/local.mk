# src/kernels: row 2, float loops and BLAS
noinst_HEADERS += src/kernels/math.h
libkerasd_a_SOURCES += \
	src/kernels/binary.c \
	src/kernels/cast.c \
	src/kernels/conv.c src/kernels/conv.h \
	src/kernels/conv_lstm.c \
	src/kernels/cpu.c src/kernels/cpu.h \
	src/kernels/elementwise.h \
	src/kernels/gather.c \
	src/kernels/gemm.c src/kernels/gemm.h \
	src/kernels/hash.c src/kernels/hash.h \
	src/kernels/lookup.c src/kernels/lookup.h \
	src/kernels/math.c \
	src/kernels/movement.c src/kernels/movement.h \
	src/kernels/pool.c src/kernels/pool.h \
	src/kernels/reduce.c src/kernels/reduce.h \
	src/kernels/resize.c src/kernels/resize.h \
	src/kernels/rnn.c src/kernels/rnn.h \
	src/kernels/sort.c \
	src/kernels/text.c \
	src/kernels/unary.c
