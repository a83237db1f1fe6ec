# src/daemon: row 8, main and command line
bin_PROGRAMS += kerasd
kerasd_SOURCES = src/daemon/main.c
