# bench
EXTRA_PROGRAMS += bench/kernels
bench_kernels_SOURCES = bench/kernels.c
CLEANFILES += bench/kernels
bench-kernels: bench/kernels$(EXEEXT)
	bench/kernels$(EXEEXT)
.PHONY: bench-kernels
EXTRA_PROGRAMS += bench/networks
bench_networks_SOURCES = bench/networks.c
CLEANFILES += bench/networks
bench-networks: bench/networks$(EXEEXT)
	bench/networks$(EXEEXT)
.PHONY: bench-networks
