# src/load: row 5
noinst_HEADERS += src/load/load.h
