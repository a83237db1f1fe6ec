# src/kernels: row 2, float loops and BLAS
noinst_HEADERS += src/kernels/math.h
libkerasd_a_SOURCES += \
	src/kernels/binary.c \
	src/kernels/block.h \
	src/kernels/cast.c \
	src/kernels/conv.c src/kernels/conv.h \
	src/kernels/conv_lstm.c \
	src/kernels/cpu.c src/kernels/cpu.h \
	src/kernels/depthwise.c \
	src/kernels/elementwise.h \
	src/kernels/gather.c \
	src/kernels/gemm.c src/kernels/gemm.h \
	src/kernels/groups.h \
	src/kernels/hash.c src/kernels/hash.h \
	src/kernels/lookup.c src/kernels/lookup.h \
	src/kernels/math.c \
	src/kernels/movement.c src/kernels/movement.h \
	src/kernels/norm.c \
	src/kernels/pool.c src/kernels/pool.h \
	src/kernels/reduce.c src/kernels/reduce.h \
	src/kernels/contrast.c src/kernels/contrast.h \
	src/kernels/resize.c src/kernels/resize.h \
	src/kernels/rnn.c src/kernels/rnn.h \
	src/kernels/sort.c \
	src/kernels/strips.c src/kernels/strips.h \
	src/kernels/text.c \
	src/kernels/unary.c \
	src/kernels/windows.c src/kernels/windows.h \
	src/kernels/winograd.c src/kernels/winograd.h

# One library per instruction set: the same loops, compiled with their own flags. Signalling NaNs, errno and
# traps are nobody's business here; everything else about IEEE arithmetic is kept.
LOOP_SOURCES = src/kernels/isa.h src/kernels/isa.inc \
	src/kernels/binary.inc src/kernels/depthwise.inc src/kernels/gates.inc src/kernels/lines.inc \
	src/kernels/simd.inc src/kernels/strip.inc src/kernels/tile.inc src/kernels/unary.inc \
	src/kernels/vmath.inc src/kernels/winograd.inc
LOOP_CFLAGS = $(AM_CFLAGS) -fno-math-errno -fno-trapping-math -ffp-contract=fast
noinst_LIBRARIES += libkernels_generic.a
KERNEL_LIBS += libkernels_generic.a
libkernels_generic_a_SOURCES = src/kernels/isa_generic.c $(LOOP_SOURCES)
libkernels_generic_a_CFLAGS = $(LOOP_CFLAGS)
if X86_64
noinst_LIBRARIES += libkernels_avx2.a libkernels_avx512.a
KERNEL_LIBS += libkernels_avx2.a libkernels_avx512.a
libkernels_avx2_a_SOURCES = src/kernels/isa_avx2.c $(LOOP_SOURCES)
libkernels_avx2_a_CFLAGS = $(LOOP_CFLAGS) -mavx2 -mfma -mbmi -mbmi2
libkernels_avx512_a_SOURCES = src/kernels/isa_avx512.c $(LOOP_SOURCES)
libkernels_avx512_a_CFLAGS = $(LOOP_CFLAGS) -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mbmi -mbmi2 \
	-mprefer-vector-width=512
endif

# CFLAGS come last on the command line, and their usual -O2 would leave the loops scalar. (With checks of a
# sanitizer in them, they are scalar anyway.)
if !SANITIZED
src/kernels/libkernels_generic_a-isa_generic.$(OBJEXT): CFLAGS += -O3
src/kernels/libkernels_avx2_a-isa_avx2.$(OBJEXT): CFLAGS += -O3
src/kernels/libkernels_avx512_a-isa_avx512.$(OBJEXT): CFLAGS += -O3
endif
