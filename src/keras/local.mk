# src/keras: row 4
noinst_HEADERS += src/keras/layer.h src/keras/layers.def src/keras/keras.h
# the core
libkerasd_a_SOURCES += \
	src/keras/activation.c \
	src/keras/build.h \
	src/keras/config.c \
	src/keras/json.c src/keras/json.h \
	src/keras/table.c
# layer families
libkerasd_a_SOURCES += \
	src/keras/core.c \
	src/keras/regularization.c
