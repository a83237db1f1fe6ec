# src/engine: row 3
noinst_HEADERS += src/engine/graph.h src/engine/engine.h
