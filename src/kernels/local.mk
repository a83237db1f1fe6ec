# src/kernels: row 2, float loops and BLAS
noinst_HEADERS += src/kernels/math.h
libkerasd_a_SOURCES += src/kernels/math.c
