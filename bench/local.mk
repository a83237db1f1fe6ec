# bench
EXTRA_PROGRAMS += bench/kernels
bench_kernels_SOURCES = bench/kernels.c
CLEANFILES += bench/kernels
bench-kernels: bench/kernels$(EXEEXT)
	bench/kernels$(EXEEXT)
.PHONY: bench-kernels
