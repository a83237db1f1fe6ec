# src/registry: row 6
noinst_HEADERS += src/registry/registry.h
