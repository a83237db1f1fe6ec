# src/keras: row 4
noinst_HEADERS += src/keras/layer.h src/keras/layers.def src/keras/keras.h
