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
# Requests per second of the daemon beside a bare handler of the same HTTP library.
EXTRA_PROGRAMS += bench/echo
bench_echo_SOURCES = bench/echo.c
bench_echo_LDADD = $(MICROHTTPD_LIBS)
CLEANFILES += bench/echo
EXTRA_DIST += bench/run.sh
bench: kerasd$(EXEEXT) kerasd-load$(EXEEXT) bench/echo$(EXEEXT)
	KERASD_BUILDDIR='$(abs_top_builddir)' KERASD_SRCDIR='$(abs_top_srcdir)' $(srcdir)/bench/run.sh
.PHONY: bench
